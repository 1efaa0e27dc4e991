package store

import (
	"database/sql"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"mmsgw/gateway"
)

// statement is a multi-row write, in the sizes in which rows are bundled.
type statement struct {
	columns int
	texts   map[int]string // by number of rows
}

// bundles are the numbers of rows that one statement may write, most first.
var bundles = []int{64, 8, 1}

// values is a statement's text for n rows: head, one group of marks a row, tail.
func values(head string, columns, n int, tail string) string {
	var b strings.Builder
	b.WriteString(head)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('(')
		for c := range columns {
			if c > 0 {
				b.WriteByte(',')
			}
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(i*columns + c + 1))
		}
		b.WriteByte(')')
	}
	b.WriteString(tail)
	return b.String()
}

// bulk writes rows, as many to a statement as the engine likes: PostgreSQL
// saves round trips, SQLite gains nothing.
func (b *batch) bulk(st statement, rows [][]any) error {
	for len(rows) > 0 {
		n := bundles[slices.IndexFunc(bundles, func(size int) bool { return size <= b.s.engine.chunk && size <= len(rows) })]
		args := rows[0]
		if n > 1 {
			args = make([]any, 0, n*st.columns)
			for _, r := range rows[:n] {
				args = append(args, r...)
			}
		}
		prepared, err := b.w.stmt(b.ctx, st.texts[n])
		if err != nil {
			return err
		}
		if _, err := prepared.ExecContext(b.ctx, args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// insertInto makes a statement that inserts rows.
func insertInto(table, columns, tail string) statement {
	st := statement{columns: strings.Count(columns, ",") + 1, texts: map[int]string{}}
	for _, n := range bundles {
		st.texts[n] = values("INSERT INTO "+table+" ("+columns+") VALUES ", st.columns, n, tail)
	}
	return st
}

// setting makes an upsert's tail: on a row that is there, set these columns.
func setting(key, columns string) string {
	var sets []string
	for c := range strings.SplitSeq(columns, ", ") {
		sets = append(sets, c+" = excluded."+c)
	}
	return " ON CONFLICT (" + key + ") DO UPDATE SET " + strings.Join(sets, ", ")
}

const (
	deliveryMoves = "lane, spare, state, rank, round, reason, claim, status, ready, wake_at, valid_until, attempts, answers, tries, resends, heard, doubt, duplicate, alone, recall, attempt, updated_at, sent_at, delivered_at, read_at"
	deliveryCols  = "message_id, n, of_n, account, recipient, network, priority, wants_report, " + deliveryMoves
	attemptMoves  = "owner, epoch, dials, opened_at, outcome, code, carrier_key, carrier_id, closed_at"
	attemptCols   = "id, message_id, kind, round, covers, lane, " + attemptMoves
	reportMoves   = "tries, wake_at, message_id, n, linked_by"
	reportCols    = "id, lane, carrier_key, transaction_id, recipient, sender, status, raw, at, received_at, patience, " + reportMoves
	eventCols     = "seq, at, type, account, message_id, n, recipient, lane, data"
	messageCols   = "id, account, sender, channel, purpose, subject, text, reference, priority, options, idem_key, idem_hash, created_at, valid_until, open"
	mediaCols     = "id, account, place, type, size, width, height, frames, keep_until"

	selectDeliveries = "SELECT " + deliveryCols + " FROM deliveries"
	selectAttempts   = "SELECT " + attemptCols + " FROM attempts"
	selectReports    = "SELECT " + reportCols + " FROM reports"
	selectEvents     = "SELECT " + eventCols + " FROM events"
)

var (
	upsertDeliveries = insertInto("deliveries", deliveryCols, setting("message_id, n", deliveryMoves))
	upsertAttempts   = insertInto("attempts", attemptCols, setting("id", attemptMoves))
	upsertReports    = insertInto("reports", reportCols, setting("id", reportMoves))
	insertEvents     = insertInto("events", eventCols, "")
	insertMessages   = insertInto("messages", messageCols, " ON CONFLICT DO NOTHING")
	insertMedia      = insertInto("media", mediaCols, " ON CONFLICT DO NOTHING")
)

func micros(t time.Time) int64 { return t.UnixMicro() }

// at is a time as a column: NULL where unset.
func at(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func when(v sql.NullInt64) time.Time {
	if !v.Valid {
		return time.Time{}
	}
	return time.UnixMicro(v.Int64).UTC()
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func key(id gateway.ID) any {
	if id.IsZero() {
		return nil
	}
	return id[:]
}

func toID(b []byte) (id gateway.ID) {
	copy(id[:], b)
	return id
}

func deliveryValues(d *gateway.Delivery) []any {
	return []any{
		d.MessageID[:], d.N, d.Of, d.Account, d.Recipient.E164(), d.Network, int(d.Priority), bit(d.WantsReport),
		d.Lane, string(d.Spare), string(d.State), d.State.Rank(), d.Round, string(d.Reason), string(d.Claim), d.Status, bit(d.Ready), at(d.Due),
		micros(d.ValidUntil), d.Attempts, d.Answers, d.Tries, d.Resends, d.Heard, bit(d.Doubt), bit(d.Duplicate), bit(d.Alone), int(d.Recall),
		key(d.Attempt), micros(d.UpdatedAt), at(d.SentAt), at(d.DeliveredAt), at(d.ReadAt),
	}
}

func scanDelivery(rows *sql.Rows) (d gateway.Delivery, err error) {
	var id, attempt []byte
	var recipient string
	var rank int
	var valid, updated int64
	var due, sent, delivered, read sql.NullInt64
	err = rows.Scan(&id, &d.N, &d.Of, &d.Account, &recipient, &d.Network, &d.Priority, &d.WantsReport,
		&d.Lane, &d.Spare, &d.State, &rank, &d.Round, &d.Reason, &d.Claim, &d.Status, &d.Ready, &due,
		&valid, &d.Attempts, &d.Answers, &d.Tries, &d.Resends, &d.Heard, &d.Doubt, &d.Duplicate, &d.Alone, &d.Recall,
		&attempt, &updated, &sent, &delivered, &read)
	d.MessageID, d.Attempt, d.Recipient = toID(id), toID(attempt), gateway.Number(recipient)
	d.ValidUntil, d.UpdatedAt = time.UnixMicro(valid).UTC(), time.UnixMicro(updated).UTC()
	d.Due, d.SentAt, d.DeliveredAt, d.ReadAt = when(due), when(sent), when(delivered), when(read)
	return d, err
}

func attemptValues(a *gateway.Attempt) []any {
	covers, _ := json.Marshal(a.Covers)
	return []any{
		a.ID[:], a.MessageID[:], string(a.Kind), a.Round, string(covers), a.Lane,
		a.Owner, a.Epoch, a.Dials, micros(a.OpenedAt), text(string(a.Outcome)), a.Code, text(a.CarrierKey), a.CarrierID, at(a.ClosedAt),
	}
}

func scanAttempt(rows *sql.Rows) (a gateway.Attempt, err error) {
	var id, message []byte
	var covers string
	var opened int64
	var outcome, carrierKey sql.NullString
	var closed sql.NullInt64
	if err = rows.Scan(&id, &message, &a.Kind, &a.Round, &covers, &a.Lane,
		&a.Owner, &a.Epoch, &a.Dials, &opened, &outcome, &a.Code, &carrierKey, &a.CarrierID, &closed); err != nil {
		return a, err
	}
	a.ID, a.MessageID, a.OpenedAt, a.ClosedAt = toID(id), toID(message), time.UnixMicro(opened).UTC(), when(closed)
	a.Outcome, a.CarrierKey = gateway.Outcome(outcome.String), carrierKey.String
	return a, json.Unmarshal([]byte(covers), &a.Covers)
}

func eventValues(e *gateway.Event) []any {
	return []any{e.Seq, micros(e.At), e.Type, e.Account, key(e.MessageID), e.N, e.To.E164(), e.Carrier, string(e.Data)}
}

func scanEvent(rows *sql.Rows) (e gateway.Event, err error) {
	var id []byte
	var at int64
	var to, data string
	err = rows.Scan(&e.Seq, &at, &e.Type, &e.Account, &id, &e.N, &to, &e.Carrier, &data)
	e.At, e.MessageID, e.To, e.Data = time.UnixMicro(at).UTC(), toID(id), gateway.Number(to), json.RawMessage(data)
	return e, err
}
