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

func (c *city) report(r gateway.Report) {
	c.Helper()
	if err := c.store.Report(context.Background(), r); err != nil {
		c.Fatal(err)
	}
}

// TestReportsInAnyOrder: late, again, swapped, in the wrong order: the best
// evidence stands, and everything that is news is told once.
func TestReportsInAnyOrder(t *testing.T) {
	town(t, func(c *city) {
		north := c.carriers["north"]
		north.reports("")
		id := c.submit(want())
		c.wait(time.Second)
		attempt := north.of(id)[0].attempt
		on := func(s gateway.ReportStatus) gateway.Report { return north.reportOn(attempt, from, alice, s) }
		swapped := on(gateway.ReportExpired)
		swapped.Sender, swapped.Recipient = swapped.Recipient, swapped.Sender
		c.report(swapped)
		c.is(gateway.Expired, gateway.ExpiredAtCarrier, id)
		for range 3 {
			c.report(on(gateway.ReportRetrieved))
			c.report(on(gateway.ReportForwarded))
		}
		c.report(on(gateway.ReportRejected))
		c.is(gateway.Delivered, gateway.Retrieved, id)
		c.tells(id, "message.accepted", "delivery.attempted", "delivery.sent", "delivery.expired", "message.completed",
			"delivery.delivered", "delivery.reported", "delivery.reported")
	}, agreed())
}

// TestReportCancelsResend: a final report, of whatever end, comes while a resend
// waits: it is not sent again.
func TestReportCancelsResend(t *testing.T) {
	p := agreed()
	p.Unknown, p.Retry.First = relay.Resend, 10*time.Minute
	for status, state := range map[gateway.ReportStatus]gateway.State{
		gateway.ReportRetrieved: gateway.Delivered, gateway.ReportExpired: gateway.Expired, gateway.ReportRejected: gateway.Undelivered,
	} {
		t.Run(string(status), func(t *testing.T) {
			town(t, func(c *city) {
				north := c.carriers["north"]
				north.say(silence)
				id := c.submit(want())
				c.wait(time.Second)
				c.is(gateway.Uncertain, gateway.BackingOff, id)
				r := north.reportOn(north.of(id)[0].attempt, from, alice, status)
				r.CarrierKey = "theirs"
				c.report(r)
				north.say(taken)
				c.wait(time.Hour)
				if d := c.delivery(id); d.State != state || d.Duplicate || d.Attempts != 1 {
					t.Errorf("it is %s after %d answers, possible duplicate %v", d.State, d.Attempts, d.Duplicate)
				}
				if n := len(north.of(id)); n != 1 {
					t.Errorf("dialled %d times", n)
				}
			}, p)
		})
	}
}

// TestReportAfterFailover: what the first carrier says late of a message that went
// on with the second still counts, and doubles nothing.
func TestReportAfterFailover(t *testing.T) {
	town(t, func(c *city) {
		north := c.carriers["north"]
		north.say(gateway.Result{Outcome: gateway.Rejected, Reason: gateway.RefusedRequest, Code: "2007", Counts: true})
		id := c.submit(want())
		c.wait(5 * time.Second)
		c.is(gateway.Delivered, gateway.Retrieved, id)
		r := north.reportOn(north.of(id)[0].attempt, from, alice, gateway.ReportExpired)
		c.report(r) // of a request that was refused: it matches nothing
		c.wait(2 * time.Minute)
		c.is(gateway.Delivered, gateway.Retrieved, id)
		if told := c.told(gateway.ID{}); !slices.Equal(told, []string{"report.unmatched"}) {
			t.Errorf("told %v", told)
		}
	}, agreed(), agreed())
}

// TestReportsKeptAndLinked: what matches nothing is kept, found by each filter,
// page by page, and given to a delivery by hand, once.
func TestReportsKeptAndLinked(t *testing.T) {
	town(t, func(c *city) {
		north := c.carriers["north"]
		north.reports("")
		id := c.submit(want())
		c.wait(time.Second)
		for i := range 5 {
			r := north.reportOn(gateway.NewID(), from, many(5)[i], gateway.ReportRetrieved)
			c.report(r)
		}
		mine := north.reportOn(gateway.NewID(), from, "+16475550100", gateway.ReportRetrieved)
		c.report(mine)
		c.wait(2 * time.Minute)
		find := func(q gateway.ReportQuery) []gateway.KeptReport {
			found, err := c.store.Reports(context.Background(), q)
			if err != nil {
				t.Fatal(err)
			}
			return found
		}
		no, yes := false, true
		if n := len(find(gateway.ReportQuery{Matched: &no, Carrier: "north", Limit: 50})); n != 6 {
			t.Errorf("%d are kept", n)
		}
		var pages []gateway.ID
		for before := (gateway.ID{}); ; {
			page := find(gateway.ReportQuery{Before: before, Limit: 4})
			if len(page) == 0 {
				break
			}
			for _, r := range page {
				pages = append(pages, r.ID)
			}
			before = page[len(page)-1].ID
		}
		if len(pages) != 6 || !slices.IsSortedFunc(pages, func(a, b gateway.ID) int { return slices.Compare(b[:], a[:]) }) {
			t.Errorf("by pages: %v", pages)
		}
		found := find(gateway.ReportQuery{To: "+16475550100", Limit: 5})
		if len(found) != 1 || found[0].ID != mine.ID || !found[0].Due.IsZero() {
			t.Fatalf("by recipient: %+v", found)
		}
		link := func(report, message gateway.ID, to gateway.Number) error {
			return c.store.Link(context.Background(), report, message, to, "uid 0")
		}
		if err := link(gateway.NewID(), id, alice); !errors.Is(err, gateway.ErrNotFound) {
			t.Errorf("a report that there is not: %v", err)
		}
		if err := link(mine.ID, id, second); !errors.Is(err, gateway.ErrNotFound) {
			t.Errorf("a recipient that there is not: %v", err)
		}
		if err := link(mine.ID, id, alice); err != nil {
			t.Fatal(err)
		}
		c.is(gateway.Delivered, gateway.Retrieved, id)
		if err := link(mine.ID, id, alice); !errors.Is(err, gateway.ErrLinked) {
			t.Errorf("linked again: %v", err)
		}
		if linked := find(gateway.ReportQuery{Matched: &yes, Limit: 5}); len(linked) != 1 || linked[0].MessageID != id || linked[0].Linked != "uid 0" {
			t.Errorf("linked are %+v", linked)
		}
	}, agreed())
}

// TestMessagesListed: each filter alone and some together, by what is told, in
// pages without gaps or repeats.
func TestMessagesListed(t *testing.T) {
	town(t, func(c *city) {
		c.rules.Routes = []gateway.Route{{Kind: gateway.MMS, To: []string{"+1416"}, Carriers: []string{"north"}}, {Kind: gateway.MMS, Carriers: []string{"south"}}}
		c.pause("south", true)
		var all []gateway.ID
		gone := c.submitN(7, func(s *gateway.Submission) { s.Reference = "order-42" })
		c.wait(time.Hour)
		half := c.now()
		paused := c.submitN(5, to("+16475550123", alice), of("beta"), by(second))
		c.wait(time.Minute)
		all = slices.Concat(gone, paused)
		slices.Reverse(all)
		list := func(f gateway.Filter) (ids []gateway.ID) {
			l := gateway.Listing{Filter: f, Limit: 3}
			for {
				page, err := c.store.Messages(context.Background(), l)
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range page {
					ids = append(ids, m.ID)
				}
				if len(page) < l.Limit {
					return ids
				}
				l.Before = page[len(page)-1].ID
			}
		}
		newest := func(ids []gateway.ID) []gateway.ID {
			r := slices.Clone(ids)
			slices.Reverse(r)
			return r
		}
		for name, k := range map[string]struct {
			f    gateway.Filter
			want []gateway.ID
		}{
			"all":                  {gateway.Filter{}, all},
			"account":              {gateway.Filter{Accounts: []string{"beta"}}, newest(paused)},
			"no account":           {gateway.Filter{Accounts: []string{}}, nil},
			"from":                 {gateway.Filter{From: from}, newest(gone)},
			"to":                   {gateway.Filter{To: "+16475550123"}, newest(paused)},
			"held":                 {gateway.Filter{State: gateway.Held}, newest(paused)},
			"paused":               {gateway.Filter{Reason: gateway.CarrierPaused}, newest(paused)},
			"queued":               {gateway.Filter{State: gateway.Queued}, nil},
			"waiting turn":         {gateway.Filter{Reason: gateway.WaitingTurn}, nil},
			"delivered":            {gateway.Filter{State: gateway.Delivered}, all},
			"delivered and paused": {gateway.Filter{State: gateway.Delivered, Reason: gateway.CarrierPaused}, nil},
			"carrier":              {gateway.Filter{Carrier: "south"}, newest(paused)},
			"reference":            {gateway.Filter{Reference: "order-42"}, newest(gone)},
			"since":                {gateway.Filter{Since: half}, newest(paused)},
			"until":                {gateway.Filter{Until: half}, newest(gone)},
			"together":             {gateway.Filter{Accounts: []string{"acme"}, State: gateway.Delivered, To: alice, Since: half.Add(-2 * time.Hour), Until: half, Reference: "order-42", Carrier: "north"}, newest(gone)},
		} {
			if got := list(k.f); !slices.Equal(got, k.want) {
				t.Errorf("%s: %d messages, want %d", name, len(got), len(k.want))
			}
		}
	}, agreed(), agreed())
}
