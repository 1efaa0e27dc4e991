package relay

import (
	"context"
	"log/slog"
	"time"

	"mmsgw/gateway"
)

// flight is one attempt under way: dialled at its slot, decided on, settled.
type flight struct {
	lane   *lane
	d      gateway.Dispatch
	at     time.Time // its slot
	canary bool
	s      gateway.Settlement
	pause  time.Duration // since the store last refused the settlement
}

// run is the goroutine of one request.
func (f *flight) run() {
	if wait := f.at.Sub(f.lane.relay.opt.Now()); wait > 0 {
		slot := time.NewTimer(wait)
		<-slot.C
	}
	r := f.lane.link.Send(f.lane.sends, f.d)
	now := f.lane.relay.opt.Now()
	f.conclude(r, now)
	did := f.lane.landed(r, f.canary, now)
	f.lane.tell(did, r, now)
	f.settle()
}

// conclude decides what follows from the result. An attempt of several
// deliveries has one result for all.
func (f *flight) conclude(r gateway.Result, now time.Time) {
	if told[r.Outcome] == "" {
		r.Outcome = gateway.UnknownSent
	}
	var d gateway.Delivery
	if len(f.d.Deliveries) > 0 {
		d = f.d.Deliveries[0]
	}
	next := f.lane.policy.Decide(&d, r, now, f.lane.relay.opt.Rand())
	f.s = gateway.Settlement{Attempt: f.d.Attempt.ID, Lane: f.lane.name, Result: r, Next: next}
	f.log(&d)
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
	gateway.StopLane: "held", gateway.StopSender: "held", gateway.UnknownSent: "uncertain",
}

// log is the one line of a settled attempt.
func (f *flight) log(d *gateway.Delivery) {
	log, ctx := f.lane.relay.opt.Log, context.Background()
	if !log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	r, next := f.s.Result, f.s.Next
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
	if r.CarrierKey != "" {
		attrs = append(attrs, slog.String(gateway.KeyCarrierMessageID, r.CarrierKey))
	}
	if !next.Due.IsZero() {
		attrs = append(attrs, slog.Time(gateway.KeyDue, next.Due))
	}
	log.LogAttrs(ctx, slog.LevelInfo, told[r.Outcome], attrs...)
}

// tell logs once that a lane stopped, and once that it goes again.
func (l *lane) tell(did change, r gateway.Result, now time.Time) {
	switch did {
	case stopped:
		l.log().Error("the carrier takes nothing from us: the lane is stopped and probed; look at its credentials and certificates",
			gateway.KeyReason, string(r.Reason), gateway.KeyCode, r.Code, gateway.KeyDue, now.Add(l.policy.ProbeEvery))
	case recovered:
		l.log().Info("the carrier takes messages again: the lane goes on", gateway.KeyCode, r.Code)
	}
}
