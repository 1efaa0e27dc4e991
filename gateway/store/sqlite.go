package store

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteEngine is one file held by one process.
var sqliteEngine = engine{
	name: "sqlite", bytes: "BLOB", rowless: " WITHOUT ROWID", begin: "BEGIN IMMEDIATE", sole: true, chunk: 1,
	classify: classifySQLite,
}

// openSQLite opens the database file. One connection writes, a few read beside
// it (WAL). synchronous=FULL is what makes a commit durable (with NORMAL a
// power cut loses acknowledged rows); it is read back, for a typo in a pragma
// is silent.
func openSQLite(path string) (writer, reader *sql.DB, lock *os.File, err error) {
	if lock, err = lockFile(path + ".lock"); err != nil {
		return nil, nil, nil, err
	}
	dsn := func(extra string) string {
		return "file:" + url.PathEscape(path) + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=temp_store(MEMORY)" + extra
	}
	dsnPath := func(extra string) string { return strings.ReplaceAll(dsn(extra), "%2F", "/") }
	if writer, err = sql.Open("sqlite", dsnPath("&_pragma=cache_size(-32768)")); err == nil {
		reader, err = sql.Open("sqlite", dsnPath("&_pragma=query_only(1)"))
	}
	if err != nil {
		lock.Close()
		return nil, nil, nil, fmt.Errorf("open %s: %w", path, err)
	}
	writer.SetMaxOpenConns(1)
	reader.SetMaxOpenConns(4)
	reader.SetMaxIdleConns(4)
	var mode string
	var sync int
	err = errors.Join(writer.QueryRow("PRAGMA journal_mode").Scan(&mode), writer.QueryRow("PRAGMA synchronous").Scan(&sync))
	if err == nil && (mode != "wal" || sync != 2) {
		err = fmt.Errorf("it runs with journal_mode=%s synchronous=%d; want wal and 2 (FULL): is the file system one that can't?", mode, sync)
	}
	if err != nil {
		writer.Close()
		reader.Close()
		lock.Close()
		return nil, nil, nil, fmt.Errorf("open %s: %w", path, err)
	}
	return writer, reader, lock, nil
}

// lockFile keeps a second daemon away from the same directory.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the state directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another mmsgw runs on %s: stop it first, or give this one a state_dir of its own", filepath.Dir(path))
	}
	return f, nil
}

func classifySQLite(err error) failure {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return failed
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return full
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return again
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
		return fatal
	}
	return failed
}
