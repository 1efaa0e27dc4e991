package relay

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// TestPacerKeepsTheRate books slots at random times, singly and in rushes, and
// counts what any second sees.
func TestPacerKeepsTheRate(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, rate := range []float64{0.5, 1, 3, 7.5, 50, 999} {
		for _, burst := range []int{1, 2, 10} {
			p, now := newPacer(rate, burst, noon), noon
			var slots []time.Time
			for len(slots) < 2000 {
				now = now.Add(time.Duration(rnd.ExpFloat64() * float64(time.Second) / rate))
				if rnd.IntN(100) == 0 {
					now = now.Add(time.Duration(rnd.IntN(5)) * time.Second)
				}
				for range 1 + rnd.IntN(3) {
					at := p.book(1, now)
					if at.Before(now) {
						t.Fatalf("a slot at %s, before %s", at, now)
					}
					slots = append(slots, at)
				}
			}
			most, first := 0, 0
			for last, at := range slots {
				if last > 0 && at.Before(slots[last-1]) {
					t.Fatalf("slot %d comes before the one booked earlier", last)
				}
				for !slots[first].After(at.Add(-time.Second)) {
					first++
				}
				most = max(most, last-first+1)
			}
			if limit := int(math.Ceil(rate)) + burst - 1; most > limit {
				t.Errorf("%v a second, burst %d: %d in one second, want at most %d", rate, burst, most, limit)
			}
		}
	}
}

func TestPacerUsesTheRate(t *testing.T) {
	p := newPacer(50, 1, noon)
	var last time.Time
	for range 501 {
		last = p.book(1, noon)
	}
	if took := last.Sub(noon); took > 10300*time.Millisecond {
		t.Errorf("500 requests at 50 a second took %s", took)
	}
}

// TestPacerRoom: room tells what booking then gives.
func TestPacerRoom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, burst := range []int{1, 4} {
		p, now := newPacer(100, burst, noon), noon
		for range 2000 {
			now = now.Add(time.Duration(rnd.IntN(30)) * time.Millisecond)
			until := now.Add(time.Duration(rnd.IntN(60)) * time.Millisecond)
			room := p.room(now, until)
			for n := range room + 3 {
				if in := !p.slot(n, now).After(until); in != (n < room) {
					t.Fatalf("slot %d of room %d is inside: %t", n, room, in)
				}
			}
			for n := range rnd.IntN(room + 1) {
				want := p.slot(0, now)
				if got := p.book(1, now); !got.Equal(want) || got.After(until) {
					t.Fatalf("booking %d gave %s, the slot was %s", n, got, want)
				}
			}
		}
	}
}

func TestPacerUnpaced(t *testing.T) {
	p := newPacer(0, 1, noon)
	for range 1000 {
		if at := p.book(1, noon); !at.Equal(noon) || p.room(noon, noon) < 1000 {
			t.Fatalf("unpaced, but a slot at %s", at)
		}
	}
}
