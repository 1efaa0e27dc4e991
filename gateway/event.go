package gateway

import (
	"encoding/json"
	"time"
)

// Event is one thing that happened, as the feed and the timelines tell it.
// Seq is given by the store when the change it tells of is made durable: its
// order is the order of commits.
type Event struct {
	Seq       int64
	At        time.Time
	Type      string
	Account   string
	MessageID ID
	N         int // index of the delivery, or -1
	To        Number
	Carrier   string
	Data      json.RawMessage // the wire form of "data"
}

// EventData is what "data" of a message's or delivery's event may hold. The
// State of message.completed is the message's.
type EventData struct {
	State         State      `json:"state,omitempty"`
	Reason        Reason     `json:"reason,omitempty"`
	ClaimedBy     Claim      `json:"claimed_by,omitempty"`
	CarrierStatus string     `json:"carrier_status,omitempty"`
	Outcome       Outcome    `json:"outcome,omitempty"`
	TransactionID string     `json:"transaction_id,omitempty"`
	CarrierID     string     `json:"carrier_message_id,omitempty"`
	Dial          int        `json:"dial,omitempty"`
	Next          *time.Time `json:"next_attempt_at,omitempty"`
	Late          bool       `json:"late,omitempty"` // a fact that changed nothing
	Reference     string     `json:"reference,omitempty"`
	Report        string     `json:"report,omitempty"`    // id of a report that matched nothing
	From          string     `json:"from,omitempty"`      // the sender an opt-out is of; empty: all of the account's
	OptedOut      *bool      `json:"opted_out,omitempty"` // of optout.changed
	By            string     `json:"by,omitempty"`        // who did it
	Note          string     `json:"note,omitempty"`      // and what they said of it
	Changes       []string   `json:"changes,omitempty"`   // of config.reloaded: the keys
}

// JSON is the wire form.
func (d EventData) JSON() json.RawMessage {
	b, err := json.Marshal(d)
	if err != nil { // a struct of strings and times always marshals
		panic(err)
	}
	return b
}

// eventOf is the event that tells of a delivery's new state.
var eventOf = map[State]string{
	Queued: "delivery.queued", Held: "delivery.held", Sending: "delivery.attempted", Uncertain: "delivery.uncertain",
	Sent: "delivery.sent", Delivered: "delivery.delivered", Undelivered: "delivery.undelivered", Expired: "delivery.expired",
	Failed: "delivery.failed", Canceled: "delivery.canceled", Blocking: "delivery.blocked", Undecided: "delivery.unknown",
	Scheduled: "delivery.scheduled",
}

// Tell is the event of the delivery's present state.
func (d *Delivery) Tell(data EventData, now time.Time) Event {
	data.State, data.Reason, data.ClaimedBy, data.CarrierStatus = d.State, d.Reason, d.Claim, d.Status
	if next := d.NextTry().UTC(); !next.IsZero() {
		data.Next = &next
	}
	return d.event(eventOf[d.State], data, now)
}

// TellReported is the event of a report that moved nothing, or of one that was
// expected on the way (Deferred, Forwarded).
func (d *Delivery) TellReported(data EventData, now time.Time) Event {
	data.State, data.Reason = d.State, d.Reason
	return d.event("delivery.reported", data, now)
}

// TellRead is the event of a read report.
func (d *Delivery) TellRead(now time.Time) Event {
	return d.event("delivery.read", EventData{State: d.State, ClaimedBy: ByHandset}, now)
}

func (d *Delivery) event(kind string, data EventData, now time.Time) Event {
	return Event{At: now, Type: kind, Account: d.Account, MessageID: d.MessageID, N: d.N, To: d.Recipient, Carrier: d.Lane, Data: data.JSON()}
}

// TellCompleted is the event of a message whose last delivery, d, became final.
// It tells the message's state where d is its only one; the others of a larger
// message are not at hand.
func (d *Delivery) TellCompleted(now time.Time) Event {
	var data EventData
	if d.Of == 1 {
		data.State = d.State
	}
	return Event{At: now, Type: "message.completed", Account: d.Account, MessageID: d.MessageID, N: -1, Data: data.JSON()}
}

// FeedQuery asks for the events after a cursor, oldest first. Empty fields
// match everything.
type FeedQuery struct {
	After    int64
	Accounts []string // nil: every account's, and those that are nobody's
	Message  ID
	Carrier  string
	Type     string
	Limit    int
}

// FeedPage is a stretch of the feed. Seen is the cursor up to which the query
// has been answered: it moves on over events that did not match, too.
type FeedPage struct {
	Events []Event
	Seen   int64
}
