package gateway

import "time"

// State is where a delivery stands.
type State string

// The states. The first six wait, the others are final.
const (
	Scheduled   State = "scheduled"
	Queued      State = "queued"
	Held        State = "held"
	Sending     State = "sending"
	Uncertain   State = "uncertain"
	Sent        State = "sent"
	Delivered   State = "delivered"
	Undelivered State = "undelivered"
	Expired     State = "expired"
	Failed      State = "failed"
	Canceled    State = "canceled"
	Blocking    State = "blocked"
	Undecided   State = "unknown"
)

// rank orders the states by how much is known: evidence (a carrier's answer, a
// report) moves a delivery only to a higher rank, so a late "sent" never
// overwrites "delivered". The store's CHECK repeats this table.
var rank = map[State]int{
	Scheduled: 10, Queued: 20, Held: 20, Sending: 30, Uncertain: 40, Sent: 50,
	Undecided: 60, Expired: 60, Undelivered: 60, Failed: 60,
	Delivered: 70, Canceled: 80, Blocking: 80,
}

// Rank is the state's place in the table of evidence.
func (s State) Rank() int { return rank[s] }

// Final tells whether nothing more is expected. Sent is final too where no
// report was asked for; that is the delivery's to know (Delivery.Final).
func (s State) Final() bool { return rank[s] >= 60 }

// MayBecome tells whether evidence may move a delivery from s to t. Only
// "delivered" leaves a final state; nothing leaves delivered, canceled or
// blocked.
func (s State) MayBecome(t State) bool { return rank[t] > rank[s] && rank[s] < 70 }

// Claim is who says that a delivery stands where it stands.
type Claim string

// The claimants.
const (
	ByGateway  Claim = "gateway"
	ByCarrier  Claim = "carrier"
	ByNetwork  Claim = "network"
	ByHandset  Claim = "handset"
	ByOperator Claim = "operator"
)

// Next is where something that happened puts a delivery: made by the engine's
// pure decisions and by reports, applied by Delivery.Move.
type Next struct {
	State  State
	Reason Reason
	Due    time.Time // when the timer looks at it again; zero where nothing is awaited
	Ready  bool      // waits for its turn in the lane now
	Claim  Claim
	Status string // the carrier's code or status word, never its free text
	At     time.Time
	Counts bool // an answer about the message: counts as one of its attempts
	Doubt  bool // a request may have been taken without our knowing
	Resend bool // what waits is to be dialled again though it may have been taken
	Alone  bool // the carrier did not take it together with others: no more company

	Lane  string      // the carrier it goes on with; empty: the one it has
	Spare CarrierList // and those left after that one; read only with Lane
}

// Delivery is one recipient's copy and all that is known of it. Rows are
// narrow: what never changes stands in Message.
type Delivery struct {
	MessageID   ID
	N           int // index of the recipient in the submission, from 0
	Of          int // how many deliveries the message has
	Account     string
	Recipient   Number
	Network     string
	Lane        string      // the carrier's name
	Spare       CarrierList // the carriers it may go on with
	Priority    Priority
	State       State
	Round       int // retry by an operator opens a new one
	Reason      Reason
	Claim       Claim
	Status      string
	Ready       bool
	Due         time.Time // wake_at: when something happens by time
	ValidUntil  time.Time
	WantsReport bool
	Attempts    int    // answers about the message so far
	Answers     int    // those of this round at this carrier
	Tries       int    // dials of this round at this carrier
	Resends     int    // dials after an unknown outcome, likewise
	Heard       string // the reports heard so far, a word each
	Doubt       bool   // an attempt may have been taken without our knowing
	Duplicate   bool   // it was dialled again nevertheless
	Alone       bool   // it shares no request with other recipients
	Recall      Recall // whether the carrier is asked to cancel it
	Attempt     ID     // the newest attempt; zero before the first
	UpdatedAt   time.Time
	SentAt      time.Time
	DeliveredAt time.Time
	ReadAt      time.Time
}

// Recall is how far the wish has come that the carrier cancels what it took.
type Recall uint8

// The stages of a recall.
const (
	RecallNone   Recall = iota
	RecallWanted        // the lane asks at its next turn
	RecallAsked         // the request is under way, or was answered
)

// Final tells whether nothing more is expected of the delivery.
func (d *Delivery) Final() bool { return d.State.Final() || d.State == Sent && !d.WantsReport }

// tried are the reasons to be held that end at a known time, by themselves.
var tried = map[Reason]bool{LaneStopped: true, BreakerOpen: true, SenderPaused: true, DailyCap: true, StandingChanged: true}

// NextTry is when the delivery is tried again by itself; zero where it is not,
// and its due time is the end of a wait or of its validity.
func (d *Delivery) NextTry() time.Time {
	if !d.GoesOn() || !d.Due.Before(d.ValidUntil) {
		return time.Time{}
	}
	return d.Due
}

// GoesOn tells whether the delivery is tried again by itself when it is due.
func (d *Delivery) GoesOn() bool {
	switch d.State {
	case Scheduled:
		return true
	case Queued, Uncertain:
		return d.Reason == BackingOff
	case Held:
		return tried[d.Reason]
	}
	return false
}

// Move puts the delivery where n says, whatever stood there: the engine's own
// step, to be taken only while the delivery stands where the engine saw it.
func (d *Delivery) Move(n Next, now time.Time) {
	d.State, d.Reason, d.Claim = n.State, n.Reason, n.Claim
	d.Due, d.Ready, d.UpdatedAt = n.Due.Truncate(time.Microsecond), n.Ready, now // as the row will tell it
	if n.Status != "" {
		d.Status = n.Status
	}
	if n.Counts {
		d.Attempts++
		d.Answers++
	}
	if n.Lane != "" && n.Lane != d.Lane {
		d.Lane, d.Spare = n.Lane, n.Spare
		d.Answers, d.Tries, d.Resends, d.Alone = 0, 0, 0, false
	}
	d.Doubt, d.Alone = d.Doubt || n.Doubt, d.Alone || n.Alone
	if n.Resend {
		d.Resends++
	}
	d.stamp(n, now)
	if d.Final() {
		d.Due, d.Ready = time.Time{}, false
	}
}

// Turn puts the delivery in its lane's line.
func (d *Delivery) Turn() Next {
	return Next{State: Queued, Reason: WaitingTurn, Claim: ByGateway, Ready: true, Due: d.ValidUntil}
}

// Expire ends a delivery whose validity is over: what was never sent as
// expired. What may have been sent ends unknown: it is not for us to say that
// it did not arrive.
func (d *Delivery) Expire() Next {
	if d.Doubt {
		return Next{State: Undecided, Reason: NoReport, Claim: ByGateway}
	}
	return Next{State: Expired, Reason: ExpiredBeforeSend, Claim: ByGateway}
}

// Within keeps a due time inside the delivery's validity.
func (d *Delivery) Within(due time.Time) time.Time {
	if due.After(d.ValidUntil) {
		return d.ValidUntil
	}
	return due
}

// Learn applies evidence: it moves the delivery only to a higher rank and
// tells whether it did.
func (d *Delivery) Learn(n Next, now time.Time) bool {
	if !d.State.MayBecome(n.State) {
		return false
	}
	d.Move(n, now)
	return true
}

// stamp records when the message was taken and handed over, by the evidence's
// own time where it is believable: not before the sending, not after now.
func (d *Delivery) stamp(n Next, now time.Time) {
	at := n.At
	if at.IsZero() || at.After(now) || at.Before(d.SentAt) {
		at = now
	}
	switch n.State {
	case Sent:
		d.SentAt = at
	case Delivered:
		d.DeliveredAt = at
		if d.SentAt.IsZero() {
			d.SentAt = at
		}
	}
}

// StateOf is the state of a message as its deliveries make it: while anything
// is open the first present of the waiting states, else the common final
// state, else "mixed". Blocked counts only if all are.
func StateOf(deliveries []Delivery) (state string, final bool) {
	count := map[State]int{}
	open := map[State]bool{}
	for i := range deliveries {
		count[deliveries[i].State]++
		if !deliveries[i].Final() {
			open[deliveries[i].State] = true
		}
	}
	for _, s := range []State{Scheduled, Queued, Held, Sending, Uncertain, Sent} {
		if open[s] {
			return string(s), false
		}
	}
	if len(count) > 1 {
		delete(count, Blocking)
	}
	if len(count) > 1 {
		return "mixed", true
	}
	for s := range count {
		return string(s), true
	}
	return "", true
}
