package media

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// segment is a file that this store holds for writing, locked until it is closed.
type segment struct {
	file *os.File
	seq  uint64
	size int64 // bytes that lie ready
	at   int64 // where the next record goes
}

const segmentSuffix = ".seg"

func segmentPath(dir string, seq uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%012d%s", seq, segmentSuffix))
}

// listSegments gives the numbers of a directory's segments, newest first.
func listSegments(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var seqs []uint64
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), segmentSuffix)
		seq, err := strconv.ParseUint(digits, 10, 64)
		if ok && err == nil && seq > 0 && segmentPath(dir, seq) == filepath.Join(dir, e.Name()) {
			seqs = append(seqs, seq)
		}
	}
	slices.SortFunc(seqs, func(a, b uint64) int { return cmp.Compare(b, a) })
	return seqs, nil
}

// claimSegment locks a segment if nobody else holds it (nil otherwise) and tells whether records lie in it.
func claimSegment(dir string, seq uint64) (seg *segment, used bool, err error) {
	path := segmentPath(dir, seq)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) { // its maker ran out of space and took it away
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	size, ours, err := lock(f)
	if err != nil || !ours {
		return nil, false, errors.Join(err, f.Close())
	}
	first := make([]byte, headerSize)
	n, err := f.ReadAt(first, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, errors.Join(err, f.Close())
	}
	return &segment{file: f, seq: seq, size: size}, !zero(first[:n]), nil
}

// lock takes the file for this store's writing, if it is free and still has its name: one that was removed between
// opening and locking would take records with it.
func lock(f *os.File) (size int64, ours bool, err error) {
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	held, err := f.Stat()
	if err != nil {
		return 0, false, err
	}
	named, err := os.Stat(f.Name())
	if errors.Is(err, os.ErrNotExist) {
		return 0, false, nil
	}
	return held.Size(), err == nil && os.SameFile(held, named), err
}

func (g *segment) close() { g.file.Close() } // nothing is unsynced in it: the error could say nothing new

// findEnd sets at behind the last record and tells whether that is sure. Records are walked by their headers up to
// the first that is none. What lies there may be the torn tail of a group that nobody was told of: it is written over.
// But if a whole header stands further on, a record in the middle may have been damaged later, and what follows it is
// somebody's: then the end is not sure, and the segment must be left alone.
func (g *segment) findEnd() (sure bool, err error) {
	head := make([]byte, headerSize)
	for g.at+headerSize <= g.size {
		if _, err := g.file.ReadAt(head, g.at); err != nil {
			return false, err
		}
		h, err := parseHeader(head, g.seq)
		if err != nil || recordSize(h.length) > g.size-g.at {
			break
		}
		g.at += recordSize(h.length)
	}
	more, err := g.headerBehind()
	return !more, err
}

const scanChunk = 1 << 20 // a multiple of recordAlign

// headerBehind reads on from at and tells whether a record's header stands anywhere.
func (g *segment) headerBehind() (bool, error) {
	buf := make([]byte, min(scanChunk, g.size-g.at))
	for at := g.at; at < g.size; at += int64(len(buf)) {
		buf = buf[:min(int64(len(buf)), g.size-at)]
		if _, err := g.file.ReadAt(buf, at); err != nil {
			return false, err
		}
		if zero(buf) {
			continue
		}
		for i := 0; i+headerSize <= len(buf); i += recordAlign {
			if !bytes.HasPrefix(buf[i:], []byte(recordMagic)) {
				continue
			}
			if _, err := parseHeader(buf[i:], g.seq); err == nil {
				return true, nil
			}
		}
	}
	return false, nil
}

// zeros is what new segments are filled from; never written to.
var zeros [scanChunk]byte

func zero(b []byte) bool {
	for len(b) > len(zeros) {
		if !bytes.Equal(b[:len(zeros)], zeros[:]) {
			return false
		}
		b = b[len(zeros):]
	}
	return bytes.Equal(b, zeros[:len(b)])
}

func writeZeros(d disk, f *os.File, from, to int64) error {
	for at := from; at < to; at += scanChunk {
		if err := d.writev(f, [][]byte{zeros[:min(scanChunk, to-at)]}, at); err != nil {
			return err
		}
	}
	return nil
}
