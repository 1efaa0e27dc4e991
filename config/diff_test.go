package config

import (
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDiff compares two files that differ in as many ways as there are.
func TestDiff(t *testing.T) {
	load := func(name string) *Config {
		c, err := Load(filepath.Join("testdata/diff", name), env, dialects)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	old, new := load("old.yaml"), load("new.yaml")
	here, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, c := range Diff(old, new) {
		note := ""
		if c.NeedsRestart() {
			note = " (restart)"
		}
		fmt.Fprintf(&got, "%s: %s -> %s%s\n", c.Key, c.Old, c.New, note)
	}
	compare(t, "testdata/diff/changes.golden", strings.ReplaceAll(got.String(), here, "HERE"))
	for _, private := range []string{"hunter2", "hunter3", "555", "token"} {
		if strings.Contains(got.String(), private) {
			t.Errorf("the changes show %q", private)
		}
	}
	for _, c := range []*Config{old, new} {
		if d := Diff(c, c); len(d) > 0 {
			t.Errorf("a configuration differs from itself: %v", d)
		}
	}
	if d := Diff(old, load("old.yaml")); len(d) > 0 {
		t.Errorf("a file read twice differs: %v", d)
	}
}

// TestDiffSeesEveryKey compares the file of every key with one that has the same
// items and nothing in them.
func TestDiffSeesEveryKey(t *testing.T) {
	c, err := Load("testdata/good/every-key.yaml", env, dialects)
	if err != nil {
		t.Fatal(err)
	}
	c.Carriers[0].Reports.Open = true              // elsewhere excluded by basic
	c.Carriers[0].Reports.Basic.PasswordFile = "x" // and by the environment
	bare := &Config{
		Accounts: []Account{{ID: c.Accounts[0].ID}, {ID: c.Accounts[1].ID}},
		Carriers: []Carrier{{Name: "north", Auth: Auth{&Basic{}}, Reports: Reports{Basic: &Basic{}}}, {Name: "2"}},
		Routes:   make([]Route, len(c.Routes)),
	}
	for _, n := range c.Accounts[0].Numbers {
		bare.Accounts[0].Numbers = append(bare.Accounts[0].Numbers, Number{Number: n.Number})
	}
	bare.Carriers[0].Outcomes = make([]Outcome, len(c.Carriers[0].Outcomes))

	seen := map[string]bool{".accounts.id": true, ".accounts.numbers.number": true, ".carriers.name": true} // what items are matched by
	for _, change := range Diff(bare, c) {
		seen["."+regexp.MustCompile(`\[[^]]*\]`).ReplaceAllString(change.Key, "")] = true
	}
	var missed []string
	all := keys("", reflect.TypeFor[Config]())
	for path := range all {
		holds := slices.ContainsFunc(slices.Collect(maps.Keys(all)), func(k string) bool { return strings.HasPrefix(k, path+".") })
		if !holds && !seen[path] {
			missed = append(missed, path)
		}
	}
	if len(missed) > 0 {
		t.Errorf("not seen to differ: %q", missed)
	}
}

// TestDiffAsWritten gives texts that YAML could take for something else, and
// reads them back from what Diff writes.
func TestDiffAsWritten(t *testing.T) {
	for _, text := range []string{
		"acme", "a:b", "a:", "a: b", "1000", "0x10", "1e3", ".5", ".inf", "true", "No", "NULL", "~", "-", "- a", "a #b", "#", "a,b", "[", "{a}",
		"'", `"`, `\`, "$5", "${PASSWORD}", "$${PASSWORD}", "$$${A}", "é", "…", "a b ", "@x", "*x", "&x", "!x", "%x", "|", ">", "?", "unix:/x", "\u00a0", "\ufeff", "\U0001f600",
	} {
		c := &Config{Accounts: []Account{{ID: "a", Users: []string{text}}}, Carriers: []Carrier{{Name: "n", VASPID: text}}}
		bare := &Config{Accounts: []Account{{ID: "a"}}, Carriers: []Carrier{{Name: "n"}}}
		d := Diff(bare, c)
		if len(d) != 2 {
			t.Fatalf("%q: got %v", text, d)
		}
		list, single := d[0].New, d[1].New
		if got := parse(t, "accounts: [{id: a, users: "+list+"}]\n").Accounts[0].Users; !slices.Equal(got, []string{text}) {
			t.Errorf("%q is written as %s in a list, which is read as %q", text, list, got)
		}
		got := parse(t, "carriers:\n- name: n\n  protocol: mm7\n  url: http://h/\n  reports: {open: true}\n  vasp_id: "+single+"\n").Carriers[0].VASPID
		if got != text {
			t.Errorf("%q is written as %s, which is read as %q", text, single, got)
		}
	}
}
