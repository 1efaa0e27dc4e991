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
	// Status is the lane's row as the lease was taken or renewed.
	Status LaneStatus
}

// Order asks the store for deliveries that are ready in a lane.
type Order struct {
	Lease      Lease
	N          int  // requests, at most
	Recipients int  // deliveries in all, at most
	Group      int  // recipients of one request, at most; less than 2: one
	SameID     bool // a resend keeps its TransactionID
	Recalls    bool // the carrier takes cancel requests
	Day        Day
	// Judge tells whether a delivery whose turn has come may go: nil, or where
	// it goes instead. It is pure, quick, and says the same when asked again.
	Judge func(d *Delivery, m *Message, now time.Time) *Next
}

// Day is what a carrier takes in one of its days; the zero value is no limit.
type Day struct {
	Name     string    // of the carrier's own calendar: 2026-11-25
	Limit    int       // 0: none
	Requests bool      // requests are counted, not recipients
	End      time.Time // the carrier's next midnight
}

// Load is what a request to so many recipients counts for.
func (d Day) Load(recipients int) int {
	if d.Requests {
		return 1
	}
	return recipients
}

// Taken is what a Take brought, and why not more where a row says so.
type Taken struct {
	Dispatches []Dispatch
	Paused     bool // an operator paused the lane: nothing was taken
	Spent      bool // the day's limit is used up
	Busy       bool // some that were ready went elsewhere: asking again brings more
}

// Settlement is a dial's result and what follows from it for each delivery the
// attempt covers, decided by the engine from what it was given to send.
type Settlement struct {
	Attempt ID
	Lane    string
	Result  Result
	Next    []NextOf
}

// NextOf is where one delivery of an attempt goes.
type NextOf struct {
	N int
	Next
}

// of is where the n-th delivery goes; ok is false where nobody decided that.
func (s *Settlement) of(n int) (Next, bool) {
	for i := range s.Next {
		if s.Next[i].N == n {
			return s.Next[i].Next, true
		}
	}
	return Next{}, false
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
	d.Duplicate = d.Duplicate || d.Doubt
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
		a.CarrierKey, a.CarrierID = r.CarrierKey, r.CarrierID
	}
	return true
}

// Settle applies the result of its newest attempt to a delivery and tells what
// changed. Where a report was quicker the answer only adds to what is known.
func (d *Delivery) Settle(a *Attempt, s *Settlement, now time.Time) []Event {
	next, ok := s.of(d.N)
	if !ok {
		return nil
	}
	data := EventData{TransactionID: a.ID.TransactionID(), CarrierID: a.CarrierName(), Outcome: s.Result.Outcome}
	if a.Kind == Cancels {
		return d.recalled(next, data, now)
	}
	waits := d.State == Sending || d.State == Uncertain
	switch {
	case waits && d.Attempt == a.ID:
		d.Move(next, now)
	case d.State.MayBecome(next.State) && next.State.Rank() >= Sent.Rank() && (next.State == Sent || d.Attempt == a.ID):
		d.Move(next, now)
	default:
		return nil
	}
	return []Event{d.Tell(data, now)}
}

// recalled applies what a carrier said to a cancel request. A refusal changes
// nothing, and is told.
func (d *Delivery) recalled(next Next, data EventData, now time.Time) []Event {
	if next.State == Canceled && d.Learn(next, now) {
		return []Event{d.Tell(data, now)}
	}
	d.UpdatedAt = now
	if next.Resend { // the carrier was not asked after all
		d.Recall = RecallWanted
		return nil
	}
	data.CarrierStatus, data.Late = next.Status, true
	return []Event{d.TellReported(data, now)}
}

// LaneStatus is what holds a whole lane, as rows say it, so that any node knows.
// What waits in the lane is not written for it: it is told so when it is read.
type LaneStatus struct {
	Lane     string
	Paused   bool
	PausedAt time.Time
	PausedBy string
	Reason   Reason // LaneStopped, BreakerOpen or DailyCap; empty: it goes
	Code     string // what the carrier said, as a code
	Since    time.Time
	Until    time.Time // when one is tried, or the day ends
}

// Holds is why nothing leaves the lane, and when that is looked at again; empty
// where it goes.
func (s LaneStatus) Holds() (Reason, time.Time) {
	if s.Paused {
		return CarrierPaused, time.Time{}
	}
	return s.Reason, s.Until
}

// Behind is the delivery as it is told: what waits for its turn in a lane that
// stands is held by what the lane stands for.
func (d *Delivery) Behind(s LaneStatus) {
	why, until := s.Holds()
	if why == "" || d.State != Queued || !d.Ready {
		return
	}
	d.State, d.Reason, d.Claim = Held, why, ByGateway
	if why == CarrierPaused {
		d.Claim = ByOperator
	}
	if !until.IsZero() {
		d.Due = d.Within(until)
	}
}

// LaneNote is what the owner of a lane has to say of it.
type LaneNote struct {
	Status LaneStatus // but for the pause, which is the operators'
	Event  string     // that tells of it; empty: none
	Free   Reason     // deliveries that are held in the lane for this reason take their turn
	Sender Number     // of those only this sender's; empty: all
	Evade  bool       // what waits in the lane goes on with its next carrier that goes
}
