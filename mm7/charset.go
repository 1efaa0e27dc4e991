package mm7

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

// charsets are those taken, by the names peers give them; nil is UTF-8. All else is
// refused rather than guessed.
var charsets = map[string]encoding.Encoding{
	"":               nil,
	"utf-8":          nil,
	"utf8":           nil,
	"us-ascii":       nil,
	"ascii":          nil,
	"iso-8859-1":     charmap.ISO8859_1,
	"latin1":         charmap.ISO8859_1,
	"euc-kr":         korean.EUCKR,
	"ks_c_5601-1987": korean.EUCKR,
	"ksc5601":        korean.EUCKR,
	"gb2312":         simplifiedchinese.GB18030,
	"gbk":            simplifiedchinese.GB18030,
	"gb18030":        simplifiedchinese.GB18030,
	"utf-16":         unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
	"utf-16le":       unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM),
	"utf-16be":       unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM),
}

// toUTF8 converts an XML document by, in this order, its byte order mark, its XML
// declaration, and the charset of the Content-Type. Bytes that are no UTF-8 although
// they should be become U+FFFD: one bad letter in a free text must not cost a report.
func toUTF8(data []byte, contentCharset string) ([]byte, error) {
	name := declaredCharset(data)
	if name == "" {
		name = contentCharset
	}
	switch {
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		data, name = data[3:], ""
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		name = "utf-16"
	case len(data) > 1 && data[0] == '<' && data[1] == 0:
		name = "utf-16le"
	case len(data) > 1 && data[0] == 0 && data[1] == '<':
		name = "utf-16be"
	case strings.HasPrefix(strings.ToLower(name), "utf-16"):
		// QUIRK: "utf-16" over bytes that plainly are not; Vibes prints it so.
		name = ""
	}
	enc, known := charsets[strings.ToLower(name)]
	if !known {
		return nil, &SyntaxError{"envelope", "its charset " + headerValue(name) + " is not taken; send UTF-8"}
	}
	if enc != nil {
		out, err := enc.NewDecoder().Bytes(data)
		if err != nil {
			return nil, &SyntaxError{"envelope", "is not in the charset it claims, " + headerValue(name)}
		}
		return out, nil
	}
	if !utf8.Valid(data) {
		return bytes.ToValidUTF8(data, []byte("\uFFFD")), nil
	}
	return data, nil
}

// declaredCharset is the encoding of the XML declaration, if there is one.
func declaredCharset(data []byte) string {
	data = bytes.TrimLeft(data, xmlSpace)
	if !bytes.HasPrefix(data, []byte("<?xml")) {
		return ""
	}
	decl, _, found := bytes.Cut(data[:min(len(data), 200)], []byte("?>"))
	if !found {
		return ""
	}
	_, rest, found := strings.Cut(string(decl), "encoding")
	rest = strings.TrimLeft(rest, xmlSpace)
	if !found || !strings.HasPrefix(rest, "=") {
		return ""
	}
	rest = strings.TrimLeft(rest[1:], xmlSpace)
	if rest == "" || (rest[0] != '"' && rest[0] != '\'') {
		return ""
	}
	name, _, _ := strings.Cut(rest[1:], rest[:1])
	return name
}
