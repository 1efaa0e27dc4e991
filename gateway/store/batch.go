package store

import (
	"bytes"
	"context"
	"database/sql"
	"slices"
	"time"

	"mmsgw/gateway"
)

// rowKey names a delivery.
type rowKey struct {
	id gateway.ID
	n  int
}

// batch is one transaction's memory: rows are read into it once, changed by
// domain functions, and written once, in their last state, at the end.
type batch struct {
	ctx        context.Context
	w          *writing
	s          *Store
	now        time.Time
	deliveries map[rowKey]*gateway.Delivery
	attempts   map[gateway.ID]*gateway.Attempt
	changed    []rowKey     // deliveries to write, in order of first change
	closed     []gateway.ID // attempts to write
	dirty      map[rowKey]bool
	dirtyTry   map[gateway.ID]bool
	messages   []*gateway.Message // new
	media      []picture          // new
	reports    []parkedReport     // new or changed
	events     []gateway.Event
	head       int64
	wake       map[string]bool
	due        int64 // earliest due time written, µs
	parkedDiff int64
	leases     map[string]gateway.Lease
	lanes      map[string]gateway.LaneStatus
	lanesSet   []string
	ledger     map[dayKey]int
	heard      []heard
	consents   map[string]int // opt-outs more or fewer, by account
}

func newBatch(ctx context.Context, w *writing) *batch {
	return &batch{
		ctx: ctx, w: w, s: w.s, now: w.s.opt.Now().Truncate(time.Microsecond),
		deliveries: map[rowKey]*gateway.Delivery{}, attempts: map[gateway.ID]*gateway.Attempt{},
		dirty: map[rowKey]bool{}, dirtyTry: map[gateway.ID]bool{}, wake: map[string]bool{}, leases: map[string]gateway.Lease{},
		lanes: map[string]gateway.LaneStatus{}, ledger: map[dayKey]int{}, consents: map[string]int{},
	}
}

// delivery reads a row into the batch; nil where there is none.
func (b *batch) delivery(k rowKey) (*gateway.Delivery, error) {
	if d, ok := b.deliveries[k]; ok {
		return d, nil
	}
	if d, ok := b.s.hot.delivery(k); ok {
		b.deliveries[k] = &d
		return &d, nil
	}
	var found *gateway.Delivery
	err := b.query(selectDeliveries+" WHERE message_id = $1 AND n = $2"+b.s.engine.forUpdate, func(rows *sql.Rows) error {
		d, err := scanDelivery(rows)
		found = &d
		return err
	}, k.id[:], k.n)
	if err != nil || found == nil {
		return nil, err
	}
	b.deliveries[k] = found
	return found, nil
}

// attempt reads an attempt into the batch; nil where there is none.
func (b *batch) attempt(id gateway.ID) (*gateway.Attempt, error) {
	if a, ok := b.attempts[id]; ok {
		return a, nil
	}
	if a, ok := b.s.hot.attempt(id); ok {
		b.attempts[id] = &a
		return &a, nil
	}
	found, err := b.attemptsWhere("id = $1", id[:])
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

// attemptsWhere reads attempts into the batch. Those the batch knows already
// are given as it knows them.
func (b *batch) attemptsWhere(where string, args ...any) ([]*gateway.Attempt, error) {
	var found []*gateway.Attempt
	err := b.query(selectAttempts+" WHERE "+where+b.s.engine.forUpdate, func(rows *sql.Rows) error {
		a, err := scanAttempt(rows)
		if known, ok := b.attempts[a.ID]; ok {
			found = append(found, known)
			return err
		}
		b.attempts[a.ID] = &a
		found = append(found, &a)
		return err
	}, args...)
	return found, err
}

// query runs a prepared select of the batch's transaction.
func (b *batch) query(query string, each func(*sql.Rows) error, args ...any) error {
	st, err := b.w.stmt(b.ctx, query)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(b.ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// write marks a delivery to be written, tells its events, and the completion
// of its message where it was the last open one.
func (b *batch) write(d *gateway.Delivery, wasFinal bool, events ...gateway.Event) error {
	k := rowKey{d.MessageID, d.N}
	if !b.dirty[k] {
		b.dirty[k] = true
		b.changed = append(b.changed, k)
	}
	b.deliveries[k] = d
	b.events = append(b.events, events...)
	if d.Ready || d.Recall == gateway.RecallWanted {
		b.wake[d.Lane] = true
	}
	switch {
	case wasFinal && !d.Final() && d.Of > 1:
		return b.query("UPDATE messages SET open = open + 1 WHERE id = $1", nil, d.MessageID[:])
	case wasFinal || !d.Final():
		return nil
	}
	open := 0
	if d.Of > 1 {
		err := b.query("UPDATE messages SET open = open - 1 WHERE id = $1 RETURNING open", func(rows *sql.Rows) error {
			return rows.Scan(&open)
		}, d.MessageID[:])
		if err != nil {
			return err
		}
	}
	if open == 0 {
		b.events = append(b.events, d.TellCompleted(b.now))
	}
	return nil
}

func (b *batch) writeAttempt(a *gateway.Attempt) {
	if !b.dirtyTry[a.ID] {
		b.dirtyTry[a.ID] = true
		b.closed = append(b.closed, a.ID)
	}
	b.attempts[a.ID] = a
}

// flush writes everything the batch changed. The feed's head comes last: its
// row lock orders the commits, and is held only for what is left of this one.
func (b *batch) flush() error {
	for _, step := range []func() error{b.flushMedia, b.flushDeliveries, b.flushAttempts, b.flushReports, b.flushEvents} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) flushDeliveries() error {
	// one order for all nodes, so that two batches never wait for each other
	slices.SortFunc(b.changed, func(x, y rowKey) int {
		if c := bytes.Compare(x.id[:], y.id[:]); c != 0 {
			return c
		}
		return x.n - y.n
	})
	rows := make([][]any, len(b.changed))
	for i, k := range b.changed {
		d := b.deliveries[k]
		rows[i] = deliveryValues(d)
		b.dueAt(d.Due)
	}
	return b.bulk(upsertDeliveries, rows)
}

func (b *batch) flushAttempts() error {
	rows := make([][]any, len(b.closed))
	for i, id := range b.closed {
		rows[i] = attemptValues(b.attempts[id])
	}
	return b.bulk(upsertAttempts, rows)
}

func (b *batch) flushEvents() error {
	if len(b.events) == 0 {
		return nil
	}
	err := b.query("UPDATE feed_head SET seq = seq + $1 RETURNING seq", func(rows *sql.Rows) error {
		return rows.Scan(&b.head)
	}, len(b.events))
	if err != nil {
		return err
	}
	rows := make([][]any, len(b.events))
	for i := range b.events {
		b.events[i].Seq = b.head - int64(len(b.events)-1-i)
		rows[i] = eventValues(&b.events[i])
	}
	return b.bulk(insertEvents, rows)
}

// committed runs after the commit: the rows are known, and who waits is woken.
func (b *batch) committed() {
	s := b.s
	if s.engine.sole {
		s.hot.keep(b)
		s.shelve(b.messages)
		for _, lane := range b.lanesSet {
			s.status.set(b.lanes[lane])
		}
		for account, n := range b.consents {
			s.consents.add(account, n)
		}
	}
	s.parked.Add(b.parkedDiff)
	for _, h := range b.heard {
		s.opt.Heard(h.r, h.took())
	}
	if len(b.events) > 0 {
		s.feed.ring()
	}
	for lane := range b.wake {
		s.lanes.Store(lane, true)
		s.opt.Wake(lane)
	}
	if !s.engine.sole && !s.opt.Quiet && len(b.events) > 0 {
		s.tell(b.wake)
	}
	if known := s.due.Load(); b.due != 0 && (known == 0 || b.due < known) {
		s.due.Store(b.due)
		s.opt.WakeDue()
	}
}
