package store

import (
	"slices"
	"testing"
	"time"

	"mmsgw/gateway"
)

// TestRecallTakesNobodyAlong: what is asked back and what is sent of one message
// are two requests, however many recipients one may have.
func TestRecallTakesNobodyAlong(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		m := w.accept(w.message(alice, bob))
		sent := w.take(1)[0]
		w.accepted(sent, "k")
		cancel := gateway.Judged{Action: gateway.Action{Verb: gateway.ToCancel, Message: m.ID}, Judge: func(d *gateway.Delivery, _ *gateway.Message, _ bool, now time.Time) (gateway.Event, bool) {
			if d.N != sent.Attempt.Covers[0] {
				return gateway.Event{}, false
			}
			d.Recall = gateway.RecallWanted
			return d.TellReported(gateway.EventData{}, now), true
		}}
		if n, err := w.Act(t.Context(), cancel); n != 1 || err != nil {
			t.Fatalf("acted on %d: %v", n, err)
		}
		got := take(t, w.Store, gateway.Order{Lease: w.own(), N: 5, Recipients: 50, Group: 10, Recalls: true})
		if len(got) != 2 || got[0].Attempt.Kind != gateway.Cancels || got[0].Attempt.CarrierName() != "k" || !slices.Equal(got[0].Attempt.Covers, sent.Attempt.Covers) {
			t.Fatalf("took %+v", got)
		}
		if got[1].Attempt.Kind != gateway.Submits || len(got[1].Deliveries) != 1 || got[1].Deliveries[0].N == sent.Attempt.Covers[0] {
			t.Errorf("sent %+v", got[1])
		}
		if again := take(t, w.Store, gateway.Order{Lease: w.own(), N: 5, Recipients: 50, Group: 10, Recalls: true}); len(again) != 0 {
			t.Errorf("asked again: %+v", again)
		}
	})
}
