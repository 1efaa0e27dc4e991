package main

import (
	"errors"
	"os"
	"strings"

	"mmsgw/client"
	"mmsgw/config"
)

// The sockets that are tried where none is named.
var usualSockets = []string{"./state/mmsgw.sock", "/run/mmsgw/mmsgw.sock"}

// reach are the flags that say where the daemon is.
type reach struct{ socket, config string }

func (c *command) reaches() *reach {
	r := &reach{}
	c.flags.StringVar(&r.socket, "socket", "", "the daemon's socket, a `PATH`; else MMSGW_SOCKET, the one of --config, "+strings.Join(usualSockets, ", "))
	c.flags.StringVar(&r.config, "config", "", "the daemon's configuration `FILE`, for its socket")
	return r
}

// client finds the daemon; it does not dial yet.
func (r *reach) client(t *terminal) (*client.Client, error) {
	target, err := r.target(t)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(target, ":") || strings.HasPrefix(target, "/") || strings.HasPrefix(target, ".") {
		target = "unix:" + target
	}
	c, err := client.New(target)
	if err != nil {
		return nil, usage("%v", err)
	}
	return c, nil
}

func (r *reach) target(t *terminal) (string, error) {
	if r.socket != "" {
		return r.socket, nil
	}
	if s, _ := t.env("MMSGW_SOCKET"); s != "" {
		return s, nil
	}
	if r.config != "" {
		c, err := config.Load(r.config, t.env, config.Options{Dialects: dialects})
		if err != nil {
			return "", sayProblems(t, err)
		}
		return c.Listen.API[0].String(), nil
	}
	for _, path := range usualSockets {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", &exit{exitUnreached, errors.New("no daemon was found: neither " + strings.Join(usualSockets, " nor ") +
		" is there. Name its socket: --socket PATH, or MMSGW_SOCKET in the environment")}
}

// failure is an error of the daemon or of the way to it, with its exit code.
// As JSON it stands where the answer would.
func failure(t *terminal, err error, key string) error {
	var p *client.Problem
	var unreached *client.NotReachedError
	var uncertain *client.UncertainError
	code, word := exitRefused, "failed"
	switch {
	case errors.As(err, &uncertain):
		code, word = exitUnknown, "outcome_unknown"
	case errors.As(err, &unreached):
		code, word = exitUnreached, "not_reached"
	case errors.As(err, &p):
		word = p.Code
	}
	if !t.json {
		return &exit{code, err}
	}
	if p == nil || code != exitRefused {
		p = &client.Problem{Type: "about:blank", Title: "mmsgw " + strings.ReplaceAll(word, "_", " "), Detail: err.Error(), Code: word}
	}
	answer := struct {
		*client.Problem
		Key string `json:"idempotency_key,omitempty"`
	}{p, key}
	return errors.Join(t.value(answer), quiet(code))
}
