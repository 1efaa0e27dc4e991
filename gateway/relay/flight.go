package relay

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"mmsgw/gateway"
)

// flight is one attempt under way: dialled at its slot, decided on, settled.
type flight struct {
	lane   *lane
	d      gateway.Dispatch
	at     time.Time // its slot
	units  int       // of the pace
	gone   time.Time // when it left, as the pace has it; not yet: zero
	canary bool      // of the lane
	probe  bool      // of a paused sender
	s      gateway.Settlement
	pause  time.Duration // since the store last refused the settlement
}

// run is the goroutine of one request.
func (f *flight) run() {
	ctx := f.lane.sends()
	f.d.Leave, f.d.Left = f.leave, f.left
	_ = f.depart(ctx) // what was cut off before it left is not sent, which Send says
	began := f.lane.relay.opt.Now()
	r := f.lane.carrier().Send(ctx, f.d)
	now := f.lane.relay.opt.Now()
	if told[r.Outcome] == "" {
		r.Outcome = gateway.UnknownSent
	}
	did := f.lane.landed(f, r, now)
	f.conclude(r, now)
	f.lane.tell(did, r)
	f.lane.relay.opt.Observe(f.observed(r, began, now))
	f.settle()
}

// depart waits for the slot, and for room where requests were held up before it.
func (f *flight) depart(ctx context.Context) error {
	if err := rest(ctx, f.at.Sub(f.lane.relay.opt.Now())); err != nil {
		return err
	}
	return f.leave(ctx)
}

// leave waits until the rate has room for the request at this very moment. That it
// left before, which it did not, is forgotten then.
func (f *flight) leave(ctx context.Context) error {
	for {
		wait := f.lane.leave(f)
		if wait <= 0 {
			return nil
		}
		if err := rest(ctx, wait); err != nil {
			return err
		}
	}
}

// left: what held the process up between the rate's word and the wire counts as well.
func (f *flight) left() { f.lane.left(f) }

// rest waits, unless ctx ends it.
func rest(ctx context.Context, wait time.Duration) error {
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// conclude decides what follows from the result for each recipient.
func (f *flight) conclude(r gateway.Result, now time.Time) {
	f.s = gateway.Settlement{Attempt: f.d.Attempt.ID, Lane: f.lane.name, Result: r, Next: make([]gateway.NextOf, len(f.d.Deliveries))}
	policy := f.lane.agreed()
	for i := range f.d.Deliveries {
		d, of := &f.d.Deliveries[i], r
		var next gateway.Next
		switch {
		case f.d.Attempt.Kind == gateway.Cancels:
			next = Recalled(r)
		default:
			if slices.Contains(r.LeftOut, d.N) {
				of.Outcome, of.Reason, of.CarrierKey, of.CarrierID = gateway.Rejected, gateway.RefusedAddress, "", ""
			}
			next = f.lane.elsewhere(d, f.from(), of, policy.Decide(d, of, now, f.lane.relay.opt.Rand()))
		}
		f.s.Next[i] = gateway.NextOf{N: d.N, Next: next}
		f.log(d, of, next)
	}
}

// from is who sends; empty where only the attempt is known.
func (f *flight) from() gateway.Number {
	if f.d.Message == nil {
		return ""
	}
	return f.d.Message.From
}

// Observation is one dial as it is counted.
type Observation struct {
	Carrier    string
	Kind       gateway.AttemptKind
	Outcome    gateway.Outcome
	Code       string
	Recipients int
	Took       time.Duration // the dial
	Waited     time.Duration // from its acceptance, or the time it was to leave, to the carrier's yes; 0: no yes
}

func (f *flight) observed(r gateway.Result, began, now time.Time) Observation {
	o := Observation{Carrier: f.lane.name, Kind: f.d.Attempt.Kind, Outcome: r.Outcome, Code: r.Code, Recipients: len(f.d.Deliveries), Took: now.Sub(began)}
	if r.Outcome == gateway.Accepted && f.d.Message != nil && o.Kind == gateway.Submits {
		o.Waited = now.Sub(f.d.Message.Start())
	}
	return o
}

// settle hands the result to the store and, where that fails, again and again:
// a result is never dropped while the process lives.
func (f *flight) settle() {
	f.lane.relay.opt.Queue.Settle(f.s, func(err error) {
		if err == nil {
			f.lane.settled(f.s.Attempt)
			return
		}
		go f.again(err)
	})
}

func (f *flight) again(err error) {
	f.pause = longer(f.pause)
	f.lane.log().Error("a result could not be stored; it is tried again",
		gateway.KeyTransactionID, f.s.Attempt.TransactionID(), gateway.KeyError, err)
	if f.lane.relay.pause(f.pause) {
		f.settle()
	}
}

// told is what the log calls an outcome.
var told = map[gateway.Outcome]string{
	gateway.Accepted: "sent", gateway.RetryLater: "retry", gateway.Rejected: "refused", gateway.TooLarge: "refused",
	gateway.StopLane: "held", gateway.StopSender: "held", gateway.Divided: "split", gateway.UnknownSent: "uncertain",
}

// log is the one line of a settled attempt, for each of its recipients.
func (f *flight) log(d *gateway.Delivery, r gateway.Result, next gateway.Next) {
	log, ctx := f.lane.relay.opt.Log, context.Background()
	if !log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	word := told[r.Outcome]
	if f.d.Attempt.Kind == gateway.Cancels {
		word = "cancel " + word
	}
	attrs := make([]slog.Attr, 0, 10)
	attrs = append(attrs,
		slog.String(gateway.KeyMessage, f.d.Attempt.MessageID.MessageName()),
		slog.String(gateway.KeyCarrier, f.lane.name),
		slog.Int(gateway.KeyAttempt, d.Tries),
		slog.String(gateway.KeyTransactionID, f.s.Attempt.TransactionID()),
		slog.String(gateway.KeyRecipient, d.Recipient.String()),
		slog.String(gateway.KeyReason, string(next.Reason)))
	if r.Code != "" {
		attrs = append(attrs, slog.String(gateway.KeyCode, r.Code))
	}
	if id := cmp.Or(r.CarrierID, r.CarrierKey); id != "" {
		attrs = append(attrs, slog.String(gateway.KeyCarrierMessageID, id))
	}
	if !next.Due.IsZero() && !next.Ready { // of what may go at once Due is the end of its validity
		attrs = append(attrs, slog.Time(gateway.KeyDue, next.Due))
	}
	if next.Lane != "" {
		attrs = append(attrs, slog.String(gateway.KeyNew, next.Lane))
	}
	log.LogAttrs(ctx, slog.LevelInfo, word, attrs...)
}

// said is what the log says of the events of a lane.
var said = map[string]struct {
	level slog.Level
	text  string
}{
	"carrier.stopped":        {slog.LevelError, "the carrier takes nothing from us: the lane is stopped and probed; look at its credentials and certificates"},
	"carrier.resumed":        {slog.LevelInfo, "the carrier takes messages again: the lane goes on"},
	"carrier.breaker_opened": {slog.LevelWarn, "the carrier does not answer or has no room: nothing is sent to it but one message from time to time"},
	"carrier.breaker_closed": {slog.LevelInfo, "the carrier answers again: the lane goes on"},
}

// tell logs once that a lane stands, and once that it goes again, and has the
// store know it too, with what follows for what waits.
func (l *lane) tell(did change, r gateway.Result) {
	if did == (change{}) {
		return
	}
	l.mu.Lock()
	note := gateway.LaneNote{Status: l.health.status(l.name), Event: did.event, Free: did.free, Sender: did.sender, Evade: l.health.held != ""}
	l.mu.Unlock()
	if s, ok := said[did.event]; ok {
		attrs := []slog.Attr{slog.String(gateway.KeyEvent, did.event), slog.String(gateway.KeyCode, r.Code)}
		if note.Status.Reason != "" { // a lane that goes again has none, and nothing to wait for
			attrs = append(attrs, slog.String(gateway.KeyReason, string(note.Status.Reason)), slog.Time(gateway.KeyDue, note.Status.Until))
		}
		l.log().LogAttrs(context.Background(), s.level, s.text, attrs...)
	}
	l.relay.note(note)
	if did.event != "" && note.Status.Reason == "" {
		l.relay.evade(l)
	}
}

// evade: what waits in lanes that stand, or that nobody has any more, may go on
// with one that goes again.
func (r *Relay) evade(goes *lane) {
	r.mu.RLock()
	all, lost := slices.Collect(maps.Values(r.lanes)), slices.Collect(maps.Keys(r.lost))
	r.mu.RUnlock()
	for _, l := range all {
		l.mu.Lock()
		note := gateway.LaneNote{Status: l.status(), Evade: true}
		stands := l.owned && (note.Status.Reason != "" || l.paused)
		l.mu.Unlock()
		if stands && l != goes {
			r.note(note)
		}
	}
	for _, name := range lost {
		r.note(gateway.LaneNote{Status: gateway.LaneStatus{Lane: name}, Evade: true})
	}
}

// note hands a note to the store and, where that fails, again while the process
// lives.
func (r *Relay) note(n gateway.LaneNote) {
	r.opt.Queue.Note(n, func(err error) {
		if err == nil {
			return
		}
		go func() {
			r.opt.Log.Error("the lane's status could not be stored; it is tried again", gateway.KeyCarrier, n.Status.Lane, gateway.KeyError, err)
			if r.pause(maxPause) {
				r.note(n)
			}
		}()
	})
}
