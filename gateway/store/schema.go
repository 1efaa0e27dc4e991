package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// migrations, forward only; those that are missing run in one transaction under a lock. {bytes}
// and {rowless} are the two words in which the engines' DDL differs. Times are
// microseconds since 1970, ids 16-byte UUIDv7, JSON is text.
//
// Rows that change are narrow and keyed in the order of their making; what is
// written once stands beside them. No index has a random key but the two that
// answer by key (idempotency, the carrier's MessageID) and the pictures'.
var migrations = []string{`
CREATE TABLE meta (
	name  TEXT PRIMARY KEY,
	value {bytes} NOT NULL
);
CREATE TABLE messages (
	id          {bytes} PRIMARY KEY,
	account     TEXT NOT NULL,
	sender      TEXT NOT NULL,
	channel     TEXT NOT NULL CHECK (channel IN ('mms', 'sms')),
	purpose     TEXT NOT NULL,
	subject     TEXT NOT NULL,
	text        TEXT NOT NULL,
	reference   TEXT NOT NULL,
	priority    SMALLINT NOT NULL,
	options     TEXT NOT NULL,
	idem_key    TEXT,
	idem_hash   {bytes},
	created_at  BIGINT NOT NULL,
	valid_until BIGINT NOT NULL,
	open        INTEGER NOT NULL
){rowless};
CREATE UNIQUE INDEX messages_idem ON messages (account, idem_key) WHERE idem_key IS NOT NULL;
CREATE TABLE media (
	id         TEXT NOT NULL,
	account    TEXT NOT NULL,
	place      TEXT NOT NULL,
	type       TEXT NOT NULL,
	size       BIGINT NOT NULL,
	width      INTEGER NOT NULL,
	height     INTEGER NOT NULL,
	frames     INTEGER NOT NULL,
	keep_until BIGINT NOT NULL,
	PRIMARY KEY (id, account)
){rowless};
CREATE TABLE deliveries (
	message_id   {bytes} NOT NULL,
	n            INTEGER NOT NULL,
	of_n         INTEGER NOT NULL,
	account      TEXT NOT NULL,
	recipient    TEXT NOT NULL,
	network      TEXT NOT NULL,
	lane         TEXT NOT NULL,
	priority     SMALLINT NOT NULL,
	state        TEXT NOT NULL,
	rank         SMALLINT NOT NULL,
	round        SMALLINT NOT NULL,
	reason       TEXT NOT NULL,
	claim        TEXT NOT NULL,
	status       TEXT NOT NULL,
	ready        SMALLINT NOT NULL,
	wake_at      BIGINT,
	valid_until  BIGINT NOT NULL,
	wants_report SMALLINT NOT NULL,
	attempts     INTEGER NOT NULL,
	tries        INTEGER NOT NULL,
	resends      INTEGER NOT NULL,
	heard        TEXT NOT NULL,
	doubt        SMALLINT NOT NULL,
	attempt      {bytes},
	updated_at   BIGINT NOT NULL,
	sent_at      BIGINT,
	delivered_at BIGINT,
	read_at      BIGINT,
	PRIMARY KEY (message_id, n),
	CHECK (rank = CASE state WHEN 'scheduled' THEN 10 WHEN 'queued' THEN 20 WHEN 'held' THEN 20 WHEN 'sending' THEN 30
		WHEN 'uncertain' THEN 40 WHEN 'sent' THEN 50 WHEN 'unknown' THEN 60 WHEN 'expired' THEN 60 WHEN 'undelivered' THEN 60
		WHEN 'failed' THEN 60 WHEN 'delivered' THEN 70 WHEN 'canceled' THEN 80 WHEN 'blocked' THEN 80 ELSE -1 END),
	CHECK (ready = 0 OR state = 'queued'),
	CHECK (rank < 60 OR wake_at IS NULL)
){rowless};
CREATE INDEX deliveries_ready ON deliveries (lane, priority, account, message_id, n) WHERE ready = 1;
CREATE INDEX deliveries_wake ON deliveries (wake_at) WHERE wake_at IS NOT NULL;
CREATE TABLE attempts (
	id          {bytes} PRIMARY KEY,
	message_id  {bytes} NOT NULL,
	kind        TEXT NOT NULL CHECK (kind IN ('submit', 'cancel')),
	round       SMALLINT NOT NULL,
	covers      TEXT NOT NULL,
	lane        TEXT NOT NULL,
	owner       TEXT NOT NULL,
	epoch       BIGINT NOT NULL,
	dials       INTEGER NOT NULL,
	opened_at   BIGINT NOT NULL,
	outcome     TEXT,
	code        TEXT NOT NULL,
	carrier_key TEXT,
	closed_at   BIGINT
){rowless};
CREATE INDEX attempts_open ON attempts (lane, id) WHERE closed_at IS NULL;
CREATE INDEX attempts_key ON attempts (lane, carrier_key) WHERE carrier_key IS NOT NULL;
CREATE INDEX attempts_keyless ON attempts (lane, opened_at) WHERE carrier_key IS NULL AND outcome IN ('unknown', 'accepted');
CREATE INDEX attempts_message ON attempts (message_id);
CREATE TABLE reports (
	id             {bytes} PRIMARY KEY,
	lane           TEXT NOT NULL,
	carrier_key    TEXT NOT NULL,
	transaction_id TEXT NOT NULL,
	recipient      TEXT NOT NULL,
	sender         TEXT NOT NULL,
	status         TEXT NOT NULL,
	raw            TEXT NOT NULL,
	at             BIGINT NOT NULL,
	received_at    BIGINT NOT NULL,
	patience       BIGINT NOT NULL,
	tries          INTEGER NOT NULL,
	wake_at        BIGINT,
	message_id     {bytes},
	n              INTEGER
){rowless};
CREATE UNIQUE INDEX reports_parked ON reports (lane, carrier_key, recipient, status) WHERE message_id IS NULL;
CREATE INDEX reports_wake ON reports (wake_at) WHERE wake_at IS NOT NULL;
CREATE TABLE events (
	seq        BIGINT PRIMARY KEY,
	at         BIGINT NOT NULL,
	type       TEXT NOT NULL,
	account    TEXT NOT NULL,
	message_id {bytes},
	n          INTEGER NOT NULL,
	recipient  TEXT NOT NULL,
	lane       TEXT NOT NULL,
	data       TEXT NOT NULL
){rowless};
CREATE INDEX events_message ON events (message_id, seq) WHERE message_id IS NOT NULL;
CREATE TABLE feed_head (
	one SMALLINT PRIMARY KEY CHECK (one = 1),
	seq BIGINT NOT NULL
);
INSERT INTO feed_head (one, seq) VALUES (1, 0);
CREATE TABLE leases (
	name     TEXT PRIMARY KEY,
	owner    TEXT NOT NULL,
	epoch    BIGINT NOT NULL,
	until_at BIGINT NOT NULL
);
`, `
ALTER TABLE deliveries ADD COLUMN spare TEXT NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN answers INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN duplicate SMALLINT NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN alone SMALLINT NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN recall SMALLINT NOT NULL DEFAULT 0;
CREATE INDEX deliveries_kept ON deliveries (lane, state, reason, message_id, n, wake_at) WHERE ready = 0 AND rank < 50 AND state <> 'sending';
CREATE INDEX deliveries_recall ON deliveries (lane, message_id, n) WHERE recall = 1;
ALTER TABLE attempts ADD COLUMN carrier_id TEXT NOT NULL DEFAULT '';
ALTER TABLE reports ADD COLUMN linked_by TEXT NOT NULL DEFAULT '';
CREATE TABLE lanes (
	name      TEXT PRIMARY KEY,
	paused    SMALLINT NOT NULL,
	paused_at BIGINT,
	paused_by TEXT NOT NULL,
	reason    TEXT NOT NULL,
	code      TEXT NOT NULL,
	since_at  BIGINT,
	until_at  BIGINT
);
CREATE TABLE ledger (
	scope TEXT NOT NULL,
	day   TEXT NOT NULL,
	used  BIGINT NOT NULL,
	PRIMARY KEY (scope, day)
);
CREATE TABLE opt_outs (
	account TEXT NOT NULL,
	number  TEXT NOT NULL,
	sender  TEXT NOT NULL,
	at      BIGINT NOT NULL,
	who     TEXT NOT NULL,
	note    TEXT NOT NULL,
	PRIMARY KEY (account, number, sender)
){rowless};
`}

// migrate brings the schema up to date, or refuses one that is newer than this
// program: going back is not a thing a store of messages does by itself.
func (s *Store) migrate(ctx context.Context) error {
	conn, err := s.writer.Conn(ctx)
	if err != nil {
		return fmt.Errorf("open the database for its schema: %w", err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, s.engine.begin); err != nil {
		return fmt.Errorf("begin the migration: %w", err)
	}
	if err := s.migrateLocked(ctx, conn); err != nil {
		conn.ExecContext(ctx, "ROLLBACK")
		return err
	}
	if _, err := conn.ExecContext(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("commit the migration: %w", err)
	}
	return nil
}

func (s *Store) migrateLocked(ctx context.Context, conn *sql.Conn) error {
	if s.engine.lockSchema != "" {
		if _, err := conn.ExecContext(ctx, s.engine.lockSchema); err != nil {
			return fmt.Errorf("lock the schema: %w", err)
		}
	}
	if _, err := conn.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY)"); err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	var have int
	if err := conn.QueryRowContext(ctx, "SELECT COALESCE(MAX(version), 0) FROM schema_version").Scan(&have); err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if have > len(migrations) {
		return fmt.Errorf("the database has schema %d, this mmsgw knows %d: start the newer mmsgw that wrote it", have, len(migrations))
	}
	words := strings.NewReplacer("{bytes}", s.engine.bytes, "{rowless}", s.engine.rowless)
	for v := have; v < len(migrations); v++ {
		for _, stmt := range strings.Split(words.Replace(migrations[v]), ";\n") {
			if strings.TrimSpace(stmt) == "" {
				continue
			}
			if _, err := conn.ExecContext(ctx, stmt); err != nil {
				return fmt.Errorf("migrate the schema to %d: %w", v+1, err)
			}
		}
		if _, err := conn.ExecContext(ctx, "INSERT INTO schema_version (version) VALUES ($1)", v+1); err != nil {
			return fmt.Errorf("migrate the schema to %d: %w", v+1, err)
		}
	}
	return nil
}
