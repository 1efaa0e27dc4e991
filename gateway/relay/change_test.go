package relay_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"mmsgw/gateway"
)

// TestTwoHundredLanes: each flows while all others stand, at the price of a
// goroutine a lane.
func TestTwoHundredLanes(t *testing.T) {
	const n = 200
	town(t, func(c *city) {
		before := runtime.NumGoroutine()
		names := make([]string, n)
		c.rules.Routes = nil
		for i := range n {
			name := fmt.Sprintf("lane-%03d", i)
			names[i] = name
			c.policies[name] = agreed()
			c.carriers[name] = &peer{name: name, report: gateway.ReportRetrieved, tell: c.carriers["north"].now(),
				answer: func(gateway.Dispatch, int) gateway.Result { return taken }}
			c.rules.Routes = append(c.rules.Routes, gateway.Route{Kind: gateway.MMS, To: []string{fmt.Sprintf("+1416555%04d", 100+i)}, Carriers: []string{name}})
		}
		c.order = names
		c.relay.Change(c.lanes())
		c.wait(time.Second)
		for _, name := range names {
			c.carriers[name].say(noEntry)
		}
		numbers := many(n)
		stuck := map[string][]gateway.ID{}
		for i, name := range names {
			stuck[name] = c.submitN(3, to(numbers[i]))
		}
		c.wait(time.Minute)
		if more := runtime.NumGoroutine() - before; more > n+20 {
			t.Errorf("%d goroutines more for %d lanes", more, n)
		}
		for i, name := range names {
			if i%67 != 0 {
				continue
			}
			c.carriers[name].say(taken)
			c.wait(5*time.Minute + 5*time.Second)
			c.is(gateway.Delivered, gateway.Retrieved, stuck[name]...)
			c.is(gateway.Held, gateway.LaneStopped, stuck[names[i+1]]...)
		}
	}, agreed())
}

// TestClockSetBetweenRuns: the machine's clock is a day off at the next start,
// either way. What is due by it is due once, at the pace of its lane; ids stay
// apart; what had years to go is not touched.
func TestClockSetBetweenRuns(t *testing.T) {
	for _, by := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			p := agreed()
			p.PerSecond = 10
			town(t, func(c *city) {
				north := c.carriers["north"]
				north.say(down)
				ids := c.submitN(40, lasting(7*24*time.Hour))
				c.wait(10 * time.Minute)
				calls := len(north.seen())
				c.shift += by
				c.restart()
				c.wait(30 * time.Minute)
				if more := len(north.seen()) - calls; more > 80 {
					t.Errorf("%d requests in half an hour after the clock was set", more)
				}
				north.say(taken)
				c.wait(26 * time.Hour)
				c.is(gateway.Delivered, gateway.Retrieved, ids...)
				seen := map[gateway.ID]bool{}
				for _, call := range north.seen() {
					if seen[call.attempt] {
						t.Fatal("an attempt's id came twice")
					}
					seen[call.attempt] = true
				}
				if most := north.busiest(false); most > 10 {
					t.Errorf("%d in one second", most)
				}
			}, p)
		})
	}
}

// TestChangedAgreement: another rate and window hold from the change on, for what
// waits already; requests under way end as they began.
func TestChangedAgreement(t *testing.T) {
	town(t, func(c *city) {
		north := c.carriers["north"]
		north.slow(3 * time.Second)
		ids := c.submitN(200)
		c.wait(time.Second)
		p := agreed()
		p.PerSecond, p.Window = 5, 2
		c.policies["north"] = p
		north.slow(10 * time.Millisecond)
		c.relay.Change(c.lanes())
		changed := time.Now()
		c.wait(10 * time.Second)
		sent := 0
		for _, call := range north.seen() {
			if call.at.After(changed.Add(time.Second)) {
				sent++
			}
		}
		if sent > 9*5+1 || sent < 30 {
			t.Errorf("%d requests in nine seconds at five a second", sent)
		}
		c.wait(time.Minute)
		c.is(gateway.Delivered, gateway.Retrieved, ids...)
		if n := c.relay.InFlight("north"); n != 0 {
			t.Errorf("%d are said to be under way", n)
		}
		if c.relay.Goes("nowhere") || c.relay.InFlight("nowhere") != 0 {
			t.Error("a lane that there is not goes")
		}
	}, agreed())
}
