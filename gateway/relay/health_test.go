package relay

import (
	"testing"
	"time"

	"mmsgw/gateway"
)

// TestHealthKeepsPausedSenders: a success resets the count of refused senders,
// not their pauses.
func TestHealthKeepsPausedSenders(t *testing.T) {
	var h health
	p := policy()
	no := gateway.Result{Outcome: gateway.StopSender, Code: "4007"}
	say := func(r gateway.Result, from gateway.Number) change {
		return h.hear(landing{result: r, from: from}, p, noon, 0.5)
	}
	say(no, "+12125550101")
	say(no, "+12125550102")
	say(gateway.Result{Outcome: gateway.Accepted, Counts: true}, "+12125550109")
	say(no, "+12125550103")
	for _, from := range []gateway.Number{"+12125550101", "+12125550102", "+12125550103"} {
		if !h.refusesSender(from) {
			t.Errorf("%s is not paused any more", from)
		}
	}
	if h.held != "" {
		t.Errorf("the lane stands for %s; there was a success between", h.held)
	}
	say(no, "+12125550104")
	if did := say(no, "+12125550105"); did.event != "carrier.stopped" || h.held != gateway.LaneStopped {
		t.Errorf("three senders refused without a success between: %+v, %s", did, h.held)
	}
}

// TestHealthProbesOneOfASender: when its time has come one message of a paused
// sender is let through, the same one however often it is asked, and no other.
func TestHealthProbesOneOfASender(t *testing.T) {
	var h health
	p := policy()
	const from = gateway.Number("+12125550101")
	h.hear(landing{result: gateway.Result{Outcome: gateway.StopSender}, from: from}, p, noon, 0.5)
	m := &gateway.Message{From: from}
	a := &gateway.Delivery{MessageID: gateway.ID{1}, ValidUntil: ended}
	b := &gateway.Delivery{MessageID: gateway.ID{2}, ValidUntil: ended}
	early, late := noon.Add(time.Minute), noon.Add(p.ProbeEvery)
	if next := h.judge(p)(a, m, early); next == nil || next.Reason != gateway.SenderPaused || !next.Due.Equal(late) {
		t.Errorf("before its time: %+v", next)
	}
	judge := h.judge(p)
	for range 2 { // asked again of the same one, the answer is the same
		if judge(a, m, late) != nil {
			t.Error("the first one is not let through")
		}
	}
	if next := judge(b, m, late); next == nil || !next.Due.After(late) {
		t.Errorf("a second one: %+v", next)
	}
	if judge(b, &gateway.Message{From: "+12125550102"}, late) != nil {
		t.Error("another sender is held")
	}
}
