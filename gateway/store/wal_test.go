package store

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

// tape is a file that notes what reaches it.
type tape struct {
	vfs.File
	calls []string
	fail  error
}

func (f *tape) WriteAt(p []byte, off int64) (int, error) {
	f.calls = append(f.calls, fmt.Sprintf("write %d at %d", len(p), off))
	return len(p), f.fail
}

func (f *tape) ReadAt(p []byte, off int64) (int, error) {
	f.calls = append(f.calls, "read")
	return len(p), nil
}
func (f *tape) Sync(vfs.SyncFlag) error { f.calls = append(f.calls, "sync"); return nil }
func (f *tape) Truncate(int64) error    { f.calls = append(f.calls, "truncate"); return nil }
func (f *tape) Size() (int64, error)    { f.calls = append(f.calls, "size"); return 0, nil }
func (f *tape) Close() error            { f.calls = append(f.calls, "close"); return nil }

func TestWritesOfALogReachItBeforeAllElse(t *testing.T) {
	f := &tape{}
	w := &walFile{File: f}
	page := make([]byte, 100)
	w.WriteAt(page, 0)
	w.WriteAt(page, 100)
	w.WriteAt(page[:50], 0) // back at the beginning: what went before is written
	w.ReadAt(page, 0)
	w.WriteAt(page, 0)
	w.Sync(0)
	w.Sync(0)
	w.WriteAt(page, 7)
	w.Size()
	w.WriteAt(make([]byte, walGather), 107)
	w.WriteAt(page, 107+walGather)
	w.Truncate(1)
	w.WriteAt(page, 1)
	w.Close()
	want := []string{"write 200 at 0", "write 50 at 0", "read", "write 100 at 0", "sync", "sync", "write 100 at 7", "size",
		fmt.Sprintf("write %d at 107", walGather), fmt.Sprintf("write 100 at %d", 107+walGather), "truncate", "write 100 at 1", "close"}
	if fmt.Sprint(f.calls) != fmt.Sprint(want) {
		t.Errorf("\n got %q\nwant %q", f.calls, want)
	}
}

// No space is no reason to distrust the disk: the transaction rolls back and
// the gateway goes on. Any other failure ends it.
func TestFailuresOfTheDisk(t *testing.T) {
	for errno, want := range map[syscall.Errno]failure{syscall.ENOSPC: full, syscall.EDQUOT: full, syscall.EIO: fatal} {
		f := &tape{fail: &os.PathError{Op: "write", Err: errno}}
		w := &walFile{File: f}
		w.WriteAt(make([]byte, 10), 0)
		err := w.Sync(0)
		if errno == syscall.EIO { // SQLite makes an I/O error of what it does not know
			err = errors.Join(err, sqlite3.IOERR_WRITE)
		}
		if got := classifySQLite(fmt.Errorf("commit: %w", err)); got != want {
			t.Errorf("%v is %v, want %v", errno, got, want)
		}
		f.fail = nil
		f.calls = nil
		w.Sync(0)
		if fmt.Sprint(f.calls) != "[sync]" {
			t.Errorf("what failed was written again: %v", f.calls)
		}
	}
	for err, want := range map[error]failure{sqlite3.BUSY: again, sqlite3.BUSY_SNAPSHOT: again, sqlite3.CORRUPT: fatal, sqlite3.IOERR_FSYNC: fatal,
		sqlite3.FULL: full, sqlite3.CONSTRAINT_CHECK: failed, errors.New("x"): failed} {
		if got := classifySQLite(err); got != want {
			t.Errorf("%v is %v, want %v", err, got, want)
		}
	}
}
