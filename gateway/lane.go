package gateway

import (
	"errors"
	"time"
)

// ErrNotOwner says that another node holds the lane's lease, so nothing was opened.
var ErrNotOwner = errors.New("another node owns this lane")

// Lease is the right to open attempts in a lane. Each change of owner raises
// the epoch: an intent from an older epoch is refused, a fact never is.
type Lease struct {
	Lane  string
	Owner string
	Epoch int64
	Until time.Time
}

// Order asks the store for deliveries that are ready in a lane.
type Order struct {
	Lease  Lease
	N      int
	SameID bool // a resend keeps its TransactionID
}

// Settlement is a dial's result and what follows from it for each delivery the
// attempt covers, decided by the engine from what it was given to send.
type Settlement struct {
	Attempt ID
	Lane    string
	Result  Result
	Next    Next
}

// Move is a step of the engine that no carrier caused: a wait that ended. It
// is taken only if the delivery still stands where the engine saw it.
type Move struct {
	MessageID ID
	N         int
	Seen      State
	SeenDue   time.Time
	Next      Next
}

// Depart puts the delivery on the wire with an attempt: stored before the
// carrier is dialled.
func (d *Delivery) Depart(a *Attempt, now time.Time) Event {
	d.State, d.Reason, d.Claim = Sending, "", ByGateway
	d.Ready, d.Due, d.UpdatedAt, d.Attempt = false, time.Time{}, now, a.ID
	d.Tries++
	return d.Tell(EventData{TransactionID: a.ID.TransactionID(), Dial: a.Dials}, now)
}

// Close records what a dial came to. It tells whether that is news: a repeat,
// or a doubt about what is already known, is none.
func (a *Attempt) Close(r Result, now time.Time) bool {
	if !a.Open() && (a.Outcome != UnknownSent || r.Outcome == UnknownSent) {
		return false
	}
	a.Outcome, a.Code, a.ClosedAt = r.Outcome, r.Code, now
	if r.CarrierKey != "" {
		a.CarrierKey = r.CarrierKey
	}
	return true
}

// Settle applies the result of its newest attempt to a delivery and tells what
// changed. Where a report was quicker the answer only adds to what is known.
func (d *Delivery) Settle(a *Attempt, s Settlement, now time.Time) []Event {
	data := EventData{TransactionID: a.ID.TransactionID(), CarrierID: s.Result.CarrierKey, Outcome: s.Result.Outcome}
	waits := d.State == Sending || d.State == Uncertain
	switch {
	case waits && d.Attempt == a.ID:
		d.Move(s.Next, now)
	case d.State.MayBecome(s.Next.State) && s.Next.State.Rank() >= Sent.Rank() && (s.Next.State == Sent || d.Attempt == a.ID):
		d.Move(s.Next, now)
	default:
		return nil
	}
	return []Event{d.Tell(data, now)}
}
