package mm7

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds of what is read, checked before or while it is parsed. A SubmitReq of a
// hundred recipients needs a tenth of the first; a deeper or wider document than
// the others allow is not MM7.
const (
	MaxEnvelope   = 64 << 10 // bytes of an envelope, and of a whole answer or report
	maxDepth      = 32
	maxAttributes = 16
)

// node is an element. Names are kept as written: prefixes are looked up only where
// somebody asks for a namespace, since children come qualified, unqualified, and
// with prefixes nobody declared.
type node struct {
	prefix, local string
	attrs         []attribute
	text          string // of the element itself, without white space around it
	line          int
	parent        *node
	first, last   *node // children
	next          *node // sibling
}

type attribute struct {
	prefix, local, value string
}

// plainCharset tells whether neither the Content-Type nor anything else but the
// declaration, which the scan reads itself, makes the bytes other than UTF-8.
func plainCharset(name string) bool {
	switch strings.ToLower(name) {
	case "", "utf-8", "utf8", "us-ascii":
		return true
	}
	return false
}

// readXML reads a document in whatever charset is taken, of at most [MaxEnvelope]
// bytes. A scan of our own serves what peers usually send; encoding/xml all else.
func readXML(data []byte, contentCharset string) (*node, error) {
	if len(data) > MaxEnvelope {
		return nil, tooLarge("envelope", MaxEnvelope)
	}
	if plainCharset(contentCharset) {
		if root, sure := scanXML(data); sure {
			return root, nil
		}
	}
	text, err := toUTF8(data, contentCharset)
	if err != nil {
		return nil, err
	}
	return parseSlow(text)
}

// treeBuilder makes the tree from the tokens of a document and keeps the bounds.
type treeBuilder struct {
	root, at *node
	depth    int
	texts    map[*node]*strings.Builder
}

// parseSlow reads with encoding/xml. RawToken is used, and tags matched here, because
// Token resolves namespaces without telling an undeclared prefix from a namespace.
func parseSlow(data []byte) (*node, error) {
	dec := xml.NewDecoder(bytes.NewReader(data))
	dec.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // converted before
	b := treeBuilder{texts: map[*node]*strings.Builder{}}
	for {
		tok, err := dec.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		line, _ := dec.InputPos()
		if err == nil {
			err = b.token(tok, line)
		}
		if err != nil {
			return nil, &SyntaxError{fmt.Sprintf("envelope, line %d", line), xmlReason(err)}
		}
	}
	if b.root == nil || b.at != nil {
		return nil, &SyntaxError{"envelope", "the document ends before its root element does"}
	}
	return b.root, nil
}

func (b *treeBuilder) token(tok xml.Token, line int) error {
	switch t := tok.(type) {
	case xml.Directive:
		return errors.New("a DOCTYPE or other declaration is not taken")
	case xml.StartElement:
		return b.start(t, line)
	case xml.EndElement:
		return b.end(t)
	case xml.CharData:
		return b.chars(t)
	}
	return nil
}

func (b *treeBuilder) start(t xml.StartElement, line int) error {
	switch b.depth++; {
	case b.depth > maxDepth:
		return fmt.Errorf("elements are nested deeper than %d", maxDepth)
	case len(t.Attr) > maxAttributes:
		return fmt.Errorf("an element has more than %d attributes", maxAttributes)
	case b.at == nil && b.root != nil:
		return errors.New("a second root element")
	}
	n := &node{prefix: t.Name.Space, local: t.Name.Local, line: line}
	for _, a := range t.Attr {
		n.attrs = append(n.attrs, attribute{a.Name.Space, a.Name.Local, a.Value})
	}
	if n.repeatsAttribute() {
		return errors.New("an attribute is given twice")
	}
	if b.at == nil {
		b.root = n
	} else {
		b.at.append(n)
	}
	b.at = n
	return nil
}

func (b *treeBuilder) end(t xml.EndElement) error {
	n := b.at
	if n == nil || n.local != t.Name.Local || n.prefix != t.Name.Space {
		return errors.New("an end tag does not match its start tag")
	}
	if text := b.texts[n]; text != nil {
		n.text = strings.Trim(text.String(), xmlSpace)
		delete(b.texts, n)
	}
	b.at = n.parent
	b.depth--
	return nil
}

func (b *treeBuilder) chars(t xml.CharData) error {
	if len(bytes.Trim(t, xmlSpace)) == 0 && b.texts[b.at] == nil {
		return nil
	}
	if b.at == nil {
		return errors.New("text outside the root element")
	}
	if b.texts[b.at] == nil {
		b.texts[b.at] = &strings.Builder{}
	}
	b.texts[b.at].Write(t)
	return nil
}

// xmlSpace is white space by XML 1.0 section 2.3.
const xmlSpace = " \t\r\n"

// xmlReason leaves out what encoding/xml says about the position, which is given
// apart, and bounds the rest, which may quote the document.
func xmlReason(err error) string {
	var syntax *xml.SyntaxError
	s := err.Error()
	if errors.As(err, &syntax) {
		s = syntax.Msg
	}
	return s[:min(len(s), 120)]
}

func tooLarge(what string, limit int) error {
	return &SyntaxError{what, fmt.Sprintf("is longer than %d bytes", limit)}
}

func (n *node) append(k *node) {
	k.parent = n
	if n.last == nil {
		n.first = k
	} else {
		n.last.next = k
	}
	n.last = k
}

func (n *node) repeatsAttribute() bool {
	for i, a := range n.attrs {
		for _, b := range n.attrs[:i] {
			if a.local == b.local && a.prefix == b.prefix {
				return true
			}
		}
	}
	return false
}

// is compares the local name; peers differ in case here and there.
func (n *node) is(name string) bool { return strings.EqualFold(n.local, name) }

// child is the first child of that local name, or nil.
func (n *node) child(name string) *node {
	for k := n.first; k != nil; k = k.next {
		if k.is(name) {
			return k
		}
	}
	return nil
}

func (n *node) childText(name string) string {
	if k := n.child(name); k != nil {
		return k.text
	}
	return ""
}

// find is the first element of that local name in document order, n itself included.
func (n *node) find(name string) *node {
	if n.is(name) {
		return n
	}
	for k := n.first; k != nil; k = k.next {
		if f := k.find(name); f != nil {
			return f
		}
	}
	return nil
}

func (n *node) findText(name string) string {
	if f := n.find(name); f != nil {
		return f.text
	}
	return ""
}

func (n *node) attr(name string) string {
	for _, a := range n.attrs {
		if strings.EqualFold(a.local, name) && a.prefix != "xmlns" {
			return a.value
		}
	}
	return ""
}

// namespace is the element's namespace by the declarations in force, empty for none.
func (n *node) namespace() string { return n.lookup(n.prefix) }

// lookup is the namespace a prefix stands for at this element; the empty prefix
// stands for the default namespace.
func (n *node) lookup(prefix string) string {
	for at := n; at != nil; at = at.parent {
		for _, a := range at.attrs {
			if prefix == "" && a.prefix == "" && a.local == "xmlns" || prefix != "" && a.prefix == "xmlns" && a.local == prefix {
				return a.value
			}
		}
	}
	return ""
}

// allText is the text of an element and all below it, joined by blanks.
func (n *node) allText() string {
	var words []string
	var walk func(*node)
	walk = func(n *node) {
		if n.text != "" {
			words = append(words, n.text)
		}
		for k := n.first; k != nil; k = k.next {
			walk(k)
		}
	}
	walk(n)
	return strings.Join(words, " ")
}
