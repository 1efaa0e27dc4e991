// Command mmsgw is the gateway: the daemon, and the command line that speaks to
// it through its socket. Everything the rooms do is joined here; what they do is
// not decided here.
//
// The files: main and command (what is asked for), terminal (what is shown), one
// file a command, and for the daemon: daemon (its life), rooms (what it is built
// of), listen, pictures, setup and people (what follows from the configuration).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// The exit codes (contract, section 5).
const (
	exitDone      = 0
	exitRefused   = 1 // nothing accepted
	exitUsage     = 2 // usage or configuration
	exitUnreached = 3 // nothing accepted
	exitOtherwise = 4 // accepted, ended otherwise than delivered
	exitUnknown   = 5 // accepted or perhaps accepted, end not known
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	log.SetOutput(io.Discard)    // net/http writes there what a carrier says after its answer; see newLog
	os.Exit(run(ctx, standard(), os.Args[1:]))
}

// commands is everything mmsgw can do, in the order help tells it.
func commands() []*command {
	return []*command{
		demoCommand(), serveCommand(), sendCommand(), showCommand(), tailCommand(),
		queueCommand(), carriersCommand(), cancelCommand(), retryCommand(), holdCommand(), releaseCommand(), explainCommand(),
		reloadCommand(), checkConfigCommand(), simulateCommand(), completionCommand(), versionCommand(),
	}
}

// run does what args ask for and gives the exit code.
func run(ctx context.Context, t *terminal, args []string) int {
	all := commands()
	switch {
	case len(args) == 0:
		overview(t.err, all)
		return exitUsage
	case args[0] == "--help" || args[0] == "-h" || args[0] == "help" && len(args) == 1:
		overview(t.out, all)
		return exitDone
	case args[0] == "--version":
		args[0] = "version"
	case args[0] == "help":
		args = append(args[1:], "--help")
	}
	c, args, err := find(all, args)
	if err == nil {
		err = c.do(ctx, t, args)
	}
	return t.conclude(c, err)
}

// find gives the command that args begin with, and what is left of them.
func find(all []*command, args []string) (*command, []string, error) {
	i := slices.IndexFunc(all, func(c *command) bool { return c.name == args[0] })
	if i < 0 {
		what := fmt.Sprintf("there is no command %q", args[0])
		if strings.HasPrefix(args[0], "-") {
			what = fmt.Sprintf("the command comes first, then its flags: %q is none", args[0])
		}
		return nil, nil, usage("%s; there are %s", what, strings.Join(names(all), ", "))
	}
	return all[i], args[1:], nil
}

// exit is an error with the exit code it earns. Without an err everything has
// been said.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

// usage is a fault of the command line or of the configuration.
func usage(format string, args ...any) error {
	return &exit{exitUsage, fmt.Errorf(format, args...)}
}

// quiet ends with a code when all has been said.
func quiet(code int) error {
	if code == exitDone {
		return nil
	}
	return &exit{code: code}
}

// conclude says what went wrong, if it was not said, and gives the exit code.
func (t *terminal) conclude(c *command, err error) int {
	var e *exit
	switch {
	case err == nil:
		return exitDone
	case !errors.As(err, &e):
		e = &exit{exitRefused, err}
	}
	if e.err == nil {
		return e.code
	}
	t.settle()
	name := "mmsgw"
	if c != nil {
		name += " " + c.name
	}
	fmt.Fprintf(t.err, "%s: %v\n", name, e.err)
	if e.code == exitUsage {
		fmt.Fprintf(t.err, "Try: %s --help\n", name)
	}
	return e.code
}
