package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

// command is one word after mmsgw.
type command struct {
	name     string
	args     string // what stands behind it beside flags
	summary  string // one line, without full stop
	about    string // more of it
	examples []string
	words    []string // what completion offers for its argument
	flags    *pflag.FlagSet
	output   string // of --output, where the command prints
	run      func(ctx context.Context, t *terminal, args []string) error
}

// newCommand makes a command without flags.
func newCommand(name, args, summary string) *command {
	c := &command{name: name, args: args, summary: summary, flags: pflag.NewFlagSet(name, pflag.ContinueOnError)}
	c.flags.SetOutput(io.Discard)
	c.flags.SortFlags = false
	c.flags.BoolP("help", "h", false, "this text")
	return c
}

// prints gives the command its --output.
func (c *command) prints() {
	c.flags.StringVar(&c.output, "output", "text", "text, or json for programs")
}

// do parses the flags and runs the command.
func (c *command) do(ctx context.Context, t *terminal, args []string) error {
	err := c.flags.Parse(args)
	help, _ := c.flags.GetBool("help")
	switch {
	case help:
		c.help(t.out)
		return nil
	case err != nil:
		return usage("%v; %s", err, c.known())
	case c.args == "" && c.flags.NArg() > 0:
		return usage("takes no argument; %q is one too many", c.flags.Arg(0))
	}
	switch c.output {
	case "text", "":
	case "json":
		t.json, t.live, t.color = true, false, false
	default:
		return usage("--output is %q; it must be text or json", c.output)
	}
	return c.run(ctx, t, c.flags.Args())
}

// known names the command's flags, for who used another.
func (c *command) known() string {
	var all []string
	c.flags.VisitAll(func(f *pflag.Flag) { all = append(all, "--"+f.Name) })
	return "its flags are " + strings.Join(all, ", ")
}

// line is how the command is called.
func (c *command) line() string {
	s := "mmsgw " + c.name
	if c.args != "" {
		s += " " + c.args
	}
	return s + " [flags]"
}

func (c *command) help(w io.Writer) {
	fmt.Fprintf(w, "%s\n\n%s.\n", c.line(), c.summary)
	if c.about != "" {
		fmt.Fprintf(w, "\n%s\n", strings.TrimSpace(c.about))
	}
	fmt.Fprintf(w, "\nExamples:\n")
	for _, e := range c.examples {
		fmt.Fprintf(w, "  %s\n", e)
	}
	fmt.Fprintf(w, "\nFlags:\n%s", c.flags.FlagUsages())
}

// overview is the help of mmsgw itself.
func overview(w io.Writer, all []*command) {
	fmt.Fprint(w, "mmsgw sends picture messages to phones in the United States and Canada\nthrough carriers that speak MM7, and tells what became of each.\n\nCommands:\n")
	for _, c := range all {
		fmt.Fprintf(w, "  %-13s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, `
Begin with:    mmsgw demo
More of one:   mmsgw COMMAND --help

Exit codes: 0 done; 1 refused, nothing accepted; 2 usage or configuration;
3 daemon not reached, nothing accepted; 4 accepted, ended otherwise than
delivered; 5 accepted or perhaps accepted, end not known.
`)
}

func names(all []*command) []string {
	var n []string
	for _, c := range all {
		n = append(n, c.name)
	}
	return n
}
