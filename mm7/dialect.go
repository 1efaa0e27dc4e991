package mm7

import (
	"fmt"
	"slices"
	"strings"
)

// namespaceBase is what the schema namespaces of TS 23.140 begin with.
const namespaceBase = "http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/"

// XMLStyle says which elements of the MM7 body carry which namespace; three
// styles are deployed, and some MMSCs take only one of them.
type XMLStyle string

// The styles of XML namespaces.
const (
	StyleDefaultNamespace XMLStyle = "default-namespace" // <SubmitReq xmlns="…"><MM7Version>: the widest accepted
	StylePrefix           XMLStyle = "prefix"            // <mm7:SubmitReq xmlns:mm7="…"><mm7:MM7Version>
	StyleRootPrefixOnly   XMLStyle = "root-prefix-only"  // <mm7:SubmitReq xmlns:mm7="…"><MM7Version>, children in no namespace
)

// NumberFormat says how an E.164 number is written in a Number element.
type NumberFormat string

// The number formats.
const (
	NumberE164Plus NumberFormat = "e164plus" // +15555550101
	NumberE164     NumberFormat = "e164"     // 15555550101
)

// CTE is the Content-Transfer-Encoding of media and text parts.
type CTE string

// The transfer encodings. HTTP is clean for eight bits, so binary is the plain
// reading; base64, in lines of 76 columns (RFC 2045 section 6.8), is a third longer.
const (
	CTEBinary CTE = "binary"
	CTEBase64 CTE = "base64"
)

// Dialect is what one MMSC wants to see: the schema's namespace and version, which
// are set apart because carriers pair them at will, and quirks, each one field.
// Start from a [Preset] and change single fields; [Dialect.Check] tells what is wrong.
type Dialect struct {
	// Namespace is the full namespace URI of the MM7 elements, of TransactionID too.
	Namespace string
	// MM7Version is the text of the MM7Version element.
	MM7Version string
	// XMLStyle is the namespace style of the MM7 elements.
	XMLStyle XMLStyle
	// EnvelopePrefix is the prefix of the SOAP elements; some Java stacks want SOAP-ENV.
	EnvelopePrefix string
	// SOAPAction is the value of that HTTP header to the byte. TS 23.140 wants the
	// null string, which is two quotes; others want a URI, or nothing.
	SOAPAction string
	// NumberFormat is how Number elements are written.
	NumberFormat NumberFormat
	// CTE is how text and media parts are encoded.
	CTE CTE
	// OmitSenderAddress leaves SenderAddress out, for an MMSC that takes the sender
	// from the login and refuses the element.
	OmitSenderAddress bool
	// EnvelopeContentID is the Content-ID of the SOAP part, without < and >. Some
	// MMSCs want it to look like "/tnn-200102/mm7-submit".
	EnvelopeContentID string
}

// presets in the order Presets tells them.
var presets = []struct {
	name          string
	namespaceTail string
	version       string
}{
	{"rel-6-mm7-1-4", "REL-6-MM7-1-4", "6.8.0"},
	{"rel-5-mm7-1-2", "REL-5-MM7-1-2", "5.3.0"},
}

// Preset returns the dialect of that name, and false for a name not in [Presets].
func Preset(name string) (Dialect, bool) {
	for _, p := range presets {
		if p.name == name {
			return Dialect{
				Namespace:         namespaceBase + p.namespaceTail,
				MM7Version:        p.version,
				XMLStyle:          StyleDefaultNamespace,
				EnvelopePrefix:    "env",
				SOAPAction:        `""`,
				NumberFormat:      NumberE164Plus,
				CTE:               CTEBinary,
				EnvelopeContentID: "mm7-soap",
			}, true
		}
	}
	return Dialect{}, false
}

// Presets are the names [Preset] knows.
func Presets() []string {
	var names []string
	for _, p := range presets {
		names = append(names, p.name)
	}
	return names
}

// Check says what in the dialect cannot be written to the wire, by field and with
// what would be right; nil when all of it can.
func (d Dialect) Check() error {
	switch {
	case d.Namespace == "" || strings.ContainsAny(d.Namespace, " <>\"&\r\n\t"):
		return fmt.Errorf("dialect: Namespace %q is not a URI; use that of the carrier's schema, such as %sREL-6-MM7-1-4", d.Namespace, namespaceBase)
	case d.MM7Version == "" || !only(d.MM7Version, "0123456789."):
		return fmt.Errorf("dialect: MM7Version %q is not digits and dots, such as 6.8.0", d.MM7Version)
	case !slices.Contains([]XMLStyle{StyleDefaultNamespace, StylePrefix, StyleRootPrefixOnly}, d.XMLStyle):
		return fmt.Errorf("dialect: XMLStyle %q is none of default-namespace, prefix, root-prefix-only", d.XMLStyle)
	case !isXMLName(d.EnvelopePrefix) || d.EnvelopePrefix == bodyPrefix:
		return fmt.Errorf("dialect: EnvelopePrefix %q is not a prefix (a letter, then letters, digits, - or _; mm7 is taken)", d.EnvelopePrefix)
	case strings.ContainsFunc(d.SOAPAction, func(r rune) bool { return r < ' ' || r > '~' }):
		return fmt.Errorf("dialect: SOAPAction %q has characters no HTTP header can carry", d.SOAPAction)
	case d.NumberFormat != NumberE164Plus && d.NumberFormat != NumberE164:
		return fmt.Errorf("dialect: NumberFormat %q is none of e164plus, e164", d.NumberFormat)
	case d.CTE != CTEBinary && d.CTE != CTEBase64:
		return fmt.Errorf("dialect: CTE %q is none of binary, base64", d.CTE)
	case d.EnvelopeContentID == "" || !only(d.EnvelopeContentID, tokenChars+"/@"):
		return fmt.Errorf("dialect: EnvelopeContentID %q may hold letters, digits and . _ - / @ only, without < and >", d.EnvelopeContentID)
	}
	return nil
}

// release6 tells whether the namespace is of Release 6, whose schema has elements
// that Release 5 does not.
func (d Dialect) release6() bool {
	return strings.Contains(d.Namespace, "REL-6-")
}

// bodyPrefix is the prefix of MM7 elements where a style wants one.
const bodyPrefix = "mm7"

// tokenChars are safe in ids, names and cid: URLs without any escaping (RFC 2392).
const tokenChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

// only tells whether s has no character outside set.
func only(s, set string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune(set, r) })
}

func isXMLName(s string) bool {
	return s != "" && only(s, tokenChars) && !strings.Contains("0123456789.-", s[:1])
}
