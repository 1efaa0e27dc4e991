package relay_test

import (
	"testing"
	"time"

	"mmsgw/gateway"
	"mmsgw/gateway/relay"
)

// TestEvade: where a route names another carrier, a message goes on there when
// its first one can't be reached, refuses us, is paused or has had enough for the
// day, what waited as well; by another attempt.
func TestEvade(t *testing.T) {
	capped := agreed()
	capped.PerDay = 1
	tired := agreed()
	tired.Retry.Attempts = 2
	request := gateway.Result{Outcome: gateway.Rejected, Reason: gateway.RefusedRequest, Code: "2007", Counts: true}
	for name, k := range map[string]struct {
		policy relay.Policy
		answer gateway.Result
		before func(c *city)
		left   int // messages that may stay with the first carrier
	}{
		"down":            {agreed(), down, nil, 0},
		"stopped":         {agreed(), noEntry, nil, 0},
		"paused":          {agreed(), taken, func(c *city) { c.pause("north", true) }, 0},
		"capped":          {capped, taken, nil, 1},
		"sender refused":  {agreed(), noSender, nil, 0},
		"request refused": {agreed(), request, nil, 0},
		"tries exhausted": {tired, tryLater, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			town(t, func(c *city) {
				c.carriers["north"].say(k.answer)
				if k.before != nil {
					k.before(c)
				}
				ids := c.submitN(20)
				c.wait(5 * time.Minute)
				c.is(gateway.Delivered, gateway.Retrieved, ids...)
				stayed := 0
				for _, id := range ids {
					d := c.delivery(id)
					if d.Lane == "north" {
						stayed++
					}
					if d.Duplicate {
						t.Error("marked as a possible duplicate")
					}
					for _, a := range c.carriers["north"].of(id) {
						for _, b := range c.carriers["south"].of(id) {
							if a.attempt == b.attempt {
								t.Error("one TransactionID at two carriers")
							}
						}
					}
				}
				if stayed != k.left {
					t.Errorf("%d went by the first carrier, want %d", stayed, k.left)
				}
			}, k.policy, agreed())
		})
	}
}

// TestEvadeNeverInDoubt: what may have been taken stays with its carrier, and
// what any carrier would refuse is not tried at the next.
func TestEvadeNeverInDoubt(t *testing.T) {
	for name, k := range map[string]struct {
		answer gateway.Result
		state  gateway.State
		reason gateway.Reason
	}{
		"lost":    {silence, gateway.Uncertain, gateway.AwaitingReport},
		"content": {gateway.Result{Outcome: gateway.Rejected, Reason: gateway.RefusedContent, Code: "2004", Counts: true}, gateway.Failed, gateway.RefusedContent},
		"address": {gateway.Result{Outcome: gateway.Rejected, Reason: gateway.RefusedAddress, Code: "2002", Counts: true}, gateway.Failed, gateway.RefusedAddress},
		"size":    {gateway.Result{Outcome: gateway.TooLarge, Reason: gateway.RefusedSize, Code: "2004", Counts: true}, gateway.Failed, gateway.RefusedSize},
	} {
		t.Run(name, func(t *testing.T) {
			town(t, func(c *city) {
				c.carriers["north"].say(k.answer)
				id := c.submit(want())
				c.wait(5 * time.Minute)
				c.carriers["north"].say(down)
				c.submitN(10) // the lane stands for others
				c.wait(5 * time.Minute)
				c.is(k.state, k.reason, id)
				if n := len(c.carriers["south"].of(id)); n > 0 {
					t.Errorf("%d requests at the other carrier", n)
				}
			}, agreed(), agreed())
		})
	}
}

// TestEvadeBothDown: with both away it waits, and whichever is back first takes it.
func TestEvadeBothDown(t *testing.T) {
	for _, back := range []string{"north", "south"} {
		t.Run(back, func(t *testing.T) {
			town(t, func(c *city) {
				c.carriers["north"].say(down)
				c.carriers["south"].say(down)
				ids := c.submitN(60)
				c.wait(time.Hour)
				for _, id := range ids {
					if d := c.delivery(id); d.State != gateway.Held && d.State != gateway.Queued || d.Due.IsZero() {
						t.Fatalf("it is %s, %s", d.State, d.Reason)
					}
				}
				c.carriers[back].say(taken)
				c.wait(20 * time.Minute)
				c.is(gateway.Delivered, gateway.Retrieved, ids...)
				for _, id := range ids {
					if d := c.delivery(id); d.Lane != back {
						t.Fatalf("taken by %s", d.Lane)
					}
				}
			}, agreed(), agreed())
		})
	}
}

// TestRelayChange: lanes are added, changed and removed while messages flow.
// Nothing is lost or doubled; what waited for one that is gone goes on with the
// next of its route, or waits for it to come back.
func TestRelayChange(t *testing.T) {
	town(t, func(c *city) {
		c.carriers["south"].slow(500 * time.Millisecond)
		c.rules.Routes = []gateway.Route{{Kind: gateway.MMS, To: []string{"+1416"}, Carriers: []string{"north", "south"}}, {Kind: gateway.MMS, Carriers: []string{"north"}}}
		c.pause("north", true)
		c.carriers["south"].say(down)
		moving, staying := c.submitN(20), c.submitN(20, to("+16475550123"), lasting(2*time.Hour))
		c.wait(10 * time.Minute)
		c.carriers["south"].say(taken)
		c.pause("north", false)
		c.carriers["north"].say(down)
		c.wait(time.Second)
		north := c.order
		c.order = []string{"south"}
		c.relay.Change(c.lanes())
		c.wait(10 * time.Minute)
		c.is(gateway.Delivered, gateway.Retrieved, moving...)
		for _, id := range staying {
			if d := c.delivery(id); d.State != gateway.Queued || d.Due.IsZero() {
				t.Fatalf("without its lane it is %s, %s, due %v", d.State, d.Reason, d.Due)
			}
		}
		c.carriers["north"].say(taken)
		c.order = north
		c.relay.Change(c.lanes())
		c.wait(20 * time.Minute)
		c.is(gateway.Delivered, gateway.Retrieved, staying...)
		for _, id := range append(moving, staying...) {
			if n := c.delivery(id).Attempts; n != 1 {
				t.Errorf("%d answers", n)
			}
		}
	}, agreed(), agreed())
}

// TestEvadeLostLane: a run of the process whose configuration lacks a carrier that
// deliveries wait for gives them to the next of their route, at once or when that
// goes again; those without one wait, and go when the carrier is back.
func TestEvadeLostLane(t *testing.T) {
	town(t, func(c *city) {
		c.rules.Routes = []gateway.Route{{Kind: gateway.MMS, To: []string{"+1416"}, Carriers: []string{"north", "south"}}, {Kind: gateway.MMS, Carriers: []string{"north"}}}
		c.pause("north", true)
		c.pause("south", true)
		moving, staying := c.submitN(20), c.submitN(20, to("+16475550123"))
		c.wait(time.Minute)
		c.order = []string{"south"}
		c.restart()
		c.wait(time.Minute)
		c.pause("south", false)
		c.wait(time.Minute)
		c.is(gateway.Delivered, gateway.Retrieved, moving...)
		c.is(gateway.Held, gateway.CarrierPaused, staying...)
		c.pause("north", false)
		c.order = []string{"north", "south"}
		c.restart()
		c.wait(time.Minute)
		c.is(gateway.Delivered, gateway.Retrieved, staying...)
	}, agreed(), agreed())
}
