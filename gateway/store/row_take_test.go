package store

import (
	"fmt"
	"testing"
	"time"

	"mmsgw/gateway"
)

// TestRowEveryAccountHasItsTurn: however many accounts wait, and however few
// requests a Take may bring, each has its turn before any has its second.
func TestRowEveryAccountHasItsTurn(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		const accounts = 7
		for i := range accounts {
			for range 3 {
				m := w.message(alice)
				m.Account = fmt.Sprintf("account-%d", i)
				m.Deliveries[0].Account = m.Account
				w.accept(m)
			}
		}
		count := map[string]int{}
		for i := range 3 * accounts {
			ds := w.take(1)
			if len(ds) != 1 {
				t.Fatalf("take %d brought %d", i, len(ds))
			}
			count[ds[0].Message.Account]++
			if len(count) < accounts && i >= accounts {
				t.Fatalf("after %d requests the turns are %v", i+1, count)
			}
		}
		for account, n := range count {
			if n != 3 {
				t.Errorf("%s had %d turns", account, n)
			}
		}
	})
}

// TestRowTurnedAwayHidesNobody: where all that was looked at is sent elsewhere, a
// Take looks on, or says that there is more.
func TestRowTurnedAwayHidesNobody(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		for i := range 5 {
			m := w.message(alice)
			m.Account = fmt.Sprintf("account-%d", i)
			m.Deliveries[0].Account = m.Account
			w.accept(m)
		}
		judge := func(d *gateway.Delivery, _ *gateway.Message, now time.Time) *gateway.Next {
			if d.Account == "account-4" {
				return nil
			}
			return &gateway.Next{State: gateway.Held, Reason: gateway.SenderPaused, Claim: gateway.ByGateway, Due: now.Add(time.Minute)}
		}
		got := make(chan gateway.Taken, 1)
		for range 5 {
			w.Take(gateway.Order{Lease: w.own(), N: 1, Judge: judge}, func(taken gateway.Taken, err error) {
				if err != nil {
					t.Error(err)
				}
				got <- taken
			})
			taken := <-got
			if len(taken.Dispatches) == 1 {
				return
			}
			if !taken.Busy {
				t.Fatal("nothing was taken, and nothing more is said to be ready")
			}
		}
		t.Error("the one that may go was never reached")
	})
}

// TestRowDayOfRequests: where the carrier counts requests in its day, the last one
// takes as many recipients as any other.
func TestRowDayOfRequests(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.accept(w.message(alice, bob, "+12025550112", "+12025550113", "+12025550114"))
		day := gateway.Day{Name: "2026-11-25", Limit: 2, Requests: true, End: w.now.Add(time.Hour)}
		got := take(t, w.Store, gateway.Order{Lease: w.own(), N: 5, Recipients: 50, Group: 2, Day: day})
		if len(got) != 2 || len(got[0].Deliveries) != 2 || len(got[1].Deliveries) != 2 {
			t.Errorf("took %d requests: %+v", len(got), got)
		}
		if more := take(t, w.Store, gateway.Order{Lease: w.own(), N: 5, Recipients: 50, Group: 2, Day: day}); len(more) != 0 {
			t.Errorf("beyond the day's limit: %+v", more)
		}
	})
}

// TestRowDayAndRecalls: a cancel request counts in no day, and goes when the day
// is used up.
func TestRowDayAndRecalls(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		m := w.accept(w.message(alice))
		w.accept(w.message(bob))
		day := gateway.Day{Name: "2026-11-25", Limit: 1, End: w.now.Add(time.Hour)}
		order := gateway.Order{Lease: w.own(), N: 5, Recipients: 5, Recalls: true, Day: day}
		w.accepted(take(t, w.Store, order)[0], "k")
		w.recall(m.ID)
		got := take(t, w.Store, order)
		if len(got) != 1 || got[0].Attempt.Kind != gateway.Cancels {
			t.Errorf("took %+v", got)
		}
	})
}

// recall has the carrier asked to cancel a message.
func (w *world) recall(id gateway.ID) {
	w.t.Helper()
	n, err := w.Act(w.t.Context(), gateway.Judged{Action: gateway.Action{Verb: gateway.ToCancel, Message: id},
		Judge: func(d *gateway.Delivery, _ *gateway.Message, _ bool, now time.Time) (gateway.Event, bool) {
			if d.Recall != gateway.RecallNone {
				return gateway.Event{}, false
			}
			d.Recall = gateway.RecallWanted
			return d.TellReported(gateway.EventData{}, now), true
		}})
	if err != nil || n == 0 {
		w.t.Fatalf("recalled %d: %v", n, err)
	}
}

// TestRowCompanyOfOneValidity: recipients whose rounds end at different times do
// not share a request, which tells the carrier one time.
func TestRowCompanyOfOneValidity(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		m := w.message(alice, bob, "+12025550112")
		m.Deliveries[1].ValidUntil = m.ValidUntil.Add(time.Hour)
		w.accept(m)
		got := take(t, w.Store, gateway.Order{Lease: w.own(), N: 5, Recipients: 50, Group: 10})
		for _, d := range got {
			for i := range d.Deliveries {
				if !d.Deliveries[i].ValidUntil.Equal(d.Deliveries[0].ValidUntil) {
					t.Errorf("%v share a request", d.Attempt.Covers)
				}
			}
		}
	})
}
