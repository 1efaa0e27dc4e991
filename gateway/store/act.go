package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"mmsgw/gateway"
)

// acted is how many deliveries one batch changes for an action: small enough
// that sending goes on beside it.
const acted = 256

// acting is the change that carries an action out on some deliveries.
type acting struct {
	result
	a     gateway.Judged
	keys  []rowKey
	count int
}

func (c *acting) rows() int { return 2 * len(c.keys) }

func (c *acting) apply(b *batch) error {
	before := c.count // of an apply that may have been committed, its answer lost
	c.count = 0
	defer func() { c.count = max(c.count, before) }()
	messages := map[gateway.ID]*gateway.Message{}
	for _, k := range c.keys {
		d, err := b.delivery(k)
		if err != nil {
			return err
		}
		m := messages[k.id]
		if m == nil && d != nil {
			if m, err = readMessage(b.query, k.id); err != nil {
				return err
			}
			messages[k.id] = m
		}
		if d == nil || m == nil {
			continue
		}
		if err := c.one(b, d, m); err != nil {
			return err
		}
	}
	return nil
}

func (c *acting) one(b *batch, d *gateway.Delivery, m *gateway.Message) error {
	if f := &c.a.Filter; c.a.Message.IsZero() { // it may have gone on since it was found
		status, err := b.lane(d.Lane)
		if err != nil {
			return err
		}
		told := *d
		told.Behind(status)
		if f.State != "" && told.State != f.State || f.Reason != "" && told.Reason != f.Reason || f.Carrier != "" && d.Lane != f.Carrier {
			return nil
		}
	}
	out, err := b.optedOut(d.Account, m.From, d.Recipient)
	if err != nil {
		return err
	}
	changed := *d
	event, acts := c.a.Judge(&changed, m, out, b.now)
	if !acts {
		return nil
	}
	c.count++
	if c.a.DryRun {
		return nil
	}
	wasFinal := d.Final()
	*d = changed
	return b.write(d, wasFinal, event)
}

// Act carries an action out and counts the deliveries it changed, or would
// change: those of one message in one transaction, those of a filter some at a
// time. One that is cut off by ctx has done what it counted.
func (s *Store) Act(ctx context.Context, a gateway.Judged) (count int, err error) {
	var last rowKey
	for {
		keys, err := s.chosen(ctx, &a.Action, last)
		if err != nil || len(keys) == 0 {
			return count, err
		}
		c := &acting{result: result{make(chan error, 1)}, a: a, keys: keys}
		s.in.hand(c, false)
		if err := c.wait(); err != nil {
			return count, err
		}
		count += c.count
		last = keys[len(keys)-1]
		if !a.Message.IsZero() || len(keys) < acted {
			return count, nil
		}
	}
}

// chosen are the next deliveries that an action may fit.
func (s *Store) chosen(ctx context.Context, a *gateway.Action, last rowKey) (keys []rowKey, err error) {
	add := func(rows *sql.Rows) error {
		var id []byte
		var k rowKey
		err := rows.Scan(&id, &k.n)
		k.id = toID(id)
		keys = append(keys, k)
		return err
	}
	if !a.Message.IsZero() {
		err = s.read(ctx, "SELECT message_id, n FROM deliveries WHERE message_id = $1 ORDER BY n", add, a.Message[:])
		return keys, err
	}
	var f where
	f.and("(d.message_id, d.n) > ($1, $2)", last.id[:], last.n)
	f.and("d.rank < 70 AND d.state <> 'sending'") // nothing changes the others
	f.message(&a.Filter)
	if err := s.deliveryFilter(ctx, &f, &a.Filter); err != nil {
		return nil, err
	}
	query := "SELECT d.message_id, d.n FROM deliveries d JOIN messages m ON m.id = d.message_id WHERE " + f.text() +
		fmt.Sprintf(" ORDER BY d.message_id, d.n LIMIT %d", acted)
	err = s.readOnce(ctx, query, add, f.args...)
	return keys, err
}

// where is a condition being made, with its arguments.
type where struct {
	terms []string
	args  []any
}

// and adds a term; its $1, $2… count from its own first argument.
func (w *where) and(term string, args ...any) {
	for i := len(args); i > 0; i-- {
		term = strings.ReplaceAll(term, fmt.Sprintf("$%d", i), fmt.Sprintf("$\x00%d", len(w.args)+i))
	}
	w.terms, w.args = append(w.terms, strings.ReplaceAll(term, "\x00", "")), append(w.args, args...)
}

func (w *where) text() string {
	if len(w.terms) == 0 {
		return "1 = 1"
	}
	return strings.Join(w.terms, " AND ")
}

// message adds what a filter says of messages, which are m.
func (w *where) message(f *gateway.Filter) {
	if f.Accounts != nil {
		marks, args := make([]string, 0, len(f.Accounts)), make([]any, 0, len(f.Accounts))
		for i, a := range f.Accounts {
			marks, args = append(marks, fmt.Sprintf("$%d", i+1)), append(args, a)
		}
		if len(marks) == 0 {
			w.and("1 = 0")
			return
		}
		w.and("m.account IN ("+strings.Join(marks, ",")+")", args...)
	}
	if f.From != "" {
		w.and("m.sender = $1", f.From.E164())
	}
	if f.Reference != "" {
		w.and("m.reference = $1", f.Reference)
	}
	if !f.Since.IsZero() { // ids are made in the order of time, to the millisecond
		since := gateway.IDFrom(f.Since)
		w.and("m.id >= $1 AND m.created_at >= $2", since[:], micros(f.Since))
	}
	if !f.Until.IsZero() {
		until := gateway.IDFrom(f.Until.Add(idSlack))
		w.and("m.id < $1 AND m.created_at < $2", until[:], micros(f.Until))
	}
}

// idSlack is how much later than its message's time an id may have been made.
const idSlack = shelfSlack

// deliveryFilter adds what a filter says of deliveries, which are d. State and
// reason are those that are told: what waits in a lane that stands is held.
func (s *Store) deliveryFilter(ctx context.Context, w *where, f *gateway.Filter) error {
	if f.To != "" {
		w.and("d.recipient = $1", f.To.E164())
	}
	if f.Carrier != "" {
		w.and("d.lane = $1", f.Carrier)
	}
	if f.State == "" && f.Reason == "" {
		return nil
	}
	lanes, err := s.Lanes(ctx)
	if err != nil {
		return err
	}
	stand := map[gateway.Reason][]any{}
	var standing []any
	for _, l := range lanes {
		if why, _ := l.Holds(); why != "" {
			stand[why], standing = append(stand[why], l.Lane), append(standing, l.Lane)
		}
	}
	behind := standing
	if f.Reason != "" {
		behind = stand[f.Reason]
	}
	own := where{}
	if f.State != "" {
		own.and("d.state = $1", string(f.State))
	}
	if f.Reason != "" {
		own.and("d.reason = $1", string(f.Reason))
	}
	if len(standing) > 0 {
		own.and("NOT (d.ready = 1 AND d.lane IN ("+marks(len(standing))+"))", standing...)
	}
	if (f.State == "" || f.State == gateway.Held) && len(behind) > 0 {
		either := where{args: own.args, terms: []string{"(" + own.text() + ")"}}
		either.and("(d.ready = 1 AND d.lane IN ("+marks(len(behind))+"))", behind...)
		own = where{args: either.args, terms: []string{"(" + strings.Join(either.terms, " OR ") + ")"}}
	}
	w.and(own.text(), own.args...)
	return nil
}

// marks are n arguments of a list.
func marks(n int) string {
	var m []string
	for i := range n {
		m = append(m, fmt.Sprintf("$%d", i+1))
	}
	return strings.Join(m, ",")
}
