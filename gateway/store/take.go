package store

import (
	"database/sql"
	"errors"
	"slices"
	"time"

	"mmsgw/gateway"
)

// turnedAway is how many ready deliveries one Take may send elsewhere, to be
// held or ended, beside those that it takes.
const turnedAway = 512

// errPaused: an operator paused the lane.
var errPaused = refusal{errors.New("the lane is paused")}

// taking is the change that puts ready deliveries on the wire.
type taking struct {
	order gateway.Order
	after func(gateway.Taken, error)

	out      gateway.Taken
	messages map[gateway.ID]*gateway.Message // read by this apply
	units    int                             // recipients that may still be taken
	left     int                             // of the day's limit
	away     int                             // turned away
	unseen   bool                            // accounts were left out, and there was room for them
}

// Take opens attempts for what is ready in a lane, as far as the order goes, and
// calls done when they are durable. Priorities come first, and within one the
// accounts take turns. Neighbours of one message share a request. Each row's
// right to go is looked at in this very transaction: the pause of the lane, the
// day's limit, the recipient's consent, and what the order's judge says.
func (s *Store) Take(o gateway.Order, done func(gateway.Taken, error)) {
	s.in.hand(&taking{order: o, after: done}, false)
}

func (c *taking) rows() int { return 3 * max(c.order.N, c.order.Recipients) }

func (c *taking) done(err error) {
	if err != nil && errors.Is(err, errPaused.err) {
		c.after(gateway.Taken{Paused: true}, nil)
		return
	}
	c.after(c.out, plain(err))
}

func (c *taking) apply(b *batch) error {
	if done, err := c.committed(b); done || err != nil {
		return err
	}
	c.out, c.messages = gateway.Taken{}, map[gateway.ID]*gateway.Message{}
	c.units, c.away, c.unseen = max(c.order.N, c.order.Recipients), 0, false
	ok, err := b.owns(c.order.Lease)
	if err != nil {
		return err
	}
	if !ok {
		return refusal{gateway.ErrNotOwner}
	}
	status, err := b.lane(c.order.Lease.Lane)
	if err != nil {
		return err
	}
	if status.Paused {
		return errPaused
	}
	if c.left, err = b.left(c.order.Lease.Lane, c.order.Day); err != nil {
		return err
	}
	return c.fill(b)
}

// fill takes until the order is met, the day's limit is used up, or nothing is
// ready any more.
func (c *taking) fill(b *batch) error {
	if c.order.Recalls {
		if err := c.recalls(b); err != nil {
			return err
		}
	}
	for _, p := range []gateway.Priority{gateway.High, gateway.Normal, gateway.Low} {
		if err := c.takePriority(b, p); err != nil {
			return err
		}
	}
	c.out.Spent = c.order.Day.Limit > 0 && c.left <= 0
	c.out.Busy = c.away >= turnedAway || c.unseen
	return b.spend(c.order.Lease.Lane, c.order.Day, c.load())
}

// load is what the taken requests count for in the day.
func (c *taking) load() (n int) {
	for i := range c.out.Dispatches {
		if d := &c.out.Dispatches[i]; d.Attempt.Kind == gateway.Submits {
			n += c.order.Day.Load(len(d.Deliveries))
		}
	}
	return n
}

// committed tells whether an earlier apply of this change was committed after
// all, its answer lost on the way: then what it opened is there.
func (c *taking) committed(b *batch) (bool, error) {
	if len(c.out.Dispatches) == 0 {
		return false, nil
	}
	first := c.out.Dispatches[0].Attempt
	a, err := b.attempt(first.ID)
	return err == nil && a != nil && a.Open() && a.Dials == first.Dials && a.Epoch == first.Epoch, err
}

// full tells that no more can be taken.
func (c *taking) full() bool {
	return !c.joins() && (len(c.out.Dispatches) >= c.order.N || c.spent()) || c.spent() && !c.order.Day.Requests || c.units <= 0 || c.away >= turnedAway
}

// spent tells that no more requests may be opened today; company in one that is
// open costs nothing where requests are counted.
func (c *taking) spent() bool { return c.order.Day.Limit > 0 && c.left <= 0 }

// joins tells whether the last request has room for company.
func (c *taking) joins() bool {
	n := len(c.out.Dispatches)
	return n > 0 && c.out.Dispatches[n-1].Attempt.Kind == gateway.Submits && len(c.out.Dispatches[n-1].Deliveries) < c.order.Group
}

// takePriority walks the accounts that have something ready, one share each in
// turn, however many deliveries one of them has waiting.
func (c *taking) takePriority(b *batch, p gateway.Priority) error {
	if c.full() {
		return nil
	}
	accounts, err := c.accounts(b, p)
	if err != nil {
		return err
	}
	queues := make([]queue, 0, len(accounts))
	for _, a := range accounts {
		queues = append(queues, queue{p: p, account: a})
	}
	for len(queues) > 0 && !c.full() {
		queues = slices.DeleteFunc(queues, func(q queue) bool { return q.empty })
		for i := range queues {
			share := (c.units + len(queues) - i - 1) / (len(queues) - i)
			if err := c.takeAccount(b, &queues[i], share); err != nil {
				return err
			}
		}
	}
	c.unseen = c.unseen || len(accounts) > c.order.N && !c.full()
	return nil
}

// accounts are those that have something ready, from the one behind that which
// had the last turn, round to it: one more than there may be requests, at most.
func (c *taking) accounts(b *batch, p gateway.Priority) (accounts []string, err error) {
	last, _ := b.s.turns.Load(turn{c.order.Lease.Lane, p})
	had, _ := last.(string)
	for from, round := had, false; len(accounts) <= c.order.N; {
		next, found := "", false
		err := b.query("SELECT account FROM deliveries WHERE ready = 1 AND lane = $1 AND priority = $2 AND account > $3 ORDER BY account LIMIT 1",
			func(rows *sql.Rows) error { found = true; return rows.Scan(&next) }, c.order.Lease.Lane, int(p), from)
		switch {
		case err != nil:
			return nil, err
		case round && (!found || next > had), !found && had == "":
			return accounts, nil
		case !found:
			from, round = "", true
		default:
			accounts, from = append(accounts, next), next
		}
	}
	return accounts, nil
}

// turn is whose turn it was: of a lane, at a priority.
type turn struct {
	lane string
	p    gateway.Priority
}

// queue is what one account has ready at one priority, and how far it was read.
type queue struct {
	p       gateway.Priority
	account string
	last    rowKey
	empty   bool
}

func (c *taking) takeAccount(b *batch, q *queue, share int) error {
	if share <= 0 || c.full() {
		return nil
	}
	b.s.turns.Store(turn{c.order.Lease.Lane, q.p}, q.account)
	var ready []gateway.Delivery
	err := b.query(selectDeliveries+` WHERE ready = 1 AND lane = $1 AND priority = $2 AND account = $3
		AND (message_id, n) > ($4, $5) ORDER BY message_id, n LIMIT $6`+b.s.engine.forUpdate,
		func(rows *sql.Rows) error {
			d, err := scanDelivery(rows)
			ready = append(ready, d)
			return err
		}, c.order.Lease.Lane, int(q.p), q.account, q.last.id[:], q.last.n, share)
	if err != nil {
		return err
	}
	q.empty = len(ready) < share
	for i := range ready {
		d := b.fresh(&ready[i])
		if c.full() {
			q.empty = false
			return nil
		}
		q.last = rowKey{d.MessageID, d.N}
		if !d.Ready {
			continue
		}
		if err := c.one(b, d); err != nil {
			return err
		}
	}
	return nil
}

// fresh is a row just read, or what this batch has made of it meanwhile.
func (b *batch) fresh(d *gateway.Delivery) *gateway.Delivery {
	k := rowKey{d.MessageID, d.N}
	if known, ok := b.deliveries[k]; ok {
		return known
	}
	b.deliveries[k] = d
	return d
}

// one takes a delivery, or sends it where it goes instead.
func (c *taking) one(b *batch, d *gateway.Delivery) error {
	m, err := c.message(b, d.MessageID)
	if err != nil {
		return err
	}
	elsewhere, err := c.judge(b, d, m)
	if err != nil {
		return err
	}
	if elsewhere == nil {
		return c.open(b, d, m)
	}
	c.away++
	return b.move(d, *elsewhere)
}

// judge tells where a delivery goes instead of leaving, nil where it leaves.
func (c *taking) judge(b *batch, d *gateway.Delivery, m *gateway.Message) (*gateway.Next, error) {
	if !b.now.Before(d.ValidUntil) {
		next := d.Expire()
		return &next, nil
	}
	out, err := b.optedOut(d.Account, m.From, d.Recipient)
	if err != nil {
		return nil, err
	}
	if out {
		next := d.Refuse()
		return &next, nil
	}
	if c.order.Judge == nil {
		return nil, nil
	}
	return c.order.Judge(d, m, b.now), nil
}

// move puts a delivery elsewhere and tells it.
func (b *batch) move(d *gateway.Delivery, next gateway.Next) error {
	was := *d
	d.Move(next, b.now)
	var events []gateway.Event
	if d.State != was.State || d.Lane != was.Lane || d.State != gateway.Queued {
		events = append(events, d.Tell(gateway.EventData{}, b.now))
	}
	return b.write(d, was.Final(), events...)
}

func (c *taking) message(b *batch, id gateway.ID) (*gateway.Message, error) {
	if m := c.messages[id]; m != nil {
		return m, nil
	}
	m, err := readMessage(b.query, id)
	if err == nil && m == nil {
		err = errors.New("a delivery has no message: the database is damaged")
	}
	c.messages[id] = m
	return m, err
}

// open makes the delivery's next attempt, joins that of its neighbours, or dials
// the last one again where its outcome is unknown and the carrier knows a repeat
// by its TransactionID.
func (c *taking) open(b *batch, d *gateway.Delivery, m *gateway.Message) error {
	a, err := c.again(b, d)
	if err != nil {
		return err
	}
	if a == nil && !d.Doubt && !d.Alone && c.joins() {
		last := &c.out.Dispatches[len(c.out.Dispatches)-1]
		if first := &last.Deliveries[0]; first.MessageID == d.MessageID && !first.Doubt && !first.Alone && first.Round == d.Round && first.ValidUntil.Equal(d.ValidUntil) {
			last.Attempt.Covers = append(last.Attempt.Covers, d.N)
			return c.depart(b, last, d)
		}
	}
	if len(c.out.Dispatches) >= c.order.N || c.spent() {
		c.units = 0 // no room for another request
		return nil
	}
	if a == nil {
		a = &gateway.Attempt{ID: b.s.opt.NewID(), Kind: gateway.Submits, MessageID: d.MessageID, Covers: []int{d.N}, Round: d.Round, Lane: d.Lane}
	}
	a.Owner, a.Epoch, a.OpenedAt = c.order.Lease.Owner, c.order.Lease.Epoch, b.now
	a.Dials++
	c.out.Dispatches = append(c.out.Dispatches, gateway.Dispatch{Attempt: *a, Message: m})
	return c.depart(b, &c.out.Dispatches[len(c.out.Dispatches)-1], d)
}

// again is the attempt that is dialled once more; nil where a new one is made.
func (c *taking) again(b *batch, d *gateway.Delivery) (*gateway.Attempt, error) {
	if !c.order.SameID || !d.Doubt || d.Attempt.IsZero() {
		return nil, nil
	}
	last, err := b.attempt(d.Attempt)
	if err != nil || last == nil || last.Outcome != gateway.UnknownSent || last.Lane != d.Lane || len(last.Covers) > 1 {
		return nil, err
	}
	again := *last
	again.Outcome, again.Code, again.ClosedAt = "", "", time.Time{}
	return &again, nil
}

// depart writes a delivery and its attempt as they leave.
func (c *taking) depart(b *batch, to *gateway.Dispatch, d *gateway.Delivery) error {
	event := d.Depart(&to.Attempt, b.now)
	a := to.Attempt
	a.Covers = slices.Clone(a.Covers)
	b.writeAttempt(&a)
	to.Deliveries = append(to.Deliveries, *d)
	c.units--
	if c.order.Day.Limit > 0 && (!c.order.Day.Requests || len(to.Deliveries) == 1) {
		c.left--
	}
	return b.write(d, false, event)
}

// recalls opens the attempts that ask the carrier to cancel what it took.
func (c *taking) recalls(b *batch) error {
	var wanted []gateway.Delivery
	err := b.query(selectDeliveries+" WHERE recall = 1 AND lane = $1 ORDER BY message_id, n LIMIT $2"+b.s.engine.forUpdate, func(rows *sql.Rows) error {
		d, err := scanDelivery(rows)
		wanted = append(wanted, d)
		return err
	}, c.order.Lease.Lane, c.order.N)
	if err != nil {
		return err
	}
	for i := range wanted {
		d := b.fresh(&wanted[i])
		if d.Recall != gateway.RecallWanted {
			continue
		}
		if err := c.recall(b, d); err != nil {
			return err
		}
	}
	return nil
}

// recall asks for one delivery, unless it came to its end meanwhile. A request
// that took several is canceled for all of them, for the carrier knows one
// MessageID: those that nobody wants canceled keep it from being asked.
func (c *taking) recall(b *batch, d *gateway.Delivery) error {
	d.Recall = gateway.RecallAsked
	last, err := b.attempt(d.Attempt)
	if err != nil {
		return err
	}
	if d.State != gateway.Sent || last == nil || last.CarrierKey == "" {
		return b.write(d, d.Final())
	}
	a := &gateway.Attempt{
		ID: b.s.opt.NewID(), Kind: gateway.Cancels, MessageID: d.MessageID, Covers: []int{d.N}, Round: d.Round, Lane: d.Lane, Dials: 1, OpenedAt: b.now,
		Owner: c.order.Lease.Owner, Epoch: c.order.Lease.Epoch, CarrierID: last.CarrierName(),
	}
	for _, n := range last.Covers {
		other, err := b.delivery(rowKey{d.MessageID, n})
		if err != nil {
			return err
		}
		switch {
		case n == d.N || other == nil:
		case other.Recall == gateway.RecallNone && other.State == gateway.Sent:
			data := gateway.EventData{Note: "the carrier was not asked to cancel it: one request took other recipients too, who are not canceled", Late: true}
			return b.write(d, d.Final(), d.TellReported(data, b.now))
		case other.Recall == gateway.RecallWanted:
			other.Recall = gateway.RecallAsked
			a.Covers = append(a.Covers, n)
			if err := b.write(other, other.Final()); err != nil {
				return err
			}
		}
	}
	return c.ask(b, a, d)
}

func (c *taking) ask(b *batch, a *gateway.Attempt, d *gateway.Delivery) error {
	m, err := c.message(b, d.MessageID)
	if err != nil {
		return err
	}
	stored := *a
	b.writeAttempt(&stored)
	dispatch := gateway.Dispatch{Attempt: *a, Message: m}
	for _, n := range a.Covers {
		dispatch.Deliveries = append(dispatch.Deliveries, *b.deliveries[rowKey{d.MessageID, n}])
	}
	c.out.Dispatches = append(c.out.Dispatches, dispatch)
	return b.write(d, d.Final())
}
