package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"mmsgw/gateway"
)

// owning is the change that takes or renews a lane's lease.
type owning struct {
	result
	lease   gateway.Lease
	orphans []gateway.Dispatch
}

// Own takes a lane's lease for owner, or renews it, and gives the attempts
// that were left open under an older epoch: nobody is going to hear their
// answers, so their outcome is unknown. gateway.ErrNotOwner while another node
// holds it. Where this process is the only one there is nothing to wait for: a
// former owner is dead.
func (s *Store) Own(ctx context.Context, lane, owner string) (gateway.Lease, []gateway.Dispatch, error) {
	s.lanes.Store(lane, true)
	c := &owning{result: result{make(chan error, 1)}, lease: gateway.Lease{Lane: lane, Owner: owner}}
	s.in.hand(c, true)
	select {
	case err := <-c.ch:
		return c.lease, c.orphans, plain(err)
	case <-ctx.Done(): // taken or not, it is renewed or runs out
		return gateway.Lease{}, nil, ctx.Err()
	}
}

func (c *owning) rows() int { return 1 }

func (c *owning) apply(b *batch) error {
	held, err := b.lease(c.lease.Lane, b.s.engine.forUpdate)
	if err != nil {
		return err
	}
	switch {
	case held.Owner == c.lease.Owner:
		c.lease.Epoch = held.Epoch
	case held.Owner != "" && !b.s.engine.sole && held.Until.After(b.now):
		return refusal{fmt.Errorf("lane %s is held by node %s until %s: %w", c.lease.Lane, held.Owner, held.Until.Format(time.RFC3339), gateway.ErrNotOwner)}
	default:
		c.lease.Epoch = held.Epoch + 1
	}
	c.lease.Until = b.now.Add(b.s.opt.LeaseTTL)
	err = b.query("INSERT INTO leases (name, owner, epoch, until_at) VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, epoch = excluded.epoch, until_at = excluded.until_at",
		nil, c.lease.Lane, c.lease.Owner, c.lease.Epoch, micros(c.lease.Until))
	if err != nil {
		return err
	}
	b.leases[c.lease.Lane] = c.lease
	c.orphans, err = b.orphans(c.lease)
	return err
}

func (b *batch) lease(lane, lock string) (l gateway.Lease, err error) {
	if known, ok := b.leases[lane]; ok {
		return known, nil
	}
	l.Lane = lane
	err = b.query("SELECT owner, epoch, until_at FROM leases WHERE name = $1"+lock, func(rows *sql.Rows) error {
		var until int64
		err := rows.Scan(&l.Owner, &l.Epoch, &until)
		l.Until = time.UnixMicro(until)
		return err
	}, lane)
	b.leases[lane] = l
	return l, err
}

// owns tells whether a lease is still the current one: new attempts need it.
func (b *batch) owns(l gateway.Lease) (bool, error) {
	held, err := b.lease(l.Lane, b.s.engine.forShare)
	return held.Owner == l.Owner && held.Epoch == l.Epoch && l.Epoch > 0, err
}

func (b *batch) orphans(l gateway.Lease) ([]gateway.Dispatch, error) {
	open, err := b.attemptsWhere("lane = $1 AND closed_at IS NULL AND epoch < $2", l.Lane, l.Epoch)
	if err != nil {
		return nil, err
	}
	var orphans []gateway.Dispatch
	for _, a := range open {
		if !a.Open() || a.Epoch >= l.Epoch {
			continue // settled or dialled again in this very batch
		}
		d := gateway.Dispatch{Attempt: *a}
		for _, n := range a.Covers {
			row, err := b.delivery(rowKey{a.MessageID, n})
			if err != nil {
				return nil, err
			}
			if row != nil {
				d.Deliveries = append(d.Deliveries, *row)
			}
		}
		orphans = append(orphans, d)
	}
	return orphans, nil
}

// Release lets go of every lease of an owner, so that another node need not
// wait for them to run out.
func (s *Store) Release(_ context.Context, owner string) error {
	err := s.run(func(b *batch) error { return b.query("UPDATE leases SET until_at = 0 WHERE owner = $1", nil, owner) })
	if err != nil {
		return fmt.Errorf("let go of the leases: %w", err)
	}
	return nil
}

// taking is the change that puts ready deliveries on the wire.
type taking struct {
	order gateway.Order
	after func([]gateway.Dispatch, error)
	taken []gateway.Dispatch
}

// Take opens attempts for at most o.N deliveries that are ready in a lane, and
// calls done when they are durable. Priorities come first, and within one the
// accounts take turns.
func (s *Store) Take(o gateway.Order, done func([]gateway.Dispatch, error)) {
	s.in.hand(&taking{order: o, after: done}, false)
}

func (c *taking) rows() int { return 3 * c.order.N }

func (c *taking) done(err error) { c.after(c.taken, plain(err)) }

func (c *taking) apply(b *batch) error {
	if done, err := c.committed(b); done || err != nil {
		return err
	}
	c.taken = nil
	ok, err := b.owns(c.order.Lease)
	if err != nil {
		return err
	}
	if !ok {
		return refusal{gateway.ErrNotOwner}
	}
	for _, p := range []gateway.Priority{gateway.High, gateway.Normal, gateway.Low} {
		if err := c.takePriority(b, p); err != nil {
			return err
		}
	}
	return c.contents(b)
}

// committed tells whether an earlier apply of this change was committed after
// all, its answer lost on the way: then what it opened is there.
func (c *taking) committed(b *batch) (bool, error) {
	if len(c.taken) == 0 {
		return false, nil
	}
	first := c.taken[0].Attempt
	a, err := b.attempt(first.ID)
	return err == nil && a != nil && a.Open() && a.Dials == first.Dials && a.Epoch == first.Epoch, err
}

// takePriority walks the accounts that have something ready, one share each in
// turn, however many deliveries one of them has waiting.
func (c *taking) takePriority(b *batch, p gateway.Priority) error {
	if len(c.taken) >= c.order.N {
		return nil
	}
	var accounts []string
	for last := ""; len(accounts) <= c.order.N; last = accounts[len(accounts)-1] {
		before := len(accounts)
		err := b.query("SELECT account FROM deliveries WHERE ready = 1 AND lane = $1 AND priority = $2 AND account > $3 ORDER BY account LIMIT 1",
			func(rows *sql.Rows) error {
				var a string
				err := rows.Scan(&a)
				accounts = append(accounts, a)
				return err
			}, c.order.Lease.Lane, int(p), last)
		if err != nil {
			return err
		}
		if len(accounts) == before {
			break
		}
	}
	queues := make([]queue, 0, len(accounts))
	for _, a := range b.s.rotate(c.order.Lease.Lane, accounts) {
		queues = append(queues, queue{p: p, account: a})
	}
	for len(queues) > 0 && len(c.taken) < c.order.N {
		queues = slices.DeleteFunc(queues, func(q queue) bool { return q.empty })
		for i := range queues {
			share := (c.order.N - len(c.taken) + len(queues) - i - 1) / (len(queues) - i)
			if err := c.takeAccount(b, &queues[i], share); err != nil {
				return err
			}
		}
	}
	return nil
}

// queue is what one account has ready at one priority, and how far it was read.
type queue struct {
	p       gateway.Priority
	account string
	last    rowKey
	empty   bool
}

// rotate begins the round of accounts behind the one served last.
func (s *Store) rotate(lane string, accounts []string) []string {
	if len(accounts) < 2 {
		return accounts
	}
	last, _ := s.turns.Load(lane)
	for i, a := range accounts {
		if l, ok := last.(string); ok && a > l {
			accounts = append(accounts[i:len(accounts):len(accounts)], accounts[:i]...)
			break
		}
	}
	s.turns.Store(lane, accounts[0])
	return accounts
}

func (c *taking) takeAccount(b *batch, q *queue, share int) error {
	if share <= 0 {
		return nil
	}
	var ready []gateway.Delivery
	err := b.query(selectDeliveries+` WHERE ready = 1 AND lane = $1 AND priority = $2 AND account = $3 AND valid_until > $4
		AND (message_id, n) > ($5, $6) ORDER BY message_id, n LIMIT $7`+b.s.engine.forUpdate,
		func(rows *sql.Rows) error {
			d, err := scanDelivery(rows)
			ready = append(ready, d)
			return err
		}, c.order.Lease.Lane, int(q.p), q.account, micros(b.now), q.last.id[:], q.last.n, share)
	if err != nil {
		return err
	}
	q.empty = len(ready) < share
	for i := range ready {
		d, err := b.fresh(&ready[i])
		if err != nil {
			return err
		}
		q.last = rowKey{d.MessageID, d.N}
		if !d.Ready {
			continue
		}
		if err := c.open(b, d); err != nil {
			return err
		}
	}
	return nil
}

// fresh is a row just read, or what this batch has made of it meanwhile.
func (b *batch) fresh(d *gateway.Delivery) (*gateway.Delivery, error) {
	k := rowKey{d.MessageID, d.N}
	if known, ok := b.deliveries[k]; ok {
		return known, nil
	}
	b.deliveries[k] = d
	return d, nil
}

// open makes the delivery's next attempt, or dials the last one again where
// its outcome is unknown and the carrier knows a repeat by its TransactionID.
func (c *taking) open(b *batch, d *gateway.Delivery) error {
	a := &gateway.Attempt{ID: b.s.opt.NewID(), MessageID: d.MessageID, Covers: []int{d.N}, Round: d.Round, Lane: d.Lane}
	if c.order.SameID && d.Doubt && !d.Attempt.IsZero() {
		last, err := b.attempt(d.Attempt)
		if err != nil {
			return err
		}
		if last != nil && last.Outcome == gateway.UnknownSent && last.Lane == d.Lane {
			again := *last
			a = &again
			a.Outcome, a.Code, a.ClosedAt = "", "", time.Time{}
		}
	}
	a.Owner, a.Epoch, a.OpenedAt = c.order.Lease.Owner, c.order.Lease.Epoch, b.now
	a.Dials++
	event := d.Depart(a, b.now)
	b.writeAttempt(a)
	if err := b.write(d, false, event); err != nil {
		return err
	}
	c.taken = append(c.taken, gateway.Dispatch{Attempt: *a, Deliveries: []gateway.Delivery{*d}})
	return nil
}

// contents reads what the taken deliveries are to say.
func (c *taking) contents(b *batch) error {
	for i := range c.taken {
		m, err := readMessage(b.query, c.taken[i].Attempt.MessageID)
		if err != nil {
			return err
		}
		if m == nil {
			return errors.New("a delivery has no message: the database is damaged")
		}
		c.taken[i].Message = m
	}
	return nil
}

// settling is the change that records what a dial came to.
type settling struct {
	s     gateway.Settlement
	after func(error)
}

// Settle records a dial's result, whoever owns the lane by now: facts are
// never fenced. done is called when it is durable.
func (s *Store) Settle(st gateway.Settlement, done func(error)) {
	s.in.hand(&settling{st, done}, true)
}

func (c *settling) rows() int      { return 4 }
func (c *settling) done(err error) { c.after(plain(err)) }

func (c *settling) apply(b *batch) error {
	a, err := b.attempt(c.s.Attempt)
	if err != nil {
		return err
	}
	if a == nil {
		b.s.opt.Log.Error("an answer for an attempt that is not in the database was dropped: was an older copy restored?",
			gateway.KeyAttempt, c.s.Attempt.Hex(), gateway.KeyCarrier, c.s.Lane)
		return nil
	}
	rows := make([]*gateway.Delivery, 0, len(a.Covers))
	for _, n := range a.Covers {
		d, err := b.delivery(rowKey{a.MessageID, n})
		if err != nil {
			return err
		}
		if d != nil {
			rows = append(rows, d)
		}
	}
	if !a.Close(c.s.Result, b.now) {
		return nil
	}
	b.writeAttempt(a)
	for _, d := range rows {
		wasFinal := d.Final()
		if events := d.Settle(a, c.s, b.now); events != nil {
			if err := b.write(d, wasFinal, events...); err != nil {
				return err
			}
		}
	}
	return b.unpark(a)
}

// moving is the change that ends waits.
type moving struct {
	moves []gateway.Move
	after func(error)
}

// Move ends waits: each is taken only if its delivery still stands where the
// engine saw it. done is called when they are durable.
func (s *Store) Move(moves []gateway.Move, done func(error)) {
	s.in.hand(&moving{moves, done}, true)
}

func (c *moving) rows() int      { return 2 * len(c.moves) }
func (c *moving) done(err error) { c.after(plain(err)) }

func (c *moving) apply(b *batch) error {
	for _, m := range c.moves {
		d, err := b.delivery(rowKey{m.MessageID, m.N})
		if err != nil {
			return err
		}
		if d == nil || d.State != m.Seen || !d.Due.Equal(m.SeenDue) {
			continue
		}
		wasFinal, was := d.Final(), d.State
		d.Move(m.Next, b.now)
		var events []gateway.Event
		if d.State != was || d.State != gateway.Queued {
			events = append(events, d.Tell(gateway.EventData{}, b.now))
		}
		if err := b.write(d, wasFinal, events...); err != nil {
			return err
		}
	}
	return nil
}

// Due gives deliveries whose time has come, the longest due first, and has
// parked reports whose time has come tried again.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]gateway.Delivery, error) {
	if err := s.retryParked(ctx, now, limit); err != nil {
		return nil, err
	}
	var due []gateway.Delivery
	err := s.read(ctx, selectDeliveries+" WHERE wake_at <= $1 ORDER BY wake_at LIMIT $2", func(rows *sql.Rows) error {
		d, err := scanDelivery(rows)
		due = append(due, d)
		return err
	}, micros(now), limit)
	return due, err
}

// Next is the earliest due time there is, zero where nothing waits for a time.
func (s *Store) Next(ctx context.Context) (time.Time, error) {
	s.due.Store(0) // what is written from here on speaks up
	var next sql.NullInt64
	err := s.read(ctx, "SELECT MIN(w) FROM (SELECT MIN(wake_at) AS w FROM deliveries WHERE wake_at IS NOT NULL UNION ALL SELECT MIN(wake_at) FROM reports WHERE wake_at IS NOT NULL) AS waits",
		func(rows *sql.Rows) error { return rows.Scan(&next) })
	if err == nil && next.Valid {
		s.due.CompareAndSwap(0, next.Int64)
	}
	return when(next), err
}
