package relay_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"mmsgw/gateway"
	"mmsgw/gateway/relay"
)

func later(d time.Duration) func(*gateway.Submission) {
	return func(s *gateway.Submission) { s.SendAt = time.Now().Add(d) }
}

// TestScheduled: a message leaves at its time, not before; its validity begins
// then; a restart between changes nothing.
func TestScheduled(t *testing.T) {
	town(t, func(c *city) {
		north := c.carriers["north"]
		id := c.submit(want(later(3*time.Hour), lasting(time.Hour)))
		c.is(gateway.Scheduled, gateway.WaitsForTime, id)
		m, _ := c.message(id)
		if got := m.ValidUntil.Sub(m.SendAt); got != time.Hour {
			t.Errorf("it is valid for %s from its time", got)
		}
		c.wait(time.Hour)
		c.restart()
		c.wait(2*time.Hour - 10*time.Second)
		if n := len(north.seen()); n > 0 {
			t.Fatal("it left before its time")
		}
		c.wait(20 * time.Second)
		c.is(gateway.Delivered, gateway.Retrieved, id)
		c.tells(id, "message.accepted", "delivery.queued", "delivery.attempted", "delivery.sent", "delivery.delivered", "message.completed")
		late := c.submit(want(later(time.Hour), lasting(time.Hour)))
		c.pause("north", true)
		c.wait(2*time.Hour + time.Second)
		c.is(gateway.Expired, gateway.ExpiredBeforeSend, late)
	}, agreed())
}

// TestStandingAskedAgain: what waited for a time, was held or is retried is asked
// again whether its account may send; what was accepted a moment ago was asked then.
func TestStandingAskedAgain(t *testing.T) {
	town(t, func(c *city) {
		north := c.carriers["north"]
		scheduled := c.submit(want(later(time.Hour)))
		held := c.submit(want(later(time.Hour)))
		c.does(gateway.ToHold, held)
		north.say(down)
		backing := c.submit(want())
		c.wait(30 * time.Minute)
		north.say(taken)
		acme := *c.rules.Accounts["acme"]
		acme.Standing.Suspended = true
		suspended := *c.rules
		suspended.Accounts = map[string]*gateway.Account{"acme": &acme, "beta": c.rules.Accounts["beta"]}
		c.gateway.Rules.Store(&suspended)
		c.wait(time.Hour)
		c.does(gateway.ToRelease, held)
		c.wait(time.Second)
		c.is(gateway.Held, gateway.StandingChanged, scheduled, held, backing)
		for _, id := range []gateway.ID{scheduled, held, backing} {
			if d := c.delivery(id); d.NextTry().IsZero() {
				t.Error("held without a time at which it is asked again")
			}
		}
		c.gateway.Rules.Store(c.rules)
		c.relay.Change(c.lanes())
		c.wait(5 * time.Second)
		c.is(gateway.Delivered, gateway.Retrieved, scheduled, held, backing)
	}, agreed())
}

// TestConsent: whoever opted out is not dialled from then on, however far the
// message had come; what may have arrived is only not sent again.
func TestConsent(t *testing.T) {
	p := agreed()
	p.Unknown, p.ResendMax = relay.Resend, 5
	town(t, func(c *city) {
		north := c.carriers["north"]
		optOut := func(sender gateway.Number) {
			o := gateway.OptOut{Account: "acme", Number: alice, From: sender, At: time.Now(), Who: "uid 0"}
			if news, err := c.store.OptOut(context.Background(), o); err != nil || !news {
				t.Fatalf("%v, %v", news, err)
			}
		}
		north.say(silence)
		doubtful := c.submit(want(by(second)))
		c.wait(time.Second)
		north.say(taken)
		c.pause("north", true)
		waiting := c.submit(want(to(alice, "+16475550100")))
		other := c.submit(want(by(second)))
		scheduled := c.submit(want(later(time.Hour)))
		optOut(from)
		if _, _, err := c.gateway.Submit(context.Background(), want()); err == nil {
			t.Error("a submission to who opted out is accepted")
		}
		c.pause("north", false)
		c.wait(2 * time.Hour)
		m, _ := c.message(waiting)
		if m.Deliveries[0].State != gateway.Blocking || m.Deliveries[0].Reason != gateway.OptedOut || m.Deliveries[1].State != gateway.Delivered {
			t.Errorf("they are %s, %s and %s", m.Deliveries[0].State, m.Deliveries[0].Reason, m.Deliveries[1].State)
		}
		if state, final := gateway.StateOf(m.Deliveries); state != "delivered" || !final {
			t.Errorf("the message is %s", state)
		}
		c.is(gateway.Blocking, gateway.OptedOut, scheduled)
		c.is(gateway.Delivered, gateway.Retrieved, other, doubtful)
		c.tells(scheduled, "message.accepted", "delivery.queued", "delivery.blocked", "message.completed")

		north.say(silence)
		again := c.submit(want(by(second)))
		c.wait(time.Second)
		optOut("")
		c.wait(time.Minute)
		c.is(gateway.Held, gateway.AmbiguousOutcome, again)
		if n := len(north.of(again)); n != 1 {
			t.Errorf("dialled %d times", n)
		}
		if _, err := c.act(gateway.Action{Verb: gateway.ToRetry, Message: again}); !errors.Is(err, gateway.ErrNotRetryable) {
			t.Errorf("a retry to who opted out: %v", err)
		}
		if news, err := c.store.OptIn(context.Background(), gateway.OptOut{Account: "acme", Number: alice, Who: "uid 0", Note: "asked by letter"}); err != nil || !news {
			t.Errorf("lifted: %v, %v", news, err)
		}
		north.say(taken)
		if n, err := c.act(gateway.Action{Verb: gateway.ToRetry, Message: again}); n != 1 || err != nil {
			t.Errorf("after it was lifted: %d, %v", n, err)
		}
		c.tells(gateway.ID{}, "carrier.paused", "optout.changed", "carrier.resumed", "optout.changed", "optout.changed")
	}, p)
}

// TestVerbs: what each verb does to a delivery in each state.
func TestVerbs(t *testing.T) {
	content := gateway.Result{Outcome: gateway.Rejected, Reason: gateway.RefusedContent, Code: "2004", Counts: true}
	reach := map[string]func(c *city) gateway.ID{
		"scheduled": func(c *city) gateway.ID { return c.submit(want(later(time.Hour))) },
		"waiting": func(c *city) gateway.ID {
			c.pause("north", true)
			return c.submit(want())
		},
		"backing off": func(c *city) gateway.ID {
			c.carriers["north"].say(tryLater)
			return c.submit(want())
		},
		"lane stopped": func(c *city) gateway.ID {
			c.carriers["north"].say(noEntry)
			return c.submit(want())
		},
		"held": func(c *city) gateway.ID {
			id := c.submit(want(later(time.Hour)))
			c.does(gateway.ToHold, id)
			return id
		},
		"sending": func(c *city) gateway.ID {
			c.carriers["north"].slow(time.Minute)
			return c.submit(want())
		},
		"uncertain": func(c *city) gateway.ID {
			c.carriers["north"].say(silence)
			return c.submit(want())
		},
		"sent": func(c *city) gateway.ID {
			c.carriers["north"].reports("")
			return c.submit(want())
		},
		"failed": func(c *city) gateway.ID {
			c.carriers["north"].say(content)
			return c.submit(want())
		},
		"expired": func(c *city) gateway.ID {
			c.pause("north", true)
			id := c.submit(want(lasting(time.Minute)))
			c.wait(time.Minute)
			c.pause("north", false)
			return id
		},
		"delivered": func(c *city) gateway.ID { return c.submit(want()) },
	}
	fits := map[gateway.Verb][]string{
		gateway.ToCancel:  {"scheduled", "waiting", "backing off", "lane stopped", "held"},
		gateway.ToRetry:   {"held", "uncertain", "failed", "expired"},
		gateway.ToHold:    {"scheduled", "waiting", "backing off", "lane stopped"},
		gateway.ToRelease: {"held"},
	}
	becomes := map[gateway.Verb]gateway.State{gateway.ToCancel: gateway.Canceled, gateway.ToRetry: gateway.Delivered, gateway.ToHold: gateway.Held, gateway.ToRelease: gateway.Scheduled}
	town(t, func(c *city) {
		for name, get := range reach {
			for _, verb := range gateway.Verbs() {
				id := get(c)
				c.wait(3 * time.Second)
				before := c.delivery(id)
				n, err := c.act(gateway.Action{Verb: verb, Message: id})
				if fit := slices.Contains(fits[verb], name); fit != (n == 1 && err == nil) || !fit && err == nil {
					t.Errorf("%s of one %s (%s, %s): %d, %v", verb, name, before.State, before.Reason, n, err)
				} else if north := c.carriers["north"]; fit {
					north.say(taken)
					north.reports(gateway.ReportRetrieved)
					c.wait(3 * time.Second)
					if d := c.delivery(id); d.State != becomes[verb] {
						t.Errorf("%s of one %s made it %s, %s", verb, name, d.State, d.Reason)
					}
				}
				c.pause("north", false)
				c.carriers["north"].say(taken)
				c.carriers["north"].slow(0)
				c.carriers["north"].reports(gateway.ReportRetrieved)
				c.wait(10 * time.Minute) // the lane goes again
			}
		}
	}, agreed())
}

// TestRetryBeginsAnew: a new round, with new tries, a new validity where the old
// one is over, and an end that is told once more.
func TestRetryBeginsAnew(t *testing.T) {
	p := agreed()
	p.Retry.Attempts = 2
	town(t, func(c *city) {
		north := c.carriers["north"]
		north.say(tryLater)
		id := c.submit(want(lasting(time.Hour), to(many(2)...)))
		c.wait(2 * time.Minute)
		c.is(gateway.Failed, gateway.RetriesExhausted, id)
		c.wait(2 * time.Hour)
		c.does(gateway.ToRetry, id, many(2)[0])
		c.wait(2 * time.Minute)
		c.is(gateway.Failed, gateway.RetriesExhausted, id)
		north.say(taken)
		c.does(gateway.ToRetry, id)
		c.wait(time.Minute)
		c.is(gateway.Delivered, gateway.Retrieved, id)
		m, attempts := c.message(id)
		if m.Deliveries[0].Round != 2 || m.Deliveries[1].Round != 1 || m.Deliveries[0].Attempts != 5 || len(attempts) != 8 {
			t.Errorf("rounds %d and %d, %d answers, %d attempts", m.Deliveries[0].Round, m.Deliveries[1].Round, m.Deliveries[0].Attempts, len(attempts))
		}
		ends := 0
		for _, e := range c.told(id) {
			if e == "message.completed" {
				ends++
			}
		}
		if ends != 3 {
			t.Errorf("its end is told %d times", ends)
		}
	}, p)
}

// TestActOnMany: a filter chooses by what is told, counts without acting, and
// acts on nothing else.
func TestActOnMany(t *testing.T) {
	town(t, func(c *city) {
		c.rules.Routes = []gateway.Route{{Kind: gateway.MMS, To: []string{"+1416"}, Carriers: []string{"north"}}, {Kind: gateway.MMS, Carriers: []string{"south"}}}
		c.pause("north", true)
		c.carriers["south"].say(down)
		waiting := c.submit(want(to(many(700)...)))
		beta := c.submitN(5, of("beta"))
		elsewhere := c.submitN(20, to("+16475550123"))
		c.wait(time.Minute)
		paused := gateway.Filter{State: gateway.Held, Reason: gateway.CarrierPaused, Accounts: []string{"acme"}}
		count := func(a gateway.Action) int {
			n, err := c.act(a)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n := count(gateway.Action{Verb: gateway.ToHold, Filter: paused, DryRun: true}); n != 700 {
			t.Errorf("a dry run counts %d", n)
		}
		c.is(gateway.Held, gateway.CarrierPaused, waiting)
		if n := count(gateway.Action{Verb: gateway.ToHold, Filter: paused}); n != 700 {
			t.Errorf("held %d", n)
		}
		c.is(gateway.Held, gateway.OperatorHold, waiting)
		c.is(gateway.Held, gateway.CarrierPaused, beta...)
		if n := count(gateway.Action{Verb: gateway.ToRelease, Filter: gateway.Filter{To: many(2)[1]}}); n != 1 {
			t.Errorf("released %d", n)
		}
		if n := count(gateway.Action{Verb: gateway.ToCancel, Filter: gateway.Filter{Reason: gateway.OperatorHold}}); n != 699 {
			t.Errorf("canceled %d", n)
		}
		if n := count(gateway.Action{Verb: gateway.ToCancel, Filter: gateway.Filter{Carrier: "south"}}); n != 20 {
			t.Errorf("canceled %d at the other carrier", n)
		}
		c.is(gateway.Canceled, gateway.CanceledByCaller, elsewhere...)
		c.pause("north", false)
		c.wait(time.Minute)
		m, _ := c.message(waiting)
		states := map[gateway.State]int{}
		for _, d := range m.Deliveries {
			states[d.State]++
		}
		if states[gateway.Canceled] != 699 || states[gateway.Delivered] != 1 {
			t.Errorf("in the end %v", states)
		}
		if types := c.told(waiting); types[len(types)-1] != "message.completed" {
			t.Error("its end is not told")
		}
	}, agreed(), agreed())
}

// TestRecall: what a carrier took is asked back where it takes that, and it says
// whether it could.
func TestRecall(t *testing.T) {
	p := agreed()
	p.Recalls = true
	refused := gateway.Result{Outcome: gateway.Rejected, Reason: gateway.RefusedRequest, Code: "3001", Counts: true}
	for name, k := range map[string]struct {
		answers []gateway.Result
		state   gateway.State
		asked   int
	}{
		"called back": {[]gateway.Result{taken}, gateway.Canceled, 1},
		"too late":    {[]gateway.Result{refused}, gateway.Sent, 1},
		"busy":        {[]gateway.Result{down, down, taken}, gateway.Canceled, 3},
		"no answer":   {[]gateway.Result{silence}, gateway.Sent, 1},
	} {
		t.Run(name, func(t *testing.T) {
			town(t, func(c *city) {
				c.rules.Recalling = []string{"north"}
				north := c.carriers["north"]
				north.reports("")
				id := c.submit(want())
				c.wait(time.Second)
				c.is(gateway.Sent, gateway.AwaitingReport, id)
				n := 0
				north.script(func(d gateway.Dispatch, _ int) gateway.Result {
					n++
					if d.Attempt.Kind != gateway.Cancels || d.Attempt.CarrierName() == "" {
						t.Errorf("asked by %+v", d.Attempt)
					}
					return k.answers[min(n, len(k.answers))-1]
				})
				c.does(gateway.ToCancel, id)
				c.wait(5 * time.Minute)
				d := c.delivery(id)
				if d.State != k.state || n != k.asked || d.State == gateway.Canceled && d.Claim != gateway.ByCarrier {
					t.Errorf("it is %s, claimed by %s, after %d cancel requests", d.State, d.Claim, n)
				}
				report := north.reportOn(north.of(id)[0].attempt, from, alice, gateway.ReportRetrieved)
				if err := c.store.Report(context.Background(), report); err != nil {
					t.Fatal(err)
				}
				after := c.delivery(id)
				if k.state == gateway.Sent && after.State != gateway.Delivered || k.state == gateway.Canceled && after.State != gateway.Canceled {
					t.Errorf("a report that it arrived makes it %s", after.State)
				}
				types := c.told(id)
				if want := map[gateway.State]string{gateway.Canceled: "delivery.reported", gateway.Sent: "message.completed"}[k.state]; types[len(types)-1] != want {
					t.Errorf("told %v", types)
				}
			}, p)
		})
	}
}
