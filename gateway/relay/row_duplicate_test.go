package relay_test

import (
	"context"
	"testing"
	"time"

	"mmsgw/gateway"
	"mmsgw/gateway/relay"
)

// answers makes a carrier give these answers in turn, the last one ever after.
func (p *peer) answers(answers ...gateway.Result) {
	p.script(func(_ gateway.Dispatch, n int) gateway.Result { return answers[min(n, len(answers))-1] })
}

// hear has a carrier report on an attempt, by our own TransactionID.
func (c *city) hear(p *peer, attempt gateway.ID, to gateway.Number, status gateway.ReportStatus) {
	c.Helper()
	r := p.reportOn(attempt, from, to, status)
	r.TransactionID = attempt.TransactionID()
	if err := c.store.Report(context.Background(), r); err != nil {
		c.Fatal(err)
	}
}

// TestRowDuplicate: a delivery shows that it may arrive twice exactly where it was
// dialled again though it may have been taken.
func TestRowDuplicate(t *testing.T) {
	resend := agreed()
	resend.Unknown, resend.Retry.First = relay.Resend, time.Minute
	fresh := resend
	fresh.SameID = false
	rejected := gateway.Result{Outcome: gateway.Rejected, Reason: gateway.RefusedContent, Code: "2004", Counts: true}
	for name, k := range map[string]struct {
		policy    relay.Policy
		answers   []gateway.Result
		do        func(c *city, id gateway.ID)
		state     gateway.State
		duplicate bool
		dials     int
	}{
		"taken at once":          {resend, []gateway.Result{taken}, nil, gateway.Delivered, false, 1},
		"busy, then taken":       {resend, []gateway.Result{tryLater, down, taken}, nil, gateway.Delivered, false, 3},
		"in doubt, dialled":      {resend, []gateway.Result{silence, taken}, nil, gateway.Delivered, true, 2},
		"in doubt, another id":   {fresh, []gateway.Result{silence, taken}, nil, gateway.Delivered, true, 2},
		"in doubt, then refused": {resend, []gateway.Result{silence, rejected}, nil, gateway.Failed, true, 2},
		"in doubt, then down":    {resend, []gateway.Result{silence, down, down, taken}, nil, gateway.Delivered, true, 4},
		"in doubt, reported": {resend, []gateway.Result{silence, taken}, func(c *city, id gateway.ID) {
			c.hear(c.carriers["north"], c.carriers["north"].of(id)[0].attempt, alice, gateway.ReportRejected)
		}, gateway.Undelivered, false, 1},
		"in doubt, on its way": {resend, []gateway.Result{silence, taken}, func(c *city, id gateway.ID) {
			c.hear(c.carriers["north"], c.carriers["north"].of(id)[0].attempt, alice, gateway.ReportDeferred)
		}, gateway.Sent, false, 1},
		"in doubt, canceled": {resend, []gateway.Result{silence, taken}, func(c *city, id gateway.ID) { c.does(gateway.ToCancel, id) }, gateway.Held, false, 1},
		"in doubt, opted out": {resend, []gateway.Result{silence, taken}, func(c *city, id gateway.ID) {
			if _, err := c.store.OptOut(context.Background(), gateway.OptOut{Account: "acme", Number: alice, At: time.Now(), Who: "uid 0"}); err != nil {
				c.Fatal(err)
			}
		}, gateway.Held, false, 1},
		"held, then retried": {agreed(), []gateway.Result{silence, taken}, func(c *city, id gateway.ID) {
			c.wait(time.Hour)
			c.does(gateway.ToRetry, id)
		}, gateway.Delivered, true, 2},
		"failed, then retried": {agreed(), []gateway.Result{rejected, taken}, func(c *city, id gateway.ID) { c.does(gateway.ToRetry, id) }, gateway.Delivered, false, 2},
		"restarted":            {resend, []gateway.Result{down, taken}, func(c *city, id gateway.ID) { c.restart() }, gateway.Delivered, false, 2},
	} {
		t.Run(name, func(t *testing.T) {
			town(t, func(c *city) {
				north := c.carriers["north"]
				north.answers(k.answers...)
				id := c.submit(want())
				c.wait(time.Second)
				if k.do != nil {
					k.do(c, id)
				}
				c.wait(40 * time.Minute)
				d := c.delivery(id)
				if d.State != k.state || d.Duplicate != k.duplicate || len(north.of(id)) != k.dials {
					t.Errorf("it is %s, %s, possible duplicate %v, after %d dials", d.State, d.Reason, d.Duplicate, len(north.of(id)))
				}
				ids := map[gateway.ID]bool{}
				for _, call := range north.of(id) {
					ids[call.attempt] = true
				}
				if k.duplicate && k.policy.SameID && name != "in doubt, then down" && len(ids) != 1 || !k.policy.SameID && len(ids) != 2 {
					t.Errorf("by %d TransactionIDs", len(ids))
				}
			}, k.policy)
		})
	}
}

// TestRowReportBeforeAnswer: a report is quicker than the answer to its request. By
// the MessageID it waits for that; by our TransactionID it counts at once, and what
// the answer then says changes nothing.
func TestRowReportBeforeAnswer(t *testing.T) {
	for name, k := range map[string]struct {
		echo   bool
		answer gateway.Result
		state  gateway.State
	}{
		"by MessageID": {false, taken, gateway.Delivered}, "by ours": {true, taken, gateway.Delivered},
		"by ours, then busy": {true, tryLater, gateway.Delivered}, "by ours, then no answer": {true, silence, gateway.Delivered},
		"by MessageID, then no answer": {false, silence, gateway.Delivered}, // one request fits sender and recipient
	} {
		t.Run(name, func(t *testing.T) {
			town(t, func(c *city) {
				north := c.carriers["north"]
				north.reports("")
				north.slow(20 * time.Second)
				north.say(k.answer)
				id := c.submit(want())
				c.wait(10 * time.Second)
				c.is(gateway.Sending, "", id)
				attempt := north.of(id)[0].attempt
				r := north.reportOn(attempt, from, alice, gateway.ReportRetrieved)
				if k.echo {
					r.TransactionID = attempt.TransactionID()
				}
				if err := c.store.Report(context.Background(), r); err != nil {
					t.Fatal(err)
				}
				now := map[bool]gateway.State{true: gateway.Delivered, false: gateway.Sending}[k.echo]
				if d := c.delivery(id); d.State != now {
					t.Errorf("before the answer it is %s", d.State)
				}
				c.wait(time.Hour)
				c.is(k.state, gateway.Retrieved, id)
				if n := len(north.of(id)); n != 1 {
					t.Errorf("dialled %d times", n)
				}
				types := c.told(id)
				ends := 0
				for _, e := range types {
					if e == "message.completed" {
						ends++
					}
				}
				if ends != 1 {
					t.Errorf("told %v", types)
				}
			}, agreed())
		})
	}
}

// TestRowReportAgainstCancel: a report beats the wish to cancel, before the carrier is
// asked and while it is; what it answers then is told and changes nothing.
func TestRowReportAgainstCancel(t *testing.T) {
	p := agreed()
	p.Recalls = true
	for _, asked := range []bool{false, true} {
		t.Run(map[bool]string{false: "before it is asked", true: "while it is asked"}[asked], func(t *testing.T) {
			town(t, func(c *city) {
				c.rules.Recalling = []string{"north"}
				north := c.carriers["north"]
				north.reports("")
				id := c.submit(want())
				c.wait(time.Second)
				attempt := north.of(id)[0].attempt
				north.slow(time.Minute)
				if !asked {
					c.pause("north", true)
				}
				c.does(gateway.ToCancel, id)
				c.wait(10 * time.Second)
				c.hear(north, attempt, alice, gateway.ReportRetrieved)
				c.is(gateway.Delivered, gateway.Retrieved, id)
				c.pause("north", false)
				c.wait(5 * time.Minute)
				c.is(gateway.Delivered, gateway.Retrieved, id)
				want, last := 1, "message.completed"
				if asked {
					want, last = 2, "delivery.reported"
				}
				if n := len(north.of(id)); n != want {
					t.Errorf("%d requests, want %d", n, want)
				}
				if types := c.told(id); types[len(types)-1] != last {
					t.Errorf("told %v", types)
				}
			}, p)
		})
	}
}

// TestRowRecallOfSeveral: the carrier is asked back for all that one request took, once;
// where it took the wish, all of them are canceled.
func TestRowRecallOfSeveral(t *testing.T) {
	p := together(10)
	p.Recalls = true
	town(t, func(c *city) {
		c.rules.Recalling = []string{"north"}
		north := c.carriers["north"]
		north.reports("")
		id := c.submit(want(to(many(3)...)))
		c.wait(time.Second)
		c.is(gateway.Sent, gateway.AwaitingReport, id)
		c.does(gateway.ToCancel, id)
		c.wait(time.Minute)
		c.is(gateway.Canceled, gateway.CanceledByCaller, id)
		cancels := 0
		for _, call := range north.of(id) {
			if call.kind == gateway.Cancels {
				cancels++
			}
		}
		if cancels != 1 {
			t.Errorf("asked %d times", cancels)
		}
		for _, to := range many(3) {
			c.hear(north, north.of(id)[0].attempt, to, gateway.ReportRetrieved)
		}
		c.is(gateway.Canceled, gateway.CanceledByCaller, id)
		ends := 0
		for _, e := range c.told(id) {
			if e == "message.completed" {
				ends++
			}
		}
		if ends != 1 {
			t.Errorf("its end is told %d times", ends)
		}
	}, p)
}

// TestRowCrashAtRecall: the process dies while a carrier is asked to cancel: the answer is
// never known, the message stays sent, and its report still counts.
func TestRowCrashAtRecall(t *testing.T) {
	p := agreed()
	p.Recalls = true
	town(t, func(c *city) {
		c.rules.Recalling = []string{"north"}
		north := c.carriers["north"]
		north.reports("")
		id := c.submit(want())
		c.wait(time.Second)
		north.slow(10 * time.Hour)
		c.does(gateway.ToCancel, id)
		c.wait(time.Second)
		c.life.crash()
		north.slow(0)
		c.begin()
		c.wait(leaseTTL + leaseTTL/3 + time.Minute)
		c.is(gateway.Sent, gateway.AwaitingReport, id)
		c.tells(id, "message.accepted", "delivery.attempted", "delivery.sent", "delivery.reported", "delivery.reported")
		if n := len(north.of(id)); n != 2 {
			t.Errorf("%d requests", n)
		}
		c.hear(north, north.of(id)[0].attempt, alice, gateway.ReportRetrieved)
		c.is(gateway.Delivered, gateway.Retrieved, id)
	}, p)
}
