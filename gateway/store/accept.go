package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"mmsgw/gateway"
)

// result waits for a change that somebody stands and waits for.
type result struct{ ch chan error }

func (r result) done(err error) { r.ch <- err }

// wait is for a change whose fate its caller must know, so it has no way out
// but the committer's answer.
func (r result) wait() error { return plain(<-r.ch) }

// plain takes the batch's mark off a change's own error.
func plain(err error) error {
	var r refusal
	if errors.As(err, &r) {
		return r.err
	}
	return err
}

// acceptance is the change that makes a message durable.
type acceptance struct {
	result
	a          gateway.Accept
	out        gateway.Accepting
	deliveries []gateway.Delivery // as the last apply made them
}

// Accept stores a message, its deliveries, the attempts that ride along and
// the first events, in one transaction. It returns when they are durable.
func (s *Store) Accept(_ context.Context, a gateway.Accept) (gateway.Accepting, error) {
	c := &acceptance{result: result{make(chan error, 1)}, a: a}
	s.in.hand(c, false)
	err := c.wait()
	if err == nil && !c.out.Replayed && c.deliveries != nil {
		a.Message.Deliveries = c.deliveries
	}
	return c.out, err
}

func (c *acceptance) rows() int { return 3 + 3*len(c.a.Message.Deliveries) }

func (c *acceptance) apply(b *batch) error {
	m := c.a.Message
	c.out = gateway.Accepting{ID: m.ID, IdemHash: m.IdemHash}
	isNew, err := b.insertMessage(m)
	if err != nil {
		return err
	}
	if !isNew {
		return c.found(b)
	}
	b.messages = append(b.messages, m)
	b.events = append(b.events, gateway.Event{At: b.now, Type: "message.accepted", Account: m.Account, MessageID: m.ID, N: -1,
		Data: gateway.EventData{Reference: m.Reference}.JSON()})
	c.deliveries = slices.Clone(m.Deliveries) // the message stays as it was, for an apply after this one
	if err := c.board(b); err != nil {
		return err
	}
	for i := range c.deliveries {
		to, err := b.detour(&c.deliveries[i])
		if err != nil {
			return err
		}
		if to != nil { // its carrier has come to stand since the check
			c.deliveries[i].Move(*to, b.now)
		}
		d := c.deliveries[i]
		if err := b.write(&d, false); err != nil {
			return err
		}
	}
	return nil
}

// board stores the attempts that ride along, if this node still owns their
// lanes and nothing there keeps them from leaving; where that is not so, the
// deliveries wait their turn as any other. Whoever opted out since the check is
// not sent to.
func (c *acceptance) board(b *batch) error {
	if out, err := c.refuse(b); out || err != nil {
		return err
	}
	for i := range c.a.Attempts {
		if ok, err := c.mayLeave(b, i); err != nil || !ok {
			return err
		}
	}
	c.out.Boarded = len(c.a.Attempts) > 0
	for i := range c.a.Attempts {
		a := c.a.Attempts[i]
		a.OpenedAt = b.now
		for _, n := range a.Covers {
			b.events = append(b.events, c.deliveries[n].Depart(&a, b.now))
		}
		if err := b.spend(a.Lane, c.day(i), c.day(i).Load(len(a.Covers))); err != nil {
			return err
		}
		b.writeAttempt(&a)
	}
	return nil
}

// day is the one that the i-th attempt counts in.
func (c *acceptance) day(i int) gateway.Day {
	if i < len(c.a.Days) {
		return c.a.Days[i]
	}
	return gateway.Day{}
}

// mayLeave tells whether the i-th attempt may be opened.
func (c *acceptance) mayLeave(b *batch, i int) (bool, error) {
	a, day := &c.a.Attempts[i], c.day(i)
	ok, err := b.owns(gateway.Lease{Lane: a.Lane, Owner: a.Owner, Epoch: a.Epoch})
	if err != nil || !ok {
		return false, err
	}
	status, err := b.lane(a.Lane)
	if err != nil || status.Paused || day.Limit == 0 {
		return !status.Paused, err
	}
	load := 0 // with what leaves beside it
	for j := range c.a.Attempts {
		if c.a.Attempts[j].Lane == a.Lane {
			load += day.Load(len(c.a.Attempts[j].Covers))
		}
	}
	left, err := b.left(a.Lane, day)
	return left >= load, err
}

// refuse ends the deliveries of those who opted out since the check; then
// nothing rides along.
func (c *acceptance) refuse(b *batch) (any bool, err error) {
	for i := range c.deliveries {
		d := &c.deliveries[i]
		out, err := b.optedOut(d.Account, c.a.Message.From, d.Recipient)
		if err != nil {
			return any, err
		}
		if out {
			any = true
			d.Move(d.Refuse(), b.now)
			b.events = append(b.events, d.Tell(gateway.EventData{}, b.now))
		}
	}
	return any, nil
}

// found: the message is there already. Either this very change was committed
// and only its answer was lost, or an earlier message holds its key.
func (c *acceptance) found(b *batch) error {
	m := c.a.Message
	first, err := b.delivery(rowKey{m.ID, 0})
	if err != nil {
		return err
	}
	if first != nil {
		if c.deliveries == nil || len(c.a.Attempts) == 0 {
			return nil
		}
		// Where another node has the lane meanwhile, it has settled what it found open.
		a, err := b.attempt(c.a.Attempts[0].ID)
		c.out.Boarded = err == nil && a != nil && a.Open()
		return err
	}
	err = b.query(selectByKey, func(rows *sql.Rows) error { return scanByKey(rows, &c.out) }, m.Account, m.IdemKey)
	if err == nil && !c.out.Replayed {
		err = fmt.Errorf("message %s could be neither stored nor found", m.ID.Hex())
	}
	return err
}

const selectByKey = "SELECT id, idem_hash FROM messages WHERE account = $1 AND idem_key = $2"

func scanByKey(rows *sql.Rows, out *gateway.Accepting) error {
	var id []byte
	err := rows.Scan(&id, &out.IdemHash)
	out.ID, out.Replayed = toID(id), true
	return err
}

// ByKey finds the message that holds an idempotency key; its ID is zero where
// none does.
func (s *Store) ByKey(ctx context.Context, account, key string) (gateway.Accepting, error) {
	var out gateway.Accepting
	err := s.read(ctx, selectByKey, func(rows *sql.Rows) error { return scanByKey(rows, &out) }, account, key)
	return out, err
}

// options is what of a message nobody searches for, its pictures among it:
// what is read together lies together.
type options struct {
	Report bool           `json:"delivery_report"`
	Read   bool           `json:"read_report"`
	SendAt int64          `json:"send_at,omitempty"` // µs
	Flags  []gateway.Flag `json:"flags,omitempty"`
	Media  []shown        `json:"media,omitempty"`
}

// insertMessage writes the message's own row; false where its id or its key is
// there already.
func (b *batch) insertMessage(m *gateway.Message) (bool, error) {
	opts, err := json.Marshal(options{m.Report, m.Read, unixMicros(m.SendAt), m.Flags, shownBy(m)})
	if err != nil {
		return false, fmt.Errorf("store the message's flags: %w", err)
	}
	st, err := b.w.stmt(b.ctx, insertMessages.texts[1])
	if err != nil {
		return false, err
	}
	res, err := st.ExecContext(b.ctx, m.ID[:], m.Account, m.From.E164(), string(m.Channel), "", m.Subject, m.Text, m.Reference,
		int(m.Priority), string(opts), text(m.IdemKey), m.IdemHash, micros(m.CreatedAt), micros(m.ValidUntil), len(m.Deliveries))
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

// unixMicros is a time in a row's JSON, 0 where unset.
func unixMicros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}
