package relay

import (
	"context"
	"time"

	"mmsgw/gateway"
)

const (
	dueBatch  = 500                   // deliveries woken at a time
	timerRest = 10 * time.Millisecond // between two looks: what falls due meanwhile goes together
	lostEvery = time.Minute           // another carrier is looked for, where the delivery's own is gone
	timerMax  = time.Minute           // without a look; the store's word for it is a help only
)

// keepTime is the timer's loop: all that happens by time is a due time in a
// row, and passes here.
func (r *Relay) keepTime(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var pause time.Duration
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.due:
		case <-timer.C:
		}
		wait, err := r.passTime(ctx)
		if err != nil && ctx.Err() == nil {
			pause = longer(pause)
			wait = pause
			r.opt.Log.Error("what is due could not be woken; it is tried again", gateway.KeyError, err)
		} else {
			pause = 0
		}
		timer.Reset(wait)
	}
}

// passTime ends waits that are over, the longest due first, and tells when to
// look again.
func (r *Relay) passTime(ctx context.Context) (time.Duration, error) {
	now := r.opt.Now()
	due, next, err := r.opt.Queue.Due(ctx, now, dueBatch)
	if err != nil {
		return 0, err
	}
	if err := r.move(ctx, due, now); err != nil {
		return 0, err
	}
	if next.IsZero() {
		return timerMax, nil
	}
	return min(max(next.Sub(r.opt.Now()), timerRest), timerMax), nil
}

func (r *Relay) move(ctx context.Context, due []gateway.Delivery, now time.Time) error {
	if len(due) == 0 {
		return nil
	}
	moves := make([]gateway.Move, len(due))
	for i := range due {
		d := &due[i]
		moves[i] = gateway.Move{MessageID: d.MessageID, N: d.N, Seen: d.State, SeenDue: d.Due, Next: r.onDue(d, now)}
	}
	done := make(chan error, 1)
	r.opt.Queue.Move(moves, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// onDue asks the lane's policy. What would wait for its turn in a lane that
// stands goes on with another of its carriers, where one goes. A lane that the
// configuration no longer has may come back: its deliveries wait, but not beyond
// their ends.
func (r *Relay) onDue(d *gateway.Delivery, now time.Time) gateway.Next {
	l := r.lane(d.Lane)
	switch {
	case l != nil:
		next := l.agreed().OnDue(d, now)
		if next.Ready && d.Spare != "" && !l.goes() {
			return r.beside(d, next, true)
		}
		return next
	case d.State == gateway.Sent || !now.Before(d.ValidUntil):
		return Policy{}.OnDue(d, now)
	}
	r.tellLost(d.Lane)
	if !d.GoesOn() {
		return linger(d, now)
	}
	next := d.Turn() // in a lane that nobody has: there it is at hand when the carrier is back
	if d.Spare != "" {
		next = linger(d, now)
		next.Due = d.Within(now.Add(lostEvery))
	}
	return r.beside(d, next, false)
}
