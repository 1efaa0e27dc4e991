package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"mmsgw/config"
	"mmsgw/gateway"
)

func serveCommand() *command {
	c := newCommand("serve", "", "Runs the daemon")
	c.about = `
It prints one line for each listener when all are open. SIGTERM or SIGINT:
nothing new is taken, what is under way finishes within the time the key drain
gives it, 25 seconds unless set otherwise, exit code 0. SIGHUP: it reads the
configuration again and takes it over, all of it or nothing.
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
	log, level := newLog(t, s.config.Log.Level)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for _, w := range s.config.Warnings {
		log.Warn("configuration: "+w.Message, gateway.KeyKey, w.Key)
	}
	d, err := newDaemon(ctx, daemonOptions{Setup: s, Log: log, Level: level})
	if err != nil {
		return err
	}
	defer d.heed(context.WithoutCancel(ctx), hangups)()
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

// heed reloads the configuration at each hangup. What came of it is in the log.
func (d *daemon) heed(ctx context.Context, hangups <-chan os.Signal) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		for {
			select {
			case <-hangups:
				_, _ = d.reload(ctx, "SIGHUP") // it has logged why not
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
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

// newLog logs for a person where stderr is a terminal, for a program otherwise,
// from a level on that may be changed. What libraries print goes there too.
func newLog(t *terminal, word string) (*slog.Logger, *slog.LevelVar) {
	level := &slog.LevelVar{}
	setLevel(level, word)
	o := &slog.HandlerOptions{Level: level}
	var h slog.Handler = slog.NewJSONHandler(t.err, o)
	if t.errLive {
		h = slog.NewTextHandler(t.err, o)
	}
	l := slog.New(h)
	log.SetOutput(wordless{l})
	return l, level
}

// wordless takes what libraries print by themselves and tells that they did, not
// what: net/http prints what a carrier sends that belongs to no request.
type wordless struct{ log *slog.Logger }

func (w wordless) Write(p []byte) (int, error) {
	w.log.Debug("a library had something to say that may be a peer's words; a carrier that writes after its answer is one cause", gateway.KeyCount, len(p))
	return len(p), nil
}

// setLevel takes one of the configuration's words.
func setLevel(level *slog.LevelVar, word string) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(strings.ToUpper(word))); err != nil {
		l = slog.LevelInfo // the configuration has refused other words
	}
	level.Set(l)
}
