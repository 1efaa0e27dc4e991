package main

import (
	"context"
	"fmt"
	"strings"

	"mmsgw/client"
)

func tailCommand() *command {
	c := newCommand("tail", "", "Follows what happens in the gateway, event by event")
	c.about = `
It begins with what happens from now on, or behind a cursor: an event's id, or the
one printed when tail was interrupted; "oldest" is the oldest event kept. With
--output json each line is an event as GET /v1/events gives it.`
	c.examples = []string{
		"mmsgw tail",
		"mmsgw tail --type delivery.failed --account acme",
		"mmsgw tail --after oldest --message msg_… --output json",
	}
	q := &client.EventQuery{}
	c.flags.StringVar(&q.After, "after", "latest", "begin behind this `CURSOR`; oldest: at the oldest event kept")
	c.flags.StringVar(&q.Account, "account", "", "only events of the account with this `ID`")
	c.flags.StringVar(&q.Carrier, "carrier", "", "only events at the carrier with this `NAME`")
	c.flags.StringVar(&q.Type, "type", "", "only events of this `TYPE`, such as delivery.failed")
	c.flags.StringVar(&q.Message, "message", "", "only events of the message with this `ID`")
	r := c.reaches()
	c.prints()
	c.run = func(ctx context.Context, t *terminal, _ []string) error {
		if q.After == "oldest" {
			q.After = ""
		}
		return tail(ctx, t, r, *q)
	}
	return c
}

func tail(ctx context.Context, t *terminal, r *reach, q client.EventQuery) error {
	c, err := r.client(t)
	if err != nil {
		return err
	}
	defer c.Close()
	last := ""
	for e, err := range c.Events(ctx, q) {
		if err != nil {
			return failure(t, err, "")
		}
		last = e.ID
		if t.json {
			if err := t.value(e); err != nil {
				return err
			}
			continue
		}
		t.event(e)
	}
	if last != "" && !t.json {
		fmt.Fprintf(t.err, "go on with: mmsgw tail --after %s\n", last)
	}
	return nil
}

// event prints an event among those of many messages.
func (t *terminal) event(e client.Event) {
	_, word, _ := strings.Cut(e.Type, ".")
	text := t.paint(faint, e.At.Local().Format("2006-01-02 15:04:05.000")) + "  " + t.paint(colorOf(word), fmt.Sprintf("%-22s", e.Type))
	for _, part := range []string{e.Message, e.To, e.Carrier, details(e)} {
		if part != "" {
			text += "  " + part
		}
	}
	t.line("%s", text)
}
