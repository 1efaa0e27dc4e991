package relay

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"mmsgw/gateway"
)

const (
	// ahead is how long before its slot a delivery may be taken: time for the
	// store to make a whole batch durable while the pace goes on evenly.
	ahead = 25 * time.Millisecond
	// maxTake bounds what one Take brings into memory, in recipients.
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
	name  string
	relay *Relay
	wake  chan struct{}
	quiet chan struct{} // closed when the lane has ended and nothing is under way
	stop  context.CancelFunc

	mu       sync.Mutex
	policy   Policy
	link     Link
	lease    gateway.Lease
	owned    bool
	ended    bool
	paused   bool          // the last Take was told so
	spent    time.Time     // the day's limit is used up until then
	hinted   bool          // rows may be ready in the store
	hints    uint64        // how often it was said
	full     bool          // the last Take brought all it asked for: more may wait
	asking   bool          // a Take is under way
	resting  time.Time     // no Take before, the last one failed
	rest     time.Duration // the pause after that failure
	promised int           // units whose slot is not booked yet
	taken    int           // places not free
	settling int           // results on their way into the store
	open     map[gateway.ID]struct{}
	pace     pacer
	health   health
}

func newLane(r *Relay, l Lane) *lane {
	p := l.Policy.filled()
	return &lane{
		name: l.Name, policy: p, link: l.Link, relay: r,
		wake: make(chan struct{}, 1), quiet: make(chan struct{}),
		open: map[gateway.ID]struct{}{}, pace: newPacer(p.PerSecond, p.Burst, r.opt.Now()),
	}
}

// change gives the lane another policy and link. What is under way goes on as it
// began. What was wrong with carrier, account or number may have been mended: the
// notes, for the store, let what was held for it take its turn.
func (l *lane) change(to Lane) (notes []gateway.LaneNote) {
	p := to.Policy.filled()
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.PerSecond != l.policy.PerSecond || p.Burst != l.policy.Burst || p.Requests != l.policy.Requests {
		left := l.pace.left
		l.pace = newPacer(p.PerSecond, p.Burst, l.relay.opt.Now())
		l.pace.left = left
	}
	l.policy, l.link, l.spent = p, to.Link, time.Time{}
	if l.health.held != "" {
		l.health.until = l.relay.opt.Now()
	}
	l.hinted = true
	l.hints++
	signal(l.wake)
	if !l.owned {
		return nil
	}
	return []gateway.LaneNote{{Status: l.status(), Free: gateway.StandingChanged}, {Status: l.status(), Free: gateway.LaneStopped}}
}

func (l *lane) carrier() Link {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.link
}

func (l *lane) agreed() Policy {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.policy
}

// sends is the context of all requests.
func (l *lane) sends() context.Context { return l.relay.sends }

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
		l.health = health{}
		now := l.relay.opt.Now()
		l.health.restore(lease.Status, l.policy, now)
		if lease.Status.Reason == gateway.DailyCap {
			// What another run found, by its limit and its clock: the first Take says
			// how it is by ours, and till then the row is to be cleared.
			l.spent = now
		}
		l.pace = newPacer(l.policy.PerSecond, l.policy.Burst, now)
		if lease.Epoch > 1 { // somebody had the lane before
			l.pace.rest()
		}
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
		f.conclude(gateway.Result{Outcome: gateway.UnknownSent, Code: "owner_gone", Ours: true}, l.relay.opt.Now())
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
	fresh := !l.spent.IsZero() && !now.Before(l.spent)
	if fresh {
		l.spent = time.Time{}
	}
	want, again := l.reserve(now)
	order := l.order(want, now)
	hints, status := l.hints, l.status()
	l.mu.Unlock()
	if fresh {
		l.relay.note(gateway.LaneNote{Status: status})
		l.relay.evade(l)
		l.log().Info("the carrier's day begins: the lane goes on")
	}
	if want.requests > 0 {
		l.relay.opt.Queue.Take(order, func(got gateway.Taken, err error) { l.took(want, order.Day, hints, got, err) })
	}
	return again
}

// reserved is what a Take may bring.
type reserved struct {
	requests, recipients int
	units                int // of the pace
}

func (l *lane) order(r reserved, now time.Time) gateway.Order {
	judge, standing := l.health.judge(l.policy), l.relay.opt.Standing
	return gateway.Order{
		Lease: l.lease, N: r.requests, Recipients: r.recipients, Group: l.policy.Group(), SameID: l.policy.SameID, Recalls: l.policy.Recalls,
		Day: l.policy.day(now),
		Judge: func(d *gateway.Delivery, m *gateway.Message, now time.Time) *gateway.Next {
			// Asked at acceptance, and again now: it may have waited long, untouched.
			if !standing(m.Account, m.From, m.Channel) {
				next := d.Stand(now)
				return &next
			}
			if judge == nil {
				return nil
			}
			next := judge(d, m, now)
			if next != nil {
				*next = l.relay.beside(d, m.From, *next, true)
			}
			return next
		},
	}
}

// reserve takes places and pace for the next Take.
func (l *lane) reserve(now time.Time) (r reserved, again time.Time) {
	never := now.Add(time.Hour)
	if now.Before(l.spent) {
		never = earlier(never, l.spent)
	}
	if !l.hinted || l.asking || !l.mine(now) || now.Before(l.spent) {
		return r, never
	}
	if now.Before(l.resting) {
		return r, l.resting
	}
	if closed, until := l.health.closed(now); closed {
		return r, until
	}
	places := l.want()
	if places < 1 {
		return r, never
	}
	room := l.pace.room(now, now.Add(ahead)) - l.promised
	if room < 1 {
		return r, l.pace.slot(l.promised, now).Add(-ahead)
	}
	r = l.share(places, room)
	l.asking, l.health.canary = true, l.health.held != ""
	l.promised += r.units
	l.taken += r.requests
	return r, never
}

// share makes requests of places and units of room. Where recipients are
// counted, a request to several needs room for all of them: it is given, for its
// slot is that of the last.
func (l *lane) share(places, room int) reserved {
	group := l.policy.Group()
	if l.health.held != "" { // a canary goes alone
		return reserved{1, 1, 1}
	}
	if l.policy.Requests {
		n := min(places, room)
		return reserved{n, min(n*group, maxTake), n}
	}
	recipients := min(max(room, group), places*group, maxTake)
	return reserved{min(places, recipients), recipients, recipients}
}

// want is how many requests to ask for. Where little waits, half of the free
// places are left to those who board: they cost one commit less.
func (l *lane) want() int {
	n := min(l.free(), maxTake)
	switch {
	case l.health.held != "":
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

// goes tells whether the lane sends.
func (l *lane) goes() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.health.held == "" && !l.paused && l.spent.IsZero()
}

// tries tells whether the lane stands and wants a message to find out whether it
// goes again: nothing waits in it that could.
func (l *lane) tries(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := &l.health
	return h.held != "" && !h.canary && !now.Before(h.until) && !l.hinted && !l.paused && l.spent.IsZero()
}

// takes tells whether the carrier takes a sender, as far as is known.
func (l *lane) takes(from gateway.Number) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.health.refusesSender(from)
}

// status is the lane's row.
func (l *lane) status() gateway.LaneStatus {
	s := l.health.status(l.name)
	if s.Reason == "" && !l.spent.IsZero() {
		s.Reason, s.Until = gateway.DailyCap, l.spent
	}
	return s
}

// took sends what a Take brought, each at its slot, and gives back what it did
// not use.
func (l *lane) took(asked reserved, day gateway.Day, hints uint64, got gateway.Taken, err error) {
	now := l.relay.opt.Now()
	flights := make([]*flight, len(got.Dispatches))
	recipients := 0
	l.mu.Lock()
	l.asking = false
	l.taken -= asked.requests - len(got.Dispatches)
	l.promised -= asked.units
	canary := l.health.canary
	l.health.canary = canary && len(got.Dispatches) > 0
	for i, d := range got.Dispatches {
		flights[i] = l.launch(d, canary, now)
		recipients += len(d.Deliveries)
	}
	resumed := l.paused && err == nil && !got.Paused
	spent := got.Spent && err == nil && l.spent.IsZero()
	news := l.heed(got, day, hints, len(got.Dispatches) >= asked.requests || recipients >= asked.recipients, now, err)
	note := gateway.LaneNote{Status: l.status(), Evade: true}
	l.stir()
	l.mu.Unlock()
	for _, f := range flights {
		go f.run()
	}
	if news { // here nothing of the queue may be called
		go l.relay.note(note)
	}
	if resumed {
		go l.relay.evade(l)
	}
	if err != nil {
		l.log().Warn("nothing could be taken from the store; it is tried again", gateway.KeyError, err)
	}
	if spent { // the feed has no event of it
		l.log().Warn("the carrier's limit for the day is used up: nothing is sent to it before its midnight", gateway.KeyReason, string(gateway.DailyCap), gateway.KeyDue, day.End.UTC())
	}
}

// heed learns from a Take whether there is more, and tells whether the lane
// stands for another reason than before.
func (l *lane) heed(got gateway.Taken, day gateway.Day, hints uint64, all bool, now time.Time, err error) (news bool) {
	if err != nil {
		l.rest = longer(l.rest)
		l.resting = now.Add(l.rest)
		l.owned = l.owned && !errors.Is(err, gateway.ErrNotOwner)
		return false
	}
	l.full, l.rest = all || got.Busy, 0
	l.hinted = l.hinted && (l.full || hints != l.hints)
	news = got.Paused && !l.paused
	l.paused = got.Paused
	if got.Spent && l.spent.IsZero() {
		l.spent, l.hinted, news = day.End, true, true
	}
	return news
}

// launch books a place's slot and notes its attempt as under way.
func (l *lane) launch(d gateway.Dispatch, canary bool, now time.Time) *flight {
	l.open[d.Attempt.ID] = struct{}{}
	probe := d.Message != nil && d.Attempt.Kind != gateway.Cancels && l.health.depart(d.Message.From)
	units := l.policy.units(len(d.Deliveries))
	return &flight{lane: l, d: d, canary: canary, probe: probe, units: units, at: l.pace.book(units, now)}
}

// leave notes that a flight leaves now, or tells how long it has to wait.
func (l *lane) leave(f *flight) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.relay.opt.Now()
	if !f.gone.IsZero() {
		l.pace.back(f.units, f.gone)
		f.gone = time.Time{}
	}
	wait := l.pace.leave(f.units, now)
	if wait <= 0 {
		f.gone = now
	}
	return wait
}

// left notes when a flight that was to leave did.
func (l *lane) left(f *flight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.relay.opt.Now(); !f.gone.IsZero() {
		l.pace.later(f.units, f.gone, now)
		f.gone = now
	}
}

// board gives a seat if what sits there could leave at once and overtakes
// nobody.
func (l *lane) board(from gateway.Number, n int, now time.Time) (gateway.Seat, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n = min(n, l.policy.Group())
	units := l.policy.units(n)
	waiting := l.full || l.hinted && !l.asking
	if waiting || l.paused || now.Before(l.spent) || l.health.held != "" || l.health.refusesSender(from) || !l.mine(now) ||
		l.free() < 1 || l.pace.room(now, now.Add(ahead)) <= l.promised {
		return gateway.Seat{}, false
	}
	l.promised += units
	l.taken++
	seat := gateway.Seat{Owner: l.lease.Owner, Epoch: l.lease.Epoch, Room: n, Day: l.policy.day(now)}
	seat.Go = func(d gateway.Dispatch) { l.depart(d, units) }
	seat.Free = func() { l.vacate(units) }
	return seat, true
}

// depart sends from a seat.
func (l *lane) depart(d gateway.Dispatch, units int) {
	l.mu.Lock()
	l.promised -= units
	f := l.launch(d, false, l.relay.opt.Now())
	l.mu.Unlock()
	go f.run()
}

// vacate gives a seat back.
func (l *lane) vacate(units int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.promised -= units
	l.taken--
	l.stir()
}

// landed: a result is there, its place is free. It tells what the result did
// to the lane.
func (l *lane) landed(f *flight, r gateway.Result, now time.Time) change {
	chance := l.relay.opt.Rand()
	arrival := landing{result: r, canary: f.canary, probe: f.probe, cancel: f.d.Attempt.Kind == gateway.Cancels}
	if f.d.Message != nil {
		arrival.from = f.d.Message.From
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken--
	l.settling++
	until := l.health.until
	did := l.health.hear(arrival, l.policy, now, chance)
	did.longer = f.canary && l.health.held != "" && !l.health.until.Equal(until)
	l.stir()
	return did
}

// elsewhere is what follows from a result where the delivery has other carriers:
// what one of them refuses of us, or can't be reached for, goes to the next. What
// may have been taken stays, and so does what any carrier would refuse.
func (l *lane) elsewhere(d *gateway.Delivery, from gateway.Number, r gateway.Result, next gateway.Next) gateway.Next {
	if d.Spare == "" || next.Doubt {
		return next
	}
	comeBack := true
	switch {
	case next.State == gateway.Held && (next.Reason == gateway.LaneStopped || next.Reason == gateway.SenderPaused):
	case next.State == gateway.Queued && next.Reason == gateway.BackingOff && !l.goes():
	case next.State == gateway.Failed && slices.Contains(ofUs, next.Reason):
		comeBack = false
	default:
		return next
	}
	to := l.relay.beside(d, from, next, comeBack)
	to.Counts = r.Counts
	return to
}

// ofUs are the refusals that another carrier need not share.
var ofUs = []gateway.Reason{gateway.RetriesExhausted, gateway.RefusedRequest, gateway.RefusedSender}

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
