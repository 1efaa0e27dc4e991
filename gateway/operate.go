package gateway

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Verb is what a person does to deliveries: the same word in the API, the
// command line and the events.
type Verb string

// The verbs.
const (
	ToCancel  Verb = "cancel"
	ToRetry   Verb = "retry"
	ToHold    Verb = "hold"
	ToRelease Verb = "release"
)

// Verbs are all there are, in the order they are told.
func Verbs() []Verb { return []Verb{ToCancel, ToRetry, ToHold, ToRelease} }

// What a verb that fits none of a message's deliveries comes to.
var (
	ErrNotCancelable = errors.New("nothing of the message can be canceled any more")
	ErrNotRetryable  = errors.New("nothing of the message can be retried")
	ErrNotHoldable   = errors.New("nothing of the message waits so that it could be held")
	ErrNotHeld       = errors.New("nothing of the message is held by an operator")
)

var unfit = map[Verb]error{ToCancel: ErrNotCancelable, ToRetry: ErrNotRetryable, ToHold: ErrNotHoldable, ToRelease: ErrNotHeld}

// Filter chooses messages, and of a message's deliveries those of its State,
// Reason, Carrier and To. Empty fields match everything.
type Filter struct {
	Accounts  []string // nil: every account's
	From      Number
	To        Number
	State     State
	Reason    Reason
	Carrier   string
	Reference string
	Since     time.Time // accepted at or after
	Until     time.Time // accepted before
}

// Listing asks for a page of messages, newest first.
type Listing struct {
	Filter
	Before ID // the last one of the page before; zero: from the newest
	Limit  int
}

// Action is a verb for one message or for all deliveries that a filter chooses.
type Action struct {
	Verb    Verb
	Message ID // zero: those of Filter
	To      []Number
	Filter  Filter
	DryRun  bool
	By      Claim  // ByGateway for a service that acts on its own message, else ByOperator
	Who     string // in words, for the record
}

// Judged is an Action as the store carries it out: Judge decides on each
// delivery in the transaction that writes it. It is pure: it may be asked twice
// of the same row.
type Judged struct {
	Action
	Judge func(d *Delivery, m *Message, optedOut bool, now time.Time) (e Event, acts bool)
}

// Act carries an action out and tells how many deliveries it changed, or would
// change. For one message that it fits nothing of, the error says so.
func (g *Gateway) Act(ctx context.Context, a Action) (int, error) {
	rules := g.Rules.Load()
	fits := func(m *Message) func(string) bool { return func(carrier string) bool { return g.fits(carrier, m) } }
	n, err := g.Messages.Act(ctx, Judged{Action: a, Judge: func(d *Delivery, m *Message, optedOut bool, now time.Time) (Event, bool) {
		if len(a.To) > 0 && !slices.Contains(a.To, d.Recipient) {
			return Event{}, false
		}
		if !rules.apply(&a, d, m, optedOut, fits(m), now) {
			return Event{}, false
		}
		data := EventData{By: a.Who}
		if d.Recall == RecallWanted {
			data.Note = "the carrier is asked to cancel it"
			return d.TellReported(data, now), true
		}
		return d.Tell(data, now), true
	}})
	if err == nil && n == 0 && !a.Message.IsZero() && !a.DryRun {
		err = unfit[a.Verb]
	}
	return n, err
}

// fits tells whether a carrier takes a message of this size.
func (g *Gateway) fits(carrier string, m *Message) bool {
	limit := g.Carriers.Cap(carrier)
	if m.Channel != MMS || limit == 0 || farBelow(limit, m.MediaBytes(), len(m.Text)+len(m.Subject)) {
		return true
	}
	return g.Carriers.Measure(carrier, m) <= limit
}

// apply does what the verb says to one delivery; false where it does not fit.
func (r *Rules) apply(a *Action, d *Delivery, m *Message, optedOut bool, fits func(carrier string) bool, now time.Time) bool {
	switch a.Verb {
	case ToCancel:
		return r.cancel(a, d, now)
	case ToRetry:
		return r.retry(a, d, m, optedOut, fits, now)
	case ToHold:
		if !waiting(d) || d.Reason == OperatorHold {
			return false
		}
		d.Move(Next{State: Held, Reason: OperatorHold, Claim: ByOperator, Due: d.ValidUntil}, now)
	case ToRelease:
		if d.State != Held || d.Reason != OperatorHold {
			return false
		}
		next := d.Turn()
		switch {
		case m.SendAt.After(now):
			next = Next{State: Scheduled, Reason: WaitsForTime, Claim: ByGateway, Due: m.SendAt}
		case d.Doubt:
			next = Next{State: Held, Reason: AmbiguousOutcome, Claim: ByGateway, Due: d.ValidUntil}
		case !r.Standing(m.Account, m.From, m.Channel):
			next = d.Stand(now)
		}
		d.Move(next, now)
	}
	return true
}

// waiting: nothing of it is with a carrier now.
func waiting(d *Delivery) bool {
	return d.State == Scheduled || d.State == Queued || d.State == Held
}

// cancel stops what has not left. What may have left is only not sent again;
// what has left is the carrier's to stop, where it takes that.
func (r *Rules) cancel(a *Action, d *Delivery, now time.Time) bool {
	switch {
	case waiting(d) && !d.Doubt:
		d.Move(Next{State: Canceled, Reason: CanceledByCaller, Claim: a.By}, now)
	case d.Doubt && (d.State == Queued || d.State == Uncertain || d.State == Held && d.GoesOn()):
		d.Move(Next{State: Held, Reason: AmbiguousOutcome, Claim: a.By, Due: d.ValidUntil}, now)
	case d.State == Sent && !d.Final() && d.Recall == RecallNone && slices.Contains(r.Recalling, d.Lane):
		d.Recall, d.UpdatedAt = RecallWanted, now
	default:
		return false
	}
	return true
}

// retry begins a new round, by the routes as they are now. A carrier that the
// message is too large for is none, but where there is no other.
func (r *Rules) retry(a *Action, d *Delivery, m *Message, optedOut bool, takes func(carrier string) bool, now time.Time) bool {
	fits := d.State == Failed || d.State == Expired && d.Reason == ExpiredBeforeSend || d.State == Uncertain ||
		d.State == Held && (d.Reason == OperatorHold || d.Reason == AmbiguousOutcome)
	if !fits || optedOut || !r.Standing(m.Account, m.From, m.Channel) {
		return false
	}
	if !d.Doubt { // what may have been taken is the same carrier's to take again
		all := r.Carriers(m, d)
		to := slices.DeleteFunc(slices.Clone(all), func(c string) bool { return !takes(c) })
		if len(to) == 0 && len(all) > 0 {
			to = all[:1]
		}
		if len(to) > 0 {
			d.Lane, d.Spare = to[0], ListOf(to[1:])
		}
	}
	if !d.ValidUntil.After(now) {
		d.ValidUntil = now.Add(m.ValidUntil.Sub(m.Start()))
	}
	d.Round++
	d.Answers, d.Tries, d.Resends, d.Alone = 0, 0, 0, false
	next := d.Turn()
	next.Claim = a.By
	d.Move(next, now)
	return true
}

// Standing tells whether an account may still send from a number: what was
// asked before a message was accepted, asked again when its time comes.
func (r *Rules) Standing(account string, from Number, channel Channel) bool {
	a := r.Accounts[account]
	if a == nil || a.Standing.Plan == trial || a.Standing.OutOfCredit() || a.Standing.Suspended {
		return false
	}
	own, ok := a.Numbers[from]
	enabled := a.Standing.MMSEnabled
	if channel == SMS {
		enabled = a.Standing.SMSEnabled
	}
	return ok && own.Registered && enabled
}

// standingEvery is how often a standing that stops a delivery is asked again.
const standingEvery = 5 * time.Minute

// Stand holds a delivery whose account or number may not send any more.
func (d *Delivery) Stand(now time.Time) Next {
	return Next{State: Held, Reason: StandingChanged, Claim: ByGateway, Due: d.Within(now.Add(standingEvery))}
}

// Backlog is what waits in one lane for one reason.
type Backlog struct {
	Lane   string
	State  State
	Reason Reason
	Count  int64
	Oldest time.Time // when the oldest of them was accepted
	Next   time.Time // when the first of them goes on by itself; zero: not by time
}

// Operations is what an operator asks of the store beside its messages.
type Operations interface {
	// Lanes are the status rows there are, by name.
	Lanes(ctx context.Context) ([]LaneStatus, error)
	// Pause pauses a lane or resumes it, durably, and tells whether that is news.
	Pause(ctx context.Context, lane string, pause bool, who string) (bool, error)
	// Backlog counts what waits.
	Backlog(ctx context.Context) ([]Backlog, error)
	// Reports are those kept, newest first.
	Reports(ctx context.Context, q ReportQuery) ([]KeptReport, error)
	// Link gives a report that matched nothing to a delivery, as if it had named
	// it: ErrNotFound where there is no such report, ErrLinked where it has one.
	Link(ctx context.Context, report, message ID, to Number, who string) error
	// Tell puts an event of the gateway itself into the feed.
	Tell(ctx context.Context, e Event) error
}

// ErrLinked says that the report belongs to a delivery already.
var ErrLinked = errors.New("the report is linked already")

// ReportQuery asks for kept reports.
type ReportQuery struct {
	Matched *bool // nil: both
	Carrier string
	To      Number
	Before  ID // the last one of the page before
	Limit   int
}

// KeptReport is a report that has a row: it came before anything it matched.
type KeptReport struct {
	Report
	MessageID ID // that it was matched with; zero: none
	N         int
	Due       time.Time // when it is tried again; zero: not any more
}
