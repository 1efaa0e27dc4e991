package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"mmsgw/gateway"
)

// Reports are those that have a row, newest first.
func (s *Store) Reports(ctx context.Context, q gateway.ReportQuery) ([]gateway.KeptReport, error) {
	var w where
	if q.Matched != nil {
		w.and(map[bool]string{true: "message_id IS NOT NULL", false: "message_id IS NULL"}[*q.Matched])
	}
	if q.Carrier != "" {
		w.and("lane = $1", q.Carrier)
	}
	if q.To != "" {
		w.and("recipient = $1", q.To.E164())
	}
	if !q.Before.IsZero() {
		w.and("id < $1", q.Before[:])
	}
	var all []gateway.KeptReport
	err := s.readOnce(ctx, selectReports+" WHERE "+w.text()+fmt.Sprintf(" ORDER BY id DESC LIMIT %d", q.Limit), func(rows *sql.Rows) error {
		r, err := scanReport(rows)
		all = append(all, gateway.KeptReport{Report: r.Report, MessageID: r.linked.id, N: r.linked.n, Due: r.wake})
		return err
	}, w.args...)
	return all, err
}

// Link gives a report that matched nothing to a delivery, as if it had named it.
// What it changes is told as if it came now, with who linked it.
func (s *Store) Link(_ context.Context, report, message gateway.ID, to gateway.Number, who string) error {
	linked := false // by an apply that was committed, its answer lost
	err := s.run(func(b *batch) error {
		err := b.link(report, message, to, who)
		if errors.Is(err, gateway.ErrLinked) && linked {
			return nil
		}
		linked = linked || err == nil
		return err
	})
	if err != nil && !errors.Is(err, gateway.ErrNotFound) && !errors.Is(err, gateway.ErrLinked) {
		return fmt.Errorf("link the report: %w", err)
	}
	return err
}

func (b *batch) link(report, message gateway.ID, to gateway.Number, who string) error {
	rows, err := b.parkedWhere("id = $1", report[:])
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return refusal{fmt.Errorf("report: %w", gateway.ErrNotFound)}
	}
	r := rows[0]
	if !r.linked.id.IsZero() {
		return refusal{gateway.ErrLinked}
	}
	d, err := b.deliveryTo(message, to)
	if err != nil {
		return err
	}
	if d == nil {
		return refusal{fmt.Errorf("delivery: %w", gateway.ErrNotFound)}
	}
	b.parkedDiff--
	r.wake, r.linked, r.Linked = time.Time{}, rowKey{d.MessageID, d.N}, who
	b.reports = append(b.reports, r)
	a, err := b.attempt(d.Attempt)
	if err != nil {
		return err
	}
	if a != nil && a.Lane == r.Lane && a.CarrierKey == "" { // it learns its MessageID: what is reported next is matched by it
		return b.hear(a, d, &r.Report)
	}
	wasFinal := d.Final()
	events := d.Hear(&r.Report, b.now)
	if events == nil {
		return nil
	}
	return b.write(d, wasFinal, events...)
}

// deliveryTo is a message's delivery to a number; nil where there is none.
func (b *batch) deliveryTo(message gateway.ID, to gateway.Number) (*gateway.Delivery, error) {
	n := -1
	err := b.query("SELECT n FROM deliveries WHERE message_id = $1 AND recipient = $2", func(rows *sql.Rows) error { return rows.Scan(&n) }, message[:], to.E164())
	if err != nil || n < 0 {
		return nil, err
	}
	return b.delivery(rowKey{message, n})
}

// Tell puts an event of the gateway itself into the feed.
func (s *Store) Tell(_ context.Context, e gateway.Event) error {
	return s.run(func(b *batch) error {
		b.events = append(b.events, e)
		return nil
	})
}
