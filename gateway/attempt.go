package gateway

import (
	"cmp"
	"context"
	"time"
)

// Attempt is one request to a carrier: one TransactionID, one content, its
// recipients. It is stored before the carrier is dialled, and dialled at once
// after. It may be dialled again only while its outcome is unknown.
type Attempt struct {
	ID         ID // the TransactionID derives from it
	Kind       AttemptKind
	MessageID  ID
	Covers     []int // the deliveries it is for, by N
	Round      int
	Lane       string
	Owner      string // the node that dials
	Epoch      int64  // of the lease under which it was opened
	Dials      int
	OpenedAt   time.Time // of the newest dial
	Outcome    Outcome   // empty while open
	Code       string    // the carrier's StatusCode, HTTP code or a word of ours
	CarrierKey string    // the MessageID the carrier gave, as its reports are matched by it; empty where it gave none
	CarrierID  string    // the same to the letter, where that is another
	ClosedAt   time.Time
}

// AttemptKind is what an attempt asks of the carrier.
type AttemptKind string

// The kinds.
const (
	Submits AttemptKind = "submit"
	Cancels AttemptKind = "cancel"
)

// CarrierName is what the carrier calls the message, to the letter.
func (a *Attempt) CarrierName() string { return cmp.Or(a.CarrierID, a.CarrierKey) }

// Open tells whether the attempt has no outcome yet.
func (a *Attempt) Open() bool { return a.ClosedAt.IsZero() }

// Outcome is what a dial came to: a closed list. The carrier's side makes it,
// the engine alone decides what follows.
type Outcome string

// The outcomes.
const (
	Accepted    Outcome = "accepted"
	RetryLater  Outcome = "retry"       // the message is fine; later
	Rejected    Outcome = "reject"      // this message will never be taken
	TooLarge    Outcome = "reject_size" // these bytes will never be taken
	StopLane    Outcome = "lane_stop"   // nothing from us is taken
	StopSender  Outcome = "sender_stop" // nothing from this sender is taken
	Divided     Outcome = "split"       // not together: each recipient in a request of its own
	UnknownSent Outcome = "unknown"     // the request left, no answer came
)

// Result is what one dial came to, in full.
type Result struct {
	Outcome    Outcome
	Reason     Reason // of a rejection or a stop
	Code       string // the carrier's code, for the log, the timeline and the row; never free text
	CarrierKey string // MessageID of a SubmitRsp, as reports are matched by it
	CarrierID  string // the same to the letter, where that is another
	RetryAfter time.Duration
	Counts     bool  // an answer about the message, not about the link
	Ours       bool  // nothing the carrier did: it says nothing of the link either
	LeftOut    []int // the recipients, by N, that an accepted request names as not served
}

// Dispatch is what a Link is given to send.
type Dispatch struct {
	Attempt    Attempt
	Message    *Message
	Deliveries []Delivery // those the attempt covers
	// Leave waits until the agreed rate has room for the request at this very moment. A
	// Link asks it when it has a connection, each time it has one: connecting takes as
	// long as it takes. An error is that of the context; nil: nothing need be asked.
	Leave func(context.Context) error
	// Left is told when the first of the request has been written; nil: nobody asks.
	Left func()
}
