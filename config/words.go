package config

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml/ast"
)

// textOf is the text of a scalar as the file writes it, quotes and folding
// undone; false for lists and maps.
func textOf(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return node.GetToken().Value, true
	}
	return "", false
}

// keyText is a key as it goes into paths: harmless and short whatever it is.
func keyText(key ast.MapKeyNode) string {
	text, ok := textOf(key)
	if !ok {
		return "?"
	}
	plain := func(c rune) bool { return c == '_' || c == '-' || unicode.IsLetter(c) || unicode.IsDigit(c) }
	if text == "" || len(text) > 40 || strings.ContainsFunc(text, func(c rune) bool { return !plain(c) }) {
		return quote(text)
	}
	return text
}

// quote shows at most 40 characters of what a file wrote.
func quote(text string) string {
	if r := []rune(text); len(r) > 40 {
		text = string(r[:40]) + "…"
	}
	return strconv.Quote(text)
}

// describe names the kind of a node for a person.
func describe(node ast.Node) string {
	switch node.Type() {
	case ast.StringType, ast.LiteralType:
		return "text"
	case ast.IntegerType:
		if _, err := strconv.Atoi(node.GetToken().Value); err != nil {
			return "a number in another notation"
		}
		return "a whole number"
	case ast.FloatType:
		return "a fraction"
	case ast.InfinityType, ast.NanType:
		return "no number that counts"
	case ast.BoolType:
		return "true or false"
	case ast.SequenceType:
		return "a list"
	}
	return "keys with values"
}

// editDistance is Levenshtein's, with early surrender for long words.
func editDistance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
