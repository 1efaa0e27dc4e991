package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // registers "pgx"
)

// postgresEngine is a database that several nodes share.
var postgresEngine = engine{
	name: "postgres", bytes: "BYTEA", begin: "BEGIN", forUpdate: " FOR UPDATE", forShare: " FOR SHARE", chunk: 64,
	lockSchema: "SELECT pg_advisory_xact_lock(7236835)", classify: classifyPostgres,
}

// openPostgres connects. A database that acknowledges commits before they are
// durable is refused: every 202 would be a promise not kept.
func openPostgres(ctx context.Context, dsn string) (writer, reader *sql.DB, err error) {
	if writer, err = sql.Open("pgx", dsn); err == nil {
		reader, err = sql.Open("pgx", dsn)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("open the PostgreSQL database: %w", err)
	}
	writer.SetMaxOpenConns(2)
	reader.SetMaxOpenConns(8)
	var commit string
	if err := writer.QueryRowContext(ctx, "SHOW synchronous_commit").Scan(&commit); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("connect to the PostgreSQL database: %w", err), writer.Close(), reader.Close())
	}
	if commit == "off" {
		err := errors.New("the PostgreSQL database has synchronous_commit=off, so a commit is not durable: set it to on for mmsgw's role")
		return nil, nil, errors.Join(err, writer.Close(), reader.Close())
	}
	return writer, reader, nil
}

func classifyPostgres(err error) failure {
	var e *pgconn.PgError
	var n net.Error
	switch {
	case errors.As(err, &e):
		switch {
		case e.Code == "40001", e.Code == "40P01":
			return again
		case e.Code == "53100":
			return full
		case e.Code[:2] == "08", e.Code[:2] == "57":
			return lost
		}
		return failed
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone), errors.As(err, &n), pgconn.SafeToRetry(err):
		return lost
	}
	return lost // what is not the server's word is the link's
}

// listen hears what other nodes made ready and calls heard with each lane's
// name. It is a help only: polling is the truth, so a lost connection costs a
// second, not a message.
func (s *Store) listen(ctx context.Context, dsn string, heard func(lane string)) {
	for ctx.Err() == nil {
		if conn, err := pgx.Connect(ctx, dsn); err == nil {
			_, err = conn.Exec(ctx, "LISTEN mmsgw")
			for err == nil {
				var n *pgconn.Notification
				if n, err = conn.WaitForNotification(ctx); err == nil {
					heard(n.Payload)
				}
			}
			conn.Close(context.WithoutCancel(ctx))
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// teller tells other nodes what this one made ready, on the pool's own time and
// at most twenty times a second, so that a commit never waits for it.
type teller struct {
	mu    sync.Mutex
	lanes map[string]bool
	busy  bool
}

const tellEvery = 50 * time.Millisecond

// tell has the lanes told soon; an empty set still tells that the feed moved.
func (s *Store) tell(lanes map[string]bool) {
	t := &s.told
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lanes == nil {
		t.lanes = map[string]bool{}
	}
	for lane := range lanes {
		t.lanes[lane] = true
	}
	if !t.busy {
		t.busy = true
		time.AfterFunc(tellEvery, s.tellNow)
	}
}

func (s *Store) tellNow() {
	t := &s.told
	t.mu.Lock()
	lanes := t.lanes
	t.lanes, t.busy = nil, false
	t.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for lane := range lanes {
		s.reader.ExecContext(ctx, "SELECT pg_notify('mmsgw', $1)", lane)
	}
	if len(lanes) == 0 {
		s.reader.ExecContext(ctx, "SELECT pg_notify('mmsgw', '')")
	}
}
