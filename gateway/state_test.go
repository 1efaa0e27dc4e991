package gateway

import (
	"encoding/json"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// Every pair of states: what evidence may do. Only delivered leaves a final
// state, and nothing leaves delivered, canceled or blocked.
func TestEvidenceOnlyImproves(t *testing.T) {
	waiting := []State{Scheduled, Queued, Held, Sending, Uncertain, Sent}
	final := []State{Undecided, Expired, Undelivered, Failed}
	ended := []State{Delivered, Canceled, Blocking}
	for _, to := range append(append([]State{Delivered}, final...), waiting...) {
		for _, from := range ended {
			if from.MayBecome(to) {
				t.Errorf("%s may become %s", from, to)
			}
		}
		for _, from := range final {
			if from.MayBecome(to) != (to == Delivered) {
				t.Errorf("%s may become %s: %v", from, to, from.MayBecome(to))
			}
		}
	}
	for _, from := range waiting {
		if from.Final() {
			t.Errorf("%s is final", from)
		}
		for _, to := range append(final, Delivered) {
			if !from.MayBecome(to) || !to.Final() {
				t.Errorf("%s may not become %s", from, to)
			}
		}
	}
	if Delivered.MayBecome(Sent) || !Uncertain.MayBecome(Sent) || Sent.MayBecome(Uncertain) {
		t.Error("the waiting states are out of order")
	}
}

func TestStateOf(t *testing.T) {
	row := func(s State) Delivery { return Delivery{State: s, WantsReport: true} }
	for _, c := range []struct {
		rows  []Delivery
		want  string
		final bool
	}{
		{[]Delivery{row(Delivered)}, "delivered", true},
		{[]Delivery{row(Delivered), row(Queued)}, "queued", false},
		{[]Delivery{row(Sent), row(Sending), row(Failed)}, "sending", false},
		{[]Delivery{row(Uncertain), row(Held)}, "held", false},
		{[]Delivery{row(Delivered), row(Failed)}, "mixed", true},
		{[]Delivery{row(Delivered), row(Blocking)}, "delivered", true},
		{[]Delivery{row(Blocking), row(Blocking)}, "blocked", true},
		{[]Delivery{{State: Sent}}, "sent", true}, // no report was asked for
		{[]Delivery{{State: Sent}, row(Sent)}, "sent", false},
	} {
		if got, final := StateOf(c.rows); got != c.want || final != c.final {
			t.Errorf("%v: %s %v, want %s %v", c.rows, got, final, c.want, c.final)
		}
	}
}

// A due time is told as the next try only where something is tried then: not
// the end of validity, not the end of a wait for a report.
func TestNextTry(t *testing.T) {
	for _, c := range []struct {
		state  State
		reason Reason
		due    time.Duration
		told   bool
	}{
		{Queued, BackingOff, time.Minute, true},
		{Queued, BackingOff, time.Hour, false}, // then it expires
		{Queued, WaitingTurn, time.Minute, false},
		{Held, LaneStopped, time.Minute, true},
		{Held, SenderPaused, time.Minute, true},
		{Held, AmbiguousOutcome, time.Minute, false},
		{Uncertain, BackingOff, time.Minute, true},
		{Uncertain, AwaitingReport, time.Minute, false},
		{Sent, AwaitingReport, time.Minute, false},
	} {
		d := Delivery{State: c.state, Reason: c.reason, Due: noon.Add(c.due), ValidUntil: noon.Add(time.Hour), WantsReport: true}
		var data EventData
		if err := json.Unmarshal(d.Tell(EventData{}, noon).Data, &data); err != nil {
			t.Fatal(err)
		}
		if told := data.Next != nil; told != c.told || told && !data.Next.Equal(d.Due) {
			t.Errorf("%s %s, due in %s: the event tells %v", c.state, c.reason, c.due, data.Next)
		}
		if got := d.NextTry(); got.IsZero() == c.told {
			t.Errorf("%s %s, due in %s: next try %v", c.state, c.reason, c.due, got)
		}
	}
}

// The end of a message tells its state where that is the delivery's.
func TestTellCompleted(t *testing.T) {
	for of, want := range map[int]string{1: `{"state":"failed"}`, 2: `{}`} {
		d := Delivery{State: Failed, Reason: RefusedSize, N: of - 1, Of: of}
		if e := d.TellCompleted(noon); string(e.Data) != want || e.Type != "message.completed" || e.N != -1 {
			t.Errorf("the last of %d: %s %d %s, want %s", of, e.Type, e.N, e.Data, want)
		}
	}
}

func TestHear(t *testing.T) {
	report := func(s ReportStatus, raw string) *Report {
		return &Report{Status: s, Raw: raw, CarrierKey: "k", At: noon.Add(-time.Minute), ReceivedAt: noon, Patience: time.Hour}
	}
	sent := func() *Delivery {
		return &Delivery{State: Sent, Reason: AwaitingReport, WantsReport: true, SentAt: noon.Add(-time.Hour), Due: noon.Add(time.Hour)}
	}
	for _, c := range []struct {
		report *Report
		state  State
		reason Reason
		claim  Claim
	}{
		{report(ReportRetrieved, "Retrieved"), Delivered, Retrieved, ByHandset},
		{report(ReportRead, "Read"), Delivered, Retrieved, ByHandset},
		{report(ReportExpired, "Expired"), Expired, ExpiredAtCarrier, ByNetwork},
		{report(ReportRejected, "Rejected"), Undelivered, RecipientRejected, ByNetwork},
		{report(ReportFiltered, "Rejected"), Undelivered, CarrierFiltered, ByNetwork},
		{report(ReportUnrecognised, "Unrecognized"), Undelivered, HandsetUnsupported, ByNetwork},
		{report(ReportUnreachable, "Unreachable"), Undelivered, RefusedAddress, ByNetwork},
		{report(ReportIndeterminate, "Odd"), Undecided, Indeterminate, ByNetwork},
		{report(ReportForwarded, "Forwarded"), Sent, ForwardedUnconfirmed, ""},
		{report(ReportDeferred, "Deferred"), Sent, AwaitingReport, ""},
	} {
		d := sent()
		if events := d.Hear(c.report, noon); len(events) == 0 {
			t.Errorf("%s: no event", c.report.Status)
		}
		if d.State != c.state || d.Reason != c.reason || d.Claim != c.claim || d.Status != c.report.Raw {
			t.Errorf("%s: %s %s %s %q", c.report.Status, d.State, d.Reason, d.Claim, d.Status)
		}
		if d.Final() != d.Due.IsZero() {
			t.Errorf("%s: final %v but due %v", c.report.Status, d.Final(), d.Due)
		}
		if events := d.Hear(c.report, noon); events != nil {
			t.Errorf("%s again: %v", c.report.Status, events)
		}
	}
	d := sent()
	d.Hear(report(ReportRetrieved, "Retrieved"), noon)
	if !d.DeliveredAt.Equal(noon.Add(-time.Minute)) {
		t.Errorf("delivered at %v, want the report's own time", d.DeliveredAt)
	}
	if events := d.Hear(report(ReportRead, "Read"), noon); len(events) != 1 || events[0].Type != "delivery.read" || d.ReadAt.IsZero() {
		t.Errorf("a read report gave %v", events)
	}
	if events := d.Hear(report(ReportExpired, "Expired"), noon); len(events) != 1 || events[0].Type != "delivery.reported" || d.State != Delivered {
		t.Errorf("a late Expired gave %v, %s", events, d.State)
	}
	lost := &Delivery{State: Uncertain, WantsReport: true, Doubt: true}
	lost.Hear(report(ReportDeferred, "Deferred"), noon)
	if lost.Hear(report(ReportRetrieved, "Retrieved"), noon); lost.Attempts != 1 {
		t.Errorf("a lost answer that reports make good counts as %d attempts", lost.Attempts)
	}
	lost = &Delivery{State: Uncertain, WantsReport: true, Doubt: true}
	lost.Hear(report(ReportDeferred, "Deferred"), noon)
	if lost.State != Sent || !lost.Due.Equal(noon.Add(time.Hour)) {
		t.Errorf("a report of the way leaves a lost answer at %s due %v", lost.State, lost.Due)
	}
}

func settlement(n Next) *Settlement { return &Settlement{Next: []NextOf{{Next: n}}} }

func TestSettleAfterAReport(t *testing.T) {
	a := &Attempt{ID: NewID()}
	d := &Delivery{State: Delivered, WantsReport: true, Attempt: a.ID}
	if events := d.Settle(a, settlement(Next{State: Sent}), noon); events != nil || d.State != Delivered {
		t.Errorf("a late answer gave %v, %s", events, d.State)
	}
	other := &Delivery{State: Sending, Attempt: NewID()}
	if events := other.Settle(a, settlement(Next{State: Queued}), noon); events != nil || other.State != Sending {
		t.Errorf("an old attempt's retry moved the delivery: %v", events)
	}
	if events := other.Settle(a, settlement(Next{State: Sent, Reason: AwaitingReport}), noon); len(events) != 1 {
		t.Errorf("an old attempt's success is a fact: %v", events)
	}
}

func TestEveryReasonHasWords(t *testing.T) {
	for r, w := range reasonText {
		if w.why == "" || w.next == "" {
			t.Errorf("%s has no words, or not what happens next", r)
		}
		if r.Text() == "" {
			t.Errorf("%s has no words", r)
		}
	}
}
