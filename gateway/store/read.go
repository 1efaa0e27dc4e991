package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"mmsgw/gateway"
)

// timelineLimit bounds the timeline of one message.
const timelineLimit = 10_000

// feedStretch bounds how many events one look into the feed walks over.
const feedStretch = 20_000

// read runs a select outside the committer.
func (s *Store) read(ctx context.Context, query string, each func(*sql.Rows) error, args ...any) error {
	st, err := s.prepared(ctx, query)
	if err != nil {
		return fmt.Errorf("%w (%w)", gateway.ErrStorage, err)
	}
	rows, err := st.QueryContext(ctx, args...)
	return eachRow(rows, err, each)
}

// readOnce is read for a query whose text is made for its question: it is not
// kept prepared.
func (s *Store) readOnce(ctx context.Context, query string, each func(*sql.Rows) error, args ...any) error {
	rows, err := s.reader.QueryContext(ctx, query, args...)
	return eachRow(rows, err, each)
}

func eachRow(rows *sql.Rows, err error, each func(*sql.Rows) error) error {
	if err != nil {
		return fmt.Errorf("%w (%w)", gateway.ErrStorage, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return fmt.Errorf("read a row: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("%w (%w)", gateway.ErrStorage, err)
	}
	return nil
}

// prepared keeps the readers' statements: preparing one costs more than running
// it. Their number is that of the queries written here, and the feed's filters.
func (s *Store) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	if st, ok := s.stmts.Load(query); ok {
		return st.(*sql.Stmt), nil
	}
	st, err := s.reader.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if first, loaded := s.stmts.LoadOrStore(query, st); loaded {
		st.Close()
		return first.(*sql.Stmt), nil
	}
	return st, nil
}

// querier runs a select: the committer's transaction, or a reader.
type querier func(query string, each func(*sql.Rows) error, args ...any) error

// Message reads a message as it is told, its deliveries and its attempts, oldest first.
// gateway.ErrNotFound where there is none.
func (s *Store) Message(ctx context.Context, id gateway.ID) (*gateway.Message, []gateway.Attempt, error) {
	query := func(q string, each func(*sql.Rows) error, args ...any) error { return s.read(ctx, q, each, args...) }
	m, err := readMessage(query, id)
	if err != nil {
		return nil, nil, err
	}
	if m == nil {
		return nil, nil, gateway.ErrNotFound
	}
	err = query(selectDeliveries+" WHERE message_id = $1 ORDER BY n", func(rows *sql.Rows) error {
		d, err := scanDelivery(rows)
		m.Deliveries = append(m.Deliveries, d)
		return err
	}, id[:])
	if err == nil {
		err = s.behind(ctx, m.Deliveries)
	}
	if err != nil {
		return nil, nil, err
	}
	var attempts []gateway.Attempt
	err = query(selectAttempts+" WHERE message_id = $1 ORDER BY id", func(rows *sql.Rows) error {
		a, err := scanAttempt(rows)
		attempts = append(attempts, a)
		return err
	}, id[:])
	return m, attempts, err
}

// readMessage reads a message and its pictures, without its deliveries; nil
// where there is none.
func readMessage(query querier, id gateway.ID) (m *gateway.Message, err error) {
	err = query("SELECT "+messageFields+" FROM messages m WHERE id = $1", func(rows *sql.Rows) error { m, err = scanMessage(rows, id, false); return err }, id[:])
	if err != nil || m == nil {
		return nil, err
	}
	return m, nil
}

const messageFields = "m.account, m.sender, m.channel, m.subject, m.text, m.reference, m.priority, m.options, m.idem_key, m.idem_hash, m.created_at, m.valid_until"

// scanMessage reads messageFields, behind the id where named says so.
func scanMessage(rows *sql.Rows, id gateway.ID, named bool) (*gateway.Message, error) {
	m := &gateway.Message{ID: id}
	var sender, opts string
	var key []byte
	var idem sql.NullString
	var created, valid int64
	to := []any{&m.Account, &sender, &m.Channel, &m.Subject, &m.Text, &m.Reference, &m.Priority, &opts, &idem, &m.IdemHash, &created, &valid}
	if named {
		to = append([]any{&key}, to...)
	}
	if err := rows.Scan(to...); err != nil {
		return nil, err
	}
	if named {
		m.ID = toID(key)
	}
	m.From, m.IdemKey = gateway.Number(sender), idem.String
	m.CreatedAt, m.ValidUntil = time.UnixMicro(created).UTC(), time.UnixMicro(valid).UTC()
	return m, readOptions(m, opts)
}

// Messages are a page of the messages that fit, newest first, with their
// deliveries as they are told.
func (s *Store) Messages(ctx context.Context, l gateway.Listing) ([]*gateway.Message, error) {
	var w where
	if !l.Before.IsZero() {
		w.and("m.id < $1", l.Before[:])
	}
	w.message(&l.Filter)
	var d where
	if err := s.deliveryFilter(ctx, &d, &l.Filter); err != nil {
		return nil, err
	}
	if len(d.terms) > 0 {
		w.and("EXISTS (SELECT 1 FROM deliveries d WHERE d.message_id = m.id AND "+d.text()+")", d.args...)
	}
	var page []*gateway.Message
	err := s.readOnce(ctx, "SELECT m.id, "+messageFields+" FROM messages m WHERE "+w.text()+fmt.Sprintf(" ORDER BY m.id DESC LIMIT %d", l.Limit), func(rows *sql.Rows) error {
		m, err := scanMessage(rows, gateway.ID{}, true)
		page = append(page, m)
		return err
	}, w.args...)
	if err != nil {
		return nil, err
	}
	for _, m := range page {
		err := s.read(ctx, selectDeliveries+" WHERE message_id = $1 ORDER BY n", func(rows *sql.Rows) error {
			d, err := scanDelivery(rows)
			m.Deliveries = append(m.Deliveries, d)
			return err
		}, m.ID[:])
		if err == nil {
			err = s.behind(ctx, m.Deliveries)
		}
		if err != nil {
			return nil, err
		}
	}
	return page, nil
}

// Timeline is everything that happened to a message, oldest first.
func (s *Store) Timeline(ctx context.Context, id gateway.ID) ([]gateway.Event, error) {
	var events []gateway.Event
	err := s.read(ctx, selectEvents+" WHERE message_id = $1 ORDER BY seq LIMIT $2", func(rows *sql.Rows) error {
		e, err := scanEvent(rows)
		events = append(events, e)
		return err
	}, id[:], timelineLimit)
	return events, err
}

// Latest is the cursor of the newest event.
func (s *Store) Latest(ctx context.Context) (seq int64, err error) {
	err = s.read(ctx, "SELECT seq FROM feed_head", func(rows *sql.Rows) error { return rows.Scan(&seq) })
	return seq, err
}

// After gives the events after a cursor. The head is read first: whatever is
// at or before it is committed, so nothing can slip in behind what is told.
func (s *Store) After(ctx context.Context, q gateway.FeedQuery) (gateway.FeedPage, error) {
	head, err := s.Latest(ctx)
	if err != nil {
		return gateway.FeedPage{}, err
	}
	page := gateway.FeedPage{Seen: min(head, q.After+feedStretch)}
	if page.Seen <= q.After {
		page.Seen = q.After
		return page, nil
	}
	where, args := feedFilter(q, page.Seen)
	err = s.read(ctx, selectEvents+where+" ORDER BY seq LIMIT $"+fmt.Sprint(len(args)+1), func(rows *sql.Rows) error {
		e, err := scanEvent(rows)
		page.Events = append(page.Events, e)
		return err
	}, append(args, q.Limit)...)
	if n := len(page.Events); n > 0 && n == q.Limit {
		page.Seen = page.Events[n-1].Seq
	}
	return page, err
}

func feedFilter(q gateway.FeedQuery, seen int64) (string, []any) {
	where, args := " WHERE seq > $1 AND seq <= $2", []any{q.After, seen}
	add := func(column string, values ...any) {
		var marks []string
		for _, v := range values {
			args = append(args, v)
			marks = append(marks, fmt.Sprintf("$%d", len(args)))
		}
		where += " AND " + column + " IN (" + strings.Join(marks, ",") + ")"
	}
	if q.Accounts != nil {
		accounts := make([]any, len(q.Accounts))
		for i, a := range q.Accounts {
			accounts[i] = a
		}
		add("account", append(accounts, "\x00")...) // never an empty list
	}
	if !q.Message.IsZero() {
		add("message_id", q.Message[:])
	}
	if q.Carrier != "" {
		add("lane", q.Carrier)
	}
	if q.Type != "" {
		add("type", q.Type)
	}
	return where, args
}

// Wait returns when there may be an event after the cursor, or when ctx ends.
func (s *Store) Wait(ctx context.Context, after int64) error {
	for {
		news := s.feed.wait()
		head, err := s.Latest(ctx)
		if err != nil || head > after {
			return err
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
