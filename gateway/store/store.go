// Package store is the durable truth: all SQL of mmsgw, on SQLite (one process,
// one file) and on PostgreSQL (many nodes), with one schema and statements
// written once. Every write is a change; one committer joins the changes that
// wait into one transaction, so that one sync serves many.
package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"mmsgw/gateway"
)

// engine is what differs between the two databases.
type engine struct {
	name       string
	bytes      string // type of ids and keys
	rowless    string // suffix of tables kept in key order
	begin      string
	forUpdate  string // suffix of a select whose rows are going to change
	forShare   string // suffix of a select whose row must not change meanwhile
	lockSchema string
	sole       bool // this process is the only writer
	chunk      int  // rows of one statement, at most
	classify   func(error) failure
}

// failure is what an error of the database means for the batch it hit.
type failure uint8

const (
	failed failure = iota // a statement was refused: a change of the batch is to blame
	again                 // nothing was done: the same batch may run again
	lost                  // the connection went: whether it was done is found out by running it again
	full                  // no space: nothing was done
	fatal                 // the storage can't be trusted any more
)

// Options of a Store.
type Options struct {
	Path     string // of the SQLite file; or
	DSN      string // of a PostgreSQL database
	LeaseTTL time.Duration
	Now      func() time.Time
	NewID    func() gateway.ID
	Log      *slog.Logger
	Wake     func(lane string)                           // rows became ready in a lane
	WakeDue  func()                                      // something is due earlier than Next said
	Batch    func(changes int, took time.Duration)       // told of each commit
	Heard    func(r *gateway.Report, took time.Duration) // told of each report that matched; took is from the sending, 0 where that is not known
	Fatal    func(error)                                 // the storage can't be trusted any more: end the process
	Poll     time.Duration                               // how often lanes and feed look for other nodes' work; default 1 s
	Quiet    bool                                        // no listener and no polling (tests in fake time)
}

// Store is the one concrete store. It satisfies what gateway, relay, media and
// api ask of theirs.
type Store struct {
	engine   engine
	opt      Options
	writer   *sql.DB
	reader   *sql.DB
	lock     *os.File
	in       committer
	stmts    sync.Map // query → *sql.Stmt of the readers
	feed     bell
	hot      hot
	shelf    shelf
	parked   atomic.Int64 // reports that match nothing yet; exact where this process is the only writer
	due      atomic.Int64 // the earliest due time Next told, in µs
	stop     context.CancelFunc
	wg       sync.WaitGroup
	lanes    sync.Map // names of lanes seen, for polling
	status   statuses
	consents consents
	turns    sync.Map // turn → the account that had it
	told     teller
}

// Open opens the store and brings its schema up to date.
func Open(ctx context.Context, opt Options) (*Store, error) {
	opt.defaults()
	s := &Store{opt: opt}
	var err error
	if opt.DSN != "" {
		s.engine = postgresEngine
		s.writer, s.reader, err = openPostgres(ctx, opt.DSN)
	} else {
		s.engine = sqliteEngine
		s.writer, s.reader, s.lock, err = openSQLite(opt.Path)
	}
	if err != nil {
		return nil, err
	}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.closeFiles())
	}
	return s, nil
}

func (o *Options) defaults() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = gateway.NewID
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.LeaseTTL == 0 {
		o.LeaseTTL = 10 * time.Second
	}
	if o.Poll == 0 {
		o.Poll = time.Second
	}
	if o.WakeDue == nil {
		o.WakeDue = func() {}
	}
	if o.Wake == nil {
		o.Wake = func(string) {}
	}
	if o.Batch == nil {
		o.Batch = func(int, time.Duration) {}
	}
	if o.Heard == nil {
		o.Heard = func(*gateway.Report, time.Duration) {}
	}
	if o.Fatal == nil {
		o.Fatal = func(error) {}
	}
}

func (s *Store) start(ctx context.Context) error {
	if err := s.migrate(ctx); err != nil {
		return err
	}
	var parked int64
	if err := s.reader.QueryRowContext(ctx, "SELECT COUNT(*) FROM reports WHERE message_id IS NULL").Scan(&parked); err != nil {
		return fmt.Errorf("count the reports that match nothing: %w", err)
	}
	s.parked.Store(parked)
	if s.engine.sole {
		if err := errors.Join(s.fillShelf(ctx), s.fillStatuses(ctx), s.fillConsents(ctx)); err != nil {
			return err
		}
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.in.start(s) // last of what can fail: from here on it must be closed
	if s.engine.sole || s.opt.Quiet {
		return nil
	}
	s.wg.Go(func() { s.listen(run, s.opt.DSN, s.heard) })
	s.wg.Go(func() { s.poll(run) })
	return nil
}

// heard: another node, or this one, made rows ready in a lane.
func (s *Store) heard(lane string) {
	s.feed.ring()
	if lane != "" {
		s.opt.Wake(lane)
	}
}

func (s *Store) poll(ctx context.Context) {
	tick := time.NewTicker(s.opt.Poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.feed.ring()
			s.lanes.Range(func(lane, _ any) bool { s.opt.Wake(lane.(string)); return true })
		}
	}
}

// Close lets go of the leases, finishes the changes that wait and closes the
// database. Nothing may be handed over afterwards.
func (s *Store) Close() error {
	if s.engine.sole {
		s.in.hand(&indexing{s: s}, true)
	}
	s.in.close()
	s.stop()
	s.wg.Wait()
	return s.closeFiles()
}

func (s *Store) closeFiles() error {
	err := errors.Join(s.writer.Close(), s.reader.Close())
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

// doing is a small change that nothing else joins in.
type doing struct {
	result
	do func(*batch) error
}

func (c *doing) rows() int            { return 1 }
func (c *doing) apply(b *batch) error { return c.do(b) }

func (s *Store) run(do func(*batch) error) error {
	c := &doing{result{make(chan error, 1)}, do}
	s.in.hand(c, false)
	return c.wait()
}

// Secret is this installation's random key for a purpose: made once, the same
// for all nodes ever after.
func (s *Store) Secret(_ context.Context, name string) ([]byte, error) {
	fresh := make([]byte, 32)
	rand.Read(fresh)
	var key []byte
	err := s.run(func(b *batch) error {
		if err := b.query("INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING", nil, name, fresh); err != nil {
			return err
		}
		return b.query("SELECT value FROM meta WHERE name = $1", func(rows *sql.Rows) error { return rows.Scan(&key) }, name)
	})
	if err != nil {
		return nil, fmt.Errorf("make or read the installation's %s key: %w", name, err)
	}
	return key, nil
}

// bell wakes whoever waits for news.
type bell struct {
	mu sync.Mutex
	ch chan struct{}
}

func (b *bell) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}

// Size is how large the database is, in bytes.
func (s *Store) Size(ctx context.Context) (size int64, err error) {
	if !s.engine.sole {
		err = s.read(ctx, "SELECT pg_database_size(current_database())", func(rows *sql.Rows) error { return rows.Scan(&size) })
		return size, err
	}
	for _, suffix := range []string{"", "-wal"} {
		info, err := os.Stat(s.opt.Path + suffix)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return 0, fmt.Errorf("size of the database: %w", err)
		}
		if err == nil {
			size += info.Size()
		}
	}
	return size, nil
}
