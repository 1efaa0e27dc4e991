package relay_test

import (
	"testing"
	"time"

	"mmsgw/gateway"
)

// TestRowFirstCarrierComesBack: while another carrier takes everything, the first
// one of the route is tried from time to time, and gets the messages again once
// it is well.
func TestRowFirstCarrierComesBack(t *testing.T) {
	for name, ill := range map[string]gateway.Result{"down": down, "stopped": noEntry} {
		t.Run(name, func(t *testing.T) {
			town(t, func(c *city) {
				north := c.carriers["north"]
				north.say(ill)
				var ids []gateway.ID
				for range 60 {
					ids = append(ids, c.submit(want()))
					c.wait(time.Minute)
				}
				if n := len(north.seen()); n > 80 {
					t.Errorf("the carrier that is ill was asked %d times in an hour", n)
				}
				north.say(taken)
				for range 15 {
					ids = append(ids, c.submit(want()))
					c.wait(time.Minute)
				}
				last := c.submit(want())
				c.wait(time.Minute)
				c.is(gateway.Delivered, gateway.Retrieved, append(ids, last)...)
				if d := c.delivery(last); d.Lane != "north" {
					t.Errorf("a quarter of an hour after it is well the first carrier gets nothing: sent by %s", d.Lane)
				}
				if s := c.status("north"); s.Reason != "" {
					t.Errorf("it is told to stand: %+v", s)
				}
			}, agreed(), agreed())
		})
	}
}
