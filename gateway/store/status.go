package store

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"mmsgw/gateway"
)

const selectLanes = "SELECT name, paused, paused_at, paused_by, reason, code, since_at, until_at FROM lanes"

func scanLane(rows *sql.Rows) (l gateway.LaneStatus, err error) {
	var paused, since, until sql.NullInt64
	err = rows.Scan(&l.Lane, &l.Paused, &paused, &l.PausedBy, &l.Reason, &l.Code, &since, &until)
	l.PausedAt, l.Since, l.Until = when(paused), when(since), when(until)
	return l, err
}

// lane is what a lane's row says now. Where this process is the only writer the
// rows are in memory; elsewhere the row is read, and kept from changing till the
// commit.
func (b *batch) lane(name string) (gateway.LaneStatus, error) {
	if l, ok := b.lanes[name]; ok {
		return l, nil
	}
	if b.s.engine.sole {
		return b.s.status.get(name), nil
	}
	l := gateway.LaneStatus{Lane: name}
	err := b.query(selectLanes+" WHERE name = $1"+b.s.engine.forShare, func(rows *sql.Rows) (err error) {
		l, err = scanLane(rows)
		return err
	}, name)
	b.lanes[name] = l
	return l, err
}

func (b *batch) setLane(l gateway.LaneStatus) error {
	b.lanes[l.Lane], b.lanesSet = l, append(b.lanesSet, l.Lane)
	return b.query(`INSERT INTO lanes (name, paused, paused_at, paused_by, reason, code, since_at, until_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (name) DO UPDATE SET paused = excluded.paused, paused_at = excluded.paused_at, paused_by = excluded.paused_by,
		reason = excluded.reason, code = excluded.code, since_at = excluded.since_at, until_at = excluded.until_at`,
		nil, l.Lane, bit(l.Paused), at(l.PausedAt), l.PausedBy, string(l.Reason), l.Code, at(l.Since), at(l.Until))
}

// statuses are the lanes' rows, where this process is the only writer.
type statuses struct {
	mu sync.RWMutex
	of map[string]gateway.LaneStatus
}

func (s *statuses) get(lane string) gateway.LaneStatus {
	s.mu.RLock()
	defer s.mu.RUnlock()
	l := s.of[lane]
	l.Lane = lane
	return l
}

func (s *statuses) set(l gateway.LaneStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of[l.Lane] = l
}

// fillStatuses reads the lanes' rows.
func (s *Store) fillStatuses(ctx context.Context) error {
	s.status.of = map[string]gateway.LaneStatus{}
	all, err := s.Lanes(ctx)
	for _, l := range all {
		s.status.set(l)
	}
	return err
}

// behind tells what waits in lanes that stand by what they stand for.
func (s *Store) behind(ctx context.Context, deliveries []gateway.Delivery) error {
	get := s.status.get
	for i := range deliveries {
		d := &deliveries[i]
		if d.State != gateway.Queued || !d.Ready {
			continue
		}
		if !s.engine.sole {
			all, err := s.Lanes(ctx)
			if err != nil {
				return err
			}
			of := map[string]gateway.LaneStatus{}
			for _, l := range all {
				of[l.Lane] = l
			}
			get = func(lane string) gateway.LaneStatus { return of[lane] }
		}
		for j := i; j < len(deliveries); j++ {
			deliveries[j].Behind(get(deliveries[j].Lane))
		}
		return nil
	}
	return nil
}

// Lanes are the status rows there are, by name.
func (s *Store) Lanes(ctx context.Context) ([]gateway.LaneStatus, error) {
	var all []gateway.LaneStatus
	err := s.read(ctx, selectLanes+" ORDER BY name", func(rows *sql.Rows) error {
		l, err := scanLane(rows)
		all = append(all, l)
		return err
	})
	return all, err
}

// Pause pauses a lane or resumes it, and tells whether that is news. From its
// commit on no attempt is opened in a paused lane, on whichever node.
func (s *Store) Pause(_ context.Context, lane string, pause bool, who string) (news bool, err error) {
	err = s.run(func(b *batch) error {
		l, err := b.lane(lane)
		if news = err == nil && l.Paused != pause; !news {
			return err
		}
		l.Paused, l.PausedAt, l.PausedBy = pause, b.now, who
		if !pause {
			l.PausedAt, l.PausedBy = time.Time{}, ""
		}
		kind := map[bool]string{true: "carrier.paused", false: "carrier.resumed"}[pause]
		b.events = append(b.events, gateway.Event{At: b.now, Type: kind, N: -1, Carrier: lane, Data: gateway.EventData{By: who, ClaimedBy: gateway.ByOperator}.JSON()})
		b.wake[lane] = true
		return b.setLane(l)
	})
	if err != nil {
		return false, fmt.Errorf("write the pause of %s: %w", lane, err)
	}
	return news, nil
}

// noting is the change that records what the owner of a lane has to say of it.
type noting struct {
	n     gateway.LaneNote
	after func(error)
	past  rowKey // how far evade had looked when the last batch was committed
	at    rowKey // and in this one
}

// goOn begins where the batch that is committed now has ended.
func (c *noting) goOn() { c.past = c.at }

// freed is how many deliveries one batch frees or moves to another carrier.
const freed = 256

// Note records what a lane has come to, tells it, and does what follows for
// what waits in it: so many at a time that nothing else has to wait long.
func (s *Store) Note(n gateway.LaneNote, done func(error)) {
	s.in.hand(&noting{n: n, after: done}, true)
}

func (c *noting) rows() int      { return freed }
func (c *noting) done(err error) { c.after(plain(err)) }

func (c *noting) apply(b *batch) error {
	if err := c.write(b); err != nil {
		return err
	}
	more, err := c.free(b)
	if err == nil && !more && c.n.Evade {
		more, err = c.evade(b)
	}
	if err == nil && more {
		return errLater // in the next batch, so that nothing waits long for it
	}
	return err
}

// write is the row and its event. Applied again it finds the row as it should
// be, and tells nothing twice.
func (c *noting) write(b *batch) error {
	l, err := b.lane(c.n.Status.Lane)
	if err != nil {
		return err
	}
	was := l
	l.Reason, l.Code, l.Since, l.Until = c.n.Status.Reason, c.n.Status.Code, c.n.Status.Since, c.n.Status.Until
	if l == was {
		return nil
	}
	if c.n.Event != "" && (was.Reason != l.Reason || !was.Since.Equal(l.Since)) {
		data := gateway.EventData{Reason: l.Reason, CarrierStatus: l.Code}
		if !l.Until.IsZero() {
			data.Next = &l.Until
		}
		b.events = append(b.events, gateway.Event{At: b.now, Type: c.n.Event, N: -1, Carrier: l.Lane, Data: data.JSON()})
	}
	return b.setLane(l)
}

// free lets deliveries take their turn that were held for the lane or a sender.
func (c *noting) free(b *batch) (more bool, err error) {
	if c.n.Free == "" {
		return false, nil
	}
	query, args := selectDeliveries+" WHERE ready = 0 AND rank < 50 AND state <> 'sending' AND lane = $1 AND state = 'held' AND reason = $2",
		[]any{c.n.Status.Lane, string(c.n.Free)}
	if c.n.Sender != "" {
		query += " AND EXISTS (SELECT 1 FROM messages m WHERE m.id = deliveries.message_id AND m.sender = $3)"
		args = append(args, c.n.Sender.E164())
	}
	return b.each(query, args, func(d *gateway.Delivery) *gateway.Next {
		if d.State != gateway.Held || d.Reason != c.n.Free {
			return nil
		}
		next := d.Turn()
		return &next
	})
}

// evade moves what waits to the next carrier that goes. What may have been
// taken is never moved. It looks at each row once.
func (c *noting) evade(b *batch) (more bool, err error) {
	query := selectDeliveries + " WHERE ready = 1 AND lane = $1 AND spare <> '' AND doubt = 0 AND (message_id, n) > ($2, $3)"
	var failure error
	past := c.past
	more, err = b.each(query, []any{c.n.Status.Lane, past.id[:], past.n}, func(d *gateway.Delivery) *gateway.Next {
		c.at = rowKey{d.MessageID, d.N}
		if !d.Ready || d.Lane != c.n.Status.Lane || failure != nil {
			return nil
		}
		next, err := b.beside(d)
		failure = err
		return next
	})
	if failure != nil {
		err = failure
	}
	return more, err
}

// beside is a delivery's turn at the first of its other carriers that goes; nil
// where none does. The carrier it leaves becomes the last to fall back on.
func (b *batch) beside(d *gateway.Delivery) (*gateway.Next, error) {
	for i, name := range d.Spare.All() {
		l, err := b.lane(name)
		if err != nil {
			return nil, err
		}
		if why, _ := l.Holds(); why != "" {
			continue
		}
		next := d.Turn()
		next.Lane, next.Spare = name, d.Spare.Rotate(i, d.Lane)
		return &next, nil
	}
	return nil, nil
}

// each moves up to freed deliveries of a query, and tells whether there may be more.
func (b *batch) each(query string, args []any, where func(*gateway.Delivery) *gateway.Next) (more bool, err error) {
	var found []gateway.Delivery
	err = b.query(fmt.Sprintf("%s ORDER BY message_id, n LIMIT %d%s", query, freed, b.s.engine.forUpdate), func(rows *sql.Rows) error {
		d, err := scanDelivery(rows)
		found = append(found, d)
		return err
	}, args...)
	if err != nil {
		return false, err
	}
	for i := range found {
		d := b.fresh(&found[i])
		next := where(d)
		if next == nil {
			continue
		}
		if err := b.move(d, *next); err != nil {
			return false, err
		}
	}
	return len(found) == freed, nil
}

// Backlog counts what waits: by lane, state and reason.
func (s *Store) Backlog(ctx context.Context) ([]gateway.Backlog, error) {
	var all []gateway.Backlog
	add := func(rows *sql.Rows) error {
		var b gateway.Backlog
		var oldest []byte
		var next sql.NullInt64
		err := rows.Scan(&b.Lane, &b.State, &b.Reason, &b.Count, &oldest, &next)
		b.Oldest, b.Next = toID(oldest).Time(), when(next)
		all = append(all, b)
		return err
	}
	err := s.read(ctx, "SELECT lane, 'queued', 'waiting_turn', COUNT(*), MIN(message_id), NULL FROM deliveries WHERE ready = 1 GROUP BY lane", add)
	if err != nil {
		return nil, err
	}
	err = s.read(ctx, "SELECT lane, state, reason, COUNT(*), MIN(message_id), MIN(wake_at) FROM deliveries WHERE ready = 0 AND rank < 50 AND state <> 'sending' GROUP BY lane, state, reason", add)
	return all, err
}

// ReadyLanes are the lanes in which something waits for its turn. It looks at one
// row of each.
func (s *Store) ReadyLanes(ctx context.Context) (lanes []string, err error) {
	last, more := "", true
	for more && err == nil {
		more = false
		err = s.read(ctx, "SELECT lane FROM deliveries WHERE ready = 1 AND lane > $1 ORDER BY lane LIMIT 1", func(rows *sql.Rows) error {
			more = true
			err := rows.Scan(&last)
			lanes = append(lanes, last)
			return err
		}, last)
	}
	return lanes, err
}

// left is how much of the day's limit is left.
func (b *batch) left(lane string, day gateway.Day) (int, error) {
	if day.Limit == 0 {
		return 0, nil
	}
	used, err := b.used(lane, day)
	return day.Limit - used, err
}

type dayKey struct{ lane, day string }

func (b *batch) used(lane string, day gateway.Day) (used int, err error) {
	k := dayKey{lane, day.Name}
	if used, ok := b.ledger[k]; ok {
		return used, nil
	}
	err = b.query("SELECT used FROM ledger WHERE scope = $1 AND day = $2"+b.s.engine.forUpdate, func(rows *sql.Rows) error { return rows.Scan(&used) }, lane, day.Name)
	b.ledger[k] = used
	return used, err
}

// spend counts what leaves into the lane's day, in the transaction in which it
// leaves.
func (b *batch) spend(lane string, day gateway.Day, n int) error {
	if day.Limit == 0 || n == 0 {
		return nil
	}
	used, err := b.used(lane, day)
	if err != nil {
		return err
	}
	b.ledger[dayKey{lane, day.Name}] = used + n
	return b.query("INSERT INTO ledger (scope, day, used) VALUES ($1, $2, $3) ON CONFLICT (scope, day) DO UPDATE SET used = excluded.used", nil, lane, day.Name, used+n)
}
