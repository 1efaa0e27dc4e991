package gateway

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
)

// TestIDs: ids by a clock of one's own are UUIDv7 of its time, each after the one
// before, also where the clock goes back and with many who ask.
func TestIDs(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 123_456_789, time.UTC)
	make1 := IDs(func() time.Time { return now })
	first := make1()
	if u := uuid.UUID(first); u.Version() != 7 || u.Variant() != uuid.RFC4122 || !first.Time().Equal(now.Truncate(time.Millisecond)) {
		t.Errorf("%s is version %d, of %s", u, u.Version(), first.Time())
	}
	from, after := IDFrom(now), IDFrom(now.Add(time.Millisecond))
	if bytes.Compare(from[:], first[:]) > 0 || bytes.Compare(after[:], first[:]) <= 0 {
		t.Errorf("%x is not between %x and %x", first, from, after)
	}
	now = now.Add(-time.Hour)
	last := first
	for range 10_000 {
		next := make1()
		if bytes.Compare(last[:8], next[:8]) >= 0 {
			t.Fatalf("%x comes after %x", next, last)
		}
		last = next
	}
	seen, mu := map[ID]bool{}, sync.Mutex{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				id := make1()
				mu.Lock()
				seen[id] = true
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(seen) != 8000 {
		t.Errorf("%d different ids of 8000", len(seen))
	}
}
