package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"

	"mmsgw/capability"
)

// The limits of the front door (contract, section 2).
const (
	MaxRecipients   = 1000
	MaxImages       = 10
	MaxMediaBytes   = 5 << 20 // of all images of a message, as received
	MaxText         = 1600    // code points
	MaxSubject      = 80      // code points
	MaxReference    = 255     // bytes
	MaxName         = 255     // bytes of a picture's name
	MinValidity     = time.Minute
	MaxValidity     = 7 * 24 * time.Hour
	DefaultValidity = 24 * time.Hour
	MaxAhead        = 30 * 24 * time.Hour // of send_at
)

// Submission is what a service wrote, decoded and bounded but not yet judged.
type Submission struct {
	Account   string
	From      string
	To        []string
	Channel   string // auto, mms or sms; empty is auto
	Subject   string
	Text      string
	Reference string
	Priority  Priority
	Media     []*Upload
	Report    bool
	Read      bool
	SendAt    time.Time     // zero: at once
	ExpiresIn time.Duration // 0: the account's freshness
	IdemKey   string
	Faults    []Flag // what decoding found wrong already
}

// Upload is one picture of a submission: its bytes as received, or a picture
// stored before (Picture.Place set).
type Upload struct {
	Picture
	Declared string // the type the caller declared; empty where it declared none
	Fault    string // code of the flag that its bytes earn; empty: it is a picture we take
	Handle   any    // the bytes, as Media received them; only it reads it
}

// Account is one customer: its numbers, its standing, its habits.
type Account struct {
	ID            string
	Numbers       map[Number]OwnNumber
	Standing      capability.Standing
	DefaultRegion string
	Freshness     time.Duration // validity where the caller names none
}

// OwnNumber is a number an account may send from.
type OwnNumber struct {
	Kind       Kind     // empty: by its area code
	Carriers   []string // that host it; empty: any
	Registered bool
}

// The rooms the domain needs, each a handful of methods.
type (
	// Numbers answers what numbers can receive, all under one deadline.
	Numbers interface {
		Lookup(ctx context.Context, numbers []string) []capability.Result
	}
	// Media keeps the bytes of pictures.
	Media interface {
		// Keep makes the bytes of the uploads durable and sets their Place.
		Keep(ctx context.Context, uploads []*Upload) error
	}
	// Carriers knows what a carrier would be sent.
	Carriers interface {
		// Measure counts the bytes of the whole request as sent for one recipient.
		Measure(carrier string, m *Message) int64
		// Cap is the largest request the carrier takes, in bytes; 0: no limit.
		Cap(carrier string) int64
	}
	// Lanes gives a message that need not wait its place at once, so that its
	// first attempt is stored together with it.
	Lanes interface {
		// Board takes a seat for one request from a sender to at most n recipients.
		Board(lane string, from Number, n int) (Seat, bool)
		// Goes tells whether a lane sends, as far as this node knows, or is to be
		// tried with one message.
		Goes(lane string) bool
	}
	// Messages is the durable truth.
	Messages interface {
		Accept(ctx context.Context, a Accept) (Accepting, error)
		// Message is one, as it is told, with its attempts: ErrNotFound.
		Message(ctx context.Context, id ID) (*Message, []Attempt, error)
		// Messages are a page of those that fit, newest first, as they are told.
		Messages(ctx context.Context, l Listing) ([]*Message, error)
		// Act carries an action out and counts the deliveries it changed.
		Act(ctx context.Context, a Judged) (int, error)
		Timeline(ctx context.Context, id ID) ([]Event, error)
		ByKey(ctx context.Context, account, key string) (Accepting, error)
	}
)

// Seat is a place in a lane taken for one attempt: pace and window are
// reserved until Go or Free is called, exactly one of them, once.
type Seat struct {
	Owner string
	Epoch int64
	Room  int            // recipients it is for
	Day   Day            // that it counts in
	Go    func(Dispatch) // the attempt is durable: send it
	Free  func()         // it is not
}

// Accept is what one transaction makes durable.
type Accept struct {
	Message  *Message
	Attempts []Attempt // those that ride along, their deliveries in state sending
	Days     []Day     // that each of them counts in
}

// Accepting is what became of an Accept: the message is new, or an earlier one
// holds its idempotency key.
type Accepting struct {
	ID       ID
	IdemHash []byte
	Replayed bool
	Boarded  bool // the attempts that rode along are stored
}

// Errors of Submit and of the rooms below it. Anything else is ErrStorage's kind:
// whether a message was accepted is not known then.
var (
	ErrNotFound       = errors.New("no such message")
	ErrIdemConflict   = errors.New("the idempotency key was used for another message")
	ErrIdemInProgress = errors.New("a submission with this idempotency key is still in progress")
	ErrMediaCorrupt   = errors.New("a stored picture is damaged or gone")
	ErrStorageFull    = errors.New("the storage is full; nothing was accepted")
	ErrStorage        = errors.New("the storage did not answer")
)

// Refusal is why a submission can't go: all flags, at least one blocking.
type Refusal struct{ Flags []Flag }

func (r *Refusal) Error() string { return "refused: " + FirstBlock(r.Flags) }

// idemHash is over the decoded message and its pictures' ids in order, so that
// form of upload, key order and boundaries play no part. Each field goes with
// its length: no two messages write the same bytes.
func idemHash(m *Message, expiresIn time.Duration) []byte {
	h := sha256.New()
	var n [8]byte
	number := func(v int64) { binary.BigEndian.PutUint64(n[:], uint64(v)); h.Write(n[:]) }
	text := func(s string) { number(int64(len(s))); h.Write([]byte(s)) }
	text(m.From.E164())
	number(int64(len(m.Deliveries)))
	for i := range m.Deliveries {
		text(m.Deliveries[i].Recipient.E164())
	}
	for _, s := range []string{string(m.Channel), m.Subject, m.Text, m.Reference} {
		text(s)
	}
	for _, b := range []bool{m.Report, m.Read} {
		number(map[bool]int64{true: 1}[b])
	}
	number(int64(m.Priority))
	number(int64(expiresIn))
	if !m.SendAt.IsZero() {
		number(m.SendAt.UnixMicro())
	}
	for _, p := range m.Media { // names play no part: forms of upload make them up
		text(p.ID)
	}
	return h.Sum(nil)[:16]
}
