package store

import (
	"errors"
	"fmt"
	"testing"

	"mmsgw/gateway"
)

// withPicture is a message that shows one picture of its own.
func (w *world) withPicture(n int) *gateway.Message {
	m := w.message(alice)
	m.Media = []gateway.Picture{{ID: fmt.Sprintf("med_%04d", n), Type: "image/png", Size: 3, Width: 1, Height: 2, Frames: 1, Name: "a.png", Place: fmt.Sprint("1:", n)}}
	return m
}

// knows tells whether the picture of message n can be had, by its account alone.
func (w *world) knows(t *testing.T, n int) {
	t.Helper()
	id := fmt.Sprintf("med_%04d", n)
	for _, account := range []string{"acme", ""} {
		if p, err := w.Picture(t.Context(), account, id); err != nil || p.Place != fmt.Sprint("1:", n) || p.Name != "" || p.Height != 2 {
			t.Errorf("%s for %q: %+v, %v", id, account, p, err)
		}
	}
	if _, err := w.Picture(t.Context(), "else", id); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("%s for another account: %v", id, err)
	}
	if place, err := w.Place(t.Context(), id); err != nil || place != fmt.Sprint("1:", n) {
		t.Errorf("%s lies at %q, %v", id, place, err)
	}
}

// indexed counts the rows of the index.
func (w *world) indexed(t *testing.T) (n int) {
	t.Helper()
	if err := w.reader.QueryRow("SELECT COUNT(*) FROM media").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A picture of an accepted message can be had at once, however far behind the
// index is, and after the process was closed.
func TestPicturesOfMessages(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		const n = 2*shelfBatch + 7
		for i := range n {
			w.accept(w.withPicture(i))
			if i%100 == 0 {
				w.knows(t, i)
			}
		}
		w.knows(t, n-1)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		w.Store = w.reopen(nil)
		if got := w.indexed(t); got != n {
			t.Errorf("%d pictures are indexed, want %d", got, n)
		}
		for _, i := range []int{0, shelfBatch, n - 1} {
			w.knows(t, i)
		}
	})
}

// What was on the shelf when the process died is found in the messages.
func TestTheShelfAfterACrash(t *testing.T) {
	w := newWorld(t, "")
	for round := range 3 {
		w.accept(w.withPicture(round))
		w.shelf.mu.Lock()
		if round != 1 { // after the second the index is up to date, and says so
			w.shelf.waiting = map[string]picture{} // as if killed: nothing is left to index
		}
		w.shelf.mu.Unlock()
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		w.Store = w.reopen(nil)
		for n := range round + 1 {
			w.knows(t, n)
		}
	}
}
