package gateway

import (
	"slices"
	"strings"
	"testing"
)

// Whatever code a person meets, it is explained.
func TestEveryCodeIsExplained(t *testing.T) {
	var all []string
	for r := range reasonText {
		all = append(all, string(r))
	}
	for code := range flagOrder {
		all = append(all, code)
	}
	codes := Codes()
	for _, code := range append(all, codes...) {
		e, ok := Explain(code)
		if !ok || e.Code != code || e.Kind == "" || e.Who == "" || !strings.HasSuffix(e.Means, ".") || !strings.HasSuffix(e.Next, ".") {
			t.Errorf("%s: %+v, %v", code, e, ok)
		}
		if !slices.Contains(codes, code) {
			t.Errorf("%s is not among the codes", code)
		}
	}
	if d := slices.Clone(codes); len(slices.Compact(slices.Sorted(slices.Values(d)))) != len(codes) {
		t.Error("a code comes twice")
	}
	if e, ok := Explain("to_opted_out"); !ok || e.Kind != OfReason {
		t.Errorf("both reason and flag: %+v", e)
	}
	if e, ok := Explain("nonsense"); ok {
		t.Errorf("nonsense: %+v", e)
	}
}
