package store

import (
	"testing"
	"time"

	"mmsgw/gateway"
)

// lost makes a message whose answer was lost.
func (w *world) lost(to gateway.Number) *gateway.Message {
	w.t.Helper()
	m := w.accept(w.message(to))
	w.settle(w.take(1)[0], gateway.Result{Outcome: gateway.UnknownSent, Code: "timeout"},
		gateway.Next{State: gateway.Uncertain, Reason: gateway.AwaitingReport, Claim: gateway.ByGateway, Due: w.now.Add(time.Hour), Doubt: true})
	return m
}

// TestRowLinkedLearnsItsName: a report that is linked by hand tells what the carrier
// calls the message, so that those after it are matched by themselves.
func TestRowLinkedLearnsItsName(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		m := w.lost(alice)
		w.lost(alice) // two fit: nobody guesses
		r := w.report("k", alice, gateway.ReportForwarded)
		w.hear(r)
		w.state(m.ID, 0, gateway.Uncertain)
		if err := w.Link(t.Context(), r.ID, m.ID, alice, "uid 0"); err != nil {
			t.Fatal(err)
		}
		w.state(m.ID, 0, gateway.Sent)
		w.hear(w.report("k", alice, gateway.ReportRetrieved))
		w.state(m.ID, 0, gateway.Delivered)
		got, attempts := w.read(m.ID)
		if attempts[0].CarrierKey != "k" || got.Deliveries[0].Attempts != 1 {
			t.Errorf("the attempt is %+v, %d answers", attempts[0], got.Deliveries[0].Attempts)
		}
		w.timeline(m.ID, "message.accepted", "delivery.attempted", "delivery.uncertain", "delivery.reported", "delivery.delivered", "message.completed")
	})
}
