package relay_test

import (
	"testing"
	"time"

	"mmsgw/gateway"
)

// TestRowLostLaneUnderWay: what was under way with a carrier when the process died,
// and that the next configuration lacks, is in doubt, and unknown in the end: it
// does not stay under way for ever.
func TestRowLostLaneUnderWay(t *testing.T) {
	town(t, func(c *city) {
		c.carriers["north"].slow(10 * time.Hour)
		id := c.submit(want(lasting(2 * time.Hour)))
		c.wait(time.Second)
		c.is(gateway.Sending, "", id)
		c.life.crash()
		c.order = []string{"south"}
		c.begin()
		c.wait(leaseTTL + leaseTTL/3 + time.Minute)
		if d := c.delivery(id); d.State != gateway.Uncertain && d.State != gateway.Held || !d.Doubt {
			t.Errorf("it is %s, %s, in doubt %v", d.State, d.Reason, d.Doubt)
		}
		c.wait(2 * time.Hour)
		c.is(gateway.Undecided, gateway.NoReport, id)
		if types := c.told(id); types[len(types)-1] != "message.completed" {
			t.Errorf("told %v", types)
		}
	}, agreed(), agreed())
}
