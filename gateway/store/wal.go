package store

import (
	"errors"
	"sync"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
	"golang.org/x/sys/unix"
)

// walFS is SQLite's own file system but for one thing: what is written to a
// write-ahead log between two syncs reaches the file in one piece. SQLite
// writes each page in two calls of its own, some sixty a commit; nobody may
// rely on them before the sync, and nobody reads them before the commit.
type walFS struct{ vfs.VFSFilename }

const walFSName = "mmsgw"

var registerWAL = sync.OnceFunc(func() { vfs.Register(walFSName, walFS{vfs.Find("").(vfs.VFSFilename)}) })

// OpenFilename opens a file; a write-ahead log gathers its writes.
func (f walFS) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	file, out, err := f.VFSFilename.OpenFilename(name, flags)
	if err == nil && flags&vfs.OPEN_WAL != 0 {
		file = &walFile{File: file}
	}
	return file, out, err
}

// walFile gathers writes that follow one another. Everything else that touches
// the file sees them written. An error of the late write is told by whatever
// caused it: where that is the sync, SQLite takes it for the commit's.
type walFile struct {
	vfs.File
	buf []byte
	off int64 // where buf begins
}

// walGather bounds what is gathered; a transaction that large is written as it goes.
const walGather = 1 << 20

func (w *walFile) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	_, err := w.File.WriteAt(w.buf, w.off)
	w.buf = w.buf[:0] // what could not be written is the transaction's loss: it rolls back
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return sqlite3.FULL // the base file system calls it an I/O error, which would end the process
	}
	return err
}

func (w *walFile) WriteAt(p []byte, off int64) (int, error) {
	if off != w.off+int64(len(w.buf)) || len(w.buf)+len(p) > walGather {
		if err := w.flush(); err != nil {
			return 0, err
		}
	}
	if len(w.buf) == 0 {
		w.off = off
	}
	w.buf = append(w.buf, p...)
	return len(p), nil
}

func (w *walFile) ReadAt(p []byte, off int64) (int, error) {
	if err := w.flush(); err != nil {
		return 0, err
	}
	return w.File.ReadAt(p, off)
}

func (w *walFile) Truncate(size int64) error {
	if err := w.flush(); err != nil {
		return err
	}
	return w.File.Truncate(size)
}

func (w *walFile) Sync(flags vfs.SyncFlag) error {
	if err := w.flush(); err != nil {
		return err
	}
	return w.File.Sync(flags)
}

func (w *walFile) Size() (int64, error) {
	if err := w.flush(); err != nil {
		return 0, err
	}
	return w.File.Size()
}

func (w *walFile) Close() error {
	err := w.flush()
	if cerr := w.File.Close(); err == nil {
		err = cerr
	}
	return err
}
