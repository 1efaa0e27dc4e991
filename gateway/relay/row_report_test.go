package relay_test

import (
	"testing"
	"time"

	"mmsgw/gateway"
	"mmsgw/gateway/relay"
)

// TestRowOldReport: what a carrier says of a request that was given up says
// nothing of the one that is under way or still to come, unless it says that the
// message has arrived.
func TestRowOldReport(t *testing.T) {
	busy := agreed()
	busy.Retry.Attempts = 1
	for status, want1 := range map[gateway.ReportStatus]gateway.State{gateway.ReportExpired: gateway.Queued, gateway.ReportRejected: gateway.Queued, gateway.ReportRetrieved: gateway.Delivered} {
		t.Run(string(status), func(t *testing.T) {
			town(t, func(c *city) {
				south := c.carriers["south"]
				c.carriers["north"].say(tryLater)
				south.say(tryLater)
				id := c.submit(want())
				c.wait(100 * time.Millisecond)
				d := c.delivery(id)
				first := c.carriers["north"].of(id)[0].attempt
				if d.Lane != "south" || d.State != gateway.Queued {
					t.Fatalf("it is %s at %s", d.State, d.Lane)
				}
				r := c.carriers["north"].reportOn(gateway.NewID(), from, alice, status)
				r.TransactionID = first.TransactionID()
				if err := c.store.Report(t.Context(), r); err != nil {
					t.Fatal(err)
				}
				if d := c.delivery(id); d.State != want1 {
					t.Errorf("the report on the request that was given up made it %s, %s", d.State, d.Reason)
				}
				south.say(taken)
				c.wait(time.Minute)
				c.is(gateway.Delivered, gateway.Retrieved, id)
				if want1 == gateway.Delivered && len(south.of(id)) > 1 {
					t.Error("sent again though it had arrived")
				}
			}, busy, agreed())
		})
	}
}

// TestRowOldReportAfterResend: by another TransactionID, what is said of the
// first request leaves the second alone, whose own end is then heard, be it told in
// the same word; that the first arrived is heard at once.
func TestRowOldReportAfterResend(t *testing.T) {
	p := agreed()
	p.Unknown, p.SameID = relay.Resend, false
	town(t, func(c *city) {
		north := c.carriers["north"]
		north.reports("")
		north.script(func(_ gateway.Dispatch, n int) gateway.Result {
			if n == 1 {
				return silence
			}
			return taken
		})
		id := c.submit(want())
		c.wait(time.Minute)
		calls := north.of(id)
		if len(calls) != 2 || calls[0].attempt == calls[1].attempt {
			t.Fatalf("dialled %d times", len(calls))
		}
		hear := func(attempt gateway.ID, status gateway.ReportStatus) {
			r := north.reportOn(attempt, from, alice, status)
			r.TransactionID = attempt.TransactionID()
			if err := c.store.Report(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			hear(calls[0].attempt, gateway.ReportExpired)
		}
		c.is(gateway.Sent, gateway.AwaitingReport, id)
		hear(calls[1].attempt, gateway.ReportExpired)
		c.is(gateway.Expired, gateway.ExpiredAtCarrier, id)
		hear(calls[0].attempt, gateway.ReportRetrieved)
		c.is(gateway.Delivered, gateway.Retrieved, id)
		c.tells(id, "message.accepted", "delivery.attempted", "delivery.uncertain", "delivery.queued", "delivery.attempted", "delivery.sent",
			"delivery.reported", "delivery.expired", "message.completed", "delivery.delivered")
	}, p)
}
