package media

import (
	"cmp"
	"fmt"
	"sync/atomic"
)

// maxBatch bounds what one commit writes beyond its first request, in bytes: who comes later is not held up for long.
const maxBatch = 16 << 20

// request is one call of Keep.
type request struct {
	blobs  []*Blob
	places []place
	done   func(error)
	err    error
}

// Keep makes blobs durable, all or none as far as the caller is told, and then calls done once. Without an error each
// blob's Place is set. What waits is joined: one write and one fdatasync serve many calls.
//
// The errors are ErrFull (later calls may succeed again), ErrBroken (none will), ErrTooLarge, ErrClosed, or one that
// says which blob cannot be kept. done runs on the store's writer, which waits for it: it must be quick, and must not
// call Keep or Close. Keep itself waits while a thousand calls are queued.
func (s *Store) Keep(blobs []*Blob, done func(error)) {
	if err := s.refuse(blobs); err != nil {
		done(err)
		return
	}
	s.gate.RLock()
	closed := s.closed
	if !closed {
		s.queue <- &request{blobs: blobs, done: done}
	}
	s.gate.RUnlock()
	if closed {
		done(ErrClosed)
	}
}

// KeepWait is Keep for those who have nothing to do until it is done.
func (s *Store) KeepWait(blobs ...*Blob) error {
	done := make(chan error, 1)
	s.Keep(blobs, func(err error) { done <- err })
	return <-done
}

// refuse tells what can be told without the writer.
func (s *Store) refuse(blobs []*Blob) error {
	for i, b := range blobs {
		if b.Err != nil {
			return fmt.Errorf("keep picture %d of %d: %w", i+1, len(blobs), b.Err)
		}
		if n := b.recordSize(); n > s.opts.SegmentSize {
			return fmt.Errorf("keep picture %d of %d: %w: its record of %d bytes does not fit a segment of %d",
				i+1, len(blobs), ErrTooLarge, n, s.opts.SegmentSize)
		}
	}
	return nil
}

// write is the one writer: it takes what waits, makes it durable, tells.
func (s *Store) write() {
	for r := range s.queue {
		batch := s.gather(r)
		if cause := s.broken.Load(); cause != nil {
			for _, r := range batch {
				r.err = *cause
			}
		} else {
			s.out.commit(batch)
		}
		for _, r := range batch {
			s.settle(r)
		}
	}
}

// gather joins what waits to a first request.
func (s *Store) gather(r *request) []*request {
	batch := []*request{r}
	for bytes := int64(0); bytes < maxBatch; {
		select {
		case r, ok := <-s.queue:
			if !ok {
				return batch
			}
			batch = append(batch, r)
			for _, b := range r.blobs {
				bytes += b.Size
			}
		default:
			return batch
		}
	}
	return batch
}

func (s *Store) settle(r *request) {
	if r.err == nil {
		for i, b := range r.blobs {
			b.Place = r.places[i].String()
			s.memory.put(b.Place, b.ID, b.body)
		}
	}
	r.done(r.err)
}

// appender writes records to the segment in use and moves on to the next. It belongs to the writer.
type appender struct {
	disk    disk
	reserve *reserve
	fail    func(error) error

	seg   *segment
	parts [][]byte   // what the next write holds
	frame []byte     // the memory of their headers and tails
	end   int64      // where the segment's records will end after it
	run   []*request // whose records it holds

	broken         error // nothing is written after it
	appended, room atomic.Int64
}

// commit appends the blobs of all requests and makes them durable. It sets places or err of each.
func (a *appender) commit(batch []*request) {
	for _, r := range batch {
		for _, b := range r.blobs {
			if r.err != nil { // an earlier part of it failed: what it wrote is room lost, no more
				break
			}
			a.add(r, b)
		}
	}
	a.flush()
}

// add puts a record into the next write, after a change of segment where it does not fit.
func (a *appender) add(r *request, b *Blob) {
	n := b.recordSize()
	fits := a.seg != nil && n <= a.seg.size-a.end
	if !fits {
		a.flush()
	}
	if r.err = cmp.Or(r.err, a.broken); r.err == nil && !fits {
		r.err = a.next()
	}
	if r.err != nil {
		return
	}
	h := header{kind: kindPicture, length: int64(len(b.body)), sum: b.sum, seq: a.seg.seq, id: b.ID}
	grown, head, tail := h.frame(a.frame)
	a.frame = grown
	a.parts = append(a.parts, head, b.body, tail)
	a.run = append(a.run, r)
	r.places = append(r.places, place{seq: a.seg.seq, at: a.end, length: int64(len(b.body))})
	a.end += n
}

// flush writes what was added and makes it durable. If there was no space the segment stays as it was.
func (a *appender) flush() {
	if len(a.parts) == 0 {
		return
	}
	err := a.disk.writev(a.seg.file, a.parts, a.seg.at)
	if full(err) {
		err = fmt.Errorf("keep: %w: %w", ErrFull, err)
	} else {
		if err == nil {
			err = a.disk.datasync(a.seg.file)
		}
		if err != nil {
			a.broken = a.fail(err)
			err = a.broken
		}
	}
	if err == nil {
		a.appended.Add(a.end - a.seg.at)
		a.seg.at = a.end
		a.room.Store(a.seg.size - a.seg.at)
	}
	for _, r := range a.run {
		if r.err == nil {
			r.err = err
		}
	}
	clear(a.parts) // lets go of the bodies
	clear(a.run)
	a.parts, a.frame, a.run, a.end = a.parts[:0], a.frame[:0], a.run[:0], a.seg.at
}

// next changes to a fresh segment. If there is none the old one stays in use, for smaller records.
func (a *appender) next() error {
	seg, err := a.reserve.take()
	if err != nil {
		return err
	}
	a.close()
	a.use(seg)
	return nil
}

func (a *appender) use(seg *segment) {
	a.seg, a.end = seg, seg.at
	a.room.Store(seg.size - seg.at)
}

// close lets go of the segment in use, in which all is durable.
func (a *appender) close() {
	if a.seg != nil {
		a.seg.close()
	}
}
