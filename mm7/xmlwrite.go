package mm7

import (
	"strconv"
	"unicode/utf8"
)

// soapNamespace is the SOAP 1.1 envelope's.
const soapNamespace = "http://schemas.xmlsoap.org/soap/envelope/"

// xmlWriter writes MM7 elements as a dialect wants them. encoding/xml is not used
// for output: it cannot place prefixes, and repeats namespaces on every element.
type xmlWriter struct {
	buf  []byte
	d    Dialect
	root string // prefix of the root and TransactionID, with its colon
	kid  string // prefix of all below the root, with its colon
}

func newXMLWriter(d Dialect) *xmlWriter {
	w := &xmlWriter{d: d, buf: make([]byte, 0, 1536)}
	if d.XMLStyle != StyleDefaultNamespace {
		w.root = bodyPrefix + ":"
	}
	if d.XMLStyle == StylePrefix {
		w.kid = bodyPrefix + ":"
	}
	return w
}

func (w *xmlWriter) raw(parts ...string) {
	for _, s := range parts {
		w.buf = append(w.buf, s...)
	}
}

// envelope writes the whole document; body writes what stands in the SOAP Body.
// Without a TransactionID there is no Header (a fault about a missing one has none).
func (w *xmlWriter) envelope(transactionID string, body func()) []byte {
	p := w.d.EnvelopePrefix
	w.raw(`<?xml version="1.0" encoding="UTF-8"?>`, "\n<", p, ":Envelope xmlns:", p, `="`, soapNamespace, `">`)
	if transactionID != "" {
		w.raw("<", p, ":Header>")
		w.openRoot("TransactionID", " "+p+`:mustUnderstand="1"`)
		w.text(transactionID)
		w.closeRoot("TransactionID")
		w.raw("</", p, ":Header>")
	}
	w.raw("<", p, ":Body>")
	body()
	w.raw("</", p, ":Body></", p, ":Envelope>\n")
	return w.buf
}

// openRoot begins an element that declares the MM7 namespace.
func (w *xmlWriter) openRoot(name, attrs string) {
	w.raw("<", w.root, name, " xmlns")
	if w.root != "" {
		w.raw(":", bodyPrefix)
	}
	w.raw(`="`)
	w.text(w.d.Namespace)
	w.raw(`"`, attrs, ">")
}

func (w *xmlWriter) closeRoot(name string) { w.raw("</", w.root, name, ">") }

// message writes a root element with its MM7Version and what follows.
func (w *xmlWriter) message(op Operation, rest func()) {
	w.openRoot(string(op), "")
	w.element("MM7Version", w.d.MM7Version)
	rest()
	w.closeRoot(string(op))
}

func (w *xmlWriter) open(name string)  { w.raw("<", w.kid, name, ">") }
func (w *xmlWriter) close(name string) { w.raw("</", w.kid, name, ">") }

// element writes a child with text, always.
func (w *xmlWriter) element(name, value string) {
	w.open(name)
	w.text(value)
	w.close(name)
}

// optional writes a child with text unless the text is empty.
func (w *xmlWriter) optional(name, value string) {
	if value != "" {
		w.element(name, value)
	}
}

// attributes writes an empty element with those of the name and value pairs that
// have a value.
func (w *xmlWriter) attributes(name string, pairs ...string) {
	w.raw("<", w.kid, name)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			w.raw(" ", pairs[i], `="`)
			w.text(pairs[i+1])
			w.raw(`"`)
		}
	}
	w.raw("/>")
}

// address writes one of the address group's elements.
func (w *xmlWriter) address(a Address) {
	name := a.Kind.String()
	w.raw("<", w.kid, name)
	if a.DisplayOnly {
		w.raw(` displayOnly="true"`)
	}
	w.raw(">")
	v := a.Value
	if a.Kind == Number && w.d.NumberFormat == NumberE164 && len(v) > 1 && v[0] == '+' {
		v = v[1:]
	}
	w.text(v)
	w.close(name)
}

// text writes s for an element or an attribute: markup as references, white space
// other than blanks too, since a reader normalises it, and without what XML 1.0
// section 2.2 does not allow, which no reference can express.
func (w *xmlWriter) text(s string) {
	last := 0
	for i := 0; i < len(s); {
		r, size := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
		}
		if with, escape := escaped(r, size); escape {
			w.raw(s[last:i], with)
			last = i + size
		}
		i += size
	}
	w.raw(s[last:])
}

// escaped is what stands for a character that cannot stand for itself. A character
// that took one byte and is the replacement character was no UTF-8.
func escaped(r rune, size int) (string, bool) {
	switch r {
	case '&':
		return "&amp;", true
	case '<':
		return "&lt;", true
	case '>':
		return "&gt;", true
	case '"':
		return "&quot;", true
	case '\'':
		return "&apos;", true
	case '\t', '\n', '\r':
		return "&#" + strconv.Itoa(int(r)) + ";", true
	}
	illegal := r < ' ' || r == 0xFFFE || r == 0xFFFF || (r == utf8.RuneError && size == 1)
	return "", illegal
}
