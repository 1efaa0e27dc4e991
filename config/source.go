package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds on a file, all checked before the parser sees it: it recurses with
// depth and its time grows with the square of the keys in one block mapping.
const (
	maxBytes  = 1 << 20
	maxTokens = 250_000
	maxDepth  = 16  // of [ and {, and of - ? : opened on one line
	maxKeys   = 256 // in one block mapping
)

// syntax reads the one document of a file: nil for an empty one, and false
// where there is nothing to go on with.
func (r *reader) syntax(data []byte) (ast.Node, bool) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if len(data) > maxBytes {
		r.faultAt(place{}, "", "is larger than 1 MiB, which no configuration is")
		return nil, false
	}
	if at, ok := badText(data); !ok {
		r.faultAt(at, "", "is not UTF-8 text; save the file as UTF-8")
		return nil, false
	}
	tokens := lexer.Tokenize(string(data))
	if !r.bounded(tokens) {
		return nil, false
	}
	node, err := parseTokens(tokens)
	if err != nil {
		r.syntaxError(err)
		return nil, false
	}
	return node, true
}

// badText finds the first byte that is no UTF-8, or a NUL, on which the
// scanner would stop in silence.
func badText(data []byte) (place, bool) {
	at := place{1, 1}
	for len(data) > 0 {
		c, n := utf8.DecodeRune(data)
		if c == 0 || c == utf8.RuneError && n == 1 {
			return at, false
		}
		at.column++
		if c == '\n' {
			at = place{at.line + 1, 1}
		}
		data = data[n:]
	}
	return place{}, true
}

// parseTokens hands the tokens to the parser. A panic inside it is an answer about
// the file, not a reason to lose a running daemon at a reload.
func parseTokens(tokens token.Tokens) (node ast.Node, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("cannot be read as YAML: %v", p)
		}
	}()
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, err
	}
	for _, doc := range file.Docs {
		if doc.Body != nil {
			return doc.Body, nil
		}
	}
	return nil, nil
}

func (r *reader) syntaxError(err error) {
	var e yaml.Error
	if !errors.As(err, &e) || e.GetToken() == nil {
		r.faultAt(place{}, "", "%s", err)
		return
	}
	r.faultAt(tokenPlace(e.GetToken()), "", "is not YAML: %s", strings.ReplaceAll(e.GetMessage(), "\t", "TAB"))
}

func tokenPlace(t *token.Token) place { return place{t.Position.Line, t.Position.Column} }

// bounded looks at the tokens for what the parser must not meet: aliases and
// their kin, a second document, and shapes too deep or too wide.
func (r *reader) bounded(tokens token.Tokens) bool {
	before := len(r.problems)
	s := shape{keys: map[int]int{}}
	for i, t := range tokens {
		if t.Type == token.CommentType {
			continue
		}
		if say := s.refuse(t, tokens[:i]); say != "" {
			r.faultAt(tokenPlace(t), "", "%s", say)
		}
		if s.hopeless {
			break
		}
	}
	if len(r.problems) == before && len(tokens) > maxTokens {
		r.faultAt(place{}, "", "has more than %d words and signs, which no configuration has", maxTokens)
	}
	return len(r.problems) == before
}

// shape follows the nesting of a file by its tokens alone.
type shape struct {
	flow     int         // open [ and {
	line     int         // the line we are on
	openers  int         // - ? : outside [ and { on that line
	keys     map[int]int // column of a block mapping → its keys so far
	content  bool        // the document has begun
	ended    bool        // the document has ended
	hopeless bool        // reading on would only repeat the complaint
}

// refuse says why token t cannot be taken, or nothing.
func (s *shape) refuse(t *token.Token, before token.Tokens) string {
	if t.Position.Line != s.line {
		s.newLine(t)
	}
	switch t.Type {
	case token.AnchorType, token.AliasType, token.MergeKeyType:
		return "anchors (&), aliases (*) and merge keys (<<) are not read here; write the value out"
	case token.TagType, token.DirectiveType:
		return "tags (!) and directives (%) are not read here; leave them out"
	case token.DocumentEndType:
		s.ended = true
		return ""
	case token.DocumentHeaderType:
		s.ended = s.ended || s.content
		if s.content = true; !s.ended {
			return ""
		}
	}
	if s.ended {
		s.hopeless = true
		return "a second document begins here; a configuration is one document"
	}
	s.content = true
	return s.depth(t, before)
}

// newLine forgets the mappings that a line further left has ended.
func (s *shape) newLine(t *token.Token) {
	s.line, s.openers = t.Position.Line, 0
	if s.flow > 0 {
		return
	}
	for column := range s.keys {
		if column > t.Position.Column {
			delete(s.keys, column)
		}
	}
}

// depth counts what t opens, and says where that is too much.
func (s *shape) depth(t *token.Token, before token.Tokens) string {
	switch t.Type {
	case token.SequenceStartType, token.MappingStartType:
		s.flow++
	case token.SequenceEndType, token.MappingEndType:
		s.flow = max(0, s.flow-1)
	case token.SequenceEntryType, token.MappingKeyType, token.MappingValueType:
		if s.flow > 0 {
			return ""
		}
		s.openers++
		if t.Type == token.MappingValueType && len(before) > 0 && s.wide(before[len(before)-1]) {
			s.hopeless = true
			return fmt.Sprintf("is key %d of one mapping, more than any has", maxKeys+1)
		}
	}
	if s.flow > maxDepth || s.openers > maxDepth {
		s.hopeless = true
		return fmt.Sprintf("is nested more than %d deep", maxDepth)
	}
	return ""
}

// wide counts a key into its mapping.
func (s *shape) wide(key *token.Token) bool {
	s.keys[key.Position.Column]++
	return s.keys[key.Position.Column] > maxKeys
}
