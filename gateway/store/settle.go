package store

import (
	"context"
	"database/sql"
	"time"

	"mmsgw/gateway"
)

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
		was := *d
		events := d.Settle(a, &c.s, b.now)
		if events == nil && d.Recall == was.Recall {
			continue
		}
		if err := b.write(d, was.Final(), events...); err != nil {
			return err
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
		wasFinal, was, lane := d.Final(), d.State, d.Lane
		d.Move(m.Next, b.now)
		to, err := b.detour(d)
		if err != nil {
			return err
		}
		if to != nil {
			d.Move(*to, b.now)
		}
		var events []gateway.Event
		if d.State != was || d.Lane != lane || d.State != gateway.Queued {
			events = append(events, d.Tell(gateway.EventData{}, b.now))
		}
		if err := b.write(d, wasFinal, events...); err != nil {
			return err
		}
	}
	return nil
}

// Due gives deliveries whose time has come, the longest due first, has parked
// reports whose time has come tried again, and tells the earliest time after
// that; zero where nothing waits for one.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) (due []gateway.Delivery, next time.Time, err error) {
	if err := s.retryParked(ctx, now, limit); err != nil {
		return nil, next, err
	}
	s.due.Store(0) // what is written from here on speaks up
	err = s.read(ctx, selectDeliveries+" WHERE wake_at <= $1 ORDER BY wake_at LIMIT $2", func(rows *sql.Rows) error {
		d, err := scanDelivery(rows)
		due = append(due, d)
		return err
	}, micros(now), limit)
	if err != nil {
		return nil, next, err
	}
	var at sql.NullInt64
	err = s.read(ctx, `SELECT MIN(w) FROM (SELECT MIN(wake_at) AS w FROM deliveries WHERE wake_at > $1
		UNION ALL SELECT MIN(wake_at) FROM reports WHERE wake_at IS NOT NULL) AS waits`,
		func(rows *sql.Rows) error { return rows.Scan(&at) }, micros(now))
	next = when(at)
	if len(due) == limit { // there may be more of them
		next = now
	}
	if !next.IsZero() {
		s.due.CompareAndSwap(0, micros(next))
	}
	return due, next, err
}
