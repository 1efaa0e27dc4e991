package simulator

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// What an agreed rate can count.
const (
	ByRequests   = "requests"   // every HTTP request, of whatever kind
	ByRecipients = "recipients" // those of each SubmitReq; what addresses nobody is free
)

// Rate is how fast a carrier has agreed to be submitted to.
type Rate struct {
	PerSecond float64 // zero: nobody looks
	Burst     int     // how many may come at once; default 1
	Count     string  // ByRequests or ByRecipients; default ByRequests
}

// limit is how many may come within any second, its end not included: Burst at once
// and then one after each PerSecond-th part. It is PerSecond + Burst - 1 where PerSecond
// is whole; of a part of it one more comes in time.
func (r Rate) limit() int { return int(math.Ceil(r.PerSecond)) + r.Burst - 1 }

func (r *Rate) defaults() {
	if r.Burst == 0 {
		r.Burst = 1
	}
	if r.Count == "" {
		r.Count = ByRequests
	}
}

func (r Rate) check() error {
	const most = 1e6
	switch {
	case !(r.PerSecond >= 0 && r.PerSecond <= most):
		return fmt.Errorf("simulated MMSC: the rate is %v per second; 0 to %d can be watched", r.PerSecond, int(most))
	case r.Burst < 1 || r.Burst > most:
		return fmt.Errorf("simulated MMSC: the burst of the rate is %d; it is 1 to %d", r.Burst, int(most))
	case r.Count != ByRequests && r.Count != ByRecipients:
		return fmt.Errorf("simulated MMSC: the rate counts %q; it counts %s or %s", r.Count, ByRequests, ByRecipients)
	}
	return nil
}

// Excess is a second in which more came than the agreed rate allows.
type Excess struct {
	At    time.Time `json:"at"`    // of the arrival that was too much: the second ends with it
	Count int       `json:"count"` // of that second, this arrival included
	Limit int       `json:"limit"`
}

// latest is how long before the newest arrival one may be told of late: by then its
// request has been read.
const latest = 10 * time.Second

// pace holds arrivals against the agreed rate. Of the half open seconds that end with
// an arrival each is judged, and told of once: when there is one with too much in it,
// one of these is it.
type pace struct {
	rate Rate
	keep int

	mu       sync.Mutex
	arrivals []moment // by time; those within latest of the last
	total    int
	exceeded ring[Excess]
}

type moment struct {
	at   time.Time
	n    int
	told bool // the second that ends here had too much in it
}

// note counts what came at a time, and gives the seconds that have too much by it.
func (p *pace) note(at time.Time, n int) []Excess {
	if p.rate.PerSecond == 0 || n == 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	i := len(p.arrivals)
	for i > 0 && p.arrivals[i-1].at.After(at) {
		i--
	}
	p.arrivals = slices.Insert(p.arrivals, i, moment{at: at, n: n})
	var all []Excess
	for ; i < len(p.arrivals) && p.arrivals[i].at.Sub(at) < time.Second; i++ {
		if e, too := p.judge(i); too {
			all = append(all, e)
			p.exceeded.add(e, p.keep)
		}
	}
	p.total += len(all)
	p.forget()
	return all
}

// judge tells whether the second that ends with an arrival has too much in it, unless
// it was told before.
func (p *pace) judge(i int) (Excess, bool) {
	end := &p.arrivals[i]
	e := Excess{At: end.at.UTC(), Limit: p.rate.limit()}
	for ; i >= 0 && end.at.Sub(p.arrivals[i].at) < time.Second; i-- {
		e.Count += p.arrivals[i].n
	}
	too := e.Count > e.Limit && !end.told
	end.told = end.told || too
	return e, too
}

// forget drops what no second that is still open can reach, when that is much.
func (p *pace) forget() {
	last := p.arrivals[len(p.arrivals)-1].at
	old, _ := slices.BinarySearchFunc(p.arrivals, last.Add(-latest), func(m moment, t time.Time) int { return m.at.Compare(t) })
	if old > len(p.arrivals)/2 {
		p.arrivals = slices.Delete(p.arrivals, 0, old)
	}
}

// arrived holds a request against the rate: n is what it counts for, by what is counted.
func (m *MMSC) arrived(by string, at time.Time, n int) {
	if m.pace.rate.Count != by {
		return
	}
	for _, e := range m.pace.note(at, n) {
		m.o.Log.Warn("the agreed rate is exceeded", "count", e.Count, "limit", e.Limit, "of", by, "at", e.At)
	}
}

// Exceeded are the newest seconds in which more came than the agreed rate allows,
// oldest first, as many as Options.Keep; Totals counts all.
func (m *MMSC) Exceeded() []Excess {
	m.pace.mu.Lock()
	defer m.pace.mu.Unlock()
	return m.pace.exceeded.all()
}
