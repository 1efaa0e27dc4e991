package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"mmsgw/client"
)

func carriersCommand() *command {
	c := newCommand("carriers", "[pause|resume NAME]", "Shows the carriers and what holds them; pauses and resumes one")
	c.about = `
A paused carrier is sent nothing, by whichever node, until it is resumed; what was
under way finishes, and reports are still taken. For operators.`
	c.examples = []string{"mmsgw carriers", "mmsgw carriers pause north", "mmsgw carriers resume north"}
	c.words = []string{"pause", "resume"}
	r := c.reaches()
	c.prints()
	c.run = func(ctx context.Context, t *terminal, args []string) error {
		switch {
		case len(args) == 0:
			return showCarriers(ctx, t, r)
		case len(args) != 2 || !slices.Contains(c.words, args[0]):
			return usage("say nothing more, or: pause NAME, or: resume NAME")
		}
		return pauseCarrier(ctx, t, r, args[0], args[1])
	}
	return c
}

func showCarriers(ctx context.Context, t *terminal, r *reach) error {
	all, err := askCarriers(ctx, t, r)
	if err != nil {
		return err
	}
	if t.json {
		return t.value(struct {
			Items []client.Carrier `json:"items"`
		}{all})
	}
	for i := range all {
		if i > 0 {
			t.line("")
		}
		sayCarrier(t, &all[i], time.Now())
	}
	return nil
}

// askCarriers asks the daemon for all carriers.
func askCarriers(ctx context.Context, t *terminal, r *reach) ([]client.Carrier, error) {
	c, err := r.client(t)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	all, err := c.Carriers(ctx)
	if err != nil {
		return nil, failure(t, err, "")
	}
	return all, nil
}

func pauseCarrier(ctx context.Context, t *terminal, r *reach, verb, name string) error {
	c, err := r.client(t)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	do := map[string]func(context.Context, string) (*client.Carrier, error){"pause": c.Pause, "resume": c.Resume}[verb]
	k, err := do(ctx, name)
	switch {
	case err != nil:
		return unsure(t, err)
	case t.json:
		return t.value(k)
	}
	sayCarrier(t, k, time.Now())
	return nil
}

// is tells what a carrier does: to one that is not configured nothing goes,
// whatever its lane was left as.
func is(c *client.Carrier) string {
	if !c.Configured {
		return "gone"
	}
	return c.State
}

// sayCarrier prints a carrier: what it is doing and why, what was agreed, what
// waits.
func sayCarrier(t *terminal, c *client.Carrier, now time.Time) {
	kind := strings.ToUpper(c.Protocol)
	if !c.Configured {
		kind = "not in the configuration any more"
	}
	t.line("%s  %s  (%s)", t.paint(bold, c.Name), t.paint(colorOf(is(c)), is(c)), kind)
	if c.Reason != nil {
		text := c.Reason.Message
		if c.Code != "" {
			text += " The last try: " + answered(c.Code) + "."
		}
		t.line("  why        %s", text)
	}
	if c.Since != nil {
		t.line("  since      %s (%s ago)", clock(*c.Since), age(now.Sub(*c.Since)))
	}
	switch {
	case c.NextTryAt != nil && c.NextTryAt.After(now):
		t.line("  next try   %s", clock(*c.NextTryAt))
	case c.NextTryAt != nil && c.Waiting == 0: // due, and there was nothing to try with
		t.line("  next try   with the next message")
	case c.NextTryAt != nil:
		t.line("  next try   is due now")
	}
	if c.PausedAt != nil {
		t.line("  paused     %s by %s", clock(*c.PausedAt), c.PausedBy)
	}
	if l := c.Limits; l != nil {
		t.line("  agreed     %s", agreed(l))
		t.line("  under way  %s from this node", count(c.InFlight, "request"))
	}
	t.line("  waiting    %s", deliveries(int(c.Waiting)))
}

// agreed is what was agreed with a carrier, in words.
func agreed(l *client.Limits) string {
	parts := []string{fmt.Sprintf("%g %s a second (%d at once)", l.PerSecond, l.Count, l.Burst), fmt.Sprintf("at most %s under way", count(l.Window, "request"))}
	if l.PerDay > 0 {
		parts = append(parts, fmt.Sprintf("%d %s a day of %s", l.PerDay, l.Count, l.DayZone))
	}
	if l.MaxMessage > 0 {
		parts = append(parts, "requests up to "+size(l.MaxMessage))
	}
	if l.MaxRecipients > 1 {
		parts = append(parts, fmt.Sprintf("at most %d recipients in each", l.MaxRecipients))
	}
	return strings.Join(parts, ", ")
}
