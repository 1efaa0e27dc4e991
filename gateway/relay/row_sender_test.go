package relay_test

import (
	"testing"
	"time"

	"mmsgw/gateway"
)

// TestRowSenderRefusedEverywhere: a sender that each carrier of the route refuses is
// held, and tried now and then; it does not go round between them.
func TestRowSenderRefusedEverywhere(t *testing.T) {
	town(t, func(c *city) {
		c.carriers["north"].say(noSender)
		c.carriers["south"].say(noSender)
		ids := c.submitN(5)
		c.wait(time.Hour - time.Minute)
		c.is(gateway.Held, gateway.SenderPaused, ids...)
		dials := len(c.carriers["north"].seen()) + len(c.carriers["south"].seen())
		if dials > 50 {
			t.Errorf("%d dials in an hour", dials)
		}
		for _, id := range ids {
			if n := len(c.told(id)); n > 120 {
				t.Errorf("told %d events in an hour", n)
			}
			if d := c.delivery(id); d.Attempts != 0 {
				t.Errorf("%d answers counted", d.Attempts)
			}
		}
		other := c.submitN(2, by(second))
		c.carriers["south"].say(taken)
		c.wait(20 * time.Minute)
		c.is(gateway.Delivered, gateway.Retrieved, append(ids, other...)...)
	}, agreed(), agreed())
}
