package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
)

// terminal is what a command writes to and reads its environment from.
type terminal struct {
	out, err io.Writer
	env      func(string) (string, bool)
	json     bool // --output json
	color    bool // out shows colours
	live     bool // out is a terminal: a line may be overwritten
	errLive  bool // err is a terminal
	passing  bool // an unfinished line stands there
}

// standard is the process's own terminal, or whatever stands in for it: only a
// terminal gets colour and progress.
func standard() *terminal {
	t := &terminal{out: os.Stdout, err: os.Stderr, env: os.LookupEnv}
	t.live = isatty.IsTerminal(os.Stdout.Fd())
	t.errLive = isatty.IsTerminal(os.Stderr.Fd())
	noColor, _ := os.LookupEnv("NO_COLOR") // no-color.org: present and not empty
	t.color = t.live && noColor == "" && os.Getenv("TERM") != "dumb"
	return t
}

// line prints a line.
func (t *terminal) line(format string, args ...any) {
	t.settle()
	fmt.Fprintf(t.out, format+"\n", args...)
}

// value prints a value as one line of JSON.
func (t *terminal) value(v any) error {
	e := json.NewEncoder(t.out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// progress shows a line that the next one replaces; a pipe does not get it.
func (t *terminal) progress(format string, args ...any) {
	if t.live {
		t.passing = true
		fmt.Fprintf(t.out, "\r\x1b[K"+format, args...)
	}
}

// settle takes a passing line away.
func (t *terminal) settle() {
	if t.passing {
		t.passing = false
		fmt.Fprint(t.out, "\r\x1b[K")
	}
}

// The colours (ECMA-48, SGR).
const (
	green  = "32"
	yellow = "33"
	red    = "31"
	cyan   = "36"
	faint  = "2"
	bold   = "1"
)

func (t *terminal) paint(color, s string) string {
	if !t.color || color == "" || s == "" {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

// colorOf is the colour of a state, or of the event that tells of it.
func colorOf(state string) string {
	switch state {
	case "delivered", "read", "completed", "going", "resumed", "breaker_closed":
		return green
	case "failed", "undelivered", "expired", "blocked", "unmatched", "stopped", "breaker_open", "breaker_opened", "gone":
		return red
	case "held", "uncertain", "unknown", "mixed", "canceled", "paused", "daily_cap":
		return yellow
	case "sent", "accepted", "checked":
		return cyan
	}
	return ""
}

// state paints a state in a column of its own.
func (t *terminal) state(s string, width int) string {
	return t.paint(colorOf(s), s) + strings.Repeat(" ", max(0, width-len(s)))
}

// count is "1 picture" or "3 pictures".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// size is a number of bytes with its thousands apart.
func size(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s + " bytes"
}
