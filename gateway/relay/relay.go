// Package relay sends what is accepted: one lane per carrier, each with its
// pace, its window and its stop. It takes from the store what is ready, hands
// it to the carrier's Link, decides what follows from the result, and wakes
// what waits for a time. What it decides are pure functions (Policy.Decide,
// Policy.OnDue); what it keeps in memory can be lost at any instant, for every
// intent and every result is a row.
package relay

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"mmsgw/gateway"
)

// Queue is what the relay needs of the store. The callbacks of Take, Settle,
// Move and Note come when the change is durable or has failed, from whatever
// goroutine; they return at once and call nothing of the Queue.
type Queue interface {
	// Own takes a lane's lease or renews it: gateway.ErrNotOwner while another
	// node holds it. orphans are the attempts left open under older epochs.
	Own(ctx context.Context, lane, owner string) (lease gateway.Lease, orphans []gateway.Dispatch, err error)
	// Take opens attempts for at most o.N deliveries that are ready in a lane.
	Take(o gateway.Order, done func(gateway.Taken, error))
	// Settle records a dial's result and what follows from it.
	Settle(s gateway.Settlement, done func(error))
	// Due gives the deliveries due by now, the longest due first, and the earliest
	// due time after that; zero where nothing waits.
	Due(ctx context.Context, now time.Time, limit int) (due []gateway.Delivery, next time.Time, err error)
	// Move ends waits, each only if its delivery still stands as it was seen.
	Move(moves []gateway.Move, done func(error))
	// Note records what has become of a lane.
	Note(n gateway.LaneNote, done func(error))
}

// Link speaks to one carrier. Send dials once, returns what came of it, and
// soon after ctx is done at the latest; what it cannot tell is
// gateway.UnknownSent. Many goroutines call it at a time.
type Link interface {
	Send(ctx context.Context, d gateway.Dispatch) gateway.Result
}

// Lane is one carrier as the configuration has it.
type Lane struct {
	Name   string
	Link   Link
	Policy Policy
}

// Options of a Relay.
type Options struct {
	Owner        string // names this run of this process, no other before or after: what an earlier one left open is seen by it
	Queue        Queue
	Lanes        []Lane
	Lost         []string             // lanes that rows name and the configuration does not
	Renew        time.Duration        // how often leases are renewed, a third of their length; default 3 s
	DrainTimeout func() time.Duration // how long requests under way may finish on stopping; default 20 s
	Log          *slog.Logger
	Now          func() time.Time
	Rand         func() float64 // in [0, 1); for many goroutines
	// Standing tells whether an account may still send from a number; it is asked
	// of what waited. Quick, and for many goroutines; default yes.
	Standing func(account string, from gateway.Number, channel gateway.Channel) bool
	Observe  func(Observation) // told of each dial; quick, for many goroutines
}

// Relay runs the lanes and the timer. It is a gateway.Lanes.
type Relay struct {
	opt  Options
	due  chan struct{} // something is due earlier than known
	gone chan struct{} // Run has returned: what still waits is given up

	mu      sync.RWMutex
	lanes   map[string]*lane
	lost    map[string]bool // lanes that rows name and the configuration does not; false: not yet told
	leaving []*lane         // no longer configured; what they have under way finishes
	running context.Context // of the loops; nil before Run
	sends   context.Context // of all requests
	loops   sync.WaitGroup
}

// New makes a Relay; Run sets it going.
func New(opt Options) *Relay {
	opt.Renew = cmp.Or(opt.Renew, 3*time.Second)
	if opt.DrainTimeout == nil {
		opt.DrainTimeout = func() time.Duration { return 20 * time.Second }
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Rand == nil {
		opt.Rand = rand.Float64
	}
	if opt.Standing == nil {
		opt.Standing = func(string, gateway.Number, gateway.Channel) bool { return true }
	}
	if opt.Observe == nil {
		opt.Observe = func(Observation) {}
	}
	r := &Relay{opt: opt, lanes: map[string]*lane{}, due: make(chan struct{}, 1), gone: make(chan struct{}), lost: map[string]bool{}}
	for _, name := range opt.Lost {
		r.lost[name] = false
	}
	for _, l := range opt.Lanes {
		r.lanes[l.Name] = newLane(r, l)
	}
	return r
}

// Change takes over other lanes while it runs: new ones begin, those that are
// gone finish what they have under way, the others go on under their new policy.
func (r *Relay) Change(lanes []Lane) {
	for _, note := range r.change(lanes) {
		note() // without the lock: the store may have to ask us first
	}
}

func (r *Relay) change(lanes []Lane) (notes []func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	keep := map[string]bool{}
	for _, to := range lanes {
		keep[to.Name] = true
		delete(r.lost, to.Name)
		l := r.lanes[to.Name]
		if l == nil {
			l = newLane(r, to)
			r.lanes[to.Name] = l
			if r.running != nil {
				r.start(l)
			}
			continue
		}
		for _, note := range l.change(to) {
			notes = append(notes, func() { r.note(note) })
		}
	}
	for name, l := range r.lanes {
		if keep[name] {
			continue
		}
		delete(r.lanes, name)
		r.lost[name] = false
		r.leaving = append(r.leaving, l)
		if l.stop != nil {
			l.stop()
		}
		notes = append(notes, func() { r.note(gateway.LaneNote{Status: gateway.LaneStatus{Lane: name}, Evade: true}) })
	}
	return notes
}

// tellLost says once that deliveries wait for a carrier that there is not.
func (r *Relay) tellLost(lane string) {
	r.mu.Lock()
	told := r.lost[lane]
	r.lost[lane] = true
	r.mu.Unlock()
	if !told {
		r.opt.Log.Warn("messages wait for a carrier that is not configured; they expire unless it is configured again", gateway.KeyCarrier, lane)
	}
}

// start runs a lane's loop. r.mu is held.
func (r *Relay) start(l *lane) {
	ctx, stop := context.WithCancel(r.running)
	l.stop = stop
	r.loops.Go(func() { l.run(ctx) })
}

func (r *Relay) lane(name string) *lane {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.lanes[name]
}

// Board takes a seat in a lane that could send at once and has nobody waiting,
// for one request to at most n recipients: the first attempt is then stored
// together with the message. It is cheap.
func (r *Relay) Board(lane string, from gateway.Number, n int) (gateway.Seat, bool) {
	l := r.lane(lane)
	if l == nil {
		return gateway.Seat{}, false
	}
	return l.board(from, n, r.opt.Now())
}

// Goes tells whether a lane sends, as far as this node knows.
func (r *Relay) Goes(lane string) bool {
	l := r.lane(lane)
	return l != nil && l.goes()
}

// InFlight is how many requests of a lane this node has under way.
func (r *Relay) InFlight(lane string) int {
	l := r.lane(lane)
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}

// beside is a delivery's turn at the first of its other carriers that goes, or
// next where none does or it may have been taken already. The carrier it leaves
// becomes the last to fall back on where it may come back.
func (r *Relay) beside(d *gateway.Delivery, next gateway.Next, comeBack bool) gateway.Next {
	if d.Doubt || next.Doubt {
		return next
	}
	names := d.Spare.All()
	i := slices.IndexFunc(names, r.Goes)
	if i < 0 {
		return next
	}
	to, back := d.Turn(), ""
	if comeBack {
		back = d.Lane
	}
	to.Lane, to.Spare, to.Status = names[i], d.Spare.Rotate(i, back), next.Status
	return to
}

// Wake tells that rows became ready in a lane. It is cheap and never waits.
func (r *Relay) Wake(lane string) {
	if l := r.lane(lane); l != nil {
		l.hint()
	}
}

// WakeTimer tells that something is due earlier than Queue.Next said. It is
// cheap and never waits.
func (r *Relay) WakeTimer() { signal(r.due) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// drainGrace is how long, as a part of DrainTimeout, the results of the requests
// that were cut off may take to become durable.
const drainGrace = 4

// Run sends until ctx is done. Then nothing more is taken; what is under way
// finishes, cut off after DrainTimeout, and is settled. Run returns when
// nothing of it runs any more. It is called once.
func (r *Relay) Run(ctx context.Context) {
	sends, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	defer close(r.gone)
	r.mu.Lock()
	r.running, r.sends = ctx, sends
	for _, l := range r.lanes {
		r.start(l)
	}
	r.loops.Go(func() { r.keepTime(ctx) })
	r.mu.Unlock()
	for _, name := range r.opt.Lost {
		r.tellLost(name)
		r.note(gateway.LaneNote{Status: gateway.LaneStatus{Lane: name}, Evade: true})
	}
	<-ctx.Done()
	r.loops.Wait()
	patience := r.opt.DrainTimeout()
	if r.quiet(patience) {
		return
	}
	cut()
	if !r.quiet(patience / drainGrace) {
		r.opt.Log.Error("stopping with results that the store did not take: their messages count as uncertain at the next start")
	}
}

// quiet waits until no lane has anything under way; false where it takes too long.
func (r *Relay) quiet(patience time.Duration) bool {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	r.mu.RLock()
	all := append(slices.Collect(maps.Values(r.lanes)), r.leaving...)
	r.mu.RUnlock()
	for _, l := range all {
		select {
		case <-l.quiet:
		case <-timeout.C:
			return false
		}
	}
	return true
}

// pause waits; false where the relay has ended meanwhile.
func (r *Relay) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.gone:
		return false
	}
}

// The pauses while the store is unavailable.
const (
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
)

// longer is the pause after a pause.
func longer(pause time.Duration) time.Duration {
	return min(max(2*pause, firstPause), maxPause)
}
