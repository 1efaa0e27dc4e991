package media

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// faultyDisk asks before each call: an error from fault is the call's. Its calls come one at a time.
type faultyDisk struct {
	real  realDisk
	mu    *sync.Mutex
	fault func(op, name string, parts [][]byte, at int64) error
}

func faulty(fault func(op, name string, parts [][]byte, at int64) error) disk {
	return faultyDisk{mu: new(sync.Mutex), fault: fault}
}

func (d faultyDisk) ask(op, path string, parts [][]byte, at int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.fault(op, filepath.Base(path), parts, at); err != nil {
		return &fs.PathError{Op: op, Path: path, Err: err}
	}
	return nil
}

func (d faultyDisk) create(path string) (*os.File, error) {
	if err := d.ask("create", path, nil, 0); err != nil {
		return nil, err
	}
	return d.real.create(path)
}

func (d faultyDisk) writev(f *os.File, parts [][]byte, at int64) error {
	if err := d.ask("write", f.Name(), parts, at); err != nil {
		return err
	}
	return d.real.writev(f, parts, at)
}

func (d faultyDisk) datasync(f *os.File) error {
	if err := d.ask("datasync", f.Name(), nil, 0); err != nil {
		return err
	}
	return d.real.datasync(f)
}

func (d faultyDisk) sync(f *os.File) error {
	if err := d.ask("sync", f.Name(), nil, 0); err != nil {
		return err
	}
	return d.real.sync(f)
}

// isRecord tells a write of records from one of zeros.
func isRecord(parts [][]byte) bool {
	return len(parts) > 0 && bytes.HasPrefix(parts[0], []byte(recordMagic))
}

func TestWhatWaitsIsJoined(t *testing.T) {
	opts := testOptions(t.TempDir())
	var syncs int
	begun, goOn := make(chan bool, 1), make(chan bool)
	opts.disk = faulty(func(op, _ string, _ [][]byte, _ int64) error {
		if op == "datasync" {
			if syncs++; syncs == 1 {
				begun <- true
				<-goOn
			}
		}
		return nil
	})
	s := open(t, opts)
	results := make(chan error, 51)
	done := func(err error) { results <- err }
	s.Keep([]*Blob{s.ReceiveBytes(gifOf(0, 50))}, done)
	<-begun
	for n := range 50 {
		s.Keep([]*Blob{s.ReceiveBytes(gifOf(n, 50))}, done)
	}
	if len(results) > 0 {
		t.Error("acknowledged before it was durable")
	}
	close(goOn)
	for range 51 {
		if err := <-results; err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	if syncs != 2 {
		t.Errorf("%d syncs for 51 pictures, want 2", syncs)
	}
}

// Calls that are joined with one whose sync fails fail with it, though another segment would take them.
func TestFailedSyncStopsTheWholeGroup(t *testing.T) {
	opts := testOptions(t.TempDir())
	var syncs int
	begun, goOn := make(chan bool, 1), make(chan bool)
	opts.disk = faulty(func(op, _ string, _ [][]byte, _ int64) error {
		if op != "datasync" {
			return nil
		}
		switch syncs++; syncs {
		case 1:
			begun <- true
			<-goOn
		case 2:
			return syscall.EIO
		}
		return nil
	})
	s := open(t, opts)
	results := make(chan error, 4)
	done := func(err error) { results <- err }
	s.Keep([]*Blob{s.ReceiveBytes(gifOf(0, 50))}, done)
	<-begun
	for n := range 3 {
		s.Keep([]*Blob{s.ReceiveBytes(gifOf(n, 40_000))}, done) // each needs a segment of its own
	}
	close(goOn)
	if err := <-results; err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := <-results; !errors.Is(err, ErrBroken) {
			t.Errorf("in the group of a failed sync: %v", err)
		}
	}
	if s.Close(); syncs != 2 {
		t.Errorf("%d syncs, want none after the failed one, the second", syncs)
	}
}

// A segment is whole and its name durable before the first record goes in, and a record is synced before it is told.
func TestSyncOrder(t *testing.T) {
	opts := testOptions(t.TempDir())
	var trace []string
	opts.disk = faulty(func(op, name string, parts [][]byte, _ int64) error {
		if op == "write" && isRecord(parts) {
			op = "record"
		}
		if trace = append(trace, op+" "+name); len(trace) > 1 && trace[len(trace)-2] == op+" "+name {
			trace = trace[:len(trace)-1] // the same again
		}
		return nil
	})
	s := open(t, opts)
	for n := range 4 {
		keep(t, s, gifOf(n, 40_000)) // one to a segment
	}
	s.Close()
	dir := filepath.Base(opts.Dir)
	for n := 1; n <= 4; n++ {
		name, at := fmt.Sprintf("%012d.seg", n), 0
		for _, step := range []string{"create " + name, "write " + name, "sync " + name, "sync " + dir, "record " + name, "datasync " + name} {
			i := slices.Index(trace[at:], step)
			if i < 0 {
				t.Fatalf("%q is missing after %q:\n%s", step, trace[:at], strings.Join(trace, "\n"))
			}
			if strings.HasPrefix(step, "create") && slices.Contains(trace[:at+i], "record "+name) {
				t.Fatalf("a record before %q", step)
			}
			at += i + 1
		}
	}
}

func TestFullDiskRollsBack(t *testing.T) {
	opts := testOptions(t.TempDir())
	var isFull atomic.Bool
	opts.Fatal = func(err error) { t.Errorf("fatal: %v", err) }
	opts.disk = faulty(func(op, _ string, parts [][]byte, _ int64) error {
		if isFull.Load() && op == "write" && isRecord(parts) {
			return syscall.ENOSPC
		}
		return nil
	})
	s := open(t, opts)
	all := []kept{keep(t, s, gifOf(1, 5000))}
	for range 3 {
		isFull.Store(true)
		b := s.ReceiveBytes(gifOf(2, 5000))
		if err := s.KeepWait(b); !errors.Is(err, ErrFull) || errors.Is(err, ErrBroken) || b.Place != "" {
			t.Fatalf("full: %v, place %q", err, b.Place)
		}
		isFull.Store(false)
		all = append(all, keep(t, s, gifOf(3, 4000)))
	}
	mustRead(t, s, all...)
	s.Close()
	mustRead(t, open(t, testOptions(opts.Dir)), all...)
}

// No room for another segment: what still fits into this one is kept, the half-made file is gone, and when there is
// space again all goes on by itself.
func TestNoRoomForASegment(t *testing.T) {
	for _, failing := range []string{"create", "write"} {
		t.Run(failing, func(t *testing.T) {
			opts := testOptions(t.TempDir())
			var isFull atomic.Bool
			opts.Fatal = func(err error) { t.Errorf("fatal: %v", err) }
			opts.disk = faulty(func(op, _ string, parts [][]byte, _ int64) error {
				if isFull.Load() && op == failing && !isRecord(parts) {
					return syscall.EDQUOT
				}
				return nil
			})
			s := open(t, opts)
			all := []kept{keep(t, s, gifOf(1, 40_000))}
			isFull.Store(true)
			for range 2 { // the segment in reserve may serve once
				b := s.ReceiveBytes(gifOf(2, 40_000))
				if err := s.KeepWait(b); err == nil {
					all = append(all, kept{b.Place, b.ID, b.Bytes()})
				} else if !errors.Is(err, ErrFull) {
					t.Fatal(err)
				}
			}
			for n := range 3 {
				if err := s.KeepWait(s.ReceiveBytes(gifOf(n, 40_000))); !errors.Is(err, ErrFull) {
					t.Fatalf("full: %v", err)
				}
				all = append(all, keep(t, s, gifOf(n, 2000)))
			}
			segments(t, opts.Dir, func(name string, size int64, _ os.FileMode) {
				if size != testSegment {
					t.Errorf("%s is left with %d bytes", name, size)
				}
			})
			isFull.Store(false)
			mustRead(t, s, append(all, keep(t, s, gifOf(2, 40_000)))...)
		})
	}
}

func TestFailedSyncIsFinal(t *testing.T) {
	for _, c := range []struct {
		op    string
		where string // part of the file's name
		errno syscall.Errno
	}{
		{"datasync", ".seg", syscall.EIO},
		{"datasync", ".seg", syscall.ENOSPC}, // not a full disk: the bytes' fate is unknown
		{"sync", ".seg", syscall.EIO},
		{"sync", "media-dir", syscall.EIO},
		{"write", ".seg", syscall.EIO},
	} {
		t.Run(fmt.Sprint(c.op, c.where, int(c.errno)), func(t *testing.T) {
			opts := testOptions(filepath.Join(t.TempDir(), "media-dir"))
			var failing, stopped atomic.Bool
			var failed, later, fatal int
			told := make(chan error, 1)
			opts.Fatal = func(err error) { fatal++; told <- err }
			opts.disk = faulty(func(op, name string, parts [][]byte, _ int64) error {
				if stopped.Load() && (isRecord(parts) || op == "datasync") {
					later++
				}
				if failing.Load() && op == c.op && strings.Contains(name, c.where) && failed == 0 {
					failed++ // once only: who tries again would succeed, and be wrong
					return c.errno
				}
				return nil
			})
			s := open(t, opts)
			good := keep(t, s, gifOf(1, 40_000))
			failing.Store(true)
			s.KeepWait(s.ReceiveBytes(gifOf(2, 40_000))) // needs the next segment, which needs another in reserve
			if err := <-told; !errors.Is(err, ErrBroken) || !errors.Is(err, c.errno) {
				t.Errorf("told: %v", err)
			}
			stopped.Store(true)
			b := s.ReceiveBytes(gifOf(3, 30))
			if err := s.KeepWait(b); !errors.Is(err, ErrBroken) || errors.Is(err, ErrFull) || b.Place != "" {
				t.Errorf("afterwards: %v, place %q", err, b.Place)
			}
			mustRead(t, s, good)
			s.Close()
			if fatal != 1 || later != 0 {
				t.Errorf("told %d times; %d writes and syncs of records afterwards", fatal, later)
			}
		})
	}
}

// Whatever call fails, once or for ever: what was acknowledged is there after the next start, and the store goes on.
func TestNthCallFails(t *testing.T) {
	for _, forever := range []bool{false, true} {
		for _, errno := range []syscall.Errno{syscall.EIO, syscall.ENOSPC, syscall.EMFILE} {
			for n := 1; failNth(t, n, forever, errno); n++ {
			}
		}
	}
}

// failNth keeps some pictures while the nth call fails; it tells whether there were so many calls.
func failNth(t *testing.T, n int, forever bool, errno syscall.Errno) bool {
	opts := testOptions(t.TempDir())
	opts.SegmentSize, opts.Reserve = 8192, 8192
	calls := 0
	opts.disk = faulty(func(string, string, [][]byte, int64) error {
		if calls++; calls == n || forever && calls > n {
			return errno
		}
		return nil
	})
	s := open(t, opts)
	var all []kept
	for i := range 6 {
		b := s.ReceiveBytes(gifOf(i, 2500))
		if err := s.KeepWait(b); err == nil {
			all = append(all, kept{b.Place, b.ID, b.Bytes()})
		}
	}
	mustRead(t, s, all...)
	s.Close()
	opts.disk = nil
	again := open(t, opts)
	mustRead(t, again, all...)
	for i := range 4 {
		all = append(all, keep(t, again, gifOf(100+i, 2500)))
	}
	mustRead(t, again, all...)
	return calls >= n
}

// A power cut keeps any part of what was not synced. Sectors of the last write reach the disk or not, by chance; what
// was acknowledged before is untouched, and after the restart new pictures do no harm to it.
func TestPowerCutTearsTheLastWrite(t *testing.T) {
	chance := rand.New(rand.NewPCG(3, 4))
	for round := range 60 {
		opts := testOptions(t.TempDir())
		left := 1 + chance.IntN(8)
		opts.disk = faulty(func(op, name string, parts [][]byte, at int64) error {
			if op != "write" || !isRecord(parts) {
				return nil
			}
			if left--; left > 0 {
				return nil
			}
			tear(t, filepath.Join(opts.Dir, name), bytes.Join(parts, nil), at, chance)
			return syscall.EIO
		})
		s := open(t, opts)
		var all []kept
		for n := 0; ; n++ {
			a, b := s.ReceiveBytes(gifOf(n, 100+chance.IntN(3000))), s.ReceiveBytes(gifOf(n, 100+chance.IntN(3000)))
			if err := s.KeepWait(a, b); err != nil {
				break
			}
			all = append(all, kept{a.Place, a.ID, a.Bytes()}, kept{b.Place, b.ID, b.Bytes()})
		}
		s.Close()
		opts.disk = nil
		for range 2 {
			again := open(t, opts)
			mustRead(t, again, all...)
			for n := range 5 {
				all = append(all, keep(t, again, gifOf(round+n, 100+chance.IntN(3000))))
			}
			mustRead(t, again, all...)
			again.Close()
		}
	}
}

func tear(t *testing.T, path string, b []byte, at int64, chance *rand.Rand) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	for len(b) > 0 {
		n := min(int64(len(b)), 512-at%512)
		if chance.IntN(3) > 0 {
			if _, err := f.WriteAt(b[:n], at); err != nil {
				t.Error(err)
			}
		}
		b, at = b[n:], at+n
	}
}

// The directory as a crash, a bad copy or a bad disk may leave it: cut off or garbled around each record's edges.
// What is not touched reads as before; what is touched is told, never given out wrong; new pictures hurt neither.
func TestDamagedDirectory(t *testing.T) {
	whole := testOptions(t.TempDir())
	s := open(t, whole)
	var all []kept
	for n := range 6 {
		all = append(all, keep(t, s, gifOf(n, 30+n*177)))
	}
	image, err := os.ReadFile(segmentPath(whole.Dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range all {
		p, err := parsePlace(k.place)
		if err != nil {
			t.Fatal(err)
		}
		for _, edge := range []int64{p.at, p.at + headerSize, p.at + headerSize + p.length, p.at + recordSize(p.length)} {
			for cut := max(edge-3, 0); cut <= edge+3; cut++ {
				surviveDamage(t, all, image[:cut], cut)
				surviveDamage(t, all, slices.Concat(image[:cut], make([]byte, len(image)-int(cut))), cut)
				garbled := slices.Clone(image)
				garbled[cut] ^= 0x40
				surviveDamage(t, all, garbled, cut)
			}
		}
	}
}

// surviveDamage opens a directory that holds a damaged segment 1; before byte from it is as it was.
func surviveDamage(t *testing.T, all []kept, segment []byte, from int64) {
	t.Helper()
	opts := testOptions(t.TempDir())
	if err := os.WriteFile(segmentPath(opts.Dir, 1), segment, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, opts)
	defer s.Close()
	check := func() (readable []kept) {
		t.Helper()
		for _, k := range all {
			p, _ := parsePlace(k.place)
			got, err := s.Bytes(context.Background(), k.place, k.id)
			switch {
			case err == nil && bytes.Equal(got, k.body):
				readable = append(readable, k)
			case err == nil:
				t.Fatalf("damage at %d: %s gives other bytes", from, k.place)
			case p.at+headerSize+p.length+tailSize <= from:
				t.Fatalf("damage at %d: %s before it cannot be read: %v", from, k.place, err)
			case !errors.Is(err, ErrCorrupt):
				t.Fatalf("damage at %d: %v", from, err)
			}
		}
		return readable
	}
	before := check()
	fresh := []kept{keep(t, s, gifOf(1, 500)), keep(t, s, gifOf(2, 500))}
	if after := check(); len(after) != len(before) {
		t.Fatalf("damage at %d: %d pictures could be read, %d after others were kept", from, len(before), len(after))
	}
	mustRead(t, s, fresh...)
}

// One wrong bit anywhere in a record: told with segment and offset.
func TestBitFlips(t *testing.T) {
	opts := testOptions(t.TempDir())
	s := open(t, opts)
	keep(t, s, gifOf(0, 77))
	k := keep(t, s, gifOf(1, 100))
	path := segmentPath(opts.Dir, 1)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p, _ := parsePlace(k.place)
	for i := p.at; i < p.at+headerSize+p.length+tailSize; i++ {
		bad := slices.Clone(good)
		bad[i] ^= 1 << (i % 8)
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := s.Bytes(context.Background(), k.place, k.id)
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), fmt.Sprintf("%s at %d,", path, p.at)) {
			t.Fatalf("bit flipped in byte %d: %v", i, err)
		}
	}
}

func TestForeignPlaces(t *testing.T) {
	s := open(t, testOptions(t.TempDir()))
	k := keep(t, s, gifOf(1, 100))
	for _, bad := range []string{"", "1", "1:0", "1:0:100:", "1:0:+100", "1:0:-1", "1:-64:100", "1:1:100", "01:0:100", "1:0:99999999999"} {
		if _, err := s.Bytes(context.Background(), bad, k.id); err == nil || errors.Is(err, ErrCorrupt) {
			t.Errorf("place %q: %v", bad, err)
		}
	}
	for _, wrong := range []string{"1:0:101", "1:0:1000000000", "1:64:100", "9:0:100", "1:65472:100"} {
		if _, err := s.Bytes(context.Background(), wrong, k.id); !errors.Is(err, ErrCorrupt) {
			t.Errorf("place %q: %v", wrong, err)
		}
	}
	if _, err := s.Bytes(context.Background(), k.place, ID{1}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("another's id: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Bytes(ctx, k.place, k.id); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits: %v", err)
	}
}

func FuzzParseRecord(f *testing.F) {
	for n := range 3 {
		h := header{kind: kindPicture, length: int64(n * 30), seq: 7, id: ID{9}}
		_, head, tail := h.frame(nil)
		f.Add(slices.Concat(head, make([]byte, n*30), tail))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, body, err := parseRecord(b, 7)
		if err == nil && (int64(len(body)) != h.length || bareSize(h.length) != int64(len(b))) {
			t.Fatalf("body of %d bytes, header says %d, record has %d", len(body), h.length, len(b))
		}
	})
}

func FuzzParseText(f *testing.F) {
	f.Add("1:64:1000")
	f.Add(ID{1, 2, 3}.String())
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := parsePlace(s); err == nil && p.String() != s {
			t.Fatalf("%q is read as %q", s, p)
		}
		if id, err := ParseID(s); err == nil && id.String() != s {
			t.Fatalf("%q is read as %q", s, id)
		}
	})
}
