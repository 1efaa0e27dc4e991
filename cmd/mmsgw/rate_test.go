package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"mmsgw/client"
	"mmsgw/simulator"
)

// The rate as a strict carrier counts it, by its own clock and over real sockets:
// idle, in a rush, over a restart and a kill, in a retry storm.
func TestRateAtTheStrictClock(t *testing.T) {
	t.Parallel()
	for _, k := range []struct {
		rate     simulator.Rate
		together int
	}{
		{simulator.Rate{PerSecond: 25, Burst: 1, Count: simulator.ByRequests}, 1},
		{simulator.Rate{PerSecond: 20, Burst: 10, Count: simulator.ByRequests}, 1},
		{simulator.Rate{PerSecond: 60, Burst: 5, Count: simulator.ByRecipients}, 8},
	} {
		t.Run(fmt.Sprintf("%v", k.rate), func(t *testing.T) {
			t.Parallel()
			w := found(t, simulator.Options{Rate: k.rate}, "first: 100ms, max: 400ms")
			w.edit("per_second: 10000, burst: 1000,", fmt.Sprintf("per_second: %v, burst: %d, count: %s, max_recipients: %d,", k.rate.PerSecond, k.rate.Burst, k.rate.Count, k.together))
			p := w.serve(binary)
			sent := 0
			rush := func(messages, recipients int) {
				m := message(0)
				m.To = nil
				for i := range recipients {
					m.To = append(m.To, demoRecipient(i))
				}
				for range messages {
					if _, err := w.client.Submit(t.Context(), m); err != nil {
						t.Fatal(err)
					}
					sent += recipients
				}
			}
			taken := func() (n int) {
				for _, s := range w.mmsc.MMSC.Seen() {
					if s.Accepted {
						n += len(s.To)
					}
				}
				return n
			}
			rush(5, 4)
			rush(20, 1)
			until(t, "some of it has left", func() bool { return taken() > 20 })
			if code := p.terminate(); code != exitDone {
				t.Errorf("exit code %d", code)
			}
			p = w.serve(binary)
			rush(10, 2)
			until(t, "more of it has left", func() bool { return taken() > 50 })
			p.kill()
			w.serve(binary)
			if err := w.mmsc.MMSC.SetFault("http-500"); err != nil {
				t.Fatal(err)
			}
			rush(5, 3)
			until(t, "all but what was cut off has arrived", func() bool { return settled(t, w.client) == 0 })
			if over := w.mmsc.MMSC.Exceeded(); len(over) > 0 {
				t.Errorf("%d times over the agreed rate, first %+v", len(over), over[0])
			}
			if n := taken(); n < sent-20 {
				t.Errorf("%d of %d were taken", n, sent)
			}
		})
	}
}

// settled counts the messages that are on their way and not in doubt.
func settled(t *testing.T, c *client.Client) (open int) {
	t.Helper()
	for _, state := range []string{"queued", "held", "sending", "scheduled"} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		page, err := c.List(ctx, client.ListQuery{Filter: client.Filter{State: state}})
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		open += len(page.Items)
	}
	return open
}
