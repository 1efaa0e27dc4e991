package relay_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"mmsgw/gateway"
	"mmsgw/gateway/relay"
)

var (
	noSender = gateway.Result{Outcome: gateway.StopSender, Code: "4007"}
	tryLater = gateway.Result{Outcome: gateway.RetryLater, Code: "3000", Counts: true}
)

func asked(wait time.Duration) gateway.Result {
	return gateway.Result{Outcome: gateway.RetryLater, Code: "http-503", RetryAfter: wait}
}

// TestStandOutage: hours without a carrier, in each way it can be away, with some
// hundred messages waiting. One alarm, no burnt message, no counted try, at most
// about one canary a minute; all is delivered when it is back.
func TestStandOutage(t *testing.T) {
	for name, answer := range map[string]gateway.Result{"refused": down, "no room": {Outcome: gateway.RetryLater, Code: "http-503"}} {
		t.Run(name, func(t *testing.T) {
			town(t, func(c *city) {
				north := c.carriers["north"]
				north.say(answer)
				ids := append(c.submitN(60), c.submitN(60, of("beta"), by(second))...)
				c.wait(time.Minute)
				if s := c.status("north"); s.Reason != gateway.BreakerOpen || s.Since.IsZero() || s.Until.IsZero() {
					t.Errorf("the lane is told as %+v", s)
				}
				held := 0
				for _, id := range ids {
					if d := c.delivery(id); d.State == gateway.Held && d.Reason == gateway.BreakerOpen && !d.NextTry().IsZero() {
						held++
					}
				}
				if held < 100 {
					t.Errorf("%d of 120 are told as held by the breaker", held)
				}
				before := len(north.seen())
				c.wait(6 * time.Hour)
				if n := len(north.seen()) - before; n < 300 || n > 500 {
					t.Errorf("%d canaries in six hours, want one in half a minute to a minute", n)
				}
				north.say(taken)
				c.wait(20 * time.Minute) // what backed off in the night has its own time
				c.is(gateway.Delivered, gateway.Retrieved, ids...)
				for _, id := range ids {
					if d := c.delivery(id); d.Attempts != 1 || d.Duplicate {
						t.Fatalf("%d answers counted, duplicate %v; want the one yes", d.Attempts, d.Duplicate)
					}
				}
				c.tells(gateway.ID{}, "carrier.breaker_opened", "carrier.breaker_closed")
				if s := c.status("north"); s.Reason != "" {
					t.Errorf("afterwards the lane is told as %+v", s)
				}
			}, agreed())
		})
	}
}

// TestStandSilence: a carrier that takes requests and answers none opens the
// breaker before the queue is all in doubt; the rest goes when it answers.
func TestStandSilence(t *testing.T) {
	town(t, func(c *city) {
		north := c.carriers["north"]
		north.say(silence)
		ids := c.submitN(100)
		c.wait(10 * time.Minute)
		doubtful := 0
		for _, id := range ids {
			if c.delivery(id).Doubt {
				doubtful++
			}
		}
		if doubtful < 5 || doubtful > 40 {
			t.Errorf("%d of 100 are in doubt", doubtful)
		}
		north.say(taken)
		c.wait(5 * time.Minute)
		delivered := 0
		for _, id := range ids {
			if d := c.delivery(id); d.State == gateway.Delivered {
				delivered++
			} else if !d.Doubt {
				t.Errorf("%s, %s and not in doubt", d.State, d.Reason)
			}
		}
		if delivered != 100-doubtful {
			t.Errorf("%d delivered, %d in doubt", delivered, doubtful)
		}
	}, agreed())
}

// TestStandRetryAfter: a carrier that says how long to stay away is left alone,
// but asked every five minutes at least; the message itself waits as it said, an
// hour at most.
func TestStandRetryAfter(t *testing.T) {
	for said, obeyed := range map[time.Duration]time.Duration{30 * time.Second: 30 * time.Second, time.Hour: time.Hour, 10 * 365 * 24 * time.Hour: time.Hour} {
		t.Run(fmt.Sprint(said), func(t *testing.T) {
			town(t, func(c *city) {
				north := c.carriers["north"]
				north.script(func(_ gateway.Dispatch, n int) gateway.Result {
					if n == 1 {
						return asked(said)
					}
					return taken
				})
				first := c.submit(want())
				c.wait(time.Second)
				second := c.submit(want())
				lane := min(said, 5*time.Minute)
				c.wait(lane - 3*time.Second)
				if n := len(north.seen()); n != 1 {
					t.Fatalf("%d requests before the carrier's time", n)
				}
				c.wait(5 * time.Second)
				if n := len(north.of(second)); n != 1 {
					t.Errorf("the next message was not tried when the lane's time had come")
				}
				c.wait(obeyed - lane + 5*time.Second)
				calls := north.of(first)
				if len(calls) != 2 || calls[1].at.Sub(calls[0].at) < obeyed {
					t.Errorf("the message itself: %v", calls)
				}
			}, agreed())
		})
	}
}

// TestStandRestart: a lane that stands still stands in the next run of the
// process, stopped or with its breaker open, and goes on by a canary.
func TestStandRestart(t *testing.T) {
	for why, answer := range map[gateway.Reason]gateway.Result{gateway.BreakerOpen: down, gateway.LaneStopped: noEntry} {
		t.Run(string(why), func(t *testing.T) {
			town(t, func(c *city) {
				north := c.carriers["north"]
				north.say(answer)
				c.submitN(20)
				c.wait(time.Minute)
				before := c.status("north")
				if before.Reason != why {
					t.Fatalf("it stands for %q", before.Reason)
				}
				n := len(north.seen())
				c.restart()
				c.wait(time.Second)
				if after := c.status("north"); after.Reason != why || !after.Since.Equal(before.Since) {
					t.Errorf("after a restart it is told as %+v, before as %+v", after, before)
				}
				if more := len(north.seen()) - n; more > 2 {
					t.Errorf("%d requests after the restart, want a canary at most", more)
				}
				north.say(taken)
				c.wait(10 * time.Minute)
				if s := c.status("north"); s.Reason != "" {
					t.Errorf("it still stands: %+v", s)
				}
			}, agreed())
		})
	}
}

// TestStandNothingUnderWayCounts: when the breaker opens, what was under way
// neither closes it nor opens it wider.
func TestStandNothingUnderWayCounts(t *testing.T) {
	town(t, func(c *city) {
		north := c.carriers["north"]
		north.slow(2 * time.Second)
		north.script(func(_ gateway.Dispatch, n int) gateway.Result {
			if n <= 6 {
				return down
			}
			return taken
		})
		c.submitN(8) // eight at once: six fail, then two are taken
		c.wait(2500 * time.Millisecond)
		if s := c.status("north"); s.Reason != gateway.BreakerOpen {
			t.Errorf("successes that were under way closed it: %+v", s)
		}
	}, relay.Policy{Window: 8, ProbeEvery: 5 * time.Minute, Retry: relay.Retry{First: time.Minute, Max: 15 * time.Minute}})
}

// TestStandStopBesideOthers: a carrier that refuses our login is probed at most
// every five minutes while another flows; what it held goes at once when it lets
// us in.
func TestStandStopBesideOthers(t *testing.T) {
	town(t, func(c *city) {
		c.rules.Routes = []gateway.Route{{Kind: gateway.MMS, To: []string{"+1416"}, Carriers: []string{"north"}}, {Kind: gateway.MMS, Carriers: []string{"south"}}}
		north := c.carriers["north"]
		north.say(noEntry)
		stuck := c.submitN(30)
		flowing := c.submitN(30, to("+16475550123"))
		c.wait(time.Minute)
		c.is(gateway.Delivered, gateway.Retrieved, flowing...)
		c.is(gateway.Held, gateway.LaneStopped, stuck...)
		n := len(north.seen())
		c.wait(time.Hour)
		if probes := len(north.seen()) - n; probes < 10 || probes > 13 {
			t.Errorf("%d probes in an hour", probes)
		}
		north.say(taken)
		c.wait(5*time.Minute + 5*time.Second)
		c.is(gateway.Delivered, gateway.Retrieved, stuck...)
		c.tells(gateway.ID{}, "carrier.stopped", "carrier.resumed")
		for _, id := range stuck {
			if d := c.delivery(id); d.Attempts != 1 {
				t.Fatalf("%d answers counted, want the last alone", d.Attempts)
			}
		}
	}, agreed(), agreed())
}

// TestStandSender: a sender that the carrier refuses is held, and one message of
// it tried every five minutes; other senders flow, another account's too.
func TestStandSender(t *testing.T) {
	town(t, func(c *city) {
		north := c.carriers["north"]
		var refused atomic.Bool
		refused.Store(true)
		north.script(func(d gateway.Dispatch, _ int) gateway.Result {
			if refused.Load() && d.Message.From == second {
				return noSender
			}
			return taken
		})
		bad := c.submitN(20, by(second))
		c.wait(time.Second)
		good := append(c.submitN(20), c.submitN(20, of("beta"))...)
		more := c.submitN(5, by(second))
		c.wait(time.Minute)
		c.is(gateway.Delivered, gateway.Retrieved, good...)
		c.is(gateway.Held, gateway.SenderPaused, append(bad, more...)...)
		probes := func() (n int) {
			for _, call := range north.seen() {
				if call.from == second {
					n++
				}
			}
			return n
		}
		n := probes()
		c.wait(time.Hour)
		if more := probes() - n; more < 10 || more > 13 {
			t.Errorf("the sender was tried %d times in an hour", more)
		}
		refused.Store(false)
		c.wait(5*time.Minute + 5*time.Second)
		c.is(gateway.Delivered, gateway.Retrieved, append(bad, more...)...)
		if s := c.status("north"); s.Reason != "" {
			t.Errorf("the lane stood: %+v", s)
		}
	}, agreed())
}

// TestStandSenders: three senders refused one after the other mean us, not them.
func TestStandSenders(t *testing.T) {
	town(t, func(c *city) {
		north := c.carriers["north"]
		north.say(noSender)
		for i, from := range []gateway.Number{from, second, "+12125550125"} {
			c.submit(want(by(from)))
			c.wait(time.Second)
			if stands := c.status("north").Reason != ""; stands != (i == 2) {
				t.Errorf("after %d senders the lane stands: %v", i+1, stands)
			}
		}
		c.wait(time.Hour)
		if s := c.status("north"); s.Reason != gateway.LaneStopped || s.Code != "4007" {
			t.Errorf("canaries that are refused as well leave it as %+v", s)
		}
		north.say(taken)
		c.wait(11 * time.Minute)
		if s := c.status("north"); s.Reason != "" {
			t.Errorf("it still stands: %+v", s)
		}
	}, agreed())
}

// TestStandPause: nothing is dialled once the pause is answered, what boards
// among it, over a restart too; then it flows.
func TestStandPause(t *testing.T) {
	town(t, func(c *city) {
		north := c.carriers["north"]
		c.pause("north", true)
		ids := c.submitN(20)
		c.wait(time.Minute)
		c.is(gateway.Held, gateway.CarrierPaused, ids...)
		c.restart()
		ids = append(ids, c.submitN(5)...)
		c.wait(time.Hour)
		c.is(gateway.Held, gateway.CarrierPaused, ids...)
		if n := len(north.seen()); n > 0 {
			t.Errorf("%d requests to a paused carrier", n)
		}
		if s := c.status("north"); !s.Paused || s.PausedBy != "uid 0" || s.PausedAt.IsZero() {
			t.Errorf("told as %+v", s)
		}
		c.pause("north", false)
		c.pause("north", false) // no news
		c.wait(5 * time.Second)
		c.is(gateway.Delivered, gateway.Retrieved, ids...)
		c.tells(gateway.ID{}, "carrier.paused", "carrier.resumed")
	}, agreed())
}

// TestStandDayCaps: in no day of the carrier's, whatever its hours, leave more
// than agreed; the rest goes on after its midnight. A restart gives no second
// helping.
func TestStandDayCaps(t *testing.T) {
	for _, k := range []struct{ zone, begin string }{
		{"America/Los_Angeles", "2026-03-07T20:00:00"}, // the 8th has 23 hours
		{"America/Los_Angeles", "2026-10-31T20:00:00"}, // the 1st has 25
		{"America/St_Johns", "2026-03-07T20:00:00"},
		{"America/St_Johns", "2026-07-01T20:00:00"},
	} {
		t.Run(k.zone+" "+k.begin, func(t *testing.T) {
			zone, err := time.LoadLocation(k.zone)
			if err != nil {
				t.Fatal(err)
			}
			begin, err := time.ParseInLocation("2006-01-02T15:04:05", k.begin, zone)
			if err != nil {
				t.Fatal(err)
			}
			p := agreed()
			p.PerDay, p.DayZone = 10, zone
			town(t, func(c *city) {
				c.shift = time.Until(begin)
				c.restart()
				c.days(zone)
			}, p)
		})
	}
}

// days lives through three of a carrier's days with a cap of ten.
func (c *city) days(zone *time.Location) {
	c.Helper()
	ids := c.submitN(34, lasting(7*24*time.Hour))
	c.wait(time.Minute)
	there := c.now().In(zone)
	midnight := time.Date(there.Year(), there.Month(), there.Day()+1, 0, 0, 0, 0, zone)
	waiting := 0
	for _, id := range ids {
		if d := c.delivery(id); d.State == gateway.Held && d.Reason == gateway.DailyCap && d.NextTry().Equal(midnight) {
			waiting++
		}
	}
	if waiting != 24 {
		c.Errorf("%d wait for midnight, want 24", waiting)
	}
	c.restart()
	c.wait(2 * time.Hour)
	c.submitN(2, lasting(7*24*time.Hour))
	c.wait(4 * 24 * time.Hour)
	perDay, days := map[string]int{}, []string{}
	for _, call := range c.carriers["north"].seen() {
		at := call.at.Add(c.shift).In(zone)
		day := at.Format("2006-01-02")
		if perDay[day] == 0 {
			days = append(days, day)
			if since := at.Sub(time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, zone)); len(days) > 1 && since > 5*time.Second {
				c.Errorf("on %s it went on %s after midnight", day, since)
			}
		}
		perDay[day] += len(call.to)
	}
	if len(days) != 4 || perDay[days[0]] != 10 || perDay[days[1]] != 10 || perDay[days[2]] != 10 || perDay[days[3]] != 6 {
		c.Errorf("by day: %v", perDay)
	}
	if s := c.status("north"); s.Reason != "" {
		c.Errorf("in the end the lane is told as %+v", s)
	}
	c.is(gateway.Delivered, gateway.Retrieved, ids...)
}

// TestStandFairShare: one account with thousands waiting keeps nobody from
// leaving; the urgent goes before the rest.
func TestStandFairShare(t *testing.T) {
	p := agreed()
	p.PerSecond, p.Window = 20, 2
	town(t, func(c *city) {
		c.pause("north", true)
		for range 10 {
			c.submit(want(to(many(500)...)))
		}
		few := c.submitN(8, of("beta"), to("+16475550100"))
		urgent := c.submit(want(func(s *gateway.Submission) { s.Priority = gateway.High }, to("+16475550101")))
		idle := c.submit(want(func(s *gateway.Submission) { s.Priority = gateway.Low }, of("beta"), to("+16475550102")))
		c.pause("north", false)
		c.wait(3 * time.Second)
		calls := c.carriers["north"].seen()
		at := func(id gateway.ID) int { return slices.IndexFunc(calls, func(c call) bool { return c.message == id }) }
		if i := at(urgent); i < 0 || i > 2 {
			t.Errorf("the urgent one left as number %d", i)
		}
		for _, id := range few {
			if i := at(id); i < 0 || i > 24 {
				t.Errorf("one of the few left as number %d of %d", i, len(calls))
			}
		}
		if at(idle) >= 0 {
			t.Error("the idle one left before the others")
		}
	}, p)
}

// TestStandStaleness: after an outage longer than its validity a message is not
// sent any more; what may have been taken is unknown, never expired.
func TestStandStaleness(t *testing.T) {
	town(t, func(c *city) {
		north := c.carriers["north"]
		north.say(silence)
		doubtful := c.submit(want(lasting(2 * time.Hour)))
		c.wait(time.Second)
		north.say(down)
		short := c.submitN(20, lasting(time.Hour))
		long := c.submitN(20, lasting(6*time.Hour))
		c.wait(time.Hour + time.Second)
		c.is(gateway.Expired, gateway.ExpiredBeforeSend, short...)
		c.wait(3 * time.Hour)
		c.is(gateway.Undecided, gateway.NoReport, doubtful)
		sent := len(north.seen())
		north.say(taken)
		c.wait(20 * time.Minute)
		c.is(gateway.Delivered, gateway.Retrieved, long...)
		for _, call := range north.seen()[sent:] {
			if slices.Contains(short, call.message) {
				t.Error("what had expired was sent")
			}
		}
	}, agreed())
}
