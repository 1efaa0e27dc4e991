package capability

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// File is a table of numbers and prefixes read from a CSV file. Its first line
// is number_or_prefix,mms,network,class; the longest prefix that fits a number
// answers for it, and no row at all is Unknown.
type File struct {
	rows    map[string]Profile
	longest int
	readAt  time.Time
}

// maxFile bounds what OpenFile reads: some two million rows.
const maxFile = 64 << 20

// header is the first line a file must have.
var header = []string{"number_or_prefix", "mms", "network", "class"}

// OpenFile reads the file whole. An error names the file and the line and says
// what would be right; a file with one wrong row is refused whole, for half a
// table would answer wrongly.
func OpenFile(path string, now time.Time) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("capability file: %w", err)
	}
	defer f.Close()
	t, err := ReadFile(f, now)
	if err != nil {
		return nil, fmt.Errorf("capability file %s: %w", path, err)
	}
	return t, nil
}

// ReadFile reads the table from r.
func ReadFile(r io.Reader, now time.Time) (*File, error) {
	limited := &io.LimitedReader{R: r, N: maxFile + 1}
	c := csv.NewReader(bufio.NewReader(limited))
	c.FieldsPerRecord, c.ReuseRecord, c.TrimLeadingSpace = -1, true, true
	t := &File{rows: map[string]Profile{}, readAt: now}
	for first := true; ; first = false {
		row, err := c.Read()
		if errors.Is(err, io.EOF) && !first {
			break
		}
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("it is empty: its first line must be %s", strings.Join(header, ","))
		}
		if err != nil {
			return nil, err
		}
		line, _ := c.FieldPos(0)
		if first && !slices.Equal(row, header) {
			return nil, fmt.Errorf("line %d: the first line must be %s", line, strings.Join(header, ","))
		}
		if first {
			continue
		}
		if err := t.add(row); err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
	}
	if limited.N == 0 {
		return nil, fmt.Errorf("it is larger than %d MiB", maxFile>>20)
	}
	return t, nil
}

func (t *File) add(row []string) error {
	if len(row) != len(header) {
		return fmt.Errorf("%d columns; want %d: %s", len(row), len(header), strings.Join(header, ","))
	}
	prefix, mms := row[0], MMS(row[1])
	if len(prefix) < 2 || len(prefix) > 16 || prefix[0] != '+' || strings.Trim(prefix[1:], "0123456789") != "" {
		return fmt.Errorf("number_or_prefix must be + and 1 to 15 digits")
	}
	if mms != Yes && mms != No && mms != Unknown {
		return fmt.Errorf("mms is %q; want yes, no or unknown", row[1])
	}
	if _, ok := t.rows[prefix]; ok {
		return fmt.Errorf("the same number_or_prefix stands on an earlier line")
	}
	t.rows[strings.Clone(prefix)] = Profile{MMS: mms, Network: strings.Clone(row[2]), Class: strings.Clone(row[3])}
	t.longest = max(t.longest, len(prefix))
	return nil
}

// Lookup answers for each number, in order. A file that was read never fails.
func (t *File) Lookup(_ context.Context, numbers []string) []Result {
	results := make([]Result, len(numbers))
	for i, n := range numbers {
		results[i].Profile = t.profile(n)
	}
	return results
}

func (t *File) profile(number string) Profile {
	p := Profile{MMS: Unknown}
	for n := min(len(number), t.longest); n >= 2; n-- {
		if row, ok := t.rows[number[:n]]; ok {
			p = row
			break
		}
	}
	p.Number, p.Source, p.FetchedAt = number, "file", t.readAt
	return p
}
