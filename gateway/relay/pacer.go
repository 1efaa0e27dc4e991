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
// units; a request to several recipients may be several units. It knows no clock
// and has no lock of its own.
type pacer struct {
	interval time.Duration // between two units; 0: unpaced
	lead     time.Duration // how far a burst runs ahead: (burst-1) intervals
	next     time.Time     // the theoretical arrival time of the next unit
	most     int           // units in any second
	left     []departure   // of the last second, oldest first
}

// departure is what really left, and when.
type departure struct {
	at    time.Time
	units int
}

// newPacer begins at a time, without credit for a burst.
func newPacer(perSecond float64, burst int, now time.Time) pacer {
	if perSecond <= 0 {
		return pacer{}
	}
	interval := time.Duration(math.Ceil(float64(time.Second+slack) / perSecond))
	p := pacer{interval: interval, lead: time.Duration(burst-1) * interval, most: mostUnits(perSecond, burst)}
	p.next = now.Add(p.lead)
	return p
}

// rest lets nothing leave for a second: what another run of this process, or
// another node, sent a moment ago is not known.
func (p *pacer) rest() {
	if p.interval > 0 {
		p.next = p.next.Add(time.Second + slack)
	}
}

// mostUnits is the bound on a second.
func mostUnits(perSecond float64, burst int) int {
	return int(math.Min(math.Ceil(perSecond)+float64(burst)-1, math.MaxInt32))
}

// slot is when the n-th unit from now on, counted from 0, may leave.
func (p *pacer) slot(n int, now time.Time) time.Time {
	at := p.from(now).Add(time.Duration(n)*p.interval - p.lead)
	if at.Before(now) {
		return now
	}
	return at
}

// book takes the first free slots for a request of so many units: it leaves
// when the last of them comes, not before.
func (p *pacer) book(units int, now time.Time) time.Time {
	if p.interval == 0 {
		return now
	}
	at := p.slot(units-1, now)
	p.next = p.from(now).Add(time.Duration(units) * p.interval)
	return at
}

// leave notes a departure, or tells how long it has to wait: a request that was
// held up on its way to its slot must not crowd with those behind it.
func (p *pacer) leave(units int, now time.Time) (wait time.Duration) {
	if p.interval == 0 {
		return 0
	}
	gone, sum := 0, units
	for _, d := range p.left {
		if now.Sub(d.at) >= time.Second+slack {
			gone++
			continue
		}
		sum += d.units
	}
	p.left = p.left[gone:]
	for _, d := range p.left {
		if sum <= p.most {
			break
		}
		sum -= d.units
		wait = d.at.Add(time.Second + slack).Sub(now)
	}
	if wait <= 0 {
		p.left = append(p.left, departure{now, units})
	}
	return wait
}

// room counts the units free between now and until.
func (p *pacer) room(now, until time.Time) int {
	if p.interval == 0 {
		return math.MaxInt32
	}
	span := until.Add(p.lead).Sub(p.from(now))
	if span < 0 {
		return 0
	}
	return int(span/p.interval) + 1
}

// from is where the next unit stands if none came before its time.
func (p *pacer) from(now time.Time) time.Time {
	if p.next.Before(now) {
		return now
	}
	return p.next
}
