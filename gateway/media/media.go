// Package media keeps pictures on disk and hides where their bytes lie.
//
// A picture is received into memory and inspected (Receive), made durable (Keep), and read again by the place that
// Keep gave it (Bytes). Whether a picture is already stored is the caller's to know: it holds the index from ID to
// place. Keep only appends.
//
// The bytes lie in segment files that are written full of zeros before their first use. A record written into blocks
// that exist already needs no file system journal to become durable, so a group of pictures costs one write and one
// fdatasync. A segment has one writer at a time, held by flock: several processes may share a directory.
package media

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// What Options mean where they are zero.
const (
	DefaultSegmentSize  = 64 << 20
	DefaultReserve      = 256 << 20
	DefaultMemoryBudget = 32 << 20
)

// The ways in which the store fails. Test with errors.Is; each comes wrapped with what was tried and on what.
var (
	ErrTooLarge = errors.New("picture is larger than allowed")
	ErrFull     = errors.New("no space left for media: free some, nothing was lost")
	ErrBroken   = errors.New("media store stopped after a failed write or sync: restart, and check the disk")
	ErrCorrupt  = errors.New("stored picture is damaged or gone")
	ErrClosed   = errors.New("media store is closed")
)

// Options say where and how to keep pictures.
type Options struct {
	Dir string // made with mode 0700 where it is missing; media writes nowhere else

	// Key is the installation's secret that ids are made with. Who has another key gets other ids for the same bytes,
	// so all nodes that share an index share the key, and it never changes. It must not be all zero.
	Key [32]byte

	SegmentSize  int64 // bytes of a new segment file, a multiple of 4096; also the bound of one record
	Reserve      int64 // bytes of zeroed segments held ready, rounded up to whole segments
	MemoryBudget int64 // bytes of the newest kept pictures held in memory; negative for none

	// Fatal is called once when a write or sync failed for another cause than a full disk. What the kernel did with
	// the bytes is then unknown, so nothing is tried again: the process should end. It runs on a goroutine of the
	// store and must not call it. May be nil.
	Fatal func(error)

	disk disk // the tests put faults here
}

// Store is a directory of segments. Its methods may be called from any goroutine.
type Store struct {
	opts    Options
	ids     hasher
	scratch sync.Pool // of *bytes.Buffer, for Receive
	memory  *memory
	reserve *reserve
	out     *appender // the writer's alone after Open

	gate   sync.RWMutex // held for reading while a request goes into the queue
	closed bool
	queue  chan *request

	writing, keeping sync.WaitGroup // the two goroutines
	closing          sync.Once

	broken  atomic.Pointer[error]
	damaged int
}

// Open takes the directory into use: it claims the newest segment that nobody holds and finds the end of its records,
// or prepares a new one. It starts two goroutines, the writer and the one that keeps the reserve; Close ends them.
func Open(opts Options) (*Store, error) {
	if err := opts.complete(); err != nil {
		return nil, err
	}
	ids, err := newHasher(opts.Key)
	if err != nil {
		return nil, err
	}
	if err := makeDir(opts.Dir); err != nil {
		return nil, fmt.Errorf("open media directory: %w", err)
	}
	s := &Store{opts: opts, ids: ids, memory: newMemory(opts.MemoryBudget), queue: make(chan *request, 1024)}
	s.reserve = newReserve(opts, s.fail)
	s.out = &appender{disk: opts.disk, reserve: s.reserve, fail: s.fail}
	if err := s.claim(); err != nil {
		s.out.close()
		s.reserve.release()
		return nil, fmt.Errorf("open media directory %s: %w", opts.Dir, err)
	}
	s.writing.Go(s.write)
	s.keeping.Go(s.reserve.keep)
	return s, nil
}

// complete fills in the defaults and refuses what cannot work.
func (o *Options) complete() error {
	if o.SegmentSize == 0 {
		o.SegmentSize = DefaultSegmentSize
	}
	if o.Reserve == 0 {
		o.Reserve = DefaultReserve
	}
	if o.MemoryBudget == 0 {
		o.MemoryBudget = DefaultMemoryBudget
	}
	if o.disk == nil {
		o.disk = realDisk{}
	}
	switch {
	case o.Dir == "":
		return errors.New("media: Options.Dir is empty: name a directory")
	case o.Key == [32]byte{}:
		return errors.New("media: Options.Key is all zero: give the installation's secret")
	case o.SegmentSize < 4096 || o.SegmentSize%4096 != 0 || o.SegmentSize > maxSegment:
		return fmt.Errorf("media: Options.SegmentSize %d: give a multiple of 4096 up to %d", o.SegmentSize, maxSegment)
	case o.Reserve < 0:
		return fmt.Errorf("media: Options.Reserve %d: give bytes, or 0 for %d", o.Reserve, DefaultReserve)
	}
	return nil
}

// claim looks through the directory, newest first: the first segment with records that nobody holds is appended to;
// empty ones that nobody holds go to the reserve. What is left stays as it is and can be read.
func (s *Store) claim() error {
	seqs, err := listSegments(s.opts.Dir)
	if err != nil {
		return err
	}
	looking := true
	for _, seq := range seqs {
		s.reserve.seen(seq)
		seg, used, err := claimSegment(s.opts.Dir, seq)
		switch {
		case err != nil:
			return err
		case seg == nil: // another process's
		case !used && s.reserve.adopt(seg):
		case used && looking:
			looking = false
			if err := s.resume(seg); err != nil {
				return err
			}
		default:
			seg.close()
		}
	}
	return nil
}

// resume goes on appending to a segment if its end is sure.
func (s *Store) resume(seg *segment) error {
	sure, err := seg.findEnd()
	if err != nil || !sure {
		seg.close()
		s.damaged++
		return err
	}
	s.out.use(seg)
	return nil
}

// Close makes durable what was given to Keep before it, ends the store's goroutines and lets go of its segments.
// Keep after Close answers ErrClosed; Bytes still reads.
func (s *Store) Close() {
	s.closing.Do(func() {
		s.gate.Lock()
		s.closed = true
		close(s.queue)
		s.gate.Unlock()
		s.writing.Wait() // it may still need a segment from the reserve
		s.reserve.close()
		s.keeping.Wait()
		s.out.close()
		s.reserve.release()
	})
}

// fail stops the store for good and tells the one who should know, once.
func (s *Store) fail(cause error) error {
	err := fmt.Errorf("%w: %w", ErrBroken, cause)
	if s.broken.CompareAndSwap(nil, &err) && s.opts.Fatal != nil {
		s.opts.Fatal(err)
	}
	return err
}

// Stats are figures for a meter.
type Stats struct {
	Appended int64 // bytes of records made durable since Open
	Room     int64 // bytes left in the segment being written
	Spare    int64 // bytes of zeroed segments held ready
	Memory   int64 // bytes of pictures held in memory
	Damaged  int   // segments that Open found broken in the middle and left alone
}

// Stat answers at once, without touching the disk.
func (s *Store) Stat() Stats {
	return Stats{
		Appended: s.out.appended.Load(),
		Room:     s.out.room.Load(),
		Spare:    s.reserve.spare(),
		Memory:   s.memory.size(),
		Damaged:  s.damaged,
	}
}

// makeDir makes a directory and what is missing above it, each one durable in its parent.
func makeDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	switch {
	case err == nil:
		return syncDir(filepath.Dir(dir))
	case errors.Is(err, os.ErrExist):
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			err = fmt.Errorf("%s is not a directory", dir)
		}
		return err
	case errors.Is(err, os.ErrNotExist) && filepath.Dir(dir) != dir:
		if err := makeDir(filepath.Dir(dir)); err != nil {
			return err
		}
		return makeDir(dir)
	}
	return err
}

// Size is how large the store is on the disk, in bytes, space laid out ahead
// included.
func (s *Store) Size() (int64, error) {
	entries, err := os.ReadDir(s.opts.Dir)
	if err != nil {
		return 0, fmt.Errorf("size of the media: %w", err)
	}
	var size int64
	for _, e := range entries {
		if info, err := e.Info(); err == nil { // one may have gone meanwhile
			size += info.Size()
		}
	}
	return size, nil
}
