package media

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// disk is what the store asks of the file system when it writes. The tests put faults in its place.
type disk interface {
	create(path string) (*os.File, error)              // a new file, an error if it is there
	writev(f *os.File, parts [][]byte, at int64) error // all of it
	datasync(f *os.File) error                         // fdatasync
	sync(f *os.File) error                             // fsync, of files and directories
}

type realDisk struct{}

func (realDisk) create(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// iovMax is the kernel's bound of pieces in one call (UIO_MAXIOV).
const iovMax = 1024

func (realDisk) writev(f *os.File, parts [][]byte, at int64) error {
	for len(parts) > 0 {
		n, err := unix.Pwritev(int(f.Fd()), parts[:min(len(parts), iovMax)], at)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("write %s at %d: %w", f.Name(), at, err)
		case n == 0:
			return fmt.Errorf("write %s at %d: %w", f.Name(), at, io.ErrShortWrite)
		}
		at += int64(n)
		parts = behind(parts, n)
	}
	return nil
}

// behind is what is left of the parts after n bytes; it changes them.
func behind(parts [][]byte, n int) [][]byte {
	for len(parts) > 0 && n >= len(parts[0]) {
		n -= len(parts[0])
		parts = parts[1:]
	}
	if n > 0 {
		parts[0] = parts[0][n:]
	}
	return parts
}

func (realDisk) datasync(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("fdatasync %s: %w", f.Name(), err)
		}
	}
}

func (realDisk) sync(f *os.File) error { return f.Sync() }

// full tells whether a write failed for want of space: the only failure after which writing may go on.
func full(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// syncDir makes durable which names a directory holds.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
