package config

import (
	"strings"
	"testing"
	"time"
)

// TestHostileFiles gives the parser what it would hang on or overflow with; each
// is refused, and quickly.
func TestHostileFiles(t *testing.T) {
	n := maxBytes / 4
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'j'; c++ {
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+",", 8) + "*" + string(c-1) + "]\n"
	}
	for name, test := range map[string]struct{ text, want string }{
		"alias bomb":     {bomb, "anchors"},
		"a byte too big": {"#" + strings.Repeat("x", maxBytes), "larger than 1 MiB"},
		"brackets":       {strings.Repeat("[", n), "nested more than"},
		"braces":         {strings.Repeat("{a: ", n/4), "nested more than"},
		"dashes":         {strings.Repeat("- ", n/2), "nested more than"},
		"question marks": {strings.Repeat("? ", n/2), "nested more than"},
		"keys in a line": {strings.Repeat("a: ", n/3), "nested more than"},
		"keys in a map":  {strings.Repeat("a: b\n", n/5), "more than any has"},
		"list items":     {"[" + strings.Repeat("a,", maxTokens/2) + "]", "words and signs"},
		"tags":           {strings.Repeat("!!a ", n/4), "tags"},
		"documents":      {strings.Repeat("---\n", n/4), "second document"},
		"NUL":            {"log:\n  level: in\x00fo\n", "not UTF-8"},
		"unknown keys":   {"accounts:\n" + strings.Repeat("- {x: 1}\n", 5_000), "more problems follow"},
		"empty items":    {"carriers: [" + strings.Repeat("{},", 20_000) + "]", "more problems follow"},
		"outcomes":       {"carriers: [{name: n, protocol: mm7, url: 'http://h/', outcomes: [" + strings.Repeat("{code: 1},", maxOutcomes+1) + "]}]", "more than 256"},
		"sockets":        {"listen: {api: [" + strings.Repeat("'unix:x',", 20_000) + "]}", "more than 16"},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			p := refuse(t, test.text)
			if !strings.Contains(p.Error(), test.want) {
				t.Errorf("got %.200s, want …%s…", p.Error(), test.want)
			}
			if len(p) > maxProblems+1 {
				t.Errorf("%d problems", len(p))
			}
			if d := time.Since(start); d > 10*time.Second {
				t.Errorf("took %s", d)
			}
		})
	}
}

// TestExactlyTheBound sees that a file as large as allowed is read.
func TestExactlyTheBound(t *testing.T) {
	head := "log: {level: info}\n#"
	parse(t, head+strings.Repeat("x", maxBytes-len(head)))
}

// TestMarkAndLineEnds sees that an editor's habits do no harm.
func TestMarkAndLineEnds(t *testing.T) {
	c := parse(t, "\xef\xbb\xbflog:\r\n  level: error\r\naccounts:\r\n- id: acme\r\n")
	if c.Log.Level != "error" || c.Accounts[0].ID != "acme" {
		t.Errorf("got %+v", c)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "1": 1, "600000": 600000, "1KiB": 1024, "600KiB": 614400, "1MiB": 1 << 20, "3GiB": 3 << 30,
		"8589934591GiB": 8589934591 << 30,
	} {
		var s Size
		if err := s.set(text); err != nil || s != want {
			t.Errorf("%s: got %d, %v", text, s, err)
		}
		if back := s.String(); s > 0 && back != text && text != "600000" {
			t.Errorf("%s comes back as %s", text, back)
		}
	}
	for _, text := range []string{"", "KiB", "1KB", "1MB", "1 MiB", "1.5MiB", "-1", "+1", "1mib", "1K", "1_000", "8589934592GiB", "99999999999999999999"} {
		var s Size
		if err := s.set(text); err == nil {
			t.Errorf("%s is read as %d", text, s)
		}
	}
}

func TestDurations(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"0s": 0, "500ms": 500 * time.Millisecond, "15m": 15 * time.Minute, "1h30m": 90 * time.Minute,
		"7d": 7 * day, "1d12h": day + 12*time.Hour, "36500d": 36500 * day,
	} {
		var d Duration
		if err := d.set(text); err != nil || d.D() != want {
			t.Errorf("%s: got %s, %v", text, d, err)
		}
	}
	for _, text := range []string{"", "5", "d", "-5s", "+5s", "1d-2h", "5 s", "1w", "1.5d", "1d2d", "36501d", "36500d2562047h", "65536d"} {
		var d Duration
		if err := d.set(text); err == nil {
			t.Errorf("%s is read as %s", text, d)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Sample())
	for _, text := range []string{
		"", "a: &a [*a]", "log: {level: ${X}}", "accounts:\n- id: a\n  numbers: [+12125550123, {number: 1}]",
		"carriers: [{name: n, protocol: mm7, url: 'http://h/', reports: {basic: {username: u, password: '${P}'}}}]",
		"listen: {api: ['unix:x', 'tcp:h:1']}\nroutes: [{to: ['+1'], carriers: [n, m]}]", "? a\n: b\n", "media_reserve: [1]",
		"carriers: [{name: n, protocol: mm7, url: 'http://h/', reports: {open: true}, outcomes: [{code: [1]}, {code: 1, then: busy, after: {a: b}}, {text: x, then: split}]}]", "a: |\n  b\n", "- - a\n", "\r\n---\n...\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(data, "mmsgw.yaml", func(string) (string, bool) { return "value", true }, dialects)
		if err == nil {
			if c.StateDir == "" || len(c.Listen.API) == 0 {
				t.Fatalf("accepted without what every configuration has: %+v", c)
			}
			return
		}
		lines := strings.Count(string(data), "\n") + strings.Count(string(data), "\r") + 1
		for _, p := range err.(Problems) {
			if p.Message == "" || p.File == "" || p.Line > lines || strings.ContainsAny(p.String(), "\r\n") && p.Line > 0 && p.Key != "" {
				t.Fatalf("problem %#v in %d lines", p, lines)
			}
			if strings.Contains(p.Message, "cannot be read as YAML") {
				t.Fatalf("the parser panicked: %s", p.Message)
			}
		}
	})
}
