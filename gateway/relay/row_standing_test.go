package relay_test

import (
	"testing"
	"time"

	"mmsgw/gateway"
)

// TestRowStandingBehindALane: what waited behind a lane that stood is asked again
// whether its account may send, as all that was held.
func TestRowStandingBehindALane(t *testing.T) {
	town(t, func(c *city) {
		c.pause("north", true)
		id := c.submit(want())
		c.wait(time.Hour)
		c.is(gateway.Held, gateway.CarrierPaused, id)
		acme := *c.rules.Accounts["acme"]
		acme.Standing.Suspended = true
		suspended := *c.rules
		suspended.Accounts = map[string]*gateway.Account{"acme": &acme}
		c.gateway.Rules.Store(&suspended)
		c.pause("north", false)
		c.wait(10 * time.Second)
		c.is(gateway.Held, gateway.StandingChanged, id)
		c.gateway.Rules.Store(c.rules)
		c.wait(6 * time.Minute)
		c.is(gateway.Delivered, gateway.Retrieved, id)
	}, agreed())
}
