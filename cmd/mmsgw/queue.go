package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"mmsgw/client"
)

func queueCommand() *command {
	c := newCommand("queue", "", "Shows what waits for each carrier, why, and when it goes on")
	c.about = "For operators. OLDEST is since the oldest was accepted, NEXT when the first goes on by itself."
	c.examples = []string{"mmsgw queue", "mmsgw queue --output json"}
	r := c.reaches()
	c.prints()
	c.run = func(ctx context.Context, t *terminal, _ []string) error {
		all, err := askCarriers(ctx, t, r)
		if err != nil {
			return err
		}
		if t.json {
			return t.value(struct {
				Items []queued `json:"items"`
			}{queueOf(all)})
		}
		return sayQueue(t, all, time.Now())
	}
	return c
}

// queued is a line of the queue.
type queued struct {
	Carrier string `json:"carrier"`
	client.Backlog
}

func queueOf(carriers []client.Carrier) []queued {
	lines := []queued{}
	for i := range carriers {
		for _, b := range carriers[i].Backlog {
			lines = append(lines, queued{carriers[i].Name, b})
		}
	}
	return lines
}

// sayQueue prints the queue as a table: a line for each carrier and reason, and
// one for a carrier for which nothing waits.
func sayQueue(t *terminal, carriers []client.Carrier, now time.Time) error {
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CARRIER\tIS\tWAITING\tSTATE\tWHY\tOLDEST\tNEXT")
	for i := range carriers {
		c := &carriers[i]
		if len(c.Backlog) == 0 {
			fmt.Fprintf(w, "%s\t%s\t0\t-\t-\t-\t-\n", c.Name, is(c))
		}
		for _, b := range c.Backlog {
			why, oldest, next := "-", "-", "-"
			if b.Reason != nil {
				why = b.Reason.Code
			}
			if b.OldestAt != nil {
				oldest = age(now.Sub(*b.OldestAt))
			}
			if b.NextAt != nil {
				next = clock(*b.NextAt)
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", c.Name, is(c), b.Count, b.State, why, oldest, next)
		}
	}
	return w.Flush()
}

// age is a time that has passed, to what matters of it.
func age(d time.Duration) string {
	switch d = max(0, d); {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d >= time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}
