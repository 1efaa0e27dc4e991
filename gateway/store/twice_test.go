package store

import (
	"slices"
	"testing"
	"time"

	"mmsgw/gateway"
)

// TestOperationsAppliedTwice: what lanes and people write, applied a second time
// after it was committed, as after a lost answer: once is all it counts for.
func TestOperationsAppliedTwice(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		lease := w.own()
		twice := func(c change) {
			t.Helper()
			for range 2 {
				w.hot.forget()
				over := make(chan error, 1)
				w.in.hand(noted{c, over}, true)
				if err := <-over; err != nil {
					t.Fatal(err)
				}
			}
		}
		day := gateway.Day{Name: "2026-11-25", Limit: 10, End: w.now.Add(time.Hour)}
		m := w.accept(w.message(alice, bob))
		takes := &taking{order: gateway.Order{Lease: lease, N: 5, Recipients: 5, Group: 5, Day: day}, after: func(gateway.Taken, error) {}}
		twice(takes)
		if got := takes.out.Dispatches; len(got) != 1 || !slices.Equal(got[0].Attempt.Covers, []int{0, 1}) {
			t.Fatalf("took %+v", takes.out)
		}
		if left := w.left(day); left != 8 {
			t.Errorf("%d left of the day, want 8", left)
		}
		held := w.accept(w.message(alice))
		hold := func(d *gateway.Delivery, _ *gateway.Message, _ bool, now time.Time) (gateway.Event, bool) {
			if d.State != gateway.Queued {
				return gateway.Event{}, false
			}
			d.Move(gateway.Next{State: gateway.Held, Reason: gateway.LaneStopped, Claim: gateway.ByGateway, Due: d.ValidUntil}, now)
			return d.Tell(gateway.EventData{}, now), true
		}
		twice(&acting{result: result{make(chan error, 2)}, a: gateway.Judged{Action: gateway.Action{Message: held.ID}, Judge: hold}, keys: []rowKey{{held.ID, 0}}})
		w.timeline(held.ID, "message.accepted", "delivery.held")

		stands := gateway.LaneStatus{Lane: "north", Reason: gateway.BreakerOpen, Since: w.now, Until: w.now.Add(time.Minute)}
		twice(&noting{n: gateway.LaneNote{Status: stands, Event: "carrier.breaker_opened"}, after: func(error) {}})
		twice(&noting{n: gateway.LaneNote{Status: gateway.LaneStatus{Lane: "north"}, Event: "carrier.breaker_closed", Free: gateway.LaneStopped}, after: func(error) {}})
		w.timeline(held.ID, "message.accepted", "delivery.held", "delivery.queued")

		parked := w.report("nobody's", alice, gateway.ReportRetrieved)
		w.hear(parked)
		link := &doing{result{make(chan error, 2)}, func(b *batch) error {
			err := b.link(parked.ID, m.ID, alice, "uid 0")
			if err != nil && plain(err) == gateway.ErrLinked {
				return nil // its caller finds it done
			}
			return err
		}}
		twice(link)
		w.timeline(m.ID, "message.accepted", "delivery.attempted", "delivery.attempted", "delivery.delivered")
		page, err := w.After(t.Context(), gateway.FeedQuery{Carrier: "north", Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		told := map[string]int{}
		for _, e := range page.Events {
			told[e.Type]++
		}
		if told["carrier.breaker_opened"] != 1 || told["carrier.breaker_closed"] != 1 {
			t.Errorf("told %v", told)
		}
	})
}

// left asks for what is left of a day in north.
func (w *world) left(day gateway.Day) (left int) {
	w.t.Helper()
	err := w.run(func(b *batch) (err error) {
		left, err = b.left("north", day)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return left
}

// TestConsentIsCounted: an account's opt-outs are counted from what is stored, so
// that the next run of the process asks, and an account without any is not asked for.
func TestConsentIsCounted(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		o := gateway.OptOut{Account: "acme", Number: alice, At: w.now, Who: "uid 0"}
		for i, want := range []bool{true, false} {
			if news, err := w.OptOut(t.Context(), o); err != nil || news != want {
				t.Errorf("opt-out %d: news %v, %v", i, news, err)
			}
		}
		out := func(account string, from gateway.Number) bool {
			got, err := w.OptedOut(t.Context(), account, from, []gateway.Number{bob, alice, ""})
			if err != nil || got[0] || got[2] {
				t.Fatalf("%v, %v", got, err)
			}
			return got[1]
		}
		if !out("acme", sender) || out("beta", sender) {
			t.Error("an opt-out is of an account and all its numbers")
		}
		if w.engine.sole {
			if n := w.consents.of("acme"); n != 1 {
				t.Errorf("%d are counted", n)
			}
			if err := w.fillConsents(t.Context()); err != nil || w.consents.of("acme") != 1 {
				t.Errorf("counted anew: %d, %v", w.consents.of("acme"), err)
			}
		}
		for i, want := range []bool{true, false} {
			if news, err := w.OptIn(t.Context(), o); err != nil || news != want {
				t.Errorf("opt-in %d: news %v, %v", i, news, err)
			}
		}
		if out("acme", sender) {
			t.Error("a lifted opt-out still counts")
		}
	})
}
