package client

import (
	"encoding/json"
	"time"
)

// Message is a message as the daemon tells it.
type Message struct {
	ID             string         `json:"id"`
	Account        string         `json:"account"`
	From           string         `json:"from"` // E.164, as all numbers
	To             []string       `json:"to"`
	Channel        string         `json:"channel"` // mms or sms
	Subject        string         `json:"subject"`
	Text           string         `json:"text"`
	Media          []Media        `json:"media"`
	DeliveryReport bool           `json:"delivery_report"`
	ReadReport     bool           `json:"read_report"`
	SendAt         *time.Time     `json:"send_at"`    // nil: at once
	ExpiresIn      string         `json:"expires_in"` // as worked out at acceptance, such as 24h
	Priority       string         `json:"priority"`
	Reference      string         `json:"reference"`
	State          string         `json:"state"`
	Final          bool           `json:"final"`
	Counts         map[string]int `json:"counts"` // deliveries by state
	CreatedAt      time.Time      `json:"created_at"`
	UpdatedAt      time.Time      `json:"updated_at"`
	ExpiresAt      time.Time      `json:"expires_at"`
	Flags          []Flag         `json:"flags"`
	Size           Size           `json:"size"`
	Deliveries     []Delivery     `json:"deliveries,omitempty"` // left out in lists, where Counts tells of them
}

// Media is a picture the daemon has.
type Media struct {
	ID     string `json:"id"`
	Type   string `json:"type"` // the true one, read from the bytes
	Size   int64  `json:"size"` // bytes as received
	Width  int    `json:"width"`
	Height int    `json:"height"`
	Frames int    `json:"frames"`
	Name   string `json:"name,omitempty"`
}

// Delivery is one recipient's copy of a message.
type Delivery struct {
	To                string     `json:"to"`
	Channel           string     `json:"channel"`
	Network           string     `json:"network"` // the recipient's operator; empty where not known
	State             string     `json:"state"`
	Reason            *Reason    `json:"reason"` // nil where the state says it all
	ClaimedBy         string     `json:"claimed_by"`
	Carrier           string     `json:"carrier"` // our link
	Attempts          int        `json:"attempts"`
	NextAttemptAt     *time.Time `json:"next_attempt_at"`
	TransactionID     string     `json:"transaction_id"` // of the newest attempt
	CarrierMessageID  string     `json:"carrier_message_id"`
	CarrierStatus     string     `json:"carrier_status"`
	PossibleDuplicate bool       `json:"possible_duplicate"`
	SentAt            *time.Time `json:"sent_at"`
	DeliveredAt       *time.Time `json:"delivered_at"`
	ReadAt            *time.Time `json:"read_at"`
	AttemptLog        []Attempt  `json:"attempt_log"`
}

// Reason is why a delivery stands where it stands.
type Reason struct {
	Code    string `json:"code"`
	Message string `json:"message"` // for a person, with what happens next
	Field   string `json:"field,omitempty"`
}

// Attempt is one request to a carrier.
type Attempt struct {
	Number           int       `json:"number"` // from 1
	Carrier          string    `json:"carrier"`
	TransactionID    string    `json:"transaction_id"`
	CarrierMessageID string    `json:"carrier_message_id"`
	At               time.Time `json:"at"`
	Outcome          string    `json:"outcome"` // empty while open
}

// The severities of a Flag.
const (
	Block = "block"
	Warn  = "warn"
)

// Flag is one thing a check found. Field is a JSON Pointer (RFC 6901) into the
// submission.
type Flag struct {
	Code     string `json:"code"`
	Severity string `json:"severity"`
	Field    string `json:"field"`
	Value    any    `json:"value,omitempty"`
	Message  string `json:"message"`
}

// Size tells how full a message is, in bytes of images as received.
type Size struct {
	Bytes      int64  `json:"bytes"`
	Limit      int64  `json:"limit"`
	Remaining  int64  `json:"remaining"`
	Images     int    `json:"images"`
	ImageLimit int    `json:"image_limit"`
	CarrierCap *int64 `json:"carrier_cap"` // of the whole request as sent; nil where none is known
}

// CheckResult is what a check says of a submission.
type CheckResult struct {
	Sendable bool   `json:"sendable"`
	Flags    []Flag `json:"flags"` // every one
	MMS      struct {
		Available bool   `json:"available"` // for these numbers and this account, whatever the content
		Flags     []Flag `json:"flags"`
	} `json:"mms"`
	From Party   `json:"from"`
	To   []Party `json:"to"`
	Size Size    `json:"size"`
}

// Party is one of the two ends of a checked submission.
type Party struct {
	Number   string `json:"number"` // E.164; as it was written where it can't be read
	Sendable bool   `json:"sendable"`
	Channel  string `json:"channel,omitempty"`
	Carrier  string `json:"carrier,omitempty"`
	Network  string `json:"network,omitempty"`
	Region   string `json:"region,omitempty"`
	MMS      string `json:"mms,omitempty"` // yes, no or unknown; empty where nobody was asked or answered
	Cap      *int64 `json:"cap"`           // of the carrier, in bytes; nil where none is known
	Flags    []Flag `json:"flags"`
}

// Event is one thing that happened. Its ID is a cursor: after it come all
// later events.
type Event struct {
	ID      string          `json:"id"`
	At      time.Time       `json:"at"`
	Type    string          `json:"type"`
	Account string          `json:"account"`
	Message string          `json:"message"` // its id
	To      string          `json:"to"`
	Carrier string          `json:"carrier"`
	Data    json.RawMessage `json:"data"`
}

// EventData is what the data of an event may hold. The State of
// message.completed is the message's, told where there is one recipient.
type EventData struct {
	State            string     `json:"state,omitempty"`
	Reason           string     `json:"reason,omitempty"`
	ClaimedBy        string     `json:"claimed_by,omitempty"`
	CarrierStatus    string     `json:"carrier_status,omitempty"`
	Outcome          string     `json:"outcome,omitempty"`
	TransactionID    string     `json:"transaction_id,omitempty"`
	CarrierMessageID string     `json:"carrier_message_id,omitempty"`
	Dial             int        `json:"dial,omitempty"`
	NextAttemptAt    *time.Time `json:"next_attempt_at,omitempty"`
	Late             bool       `json:"late,omitempty"` // a fact that changed nothing
	Reference        string     `json:"reference,omitempty"`
	Report           string     `json:"report,omitempty"`    // id of a report that matched nothing
	From             string     `json:"from,omitempty"`      // of optout.changed: the one sender it is of; empty: all
	OptedOut         *bool      `json:"opted_out,omitempty"` // of optout.changed
	By               string     `json:"by,omitempty"`        // who did it
	Note             string     `json:"note,omitempty"`      // and what they said of it
	Changes          []string   `json:"changes,omitempty"`   // of config.reloaded: the keys
}

// Details reads the event's data. Members that this release does not know are
// left out.
func (e Event) Details() (EventData, error) {
	var d EventData
	if len(e.Data) == 0 {
		return d, nil
	}
	return d, json.Unmarshal(e.Data, &d)
}

// Page is one stretch of events.
type Page struct {
	Items      []Event `json:"items"`
	NextCursor *string `json:"next_cursor"`
}
