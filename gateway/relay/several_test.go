package relay_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"mmsgw/gateway"
	"mmsgw/gateway/relay"
)

// together is a policy for requests of several recipients.
func together(n int) relay.Policy {
	p := agreed()
	p.MaxRecipients, p.PerSecond, p.Burst = n, 100, 50
	return p
}

// TestSeveralShareARequest: recipients of one message share requests, those that
// board and those that wait alike; each has its own report.
func TestSeveralShareARequest(t *testing.T) {
	town(t, func(c *city) {
		north := c.carriers["north"]
		first := c.submit(want(to(many(25)...)))
		c.wait(5 * time.Second)
		c.pause("north", true)
		waited := c.submit(want(to(many(25)...)))
		c.wait(time.Second)
		c.pause("north", false)
		c.wait(5 * time.Second)
		for _, id := range []gateway.ID{first, waited} {
			c.is(gateway.Delivered, gateway.Retrieved, id)
			var sizes []int
			seen := map[gateway.Number]bool{}
			for _, call := range north.of(id) {
				sizes = append(sizes, len(call.to))
				for _, n := range call.to {
					if seen[n] {
						t.Errorf("%s was sent to twice", n)
					}
					seen[n] = true
				}
			}
			if len(seen) != 25 || len(sizes) > 4 || slices.Max(sizes) > 10 {
				t.Errorf("requests of %v recipients", sizes)
			}
			_, attempts := c.message(id)
			if len(attempts) != len(sizes) {
				t.Errorf("%d attempts for %d requests", len(attempts), len(sizes))
			}
		}
	}, together(10))
}

// TestSeveralPartly: those that a partial success names are refused, the others
// have arrived; where nobody is named nobody is sure.
func TestSeveralPartly(t *testing.T) {
	town(t, func(c *city) {
		north := c.carriers["north"]
		partly := taken
		partly.Code, partly.LeftOut = "1100", []int{1}
		north.say(partly)
		id := c.submit(want(to(many(3)...)))
		c.wait(5 * time.Second)
		m, _ := c.message(id)
		for _, d := range m.Deliveries {
			state, reason := gateway.Delivered, gateway.Retrieved
			if d.N == 1 {
				state, reason = gateway.Failed, gateway.RefusedAddress
			}
			if d.State != state || d.Reason != reason || d.Attempts != 1 {
				t.Errorf("recipient %d is %s, %s after %d answers", d.N, d.State, d.Reason, d.Attempts)
			}
		}
		if types := c.told(id); types[len(types)-1] != "message.completed" {
			t.Errorf("told %v", types)
		}
		north.say(gateway.Result{Outcome: gateway.UnknownSent, Code: "1100"})
		nobody := c.submit(want(to(many(3)...)))
		c.wait(5 * time.Second)
		c.is(gateway.Uncertain, gateway.AwaitingReport, nobody)
	}, together(10))
}

// TestSeveralSplit: a carrier that does not take them together gets each alone,
// once, and the refusal of one does not touch the others.
func TestSeveralSplit(t *testing.T) {
	town(t, func(c *city) {
		north := c.carriers["north"]
		bad := many(3)[1]
		north.script(func(d gateway.Dispatch, _ int) gateway.Result {
			switch {
			case len(d.Deliveries) > 1:
				return gateway.Result{Outcome: gateway.Divided, Code: "2002"}
			case d.Deliveries[0].Recipient == bad:
				return gateway.Result{Outcome: gateway.Rejected, Reason: gateway.RefusedAddress, Code: "2002", Counts: true}
			}
			return taken
		})
		id := c.submit(want(to(many(3)...)))
		c.wait(10 * time.Second)
		if calls := north.of(id); len(calls) != 4 {
			t.Errorf("%d requests, want one together and three alone", len(calls))
		}
		m, _ := c.message(id)
		for _, d := range m.Deliveries {
			if refused := d.State == gateway.Failed && d.Reason == gateway.RefusedAddress; refused != (d.Recipient == bad) || d.Attempts != 1 {
				t.Errorf("recipient %d is %s, %s after %d answers", d.N, d.State, d.Reason, d.Attempts)
			}
		}
	}, together(10))
}

// TestSeveralInDoubt: a lost answer to several is resent to those alone of whom
// nothing was heard.
func TestSeveralInDoubt(t *testing.T) {
	p := together(10)
	p.Unknown, p.Then = relay.WaitForReport, relay.Resend
	town(t, func(c *city) {
		north := c.carriers["north"]
		north.script(func(d gateway.Dispatch, n int) gateway.Result {
			if n == 1 {
				return silence
			}
			return taken
		})
		id := c.submit(want(to(many(3)...)))
		c.wait(time.Minute)
		first := north.of(id)[0]
		report := north.reportOn(first.attempt, from, many(3)[0], gateway.ReportRetrieved)
		report.CarrierKey, report.TransactionID = "late", first.attempt.TransactionID()
		if err := c.store.Report(t.Context(), report); err != nil {
			t.Fatal(err)
		}
		c.wait(31 * time.Minute)
		c.is(gateway.Delivered, gateway.Retrieved, id)
		again := map[gateway.Number]int{}
		for _, call := range north.of(id)[1:] {
			for _, n := range call.to {
				again[n]++
			}
		}
		if again[many(3)[0]] != 0 || again[many(3)[1]] != 1 || again[many(3)[2]] != 1 {
			t.Errorf("sent again: %v", again)
		}
		m, _ := c.message(id)
		for _, d := range m.Deliveries {
			if d.Duplicate != (d.N > 0) {
				t.Errorf("recipient %d: possible duplicate %v", d.N, d.Duplicate)
			}
		}
	}, p)
}

// TestRateAtTheCarrier: in no second does a carrier get more than agreed, by
// recipients or by requests, idle or in a rush, over restarts, retry storms and
// another agreement.
func TestRateAtTheCarrier(t *testing.T) {
	for _, k := range []struct {
		rate  float64
		burst int
		group int
		whole bool // requests are counted
	}{{7, 1, 1, false}, {20, 5, 1, true}, {20, 5, 10, false}, {3, 1, 10, false}, {5, 2, 10, true}, {2.5, 1, 1, false}} {
		t.Run(fmt.Sprintf("%v+%d, %d together, requests %v", k.rate, k.burst, k.group, k.whole), func(t *testing.T) {
			p := agreed()
			p.PerSecond, p.Burst, p.MaxRecipients, p.Requests = k.rate, k.burst, k.group, k.whole
			p.Retry = relay.Retry{First: 200 * time.Millisecond, Max: time.Second}
			town(t, func(c *city) {
				north := c.carriers["north"]
				c.submit(want())
				c.wait(10 * time.Second)        // idle, with all the credit there is
				c.submit(want(to(many(60)...))) // a rush
				c.submitN(20)
				c.wait(3 * time.Second)
				c.restart()
				c.wait(3 * time.Second)
				north.say(tryLater) // a storm
				c.submitN(20)
				c.wait(20 * time.Second)
				north.say(taken)
				c.relay.Change([]relay.Lane{{Name: "north", Link: north, Policy: p}})
				c.wait(2 * time.Minute)
				most := int(k.rate+0.999) + k.burst - 1
				if got := north.busiest(k.whole); got > most || got < most/3 {
					t.Errorf("%d in the busiest second, agreed are %d", got, most)
				}
			}, p)
		})
	}
}
