package main

import (
	"context"
	"errors"
	"fmt"

	"mmsgw/client"
)

func reloadCommand() *command {
	c := newCommand("reload", "", "Has the daemon read its configuration again")
	c.about = `
All of it is taken over or, where it has a fault, nothing: the faults are told and the
configuration before stays (exit code 2). For operators. SIGHUP does the same.`
	c.examples = []string{"mmsgw reload", "mmsgw check-config --config mmsgw.yaml && mmsgw reload"}
	r := c.reaches()
	c.prints()
	c.run = func(ctx context.Context, t *terminal, _ []string) error { return reload(ctx, t, r) }
	return c
}

func reload(ctx context.Context, t *terminal, r *reach) error {
	c, err := r.client(t)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	changed, err := c.Reload(ctx)
	var p *client.Problem
	switch {
	case errors.As(err, &p) && p.Code == "configuration_refused":
		if t.json {
			return errors.Join(t.value(p), quiet(exitUsage))
		}
		fmt.Fprintln(t.err, p.Detail)
		fmt.Fprintln(t.err, "mmsgw reload: the configuration was refused; the one before stays")
		return quiet(exitUsage)
	case err != nil:
		return unsure(t, err)
	case t.json:
		return t.value(struct {
			Changed []string `json:"changed"`
		}{changed})
	}
	for _, key := range changed {
		t.line("changed   %s", key)
	}
	if len(changed) == 0 {
		t.line("reloaded: nothing changed")
	}
	return nil
}
