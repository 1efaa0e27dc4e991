package mm7

import "strings"

// scanXML reads the plain XML that MMSCs nearly always send: ASCII, an ordinary
// declaration, elements, attributes and text, no references, comments or sections. It
// gives the tree that encoding/xml would, at a fifth of its cost, or false for whatever
// it is not sure of, good or bad: then parseSlow is the judge.
func scanXML(data []byte) (*node, bool) {
	for _, c := range data {
		if c >= 0x80 || c == '&' || c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			return nil, false
		}
	}
	s := scanner{in: string(data), line: 1}
	s.nodes = make([]node, 0, strings.Count(s.in, "<"))
	if !s.declaration() {
		return nil, false
	}
	for s.at < len(s.in) {
		if !s.text() || s.at < len(s.in) && !s.tag() {
			return nil, false
		}
	}
	return s.root, s.root != nil && s.open == nil
}

// scanner goes once over its input. Strings of the tree share it.
type scanner struct {
	in    string
	at    int
	line  int // of the last tag's end
	lined int // up to where lines are counted
	nodes []node
	attrs []attribute
	root  *node
	open  *node
	depth int
}

// declarations are the inner texts of an XML declaration that say nothing new, in
// lower case and double quotes.
var declarations = map[string]bool{
	`version="1.0"`:                                   true,
	`version="1.0" encoding="utf-8"`:                  true,
	`version="1.0" encoding="utf-8" standalone="yes"`: true,
	`version="1.0" encoding="utf-8" standalone="no"`:  true,
}

func (s *scanner) declaration() bool {
	s.space()
	rest, found := strings.CutPrefix(s.in[s.at:], "<?xml ")
	if !found {
		return true // without one; any other <? is no name to the scan
	}
	inner, after, _ := strings.Cut(rest, "?>")
	s.at = len(s.in) - len(after)
	inner = strings.ToLower(strings.TrimSpace(inner))
	return declarations[strings.ReplaceAll(inner, `'`, `"`)]
}

// text takes what is before the next tag.
func (s *scanner) text() bool {
	end := strings.IndexByte(s.in[s.at:], '<')
	if end < 0 {
		end = len(s.in) - s.at
	}
	text := strings.Trim(s.in[s.at:s.at+end], xmlSpace)
	s.at += end
	if text == "" {
		return true
	}
	if s.open == nil || s.open.text != "" || strings.ContainsAny(text, ">\r") {
		return false
	}
	s.open.text = text
	return true
}

// tag takes a start, end or empty tag.
func (s *scanner) tag() bool {
	s.at++
	if s.at < len(s.in) && s.in[s.at] == '/' {
		s.at++
		return s.endTag()
	}
	n := s.add()
	var ok bool
	if n.prefix, n.local, ok = s.name(); !ok || !s.place(n) {
		return false
	}
	first := len(s.attrs)
	for {
		spaced := s.space()
		switch {
		case strings.HasPrefix(s.in[s.at:], "/>"):
			s.at += 2
			return s.attributes(n, first) && s.leave()
		case strings.HasPrefix(s.in[s.at:], ">"):
			s.at++
			return s.attributes(n, first)
		case !spaced || !s.attribute():
			return false
		}
	}
}

// add gives a node. The slice was made large enough: it never moves.
func (s *scanner) add() *node {
	s.nodes = append(s.nodes, node{})
	return &s.nodes[len(s.nodes)-1]
}

// place puts a node into the tree.
func (s *scanner) place(n *node) bool {
	if s.depth++; s.depth > maxDepth || s.open == nil && s.root != nil {
		return false
	}
	if s.open == nil {
		s.root = n
	} else {
		s.open.append(n)
	}
	s.open = n
	return true
}

// attributes gives a node those read since first, and its line.
func (s *scanner) attributes(n *node, first int) bool {
	n.attrs = s.attrs[first:len(s.attrs):len(s.attrs)]
	s.line += strings.Count(s.in[s.lined:s.at], "\n")
	s.lined = s.at
	n.line = s.line
	return len(n.attrs) <= maxAttributes && !n.repeatsAttribute()
}

func (s *scanner) attribute() bool {
	prefix, local, ok := s.name()
	s.space()
	if !ok || !strings.HasPrefix(s.in[s.at:], "=") {
		return false
	}
	s.at++
	s.space()
	if s.at == len(s.in) || s.in[s.at] != '"' && s.in[s.at] != '\'' {
		return false
	}
	quote := s.in[s.at]
	s.at++
	end := strings.IndexByte(s.in[s.at:], quote)
	if end < 0 {
		return false
	}
	value := s.in[s.at : s.at+end]
	s.at += end + 1
	s.attrs = append(s.attrs, attribute{prefix, local, value})
	return !strings.ContainsAny(value, "<\r")
}

func (s *scanner) endTag() bool {
	prefix, local, ok := s.name()
	s.space()
	if !ok || s.open == nil || s.open.prefix != prefix || s.open.local != local || !strings.HasPrefix(s.in[s.at:], ">") {
		return false
	}
	s.at++
	return s.leave()
}

func (s *scanner) leave() bool {
	s.open = s.open.parent
	s.depth--
	return true
}

// name takes a name of letters, digits, - _ and . with at most one colon inside.
func (s *scanner) name() (prefix, local string, ok bool) {
	begin, colon := s.at, -1
	for ; s.at < len(s.in); s.at++ {
		c := s.in[s.at]
		switch {
		case c == ':' && colon < 0:
			colon = s.at
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
		case s.at > begin && (c == '-' || c == '.' || '0' <= c && c <= '9'):
		default:
			return split(s.in[begin:s.at], colon-begin)
		}
	}
	return "", "", false
}

func split(name string, colon int) (prefix, local string, ok bool) {
	if colon < 0 {
		return "", name, name != ""
	}
	return name[:colon], name[colon+1:], colon > 0 && colon < len(name)-1
}

func (s *scanner) space() bool {
	begin := s.at
	for s.at < len(s.in) && strings.IndexByte(xmlSpace, s.in[s.at]) >= 0 {
		s.at++
	}
	return s.at > begin
}
