package store

import (
	"sync"
	"testing"
	"time"

	"mmsgw/gateway"
)

// TestRowPagesUnderAccepts: while messages are accepted, pages go from the newest to the
// oldest without a repeat, and leave out none that was there when the first was read.
func TestRowPagesUnderAccepts(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		there := map[gateway.ID]bool{}
		for range 60 {
			there[w.accept(w.message(alice)).ID] = true
		}
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						if _, err := w.Accept(t.Context(), gateway.Accept{Message: w.message(bob)}); err != nil {
							t.Error(err)
							return
						}
					}
				}
			})
		}
		var last gateway.ID
		seen := map[gateway.ID]bool{}
		for {
			page, err := w.Messages(t.Context(), gateway.Listing{Filter: gateway.Filter{Accounts: []string{"acme"}}, Before: last, Limit: 7})
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range page {
				if seen[m.ID] || !last.IsZero() && string(m.ID[:]) >= string(last[:]) {
					t.Fatal("a page goes back")
				}
				seen[m.ID], last = true, m.ID
				if len(m.Deliveries) != 1 {
					t.Errorf("%d deliveries", len(m.Deliveries))
				}
			}
			if len(page) < 7 {
				break
			}
		}
		close(stop)
		wg.Wait()
		for id := range there {
			if !seen[id] {
				t.Error("one that was there is on no page")
			}
		}
	})
}

// TestRowSinceAndUntil: since takes the microsecond itself in, until leaves it out.
func TestRowSinceAndUntil(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		start := w.now
		var at []time.Time
		for i := range 5 {
			w.now = start.Add(time.Duration(i) * time.Microsecond)
			m := w.message(alice)
			w.accept(m)
			at = append(at, m.CreatedAt)
		}
		for i := range 5 {
			for what, f := range map[string]gateway.Filter{"since": {Since: at[i]}, "until": {Until: at[i]}, "both": {Since: at[i], Until: at[i].Add(time.Microsecond)}} {
				got, err := w.Messages(t.Context(), gateway.Listing{Filter: f, Limit: 50})
				want := map[string]int{"since": 5 - i, "until": i, "both": 1}[what]
				if err != nil || len(got) != want {
					t.Errorf("%s %d: %d messages, want %d (%v)", what, i, len(got), want, err)
				}
			}
		}
	})
}

// TestRowCountsAsTold: behind a lane that stands, whatever for, lists, filters and
// actions speak of the same deliveries, those that wait there and no others.
func TestRowCountsAsTold(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.accept(w.message(alice, bob))
		back := w.message(alice)
		d := &back.Deliveries[0]
		d.Reason, d.Ready, d.Due = gateway.BackingOff, false, w.now.Add(time.Minute)
		w.accept(back)
		south := w.message(alice)
		south.Deliveries[0].Lane = "south"
		w.accept(south)
		count := func(f gateway.Filter) (told, chosen int) {
			t.Helper()
			l, err := w.Messages(t.Context(), gateway.Listing{Filter: f, Limit: 50})
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range l {
				for _, d := range m.Deliveries {
					if (f.State == "" || d.State == f.State) && (f.Reason == "" || d.Reason == f.Reason) && (f.Carrier == "" || d.Lane == f.Carrier) {
						told++
					}
				}
			}
			chosen, err = w.Act(t.Context(), gateway.Judged{Action: gateway.Action{Filter: f, DryRun: true},
				Judge: func(*gateway.Delivery, *gateway.Message, bool, time.Time) (gateway.Event, bool) {
					return gateway.Event{}, true
				}})
			if err != nil {
				t.Fatal(err)
			}
			return told, chosen
		}
		for _, stands := range []gateway.LaneStatus{
			{Lane: "north"},
			{Lane: "north", Reason: gateway.BreakerOpen, Since: w.now, Until: w.now.Add(time.Minute)},
			{Lane: "north", Reason: gateway.LaneStopped, Since: w.now, Until: w.now.Add(time.Minute)},
			{Lane: "north", Reason: gateway.DailyCap, Since: w.now, Until: w.now.Add(time.Hour)},
		} {
			done := make(chan error, 1)
			w.Note(gateway.LaneNote{Status: stands}, func(err error) { done <- err })
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			held := map[bool]int{true: 2}[stands.Reason != ""]
			for _, c := range []struct {
				f    gateway.Filter
				want int
			}{
				{gateway.Filter{State: gateway.Held}, held}, {gateway.Filter{State: gateway.Queued}, 4 - held}, {gateway.Filter{Reason: gateway.WaitingTurn}, 3 - held},
				{gateway.Filter{Reason: gateway.BackingOff}, 1}, {gateway.Filter{State: gateway.Held, Reason: gateway.WaitingTurn}, 0},
				{gateway.Filter{State: gateway.Queued, Carrier: "north"}, 3 - held}, {gateway.Filter{State: gateway.Held, Carrier: "south"}, 0},
				{gateway.Filter{Reason: stands.Reason}, map[bool]int{true: held, false: 4}[stands.Reason != ""]},
			} {
				if told, chosen := count(c.f); told != c.want || chosen != c.want {
					t.Errorf("behind %q, %s and %q: %d told, %d chosen, want %d", stands.Reason, c.f.State, c.f.Reason, told, chosen, c.want)
				}
			}
		}
	})
}

// TestRowOptOutAtAccept: whoever opted out between the check and the commit is not
// sent to, the others wait their turn, and nothing rides along; where nobody is left
// the message is complete.
func TestRowOptOutAtAccept(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		lease := w.own()
		if _, err := w.OptOut(t.Context(), gateway.OptOut{Account: "acme", Number: alice, From: sender, At: w.now, Who: "uid 0"}); err != nil {
			t.Fatal(err)
		}
		ride := func(to ...gateway.Number) *gateway.Message {
			m := w.message(to...)
			a := gateway.Attempt{ID: gateway.NewID(), Kind: gateway.Submits, MessageID: m.ID, Lane: "north", Owner: "node-1", Epoch: lease.Epoch, Dials: 1, OpenedAt: w.now}
			for n := range to {
				a.Covers = append(a.Covers, n)
			}
			out, err := w.Accept(t.Context(), gateway.Accept{Message: m, Attempts: []gateway.Attempt{a}})
			if err != nil || out.Boarded {
				t.Errorf("accepted %+v, %v", out, err)
			}
			return m
		}
		both, only := ride(alice, bob), ride(alice)
		w.state(both.ID, 0, gateway.Blocking)
		w.state(both.ID, 1, gateway.Queued)
		w.timeline(both.ID, "message.accepted", "delivery.blocked")
		w.timeline(only.ID, "message.accepted", "delivery.blocked", "message.completed")
		got := take(t, w.Store, gateway.Order{Lease: lease, N: 5, Recipients: 5, Group: 5})
		if len(got) != 1 || len(got[0].Deliveries) != 1 || got[0].Deliveries[0].Recipient != bob {
			t.Fatalf("took %+v", got)
		}
		w.accepted(got[0], "k")
		w.hear(w.report("k", bob, gateway.ReportRetrieved))
		w.timeline(both.ID, "message.accepted", "delivery.blocked", "delivery.attempted", "delivery.sent", "delivery.delivered", "message.completed")
	})
}

// TestRowOptOutInAGroup: of those that would share a request, who opted out while they
// waited is left out, at once or with the opt-out in the same batch.
func TestRowOptOutInAGroup(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		m := w.accept(w.message(alice, bob, "+12025550112"))
		lease := w.own()
		if _, err := w.OptOut(t.Context(), gateway.OptOut{Account: "acme", Number: bob, At: w.now, Who: "uid 0"}); err != nil {
			t.Fatal(err)
		}
		got := take(t, w.Store, gateway.Order{Lease: lease, N: 5, Recipients: 5, Group: 5})
		if len(got) != 1 || len(got[0].Deliveries) != 2 {
			t.Fatalf("took %+v", got)
		}
		w.state(m.ID, 1, gateway.Blocking)
		w.settle(got[0], gateway.Result{Outcome: gateway.Rejected, Code: "2004"}, gateway.Next{State: gateway.Failed, Reason: gateway.RefusedContent, Claim: gateway.ByCarrier})
		if types := w.types(m.ID); types[len(types)-1] != "message.completed" {
			t.Errorf("told %v", types)
		}
	})
}
