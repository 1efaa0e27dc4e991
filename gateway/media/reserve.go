package media

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// reserve keeps zeroed segments ready, so that the writer need not wait for one. A segment given out is durable, its
// name in the directory too.
type reserve struct {
	opts   Options
	fail   func(error) error
	target int // segments to hold ready

	found []*segment // empty segments of an earlier run, not yet checked; keep's alone once it runs
	next  uint64     // number above every segment seen; keep's alone once it runs

	mu      sync.Mutex
	changed sync.Cond
	ready   []*segment
	wanted  bool        // the writer waits
	filled  bool        // the target was reached once
	taken   time.Time   // when the writer last took one
	alarm   *time.Timer // set while a refill waits for quiet; nil otherwise
	err     error       // why the last preparation failed; nil when it is worth another try
	closed  bool
}

func newReserve(opts Options, fail func(error) error) *reserve {
	r := &reserve{opts: opts, fail: fail, next: 1}
	r.target = int((opts.Reserve + opts.SegmentSize - 1) / opts.SegmentSize)
	r.changed.L = &r.mu
	return r
}

// seen takes note that a number is in use.
func (r *reserve) seen(seq uint64) { r.next = max(r.next, seq+1) }

// adopt takes over an empty segment that an earlier run left, if it is needed.
func (r *reserve) adopt(seg *segment) bool {
	if len(r.found) >= r.target {
		return false
	}
	r.found = append(r.found, seg)
	return true
}

// take gives the writer a segment, waiting for one if need be. It fails if none could be prepared.
func (r *reserve) take() (*segment, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err, r.wanted = nil, true
	r.changed.Broadcast()
	for len(r.ready) == 0 && r.err == nil && !r.closed {
		r.changed.Wait()
	}
	r.wanted = false
	switch {
	case len(r.ready) > 0:
		seg := r.ready[0]
		r.ready, r.taken = r.ready[1:], time.Now()
		r.changed.Broadcast()
		return seg, nil
	case r.err != nil:
		return nil, r.err
	}
	return nil, ErrClosed
}

// keep prepares segments until close. After a failure it waits to be asked again: a full disk is not hammered.
func (r *reserve) keep() {
	for r.needed() {
		seg, err := r.prepare()
		r.mu.Lock()
		if err != nil {
			r.err = err
		} else {
			r.ready = append(r.ready, seg)
		}
		r.changed.Broadcast()
		r.mu.Unlock()
	}
}

// needed waits until another segment should be prepared; false is the end.
func (r *reserve) needed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.closed && !r.worthwhile() {
		r.changed.Wait()
	}
	return !r.closed
}

// quiet is how long the writer must have taken no segment before its use is made good: every byte of a zeroed segment
// is written twice, and while pictures stream in the disk has better to do. A reserve that runs low is filled at once.
const quiet = 2 * time.Second

func (r *reserve) worthwhile() bool {
	n := len(r.ready)
	r.filled = r.filled || n >= r.target
	switch {
	case r.err != nil:
		return false
	case n >= r.target:
		return r.wanted && n == 0
	case !r.filled, n <= r.target/4, time.Since(r.taken) >= quiet:
		return true
	}
	if r.alarm == nil {
		r.alarm = time.AfterFunc(quiet-time.Since(r.taken), func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.alarm = nil
			r.changed.Broadcast()
		})
	}
	return false
}

func (r *reserve) prepare() (*segment, error) {
	for len(r.found) > 0 {
		seg := r.found[0]
		r.found = r.found[1:]
		ok, err := r.check(seg)
		if ok {
			return seg, nil
		}
		seg.close() // where err is nil there are records in it after all: leave it alone
		if err != nil {
			return nil, err
		}
	}
	return r.create()
}

// check makes sure that a segment that seems empty holds no record, and is whole: its maker may have died over it.
func (r *reserve) check(seg *segment) (ok bool, err error) {
	if ok, err = seg.findEnd(); ok && err == nil {
		err = r.fill(seg)
	}
	return ok && err == nil, err
}

// create makes a segment with the next free number; other processes may be taking numbers too.
func (r *reserve) create() (*segment, error) {
	for ; ; r.next++ {
		f, err := r.opts.disk.create(segmentPath(r.opts.Dir, r.next))
		switch {
		case errors.Is(err, os.ErrExist):
			continue
		case full(err):
			return nil, fmt.Errorf("make a segment: %w: %w", ErrFull, err)
		case err != nil:
			return nil, fmt.Errorf("make a segment: %w", err)
		}
		_, ours, err := lock(f)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if !ours { // another process looked at it before it was locked, and has it now
			f.Close()
			continue
		}
		seg := &segment{file: f, seq: r.next}
		if err := r.fill(seg); err != nil {
			if errors.Is(err, ErrFull) { // give back the space; nobody else can have begun to use it
				err = errors.Join(err, os.Remove(f.Name()))
			}
			seg.close()
			return nil, err
		}
		r.next++
		return seg, nil
	}
}

// fill writes zeros up to the segment's full size and makes them and its name durable.
func (r *reserve) fill(seg *segment) error {
	for seg.size < r.opts.SegmentSize {
		if r.stopped() {
			return ErrClosed
		}
		to := min(seg.size+scanChunk, r.opts.SegmentSize)
		if err := writeZeros(r.opts.disk, seg.file, seg.size, to); full(err) {
			return fmt.Errorf("prepare a segment: %w: %w", ErrFull, err)
		} else if err != nil {
			return r.fail(err)
		}
		seg.size = to
	}
	if err := r.opts.disk.sync(seg.file); err != nil {
		return r.fail(err)
	}
	dir, err := os.Open(r.opts.Dir)
	if err != nil {
		return fmt.Errorf("prepare a segment: %w", err)
	}
	defer dir.Close()
	if err := r.opts.disk.sync(dir); err != nil {
		return r.fail(err)
	}
	return nil
}

func (r *reserve) stopped() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

func (r *reserve) spare() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return int64(len(r.ready)) * r.opts.SegmentSize
}

// close ends keep at its next step.
func (r *reserve) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.alarm != nil {
		r.alarm.Stop()
	}
	r.changed.Broadcast()
}

// release lets go of the segments that were not used, once keep has ended.
func (r *reserve) release() {
	for _, seg := range append(r.found, r.ready...) {
		seg.close()
	}
	r.found, r.ready = nil, nil
}
