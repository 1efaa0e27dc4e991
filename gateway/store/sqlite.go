package store

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/ncruces/go-sqlite3"
	_ "github.com/ncruces/go-sqlite3/driver" // registers "sqlite3"
	"golang.org/x/sys/unix"
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
	registerWAL()
	dsn := func(extra string) string {
		return "file:" + url.PathEscape(path) + "?vfs=" + walFSName + "&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=temp_store(MEMORY)" + extra
	}
	dsnPath := func(extra string) string { return strings.ReplaceAll(dsn(extra), "%2F", "/") }
	if writer, err = sql.Open("sqlite3", dsnPath("&_pragma=cache_size(-8192)")); err == nil {
		reader, err = sql.Open("sqlite3", dsnPath("&_pragma=query_only(1)"))
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
	var code sqlite3.ErrorCode // the driver gives it bare, extended or in an Error
	if !errors.As(err, &code) {
		return failed
	}
	switch code {
	case sqlite3.FULL:
		return full
	case sqlite3.BUSY, sqlite3.LOCKED:
		return again
	case sqlite3.IOERR, sqlite3.CORRUPT, sqlite3.NOTADB, sqlite3.READONLY, sqlite3.CANTOPEN:
		return fatal
	}
	return failed
}
