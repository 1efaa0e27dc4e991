package relay

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"mmsgw/gateway"
)

const (
	// ahead is how long before its slot a delivery may be taken: time for the
	// store to make a whole batch durable while the pace goes on evenly.
	ahead = 25 * time.Millisecond
	// maxTake bounds what one Take brings into memory.
	maxTake = 256
	// unsettled is how many results beyond the window may wait for the store.
	unsettled = 64
)

// lane is one carrier's schedule, kept by the lease's owner in memory.
//
// A place is one of the window's: reserved by a Take or a seat, then under
// way, free again with the result. A result waits for the store outside the
// window, but only so many do: a store that does not answer stops the lane.
type lane struct {
	name   string
	policy Policy
	link   Link
	relay  *Relay
	sends  context.Context // of all requests; set by Run before anything is sent
	wake   chan struct{}
	quiet  chan struct{} // closed when the lane has ended and nothing is under way

	mu       sync.Mutex
	lease    gateway.Lease
	owned    bool
	ended    bool
	hinted   bool          // rows may be ready in the store
	hints    uint64        // how often it was said
	full     bool          // the last Take brought all it asked for: more may wait
	asking   bool          // a Take is under way
	resting  time.Time     // no Take before, the last one failed
	rest     time.Duration // the pause after that failure
	promised int           // places whose slot is not booked yet
	taken    int           // places not free
	settling int           // results on their way into the store
	open     map[gateway.ID]struct{}
	pace     pacer
	stop     stop
}

func newLane(r *Relay, l Lane) *lane {
	p := l.Policy.filled()
	return &lane{
		name: l.Name, policy: p, link: l.Link, relay: r,
		wake: make(chan struct{}, 1), quiet: make(chan struct{}),
		open: map[gateway.ID]struct{}{}, pace: newPacer(p.PerSecond, p.Burst),
	}
}

// run is the lane's one loop: it keeps the lease and asks the store for what
// may be sent, until ctx is done.
func (l *lane) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var renew time.Time
	for {
		select {
		case <-ctx.Done():
			l.end()
			return
		case <-l.wake:
		case <-timer.C:
		}
		if now := l.relay.opt.Now(); !now.Before(renew) {
			l.own(ctx)
			renew = now.Add(l.relay.opt.Renew)
		}
		now := l.relay.opt.Now()
		timer.Reset(max(earlier(renew, l.ask(now)).Sub(now), time.Millisecond))
	}
}

// own takes or renews the lease. What was left open by whoever had the lane
// before has an outcome that nobody will ever hear.
func (l *lane) own(ctx context.Context) {
	lease, orphans, err := l.relay.opt.Queue.Own(ctx, l.name, l.relay.opt.Owner)
	if err != nil {
		if ctx.Err() == nil {
			l.disown(err)
		}
		return
	}
	l.mu.Lock()
	if !l.owned || lease.Epoch != l.lease.Epoch {
		l.hinted, l.full = true, true // until the store has said otherwise
		l.hints++
	}
	l.lease, l.owned = lease, true
	var left []*flight
	for _, d := range orphans {
		if _, ours := l.open[d.Attempt.ID]; !ours {
			l.open[d.Attempt.ID] = struct{}{}
			l.settling++
			left = append(left, &flight{lane: l, d: d})
		}
	}
	l.mu.Unlock()
	for _, f := range left {
		f.conclude(gateway.Result{Outcome: gateway.UnknownSent, Code: "owner_gone"}, l.relay.opt.Now())
		f.settle()
	}
}

// disown: a lease that could not be renewed holds until it runs out, one that
// another node has is lost.
func (l *lane) disown(err error) {
	l.mu.Lock()
	lost := l.owned
	if errors.Is(err, gateway.ErrNotOwner) {
		l.owned = false
	} else {
		lost = true
	}
	l.mu.Unlock()
	if lost {
		l.log().Warn("the lane's lease could not be renewed; nothing is taken without it", gateway.KeyError, err)
	}
}

func (l *lane) log() *slog.Logger { return l.relay.opt.Log.With(gateway.KeyCarrier, l.name) }

// ask takes from the store what may be sent now, and tells when to look again.
func (l *lane) ask(now time.Time) (again time.Time) {
	l.mu.Lock()
	n, again := l.reserve(now)
	order := gateway.Order{Lease: l.lease, N: n, SameID: l.policy.SameID}
	hints := l.hints
	l.mu.Unlock()
	if n > 0 {
		l.relay.opt.Queue.Take(order, func(got []gateway.Dispatch, err error) { l.took(n, hints, got, err) })
	}
	return again
}

// reserve takes places and pace for the next Take.
func (l *lane) reserve(now time.Time) (n int, again time.Time) {
	never := now.Add(time.Hour)
	if !l.hinted || l.asking || !l.mine(now) {
		return 0, never
	}
	if now.Before(l.resting) {
		return 0, l.resting
	}
	if closed, until := l.stop.closed(now); closed {
		return 0, until
	}
	n = l.want()
	if n < 1 {
		return 0, never
	}
	room := l.pace.room(now, now.Add(ahead)) - l.promised
	if room < 1 {
		return 0, l.pace.slot(l.promised, now).Add(-ahead)
	}
	n = min(n, room)
	l.asking, l.stop.canary = true, l.stop.on
	l.promised += n
	l.taken += n
	return n, never
}

// want is how many deliveries to ask for. Where little waits, half of the free
// places are left to those who board: they cost one commit less.
func (l *lane) want() int {
	n := min(l.free(), maxTake)
	switch {
	case l.stop.on:
		return min(n, 1)
	case !l.full:
		return (n + 1) / 2
	}
	return n
}

// free counts the places that may be reserved.
func (l *lane) free() int {
	return min(l.policy.Window, l.policy.Window+unsettled-l.settling) - l.taken
}

// mine tells whether this node may open attempts in the lane.
func (l *lane) mine(now time.Time) bool {
	return l.owned && !l.ended && now.Before(l.lease.Until)
}

// took sends what a Take brought, each at its slot, and gives back what it did
// not use.
func (l *lane) took(asked int, hints uint64, got []gateway.Dispatch, err error) {
	now := l.relay.opt.Now()
	flights := make([]*flight, len(got))
	l.mu.Lock()
	l.asking = false
	l.taken -= asked - len(got)
	l.promised -= asked
	canary := l.stop.canary
	l.stop.canary = canary && len(got) > 0
	if err == nil {
		l.full, l.rest = len(got) >= asked, 0
		l.hinted = l.hinted && (l.full || hints != l.hints)
	} else {
		l.rest = longer(l.rest)
		l.resting = now.Add(l.rest)
		l.owned = l.owned && !errors.Is(err, gateway.ErrNotOwner)
	}
	for i, d := range got {
		flights[i] = l.launch(d, canary, now)
	}
	l.stir()
	l.mu.Unlock()
	for _, f := range flights {
		go f.run()
	}
	if err != nil {
		l.log().Warn("nothing could be taken from the store; it is tried again", gateway.KeyError, err)
	}
}

// launch books a place's slot and notes its attempt as under way.
func (l *lane) launch(d gateway.Dispatch, canary bool, now time.Time) *flight {
	l.open[d.Attempt.ID] = struct{}{}
	return &flight{lane: l, d: d, canary: canary, at: l.pace.book(now)}
}

// board gives a seat if what sits there could leave at once and overtakes
// nobody.
func (l *lane) board(now time.Time) (gateway.Seat, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting := l.full || l.hinted && !l.asking
	if waiting || l.stop.on || !l.mine(now) || l.free() < 1 || l.pace.room(now, now.Add(ahead)) <= l.promised {
		return gateway.Seat{}, false
	}
	l.promised++
	l.taken++
	return gateway.Seat{Owner: l.lease.Owner, Epoch: l.lease.Epoch, Go: l.depart, Free: l.vacate}, true
}

// depart sends from a seat.
func (l *lane) depart(d gateway.Dispatch) {
	l.mu.Lock()
	l.promised--
	f := l.launch(d, false, l.relay.opt.Now())
	l.mu.Unlock()
	go f.run()
}

// vacate gives a seat back.
func (l *lane) vacate() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.promised--
	l.taken--
	l.stir()
}

// landed: a result is there, its place is free. It tells what the result did
// to the lane.
func (l *lane) landed(r gateway.Result, canary bool, now time.Time) change {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken--
	l.settling++
	did := l.stop.hear(r, canary, now.Add(l.policy.ProbeEvery))
	l.stir()
	return did
}

// settled: a result is durable.
func (l *lane) settled(attempt gateway.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, attempt)
	l.settling--
	l.stir()
}

// hint: the store says that rows are ready.
func (l *lane) hint() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hinted = true
	l.hints++
	l.stir()
}

// end: nothing is taken any more.
func (l *lane) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.stir()
}

// stir wakes the loop where there is something for it to do, or tells that
// all is done. Whatever frees a place or brings a hint calls it.
func (l *lane) stir() {
	switch {
	case l.ended && l.taken == 0 && l.settling == 0 && !l.asking:
		select {
		case <-l.quiet:
		default:
			close(l.quiet)
		}
	case l.hinted && !l.asking && l.free() > 0:
		signal(l.wake)
	}
}

// earlier is the earlier of two times; a zero one is never.
func earlier(a, b time.Time) time.Time {
	if b.IsZero() || a.Before(b) {
		return a
	}
	return b
}
