package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"mmsgw/gateway"
)

// change is one write. It can be applied twice: a commit whose answer was lost
// is run again, and what it finds done it leaves.
type change interface {
	apply(b *batch) error // reads and changes rows in the batch's memory
	rows() int            // how many rows it is worth, roughly
	done(error)           // called once, when it is durable or will never be
}

const (
	batchRows  = 512                    // rows a transaction joins, at most
	batchWait  = 300 * time.Microsecond // how long a small batch waits for company
	smallBatch = 24                     // changes below which waiting pays
	queueLimit = 8192                   // changes that may wait; beyond it callers do
	lostFor    = 15 * time.Second       // how long a lost database is tried again
)

// committer is the one writer of this process. Callers hand over a change and
// are called back when it is durable. Settles and reports go first: facts about
// messages already accepted are worth more than new ones.
type committer struct {
	s      *Store
	mu     sync.Mutex
	space  sync.Cond
	facts  []change
	wishes []change
	closed bool
	broken error
	wake   chan struct{}
	over   chan struct{}
}

func (c *committer) start(s *Store) {
	c.s, c.wake, c.over = s, make(chan struct{}, 1), make(chan struct{})
	c.space.L = &c.mu
	go c.run()
}

// errClosed: the store is closing, nothing was done.
var errClosed = fmt.Errorf("the store is closing: %w", gateway.ErrStorage)

// hand takes a change over; it waits while too many do. fact says that it
// records what has happened already.
func (c *committer) hand(ch change, fact bool) {
	c.mu.Lock()
	for len(c.facts)+len(c.wishes) >= queueLimit && !c.closed && c.broken == nil {
		c.space.Wait()
	}
	if c.closed || c.broken != nil {
		err := c.broken
		c.mu.Unlock()
		if err == nil {
			err = errClosed
		}
		ch.done(err)
		return
	}
	if fact {
		c.facts = append(c.facts, ch)
	} else {
		c.wishes = append(c.wishes, ch)
	}
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// close lets what waits be written and returns when it is.
func (c *committer) close() {
	c.mu.Lock()
	c.closed = true
	c.space.Broadcast()
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
	<-c.over
}

func (c *committer) run() {
	defer close(c.over)
	w := &writing{s: c.s}
	defer w.drop()
	for {
		changes := c.next()
		if changes == nil {
			return
		}
		w.commit(changes)
	}
}

// next is the next batch: what waits, joined up to batchRows, after a short
// wait for company; nil when the committer is closed and empty.
func (c *committer) next() []change {
	for {
		c.mu.Lock()
		n, closed := len(c.facts)+len(c.wishes), c.closed
		c.mu.Unlock()
		switch {
		case n > 0:
			if n < smallBatch && !closed {
				time.Sleep(batchWait)
			}
			return c.gather()
		case closed:
			return nil
		}
		<-c.wake
	}
}

// later puts a change that asked for it into the next batch.
func (c *committer) later(ch change) {
	c.mu.Lock()
	c.facts = append(c.facts, ch)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *committer) gather() []change {
	c.mu.Lock()
	defer c.mu.Unlock()
	var batch []change
	rows := 0
	take := func(queue *[]change) {
		n := 0
		for _, ch := range *queue {
			if rows > 0 && rows+ch.rows() > batchRows {
				break
			}
			rows += ch.rows()
			batch = append(batch, ch)
			n++
		}
		*queue = (*queue)[n:]
	}
	take(&c.facts)
	slices.SortStableFunc(batch, func(x, y change) int { return hears(x) - hears(y) }) // answers before the reports on them
	take(&c.wishes)
	c.space.Broadcast()
	return batch
}

func hears(ch change) int {
	if _, ok := ch.(*reporting); ok {
		return 1
	}
	return 0
}

// breakOff ends all writing: the storage can't be trusted any more.
func (c *committer) breakOff(err error) {
	c.mu.Lock()
	first := c.broken == nil
	c.broken = err
	waiting := append(c.facts, c.wishes...)
	c.facts, c.wishes = nil, nil
	c.space.Broadcast()
	c.mu.Unlock()
	for _, ch := range waiting {
		ch.done(err)
	}
	if first {
		c.s.opt.Fatal(err)
	}
}

// writing is the committer's connection and its prepared statements.
type writing struct {
	s     *Store
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

func (w *writing) drop() {
	for _, st := range w.stmts {
		st.Close()
	}
	if w.conn != nil {
		w.conn.Close()
	}
	w.conn, w.stmts = nil, nil
}

// discard drops a connection for good: one that may be inside a transaction
// must not go back to the pool, or nothing could ever begin on it again.
func (w *writing) discard() {
	if w.conn != nil {
		w.conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	w.drop()
}

func (w *writing) connect(ctx context.Context) (err error) {
	if w.conn == nil {
		w.stmts = map[string]*sql.Stmt{}
		w.conn, err = w.s.writer.Conn(ctx)
	}
	return err
}

func (w *writing) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if st := w.stmts[query]; st != nil {
		return st, nil
	}
	st, err := w.conn.PrepareContext(ctx, query)
	if err == nil {
		w.stmts[query] = st
	}
	return st, err
}

// commit makes the changes durable and calls each back. A batch that a
// statement refused is tried change by change, so that one bad change harms
// none beside it.
func (w *writing) commit(changes []change) {
	began := time.Now()
	results, err := w.try(changes)
	switch {
	case err == nil:
		w.s.opt.Batch(len(changes), time.Since(began))
		for i, ch := range changes {
			if errors.Is(results[i], errLater) {
				if n, ok := ch.(*noting); ok {
					n.goOn()
				}
				w.s.in.later(ch)
			} else {
				ch.done(results[i])
			}
		}
	case w.s.engine.classify(err) == fatal:
		err = fmt.Errorf("%w: the database failed (%v)", gateway.ErrStorage, err)
		for _, ch := range changes {
			ch.done(err)
		}
		w.s.in.breakOff(err)
	case w.s.engine.classify(err) == failed && len(changes) > 1:
		for _, ch := range changes {
			w.commit([]change{ch})
		}
	default:
		err = w.explain(err)
		for _, ch := range changes {
			ch.done(err)
		}
	}
}

func (w *writing) explain(err error) error {
	if w.s.engine.classify(err) == full {
		return fmt.Errorf("%w (%v)", gateway.ErrStorageFull, err)
	}
	return fmt.Errorf("%w (%v)", gateway.ErrStorage, err)
}

// try runs one transaction, again and again while the database is away.
func (w *writing) try(changes []change) ([]error, error) {
	ctx := context.Background()
	pause := 20 * time.Millisecond
	for start := time.Now(); ; pause = min(2*pause, time.Second) {
		results, err := w.once(ctx, changes)
		if err == nil {
			return results, nil
		}
		w.s.hot.forget()
		kind := w.s.engine.classify(err)
		if kind == lost || w.rollback(ctx) != nil {
			w.discard()
		}
		if kind != again && kind != lost || time.Since(start) > lostFor {
			return nil, err
		}
		time.Sleep(pause)
	}
}

func (w *writing) rollback(ctx context.Context) error {
	if w.conn == nil {
		return errors.New("no connection")
	}
	_, err := w.conn.ExecContext(ctx, "ROLLBACK")
	return err
}

func (w *writing) once(ctx context.Context, changes []change) ([]error, error) {
	if err := w.connect(ctx); err != nil {
		return nil, err
	}
	if err := w.exec(ctx, w.s.engine.begin); err != nil {
		return nil, err
	}
	b := newBatch(ctx, w)
	results := make([]error, len(changes))
	for i, ch := range changes {
		if results[i] = ch.apply(b); results[i] != nil && !errors.Is(results[i], errRefused) {
			return nil, results[i]
		}
	}
	if err := b.flush(); err != nil {
		return nil, err
	}
	if err := w.exec(ctx, "COMMIT"); err != nil {
		return nil, err
	}
	b.committed()
	return results, nil
}

func (w *writing) exec(ctx context.Context, query string) error {
	st, err := w.stmt(ctx, query)
	if err != nil {
		return err
	}
	_, err = st.ExecContext(ctx)
	return err
}

// errRefused marks a change that was not done for a reason of its own: the
// batch it stands in is sound.
var errRefused = errors.New("refused")

// errLater: the change was not done and wants to be tried in the next batch.
var errLater = refusal{errors.New("later")}

// refusal is an error of one change alone.
type refusal struct{ err error }

func (r refusal) Error() string        { return r.err.Error() }
func (r refusal) Unwrap() error        { return r.err }
func (r refusal) Is(target error) bool { return target == errRefused }
