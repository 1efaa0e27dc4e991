package relay

import (
	"math"
	"time"
)

// slack is what requests may lose or gain on their way to the carrier without
// crowding there: a second's worth of requests is spread over a second and this.
const slack = 20 * time.Millisecond

// pacer spaces requests evenly: the generic cell rate algorithm (ITU-T I.371,
// virtual scheduling). In any second it books at most per-second + burst - 1
// slots. It knows no clock and has no lock of its own.
type pacer struct {
	interval time.Duration // between two requests; 0: unpaced
	lead     time.Duration // how far a burst runs ahead: (burst-1) intervals
	next     time.Time     // the theoretical arrival time of the next request
}

func newPacer(perSecond float64, burst int) pacer {
	if perSecond <= 0 {
		return pacer{}
	}
	interval := time.Duration(math.Ceil(float64(time.Second+slack) / perSecond))
	return pacer{interval: interval, lead: time.Duration(burst-1) * interval}
}

// slot is when the n-th request from now on, counted from 0, may leave.
func (p *pacer) slot(n int, now time.Time) time.Time {
	at := p.from(now).Add(time.Duration(n)*p.interval - p.lead)
	if at.Before(now) {
		return now
	}
	return at
}

// book takes the first free slot: the request leaves then, not before.
func (p *pacer) book(now time.Time) time.Time {
	if p.interval == 0 {
		return now
	}
	at := p.slot(0, now)
	p.next = p.from(now).Add(p.interval)
	return at
}

// room counts the slots free between now and until.
func (p *pacer) room(now, until time.Time) int {
	if p.interval == 0 {
		return math.MaxInt
	}
	span := until.Add(p.lead).Sub(p.from(now))
	if span < 0 {
		return 0
	}
	return int(span/p.interval) + 1
}

// from is where the next request stands if none came before its time.
func (p *pacer) from(now time.Time) time.Time {
	if p.next.Before(now) {
		return now
	}
	return p.next
}
