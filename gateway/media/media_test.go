package media

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"go.uber.org/goleak"

	"mmsgw/picture"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testSegment = 64 << 10

// testOptions are small, and read from the disk what they can.
func testOptions(dir string) Options {
	return Options{Dir: dir, Key: [32]byte{1}, SegmentSize: testSegment, Reserve: testSegment, MemoryBudget: -1}
}

func open(t testing.TB, opts Options) *Store {
	t.Helper()
	s, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// gifOf is a GIF of one pixel with its number in it, followed by chance up to a size.
func gifOf(n, size int) []byte {
	b := []byte("GIF89a\x01\x00\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x01\x00\x00;")
	b = fmt.Appendf(b, "%d|", n)
	r := rand.New(rand.NewPCG(uint64(n), uint64(size)))
	for len(b) < size {
		b = append(b, byte(r.Uint32()))
	}
	return b
}

// kept is what the tests remember of a picture that was acknowledged.
type kept struct {
	place string
	id    ID
	body  []byte
}

func keep(t testing.TB, s *Store, body []byte) kept {
	t.Helper()
	b := s.ReceiveBytes(body)
	if err := s.KeepWait(b); err != nil {
		t.Fatal(err)
	}
	return kept{b.Place, b.ID, body}
}

func mustRead(t testing.TB, s *Store, all ...kept) {
	t.Helper()
	for _, k := range all {
		got, err := s.Bytes(context.Background(), k.place, k.id)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, k.body) {
			t.Fatalf("place %s: other bytes than were kept", k.place)
		}
	}
}

func TestReceive(t *testing.T) {
	s := open(t, testOptions(t.TempDir()))
	whole := gifOf(1, 5000)
	for _, c := range []struct {
		name  string
		r     io.Reader
		limit int64
		err   error // of Receive
		bad   error // of the blob
	}{
		{"whole", bytes.NewReader(whole), 1 << 20, nil, nil},
		{"just within the limit, byte by byte", iotest.OneByteReader(bytes.NewReader(whole)), 5000, nil, nil},
		{"with the end beside the last byte", iotest.DataErrReader(bytes.NewReader(whole)), 5000, nil, nil},
		{"one byte over the limit", bytes.NewReader(whole), 4999, ErrTooLarge, nil},
		{"cut connection", io.MultiReader(bytes.NewReader(whole), iotest.ErrReader(io.ErrUnexpectedEOF)), 1 << 20, io.ErrUnexpectedEOF, nil},
		{"cut at the limit", io.MultiReader(bytes.NewReader(whole), iotest.ErrReader(io.ErrUnexpectedEOF)), 5000, io.ErrUnexpectedEOF, nil},
		{"empty", strings.NewReader(""), 10, nil, picture.ErrEmpty},
		{"no picture", strings.NewReader("<svg/>"), 10, nil, picture.ErrUnsupported},
		{"broken picture", strings.NewReader("\x89PNG\r\n\x1a\n"), 10, nil, picture.ErrCorrupt},
	} {
		b, err := s.Receive(c.r, c.limit)
		if !errors.Is(err, c.err) || c.err != nil && b != nil {
			t.Errorf("%s: %v, %v; want error %v", c.name, b, err, c.err)
			continue
		}
		if c.err == nil && !errors.Is(b.Err, c.bad) {
			t.Errorf("%s: blob has %v; want %v", c.name, b.Err, c.bad)
		}
		if c.err == nil && c.bad == nil && (b.Size != 5000 || b.Info.Type != picture.GIF || !bytes.Equal(b.Bytes(), whole)) {
			t.Errorf("%s: received %d bytes, %+v", c.name, b.Size, b.Info)
		}
	}
}

// What was received stays as it was, however the memory for receiving is used again.
func TestReceivedBytesAreTheirOwn(t *testing.T) {
	s := open(t, testOptions(t.TempDir()))
	first, err := s.Receive(bytes.NewReader(gifOf(1, 3000)), 3000)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 10 {
		if _, err := s.Receive(bytes.NewReader(gifOf(n, 2000)), 3000); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), gifOf(1, 3000)) {
		t.Error("a later picture was written over the first")
	}
}

func TestIDs(t *testing.T) {
	s := open(t, testOptions(t.TempDir()))
	a, same, b := s.ReceiveBytes(gifOf(1, 900)), s.ReceiveBytes(gifOf(1, 900)), s.ReceiveBytes(gifOf(2, 900))
	if a.ID != same.ID || a.ID == b.ID {
		t.Error("the same bytes must give the same id, and others another")
	}
	opts := testOptions(t.TempDir())
	opts.Key[31] = 9
	if a.ID == open(t, opts).ReceiveBytes(gifOf(1, 900)).ID {
		t.Error("another installation's key gives the same id")
	}
	// Ids stand in databases: this value changes only with every stored id.
	const text = "med_FlINTyeeSEtMXGZLW1KzOtEEHbQLSgdEibHIcE9gISo"
	if got := a.ID.String(); got != text {
		t.Errorf("id is %s, was %s", got, text)
	}
	if id, err := ParseID(a.ID.String()); err != nil || id != a.ID {
		t.Errorf("ParseID(String()) = %v, %v", id, err)
	}
	for _, bad := range []string{"", "med_", text[:46], text + "A", "MED_" + text[4:], text[:10] + "\n" + text[11:],
		text[:46] + "=", text[:46] + "_", text[:20] + "+" + text[21:]} {
		if _, err := ParseID(bad); err == nil {
			t.Errorf("ParseID(%q) is taken", bad)
		}
	}
}

func TestKeepAndReadAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "here")
	var all []kept
	for run := range 3 { // each run goes on where the last ended
		s := open(t, testOptions(dir))
		mustRead(t, s, all...)
		for n := range 40 {
			all = append(all, keep(t, s, gifOf(n, 28+n*n*3+run)))
		}
		mustRead(t, s, all...)
		s.Close()
		mustRead(t, s, all...)
	}
	places := make(map[string]bool)
	for _, k := range all {
		places[k.place] = true
	}
	if len(places) != len(all) {
		t.Error("two pictures have one place")
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v, %v", info.Mode(), err)
	}
	segments(t, dir, func(name string, size int64, mode os.FileMode) {
		if size != testSegment || mode != 0o600 {
			t.Errorf("%s: %d bytes, mode %v", name, size, mode)
		}
	})
}

func segments(t testing.TB, dir string, each func(name string, size int64, mode os.FileMode)) (n int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if each != nil {
			each(e.Name(), info.Size(), info.Mode().Perm())
		}
	}
	return len(entries)
}

// Opening again and again must not use up segments: what is claimed is used on.
func TestReopeningGoesOnInTheSameSegment(t *testing.T) {
	dir := t.TempDir()
	var all []kept
	for n := range 20 {
		s := open(t, testOptions(dir))
		all = append(all, keep(t, s, gifOf(n, 1000)))
		s.Close()
	}
	mustRead(t, open(t, testOptions(dir)), all...)
	if n := segments(t, dir, nil); n > 2 {
		t.Errorf("%d segments for 20 KB", n)
	}
}

func TestKeepRefuses(t *testing.T) {
	s := open(t, testOptions(t.TempDir()))
	good := s.ReceiveBytes(gifOf(1, 100))
	if err := s.KeepWait(good, s.ReceiveBytes([]byte("text"))); !errors.Is(err, picture.ErrUnsupported) || good.Place != "" {
		t.Errorf("no picture: %v, place of the other %q", err, good.Place)
	}
	if err := s.KeepWait(s.ReceiveBytes(gifOf(1, testSegment))); !errors.Is(err, ErrTooLarge) {
		t.Errorf("larger than a segment: %v", err)
	}
	largest := gifOf(1, testSegment-headerSize-tailSize)
	mustRead(t, s, keep(t, s, largest), keep(t, s, largest))
	s.Close()
	if err := s.KeepWait(good); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Options){
		"no directory":     func(o *Options) { o.Dir = "" },
		"a file":           func(o *Options) { o.Dir = file },
		"no key":           func(o *Options) { o.Key = [32]byte{} },
		"odd segment size": func(o *Options) { o.SegmentSize = 5000 },
		"huge segments":    func(o *Options) { o.SegmentSize = 4 << 30 },
		"negative reserve": func(o *Options) { o.Reserve = -1 },
	} {
		opts := testOptions(t.TempDir())
		change(&opts)
		if s, err := Open(opts); err == nil {
			s.Close()
			t.Errorf("%s is taken", name)
		}
	}
}

// A file that served before and has a new number: what it holds from then is nothing, and written over.
func TestUsedFileUnderANewNumber(t *testing.T) {
	dir := t.TempDir()
	s := open(t, testOptions(dir))
	old := keep(t, s, gifOf(1, 1000))
	keep(t, s, gifOf(2, 1000))
	s.Close()
	if err := os.Rename(segmentPath(dir, 1), segmentPath(dir, 9)); err != nil {
		t.Fatal(err)
	}
	s = open(t, testOptions(dir))
	old.place = "9" + old.place[1:]
	if _, err := s.Bytes(context.Background(), old.place, old.id); !errors.Is(err, ErrCorrupt) {
		t.Errorf("record of an earlier life: %v", err)
	}
	fresh := keep(t, s, gifOf(3, 1000))
	if mustRead(t, s, fresh); fresh.place != old.place {
		t.Errorf("kept at %s, want the used file's beginning, %s", fresh.place, old.place)
	}
}

// filled waits until the reserve is what it should be.
func filled(s *Store) {
	s.reserve.mu.Lock()
	defer s.reserve.mu.Unlock()
	for len(s.reserve.ready) < s.reserve.target {
		s.reserve.changed.Wait()
	}
}

func TestTwoStoresShareADirectory(t *testing.T) {
	dir := t.TempDir()
	a := open(t, testOptions(dir))
	all := []kept{keep(t, a, gifOf(1, 100))} // it holds a segment with records now, and a spare
	filled(a)
	b := open(t, testOptions(dir))
	for n := range 60 {
		all = append(all, keep(t, a, gifOf(n, 4000)), keep(t, b, gifOf(1000+n, 4000)))
	}
	mustRead(t, a, all...)
	mustRead(t, b, all...)
	a.Close()
	mustRead(t, open(t, testOptions(dir)), all...)
	all = append(all, keep(t, b, gifOf(7, 4000)))
	mustRead(t, b, all...)
}

func TestManyAtOnce(t *testing.T) {
	opts := testOptions(t.TempDir())
	opts.MemoryBudget = 20_000 // some from memory, some from disk
	s := open(t, opts)
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			var mine []kept
			for n := range 30 {
				a, b := s.ReceiveBytes(gifOf(g*100+n, 50+n*40)), s.ReceiveBytes(gifOf(g*100+n, 60))
				if err := s.KeepWait(a, b); err != nil {
					t.Error(err)
					return
				}
				mine = append(mine, kept{a.Place, a.ID, a.Bytes()}, kept{b.Place, b.ID, b.Bytes()})
				mustRead(t, s, mine[rand.IntN(len(mine))])
				s.Stat()
			}
			mustRead(t, s, mine...)
		})
	}
	wg.Wait()
}

func TestMemoryIsBounded(t *testing.T) {
	opts := testOptions(t.TempDir())
	opts.MemoryBudget = 10_000
	s := open(t, opts)
	var all []kept
	for n := range 10 {
		all = append(all, keep(t, s, gifOf(n, 3000)[:3000:3000]))
		mustRead(t, s, all[0]) // what is asked for stays
	}
	keep(t, s, gifOf(99, 11_000))
	if held := s.Stat().Memory; held != 9000 {
		t.Errorf("%d bytes in memory, want 9000 of 10000", held)
	}
	if err := os.RemoveAll(opts.Dir); err != nil {
		t.Fatal(err)
	}
	mustRead(t, s, all[0], all[8], all[9]) // without the disk
	if _, err := s.Bytes(context.Background(), all[7].place, all[7].id); !errors.Is(err, ErrCorrupt) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("out of memory and gone from disk: %v", err)
	}
	if _, err := s.Bytes(context.Background(), all[9].place, all[8].id); !errors.Is(err, ErrCorrupt) {
		t.Errorf("in memory under another id: %v", err)
	}
}

func TestStat(t *testing.T) {
	opts := testOptions(t.TempDir())
	opts.Reserve = 3 * testSegment
	s := open(t, opts)
	keep(t, s, gifOf(1, 1000))
	filled(s)
	want := Stats{Appended: 1088, Room: testSegment - 1088, Spare: 3 * testSegment}
	if got := s.Stat(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
