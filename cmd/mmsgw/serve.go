package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"mmsgw/config"
)

func serveCommand() *command {
	c := newCommand("serve", "", "Runs the daemon")
	c.about = `
It prints one line for each listener when all are open. SIGTERM or SIGINT:
nothing new is taken, what is under way finishes within 20 seconds, exit code 0.
SIGHUP: it says that only a restart reads the configuration again, and runs on.
Where the storage can't be trusted any more it ends at once, exit code 1;
nothing that was accepted is lost.`
	c.examples = []string{"mmsgw serve --config /etc/mmsgw/mmsgw.yaml", "MMSGW_LOG=debug mmsgw serve --config mmsgw.yaml"}
	file := c.flags.String("config", "", "the configuration `FILE`")
	c.prints()
	c.run = func(ctx context.Context, t *terminal, _ []string) error {
		if *file == "" {
			return usage("name the configuration: --config FILE; mmsgw check-config --print-sample gives one to begin with")
		}
		s, err := loadSetup(*file, t.env)
		if err != nil {
			return sayProblems(t, err)
		}
		return serve(ctx, t, s)
	}
	return c
}

// sayProblems prints what is wrong with a configuration.
func sayProblems(t *terminal, err error) error {
	var problems config.Problems
	if !errors.As(err, &problems) {
		return err
	}
	for _, p := range problems {
		fmt.Fprintln(t.err, p)
	}
	return quiet(exitUsage)
}

func serve(ctx context.Context, t *terminal, s *setup) error {
	if os.Getenv("GOMAXPROCS") == "" {
		// A processor whose goroutine waits in fdatasync idles until the runtime
		// takes it away; two more than there are cores keep the cores busy.
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 2)
	}
	syscall.Umask(0o077) // numbers and texts are in what we write
	log := newLog(t, s.config.Log.Level)
	defer bearHangups(log)()
	for _, w := range s.config.Warnings {
		log.Warn("configuration: "+w.Message, "key", w.Key)
	}
	d, err := newDaemon(ctx, daemonOptions{Setup: s, Log: log})
	if err != nil {
		return err
	}
	for _, l := range d.listeners {
		if err := t.listening(l); err != nil {
			return errors.Join(err, d.close())
		}
	}
	if err := d.run(ctx); err != nil {
		return err // at once: the storage may not even close
	}
	if err := d.close(); err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}

// bearHangups keeps a SIGHUP from ending the daemon: whoever sends one wants the
// configuration read again, and is told what does that.
func bearHangups(log *slog.Logger) (stop func()) {
	hangups, over := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		defer close(over)
		for range hangups {
			log.Warn("SIGHUP: reload is not part of this release; a restart reads the configuration again")
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(hangups)
		<-over
	}
}

func (t *terminal) listening(l *listener) error {
	if t.json {
		return t.value(map[string]string{"listener": l.name, "address": l.address})
	}
	t.line("%-8s listens on %s", l.name, l.address)
	return nil
}

// newLog logs for a person where stderr is a terminal, for a program otherwise.
func newLog(t *terminal, level string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(strings.ToUpper(level))); err != nil {
		l = slog.LevelInfo // the configuration has refused other words
	}
	o := &slog.HandlerOptions{Level: l}
	if t.errLive {
		return slog.New(slog.NewTextHandler(t.err, o))
	}
	return slog.New(slog.NewJSONHandler(t.err, o))
}
