package api

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a JSON text.
const maxDepth = 32

// scanner reads one JSON text (RFC 8259) strictly and in place: strings are
// unescaped where they stand and handed out as slices of the text, so that a
// base64 picture of megabytes is not copied. What encoding/json lets pass is
// refused: invalid UTF-8, keys in another case, keys that come twice, and
// surrogates without their other half are told.
type scanner struct {
	text  []byte
	pos   int
	depth int
}

// syntaxError is where and why a text is not JSON.
type syntaxError struct {
	line, column int // from 1; the column counts characters
	what         string
}

func (e *syntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.line, e.column, e.what)
}

func (s *scanner) fail(at int, what string) error {
	before := s.text[:at]
	line := bytes.LastIndexByte(before, '\n') + 1
	return &syntaxError{line: bytes.Count(before, []byte{'\n'}) + 1, column: utf8.RuneCount(before[line:]) + 1, what: what}
}

// start refuses what no JSON text can begin with or hold.
func (s *scanner) start() error {
	if bytes.HasPrefix(s.text, []byte("\xef\xbb\xbf")) {
		return s.fail(0, "a byte order mark; send the JSON without it")
	}
	if utf8.Valid(s.text) {
		return nil
	}
	at := 0
	for {
		r, n := utf8.DecodeRune(s.text[at:])
		if r == utf8.RuneError && n <= 1 {
			return s.fail(at, "not valid UTF-8")
		}
		at += n
	}
}

// end refuses anything but space behind the value.
func (s *scanner) end() error {
	if s.peek(); s.pos < len(s.text) {
		return s.fail(s.pos, "something stands behind the end of the JSON")
	}
	return nil
}

// peek skips space and tells the first byte of what follows, 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// eat takes the byte c, after space.
func (s *scanner) eat(c byte, what string) error {
	if s.peek() != c || s.pos == len(s.text) {
		return s.unexpected(what)
	}
	s.pos++
	return nil
}

func (s *scanner) unexpected(want string) error {
	if s.pos >= len(s.text) {
		return s.fail(len(s.text), "the JSON ends here, but "+want+" is missing")
	}
	return s.fail(s.pos, "expected "+want)
}

// object reads an object, calling member for each key with the scanner before
// its value.
func (s *scanner) object(member func(key []byte, at int) error) error {
	return s.list('{', '}', func() error {
		s.peek()
		at := s.pos
		key, _, err := s.string("a key in quotes")
		if err != nil {
			return err
		}
		if err := s.eat(':', "a colon"); err != nil {
			return err
		}
		return member(key, at)
	})
}

// array reads an array, calling item with the scanner before each value.
func (s *scanner) array(item func(i int) error) error {
	i := -1
	return s.list('[', ']', func() error { i++; return item(i) })
}

// list reads what stands between two brackets, with commas between.
func (s *scanner) list(open, shut byte, one func() error) error {
	if s.depth++; s.depth > maxDepth {
		return s.fail(s.pos, fmt.Sprintf("nested deeper than %d", maxDepth))
	}
	defer func() { s.depth-- }()
	if err := s.eat(open, "an opening bracket"); err != nil {
		return err
	}
	if s.peek() == shut && s.pos < len(s.text) {
		s.pos++
		return nil
	}
	for {
		if err := one(); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.pos++
		case shut:
			s.pos++
			return nil
		default:
			return s.unexpected("a comma or a closing bracket")
		}
	}
}

// skip reads any value and forgets it.
func (s *scanner) skip() error {
	switch c := s.peek(); {
	case c == '{':
		return s.object(func([]byte, int) error { return s.skip() })
	case c == '[':
		return s.array(func(int) error { return s.skip() })
	case c == '"':
		_, _, err := s.string("a value")
		return err
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	}
	for _, word := range []string{"true", "false", "null"} {
		if s.word(word) {
			return nil
		}
	}
	return s.unexpected("a value")
}

// word takes a literal name, if it stands here.
func (s *scanner) word(w string) bool {
	if !bytes.HasPrefix(s.text[s.pos:], []byte(w)) {
		return false
	}
	s.pos += len(w)
	return true
}

// number reads a number (RFC 8259, section 6).
func (s *scanner) number() error {
	if s.text[s.pos] == '-' {
		s.pos++
	}
	if s.pos < len(s.text) && s.text[s.pos] == '0' {
		s.pos++
	} else if !s.digits() {
		return s.unexpected("a digit")
	}
	if s.pos < len(s.text) && s.text[s.pos] == '.' {
		s.pos++
		if !s.digits() {
			return s.unexpected("a digit")
		}
	}
	if s.pos < len(s.text) && s.text[s.pos]|0x20 == 'e' {
		s.pos++
		if s.pos < len(s.text) && (s.text[s.pos] == '+' || s.text[s.pos] == '-') {
			s.pos++
		}
		if !s.digits() {
			return s.unexpected("a digit")
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	from := s.pos
	for s.pos < len(s.text) && s.text[s.pos] >= '0' && s.text[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > from
}

// string reads a string, unescaped in place. Broken tells of surrogates
// without their other half; U+FFFD stands for them.
func (s *scanner) string(what string) (value []byte, broken bool, err error) {
	if err := s.eat('"', what); err != nil {
		return nil, false, err
	}
	from := s.pos
	to := from // where the unescaped text ends
	for s.pos < len(s.text) {
		run := s.pos
		for s.pos < len(s.text) && !special[s.text[s.pos]] {
			s.pos++
		}
		if run != to {
			copy(s.text[to:], s.text[run:s.pos])
		}
		to += s.pos - run
		switch {
		case s.pos == len(s.text):
		case s.text[s.pos] == '"':
			s.pos++
			return s.text[from:to:to], broken, nil
		case s.text[s.pos] == '\\':
			r, lone, err := s.escape()
			if err != nil {
				return nil, false, err
			}
			broken = broken || lone
			to += utf8.EncodeRune(s.text[to:s.pos], r)
		default:
			return nil, false, s.fail(s.pos, "a control character in a string; write it as an escape")
		}
	}
	return nil, false, s.unexpected("the closing quote of a string")
}

// special are the bytes that end a run of a string: the quote, the backslash
// and the control characters.
var special = func() (t [256]bool) {
	for c := range ' ' {
		t[c] = true
	}
	t['"'], t['\\'] = true, true
	return t
}()

// escape reads an escape. It is never shorter than the character's UTF-8.
func (s *scanner) escape() (r rune, lone bool, err error) {
	if s.pos+1 >= len(s.text) {
		return 0, false, s.fail(s.pos, "the JSON ends inside an escape")
	}
	c := s.text[s.pos+1]
	if c != 'u' {
		i := bytes.IndexByte([]byte(`"\/bfnrt`), c)
		if i < 0 {
			return 0, false, s.fail(s.pos, "no such escape")
		}
		s.pos += 2
		return rune("\"\\/\b\f\n\r\t"[i]), false, nil
	}
	r, ok := s.unit(s.pos)
	if !ok {
		return 0, false, s.fail(s.pos, "an escape needs four hex digits")
	}
	s.pos += 6
	switch {
	case r < 0xD800 || r > 0xDFFF:
		return r, false, nil
	case r < 0xDC00:
		if low, ok := s.unit(s.pos); ok && low >= 0xDC00 && low <= 0xDFFF {
			s.pos += 6
			return (r-0xD800)<<10 + (low - 0xDC00) + 0x10000, false, nil
		}
	}
	return utf8.RuneError, true, nil
}

// unit reads \uXXXX at a position.
func (s *scanner) unit(at int) (rune, bool) {
	if at+6 > len(s.text) || s.text[at] != '\\' || s.text[at+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range s.text[at+2 : at+6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
