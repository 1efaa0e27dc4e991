package gateway

import (
	"slices"
	"strings"
	"time"
)

// ReportStatus is what a carrier reports of one recipient, in the words of
// TS 23.140 (8.7.1.11) made one spelling. What a carrier says beyond them is
// ReportIndeterminate, its own word kept in Report.Raw.
type ReportStatus string

// The statuses.
const (
	ReportRetrieved     ReportStatus = "retrieved"
	ReportForwarded     ReportStatus = "forwarded"
	ReportDeferred      ReportStatus = "deferred"
	ReportExpired       ReportStatus = "expired"
	ReportRejected      ReportStatus = "rejected"
	ReportFiltered      ReportStatus = "filtered" // Rejected, by another relay/server
	ReportUnrecognised  ReportStatus = "unrecognised"
	ReportUnreachable   ReportStatus = "unreachable"
	ReportIndeterminate ReportStatus = "indeterminate"
	ReportRead          ReportStatus = "read"
	ReportDeleted       ReportStatus = "deleted"
)

// Report is one report as a carrier sent it: normalised, not yet matched.
type Report struct {
	ID            ID
	Lane          string
	CarrierKey    string // the MessageID it names
	TransactionID string // of its own request; some carriers echo ours here
	Recipient     Number
	Sender        Number
	Status        ReportStatus
	Raw           string // the carrier's own word for the status, bounded; no free text
	At            time.Time
	ReceivedAt    time.Time
	Patience      time.Duration // how long this carrier's final report is awaited
	Linked        string        // who linked it by hand; empty: it was matched
}

// Intermediate tells whether another report is to be expected after this one.
func (s ReportStatus) Intermediate() bool { return s == ReportForwarded || s == ReportDeferred }

// Next is where a report puts its delivery; ok is false for those that only
// tell of the way (Deferred, Forwarded) or of reading.
func (r *Report) Next() (n Next, ok bool) {
	n = Next{At: r.At, Status: r.Raw, Claim: ByNetwork}
	switch r.Status {
	case ReportRetrieved, ReportRead:
		n.State, n.Reason, n.Claim = Delivered, Retrieved, ByHandset
	case ReportExpired:
		n.State, n.Reason = Expired, ExpiredAtCarrier
	case ReportRejected:
		n.State, n.Reason = Undelivered, RecipientRejected
	case ReportFiltered:
		n.State, n.Reason = Undelivered, CarrierFiltered
	case ReportUnrecognised:
		n.State, n.Reason = Undelivered, HandsetUnsupported
	case ReportUnreachable:
		n.State, n.Reason = Undelivered, RefusedAddress
	case ReportIndeterminate:
		n.State, n.Reason = Undecided, Indeterminate
	default:
		return n, false
	}
	return n, true
}

// Hear applies a report to the delivery it speaks of and tells what it
// changed. A fact that changes nothing is told as delivery.reported; an exact
// repeat adds nothing.
func (d *Delivery) Hear(r *Report, now time.Time) []Event { return d.hear(r, false, now) }

// HearOf is Hear for a report on an attempt.
func (d *Delivery) HearOf(a *Attempt, r *Report, now time.Time) []Event {
	return d.hear(r, d.left(a), now)
}

// left tells that the delivery has gone on since an attempt, with another one or
// to another carrier: that the first came to nothing says nothing of what is under
// way or still to come.
func (d *Delivery) left(a *Attempt) bool {
	return a.Kind == Submits && a.ID != d.Attempt || a.Lane != d.Lane && d.State.Rank() < Sent.Rank()
}

// hear: of what was left behind only that it arrived is evidence.
func (d *Delivery) hear(r *Report, left bool, now time.Time) []Event {
	if !d.note(r, left) {
		return nil
	}
	var events []Event
	data := EventData{CarrierStatus: r.Raw, CarrierID: r.CarrierKey}
	next, moves := r.Next()
	moves = moves && (next.State == Delivered || !left)
	next.Counts = d.answerLost()
	switch {
	case moves && d.Learn(next, now):
		events = append(events, d.Tell(EventData{CarrierID: r.CarrierKey}, now))
	case r.Status.Intermediate() && !d.State.Final():
		d.hearOnTheWay(r, now)
		events = append(events, d.TellReported(data, now))
	case r.Status != ReportRead || !d.ReadAt.IsZero():
		data.Late = true
		events = append(events, d.TellReported(data, now))
	}
	if r.Status == ReportRead && d.ReadAt.IsZero() {
		d.ReadAt, d.UpdatedAt = r.At, now
		events = append(events, d.TellRead(now))
	}
	return events
}

// maxHeard bounds what is remembered of a delivery's reports. A carrier that
// says more different things of one message than fit is told so no more.
const maxHeard = 1024

// note remembers a report; false where it was heard before. That of another
// attempt, left behind, is not the same.
func (d *Delivery) note(r *Report, left bool) bool {
	word := string(r.Status)
	if !strings.EqualFold(word, r.Raw) {
		word += "/" + strings.ReplaceAll(r.Raw, ",", ";")
	}
	if left {
		word = "left:" + word
	}
	if slices.Contains(strings.Split(d.Heard, ","), word) || len(d.Heard)+len(word) > maxHeard {
		return false
	}
	if d.Heard != "" {
		word = d.Heard + "," + word
	}
	d.Heard = word
	return true
}

// answerLost: a dial may have been taken without our knowing. A report on it is
// the answer that was lost, and counts as one.
func (d *Delivery) answerLost() bool { return d.Doubt && d.State.Rank() < Sent.Rank() }

// hearOnTheWay: the carrier has the message, even where its answer was lost.
func (d *Delivery) hearOnTheWay(r *Report, now time.Time) {
	d.Learn(Next{State: Sent, Reason: AwaitingReport, Claim: ByCarrier, At: r.At, Due: r.ReceivedAt.Add(r.Patience), Counts: d.answerLost()}, now)
	d.Status, d.UpdatedAt = r.Raw, now
	if d.State == Sent && r.Status == ReportForwarded {
		d.Reason = ForwardedUnconfirmed
	}
}
