package store

import (
	"context"
	"database/sql"
	"time"

	"mmsgw/gateway"
)

// parkedReport is a row of reports: one that came before anything it matches,
// waiting or linked by now. A report that matches at once needs no row: its
// delivery and its event tell all of it.
type parkedReport struct {
	gateway.Report
	tries  int
	wake   time.Time
	linked rowKey
}

// parkTimes is when a report that matches nothing is tried again: the answer
// that names its MessageID may be a moment behind it. After the last it is
// told as unmatched and kept.
var parkTimes = []time.Duration{time.Second, 5 * time.Second, time.Minute}

// reporting is the change that takes a report in.
type reporting struct {
	result
	r      parkedReport
	waited int // batches it let pass
}

// reportWaits is how many batches a report that matches nothing lets pass
// before it is parked: the answer that names its MessageID is most often being
// read at this moment, and parking costs as much as both.
const reportWaits = 3

// Report takes a report in: matched and applied, or parked. It returns when
// that is durable, so that the carrier may be answered.
func (s *Store) Report(_ context.Context, r gateway.Report) error {
	c := &reporting{result: result{make(chan error, 1)}, r: parkedReport{Report: r}}
	s.in.hand(c, true)
	return c.wait()
}

func (c *reporting) rows() int { return 4 }

func (c *reporting) apply(b *batch) error {
	a, d, err := b.match(&c.r.Report)
	if err != nil {
		return err
	}
	if d != nil {
		return b.hear(a, d, &c.r.Report)
	}
	if c.waited++; c.waited <= reportWaits {
		return errLater
	}
	r := c.r
	r.wake = b.now.Add(parkTimes[0])
	return b.park(r)
}

// match finds the attempt and the delivery a report speaks of: by carrier,
// MessageID and recipient, for carriers have given an id twice; where an attempt got no
// MessageID, by our TransactionID echoed; else by recipient, sender and time where exactly one
// attempt fits.
func (b *batch) match(r *gateway.Report) (*gateway.Attempt, *gateway.Delivery, error) {
	for _, find := range []func(*gateway.Report) ([]*gateway.Attempt, error){b.byNewKey, b.byKey, b.byTransaction, b.byParties} {
		attempts, err := find(r)
		if err != nil {
			return nil, nil, err
		}
		for _, a := range attempts {
			for _, n := range a.Covers {
				d, err := b.delivery(rowKey{a.MessageID, n})
				if err != nil {
					return nil, nil, err
				}
				if d != nil && (d.Recipient == r.Recipient || swapped(r, d)) {
					return a, d, nil
				}
			}
		}
	}
	return nil, nil, nil
}

// swapped: a report that names the recipient as its sender and something else
// as its recipient was filled in the wrong way round.
func swapped(r *gateway.Report, d *gateway.Delivery) bool {
	return r.Sender == d.Recipient && r.Recipient != ""
}

// byNewKey finds the newest attempts without asking the database.
func (b *batch) byNewKey(r *gateway.Report) (found []*gateway.Attempt, err error) {
	if r.CarrierKey == "" {
		return nil, nil
	}
	for _, id := range b.closed { // settled in this very batch
		if a := b.attempts[id]; a.Lane == r.Lane && a.CarrierKey == r.CarrierKey {
			found = append(found, a)
		}
	}
	if id, ok := b.s.hot.byKey(r.Lane, r.CarrierKey); ok {
		var a *gateway.Attempt
		if a, err = b.attempt(id); a != nil {
			found = append(found, a)
		}
	}
	return found, err
}

// byKey finds those of the database that the report may speak of, the newest first.
func (b *batch) byKey(r *gateway.Report) ([]*gateway.Attempt, error) {
	if r.CarrierKey == "" {
		return nil, nil
	}
	return b.attemptsWhere(`lane = $1 AND carrier_key = $2
		AND EXISTS (SELECT 1 FROM deliveries d WHERE d.message_id = attempts.message_id AND d.recipient IN ($3, $4))
		ORDER BY opened_at DESC LIMIT 8`, r.Lane, r.CarrierKey, r.Recipient.E164(), r.Sender.E164())
}

func (b *batch) byTransaction(r *gateway.Report) ([]*gateway.Attempt, error) {
	id, err := gateway.ParseHexID(r.TransactionID)
	if err != nil {
		return nil, nil
	}
	a, err := b.attempt(id)
	if err != nil || a == nil || a.Lane != r.Lane || a.CarrierKey != "" || a.Kind != gateway.Submits {
		return nil, err
	}
	return []*gateway.Attempt{a}, nil
}

// byParties finds the one attempt without a MessageID, taken or perhaps taken,
// from this sender to this recipient.
func (b *batch) byParties(r *gateway.Report) ([]*gateway.Attempt, error) {
	var ids []gateway.ID
	err := b.query(`SELECT a.id FROM attempts a JOIN deliveries d ON d.message_id = a.message_id JOIN messages m ON m.id = a.message_id
		WHERE a.lane = $1 AND a.kind = 'submit' AND a.carrier_key IS NULL AND a.outcome IN ('unknown', 'accepted') AND a.opened_at BETWEEN $2 AND $3
		AND d.recipient = $4 AND m.sender = $5 AND d.attempt = a.id LIMIT 2`, func(rows *sql.Rows) error {
		var id []byte
		err := rows.Scan(&id)
		ids = append(ids, toID(id))
		return err
	}, r.Lane, micros(r.ReceivedAt.Add(-r.Patience)), micros(r.ReceivedAt), r.Recipient.E164(), r.Sender.E164())
	if err != nil || len(ids) != 1 {
		return nil, err
	}
	a, err := b.attempt(ids[0])
	if err != nil || a == nil || a.CarrierKey != "" {
		return nil, err
	}
	return []*gateway.Attempt{a}, nil
}

// hear applies a report to its delivery. An attempt that got no MessageID has
// learned it now.
func (b *batch) hear(a *gateway.Attempt, d *gateway.Delivery, r *gateway.Report) error {
	wasFinal, sent := d.Final(), d.SentAt
	events := d.HearOf(a, r, b.now)
	if events == nil {
		return nil
	}
	b.heard = append(b.heard, heard{r, sent})
	if a.CarrierKey == "" && r.CarrierKey != "" {
		a.CarrierKey = r.CarrierKey
		b.writeAttempt(a)
	}
	return b.write(d, wasFinal, events...)
}

// heard is a report that matched, to be counted when that is durable.
type heard struct {
	r    *gateway.Report
	sent time.Time
}

func (h heard) took() time.Duration {
	if h.sent.IsZero() {
		return 0
	}
	return h.r.ReceivedAt.Sub(h.sent)
}

// park keeps a report that matches nothing yet; a repeat of one parked adds
// nothing.
func (b *batch) park(r parkedReport) error {
	known := false
	err := b.query("SELECT 1 FROM reports WHERE lane = $1 AND carrier_key = $2 AND recipient = $3 AND status = $4 AND message_id IS NULL",
		func(rows *sql.Rows) error { known = true; return nil }, r.Lane, r.CarrierKey, r.Recipient.E164(), string(r.Status))
	if err != nil || known {
		return err
	}
	for i := range b.reports {
		if o := &b.reports[i]; o.linked.id.IsZero() && o.Lane == r.Lane && o.CarrierKey == r.CarrierKey && o.Recipient == r.Recipient && o.Status == r.Status {
			return nil
		}
	}
	b.parkedDiff++
	b.reports = append(b.reports, r)
	b.dueAt(r.wake)
	return nil
}

func (b *batch) dueAt(t time.Time) {
	if v := micros(t); !t.IsZero() && (b.due == 0 || v < b.due) {
		b.due = v
	}
}

// unpark applies the reports that came before the answer that names them.
func (b *batch) unpark(a *gateway.Attempt) error {
	if b.s.engine.sole && b.s.parked.Load() == 0 && b.parkedDiff == 0 {
		return nil
	}
	if a.CarrierKey == "" {
		return b.askAgain(a)
	}
	parked, err := b.parkedWhere("lane = $1 AND carrier_key = $2 AND message_id IS NULL", a.Lane, a.CarrierKey)
	if err != nil {
		return err
	}
	for i := range b.reports { // parked in this very batch
		if o := b.reports[i]; o.linked.id.IsZero() && o.Lane == a.Lane && o.CarrierKey == a.CarrierKey {
			parked = append(parked, o)
		}
	}
	for _, r := range parked {
		if err := b.tryParked(r); err != nil {
			return err
		}
	}
	return nil
}

// askAgain: an attempt that will get no answer may be what a parked report
// speaks of. Both are known by the next transaction, which is due at once.
func (b *batch) askAgain(a *gateway.Attempt) error {
	for _, n := range a.Covers {
		d, err := b.delivery(rowKey{a.MessageID, n})
		if err != nil || d == nil {
			return err
		}
		err = b.query("UPDATE reports SET wake_at = $1, tries = 0 WHERE message_id IS NULL AND lane = $2 AND recipient = $3",
			nil, micros(b.now), a.Lane, d.Recipient.E164())
		if err != nil {
			return err
		}
		b.dueAt(b.now)
	}
	return nil
}

// tryParked matches a parked report again.
func (b *batch) tryParked(r parkedReport) error {
	a, d, err := b.match(&r.Report)
	if err != nil || d == nil {
		return err
	}
	b.parkedDiff--
	r.wake, r.linked = time.Time{}, rowKey{d.MessageID, d.N} // it waits no more
	b.reports = append(b.reports, r)
	return b.hear(a, d, &r.Report)
}

func (b *batch) parkedWhere(where string, args ...any) (found []parkedReport, err error) {
	err = b.query(selectReports+" WHERE "+where+b.s.engine.forUpdate, func(rows *sql.Rows) error {
		r, err := scanReport(rows)
		found = append(found, r)
		return err
	}, args...)
	return found, err
}

// retrying is the change that tries a parked report again.
type retrying struct {
	result
	id gateway.ID
}

func (c *retrying) rows() int { return 4 }

func (c *retrying) apply(b *batch) error {
	rows, err := b.parkedWhere("id = $1 AND message_id IS NULL AND wake_at IS NOT NULL", c.id[:])
	if err != nil || len(rows) == 0 {
		return err
	}
	r := rows[0]
	before := b.parkedDiff
	if err := b.tryParked(r); err != nil || b.parkedDiff != before {
		return err
	}
	r.tries++
	if r.tries < len(parkTimes) {
		r.wake = b.now.Add(parkTimes[r.tries])
		b.dueAt(r.wake)
	} else {
		r.wake = time.Time{}
		b.events = append(b.events, gateway.Event{At: b.now, Type: "report.unmatched", N: -1, To: r.Recipient, Carrier: r.Lane,
			Data: gateway.EventData{Report: r.ID.Hex(), CarrierID: r.CarrierKey, CarrierStatus: r.Raw}.JSON()})
	}
	b.reports = append(b.reports, r)
	return nil
}

// retryParked tries the parked reports whose time has come.
func (s *Store) retryParked(ctx context.Context, now time.Time, limit int) error {
	var changes []*retrying
	err := s.read(ctx, "SELECT id FROM reports WHERE wake_at <= $1 ORDER BY wake_at LIMIT $2", func(rows *sql.Rows) error {
		var id []byte
		err := rows.Scan(&id)
		changes = append(changes, &retrying{result{make(chan error, 1)}, toID(id)})
		return err
	}, micros(now), limit)
	if err != nil {
		return err
	}
	for _, c := range changes {
		s.in.hand(c, true)
	}
	for _, c := range changes {
		if err := c.wait(); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) flushReports() error {
	latest := map[gateway.ID]int{} // a report may be written twice in a batch: its last state counts
	for i := range b.reports {
		latest[b.reports[i].ID] = i
	}
	var rows [][]any
	for i := range b.reports {
		r := &b.reports[i]
		if latest[r.ID] != i {
			continue
		}
		var n any
		if !r.linked.id.IsZero() {
			n = r.linked.n
		}
		rows = append(rows, []any{r.ID[:], r.Lane, r.CarrierKey, r.TransactionID, r.Recipient.E164(), r.Sender.E164(), string(r.Status), r.Raw,
			micros(r.At), micros(r.ReceivedAt), int64(r.Patience / time.Microsecond), r.tries, at(r.wake), key(r.linked.id), n, r.Linked})
	}
	return b.bulk(upsertReports, rows)
}

func scanReport(rows *sql.Rows) (r parkedReport, err error) {
	var id, message []byte
	var recipient, sender string
	var at, received, patience int64
	var wake, n sql.NullInt64
	err = rows.Scan(&id, &r.Lane, &r.CarrierKey, &r.TransactionID, &recipient, &sender, &r.Status, &r.Raw, &at, &received, &patience,
		&r.tries, &wake, &message, &n, &r.Linked)
	r.ID, r.Recipient, r.Sender = toID(id), gateway.Number(recipient), gateway.Number(sender)
	r.At, r.ReceivedAt, r.wake = time.UnixMicro(at).UTC(), time.UnixMicro(received).UTC(), when(wake)
	r.Patience, r.linked = time.Duration(patience)*time.Microsecond, rowKey{toID(message), int(n.Int64)}
	return r, err
}
