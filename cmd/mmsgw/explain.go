package main

import (
	"context"
	"slices"
	"strings"

	"mmsgw/gateway"
)

func explainCommand() *command {
	c := newCommand("explain", "[CODE]", "Says what a code means, what happens next and who has to act")
	c.about = `
A code is a delivery's reason, the code of a flag, or of a refused request. Without one
it lists all there are. It needs no daemon.`
	c.examples = []string{"mmsgw explain ambiguous_outcome", "mmsgw explain", "mmsgw explain to_opted_out --output json"}
	c.words = gateway.Codes()
	c.prints()
	c.run = func(_ context.Context, t *terminal, args []string) error {
		switch len(args) {
		case 0:
			return explainAll(t)
		case 1:
			return explain(t, args[0])
		}
		return usage("explains one code at a time; %q is one too many", args[1])
	}
	return c
}

func explain(t *terminal, code string) error {
	e, ok := gateway.Explain(code)
	switch {
	case !ok:
		return usage("there is no code %q; the nearest are %s", code, strings.Join(nearest(code, gateway.Codes()), ", "))
	case t.json:
		return t.value(e)
	}
	t.line("%s is %s", t.paint(bold, e.Code), kindText[e.Kind])
	t.line("  means  %s", e.Means)
	t.line("  next   %s", e.Next)
	t.line("  acts   %s", e.Who)
	return nil
}

// kindText says where each kind of code is met.
var kindText = map[string]string{
	gateway.OfReason: "a reason: why a delivery stands where it stands.",
	gateway.OfFlag:   "a flag: what a check found in a message.",
	gateway.OfError:  "an error: why a request was not carried out.",
}

func explainAll(t *terminal) error {
	codes := gateway.Codes()
	if t.json {
		var all []gateway.Explanation
		for _, code := range codes {
			e, _ := gateway.Explain(code)
			all = append(all, e)
		}
		return t.value(struct {
			Items []gateway.Explanation `json:"items"`
		}{all})
	}
	kind := ""
	for _, code := range codes {
		e, _ := gateway.Explain(code)
		if e.Kind != kind {
			if kind != "" {
				t.line("")
			}
			kind = e.Kind
			_, about, _ := strings.Cut(kindText[kind], ": ")
			t.line("%s: %s", t.paint(bold, kind+"s"), about)
		}
		t.line("  %-27s %s", code, e.Means)
	}
	return nil
}

// maxNearest is how many names stand in for one that does not exist.
const maxNearest = 3

// nearest are the words that take the fewest changes of a letter to get to.
func nearest(word string, all []string) []string {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b string) int { return distance(word, a) - distance(word, b) })
	return all[:min(len(all), maxNearest)]
}

// distance counts the letters to insert, leave out or change (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0]++
		for j := range len(b) {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
