package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing wrong with a file, or with a Warning worth saying. Line
// and Column count from 1 and are 0 where no place in the file is to blame.
// Message says what is wrong and what would be right; it never holds a secret
// or a phone number.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Key     string `json:"key,omitempty"` // path of the key, such as carriers[0].limits.window
	Message string `json:"message"`
}

func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Problems is every problem of one file, in the order of its lines. It is the
// error of Load and Parse: errors.As finds it.
type Problems []Problem

// Error is one problem a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}

func (p Problems) sort() {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Key, b.Key))
	})
}

// maxProblems bounds what one file can make us say.
const maxProblems = 500

// add appends, and says once that there is more than fits.
func (p *Problems) add(q Problem) {
	switch len(*p) {
	case maxProblems:
		q = Problem{File: q.File, Line: q.Line, Column: q.Column, Message: "more problems follow; mend these first"}
	case maxProblems + 1:
		return
	}
	*p = append(*p, q)
}

// full tells that nothing more will be taken.
func (p Problems) full() bool { return len(p) > maxProblems }

// place is where in the file something stands.
type place struct{ line, column int }
