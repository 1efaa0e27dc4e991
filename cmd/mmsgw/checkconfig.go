package main

import (
	"context"
	"errors"

	"mmsgw/config"
)

func checkConfigCommand() *command {
	c := newCommand("check-config", "", "Tells every fault of a configuration file at once, each with its place")
	c.about = "Exit code 0: the daemon can run with it, though there may be warnings. 2: it can't."
	c.examples = []string{
		"mmsgw check-config --print-sample > mmsgw.yaml",
		"mmsgw check-config --config mmsgw.yaml",
		"mmsgw check-config --config mmsgw.yaml --output json",
	}
	file := c.flags.String("config", "", "the `FILE` to check")
	sample := c.flags.Bool("print-sample", false, "print a first configuration with every key explained")
	c.prints()
	c.run = func(_ context.Context, t *terminal, _ []string) error {
		switch {
		case *sample:
			_, err := t.out.Write(config.Sample())
			return err
		case *file == "":
			return usage("name the file: --config FILE; or --print-sample for one to begin with")
		}
		return checkConfig(t, *file)
	}
	return c
}

// checked is the answer as JSON.
type checked struct {
	OK       bool            `json:"ok"`
	Problems config.Problems `json:"problems"`
	Warnings config.Problems `json:"warnings"`
}

func checkConfig(t *terminal, file string) error {
	answer := checked{Problems: config.Problems{}, Warnings: config.Problems{}}
	s, err := loadSetup(file, t.env)
	switch {
	case errors.As(err, &answer.Problems):
	case err != nil:
		return err
	default:
		answer.OK, answer.Warnings = true, append(answer.Warnings, s.config.Warnings...)
	}
	if t.json {
		if err := t.value(answer); err != nil {
			return err
		}
	} else {
		answer.print(t, file)
	}
	if !answer.OK {
		return quiet(exitUsage)
	}
	return nil
}

func (a *checked) print(t *terminal, file string) {
	for _, p := range a.Problems {
		t.line("%s %s", t.paint(red, "fault  "), p)
	}
	for _, p := range a.Warnings {
		t.line("%s %s", t.paint(yellow, "warning"), p)
	}
	switch {
	case a.OK && len(a.Warnings) == 0:
		t.line("%s: %s", file, t.paint(green, "ok"))
	case a.OK:
		t.line("%s: %s, with %s", file, t.paint(green, "ok"), count(len(a.Warnings), "warning"))
	default:
		t.line("%s: %s", file, count(len(a.Problems), "fault"))
	}
}
