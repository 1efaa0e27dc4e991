package mm7

import "strings"

// mediaType is a Content-Type taken apart leniently.
type mediaType struct {
	name   string // lower case, such as multipart/related
	params map[string]string
}

// parseMediaType reads a Content-Type. mime.ParseMediaType refuses what TS 23.140
// itself prints, type=text/xml, and what Java MMSCs send, boundary=----=_Part_1 and
// name=my photo.jpg, and loses all parameters then. Here a value reaches to the next
// semicolon or, in quotes, to the closing quote. The first of a repeated name counts.
func parseMediaType(s string) mediaType {
	name, rest, _ := strings.Cut(s, ";")
	m := mediaType{name: strings.ToLower(strings.TrimSpace(name)), params: map[string]string{}}
	for rest != "" {
		var key, value string
		key, value, rest = nextParam(rest)
		if _, seen := m.params[key]; key != "" && !seen {
			m.params[key] = value
		}
	}
	return m
}

// nextParam takes one parameter off s.
func nextParam(s string) (key, value, rest string) {
	end := strings.IndexAny(s, ";=")
	if end < 0 || s[end] == ';' {
		_, rest, _ = strings.Cut(s, ";")
		return "", "", rest
	}
	key = strings.ToLower(strings.TrimSpace(s[:end]))
	s = strings.TrimLeft(s[end+1:], xmlSpace)
	if !strings.HasPrefix(s, `"`) {
		value, rest, _ = strings.Cut(s, ";")
		return key, strings.TrimSpace(value), rest
	}
	value, s = unquote(s[1:])
	_, rest, _ = strings.Cut(s, ";")
	return key, value, rest
}

// unquote reads to the closing quote, taking backslashes away (RFC 2045 section 5.1).
func unquote(s string) (value, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:]
		case '\\':
			if i++; i == len(s) {
				return b.String(), ""
			}
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}

// isMultipart tells whether a body of this type can be cut into parts.
func (m mediaType) isMultipart() bool {
	return strings.HasPrefix(m.name, "multipart/") && m.params["boundary"] != ""
}

// bareID is a Content-ID, a start parameter or a cid: reference without what peers
// add and leave out: brackets, "cid:", blanks.
func bareID(s string) string {
	s = strings.TrimSpace(s)
	s = strings.TrimSuffix(strings.TrimPrefix(s, "<"), ">")
	if len(s) >= 4 && strings.EqualFold(s[:4], "cid:") {
		s = s[4:]
	}
	return s
}
