package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
)

// Options are what only the rest of the daemon knows.
type Options struct {
	// Dialects are the presets a carrier may name; empty: any name will do.
	Dialects []string
}

// Load reads and checks the file at path. env looks up environment variables,
// as os.LookupEnv does. The error is a Problems.
func Load(path string, env func(string) (string, bool), o Options) (*Config, error) {
	data, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w; begin with: mmsgw check-config --print-sample > %s", err, path)
	}
	if err != nil {
		return nil, Problems{{File: path, Message: "cannot be read: " + err.Error()}}
	}
	return Parse(data, path, env, o)
}

// readFile reads a regular file up to one byte over the bound, so that neither
// a pipe nor a device can hold us.
func readFile(path string) ([]byte, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, maxBytes+1))
}

// openRegular opens a file that is no directory, pipe or device. Its errors do
// not repeat the path.
func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, bare(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	f, err := os.Open(path)
	return f, bare(err)
}

// bare is the error below a path error.
func bare(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// Parse checks the text of a file. name is used in problems, and paths in data
// are relative to its directory. The error is a Problems holding everything
// that is wrong, in the order of the lines.
func Parse(data []byte, name string, env func(string) (string, bool), o Options) (*Config, error) {
	dir, err := filepath.Abs(filepath.Dir(name))
	if err != nil {
		return nil, Problems{{File: name, Message: "cannot tell the directory it is in: " + err.Error()}}
	}
	r := newReader(name, dir, env)
	c := Default()
	if node, ok := r.syntax(data); ok {
		r.decode(node, reflect.ValueOf(&c).Elem(), "")
		if !r.problems.full() {
			r.check(&c, o)
		}
	}
	if len(r.problems) > 0 {
		r.problems.sort()
		return nil, r.problems
	}
	r.warnings.sort()
	c.Warnings = r.warnings
	return &c, nil
}
