package relay

import (
	"time"

	"mmsgw/gateway"
)

const (
	// breakAfter is how many requests in a row get no answer, or are told that
	// there is no room, before the lane counts as down.
	breakAfter = 5
	// strikesToStop is how many senders the carrier refuses, with no success
	// between, before it is not the senders that it refuses.
	strikesToStop = 3
	// maxRest bounds the wait between two canaries of a lane that is down.
	maxRest = time.Minute
	// maxSenders bounds how many paused senders a lane remembers; a message of
	// one more is held alone.
	maxSenders = 10_000
)

// health is what a lane knows of its carrier. It stands in two ways: stopped by
// what refuses everything from us (a login turned down, a certificate nobody
// trusts), or with its breaker open since nobody answers. Either way nothing is
// sent but one canary at a time. It knows no clock and has no lock of its own.
type health struct {
	held    gateway.Reason // LaneStopped or BreakerOpen; empty: it goes
	code    string
	since   time.Time
	until   time.Time // no canary before
	canary  bool      // one is out
	misses  int       // in a row
	rests   int       // canaries that failed
	strikes map[gateway.Number]bool
	senders map[gateway.Number]senderPause
}

// senderPause is a sender that the carrier refuses.
type senderPause struct {
	until  time.Time // none of its messages before
	canary bool      // one is out
}

// change is what a result did to the lane.
type change struct {
	event  string         // that tells of it; empty: nothing changed for the lane
	free   gateway.Reason // what is held for it takes its turn
	sender gateway.Number // of free, only this sender's
	longer bool           // it still stands, and the next canary has another time
}

// restore takes over what a row says of the lane. A canary that is further away than
// the longest wait for one is of a clock that was set since: it may leave.
func (h *health) restore(s gateway.LaneStatus, p Policy, now time.Time) {
	if s.Reason != gateway.LaneStopped && s.Reason != gateway.BreakerOpen {
		return
	}
	h.held, h.code, h.since, h.until = s.Reason, s.Code, s.Since, s.Until
	if h.until.After(now.Add(max(p.ProbeEvery, maxRest))) {
		h.until = now
	}
}

// closed tells whether nothing may be sent now, and until when at least; zero
// where the canary's answer is awaited.
func (h *health) closed(now time.Time) (closed bool, until time.Time) {
	switch {
	case h.held == "":
		return false, time.Time{}
	case h.canary:
		return true, time.Time{}
	}
	return now.Before(h.until), h.until
}

// landing is a result with what it is a result of.
type landing struct {
	result gateway.Result
	from   gateway.Number
	canary bool // of the lane
	probe  bool // of the sender: it left while that was paused
	cancel bool // of a cancel request, which tells of no sender
}

// hear learns from a result. Only a canary's can set the lane going again: what
// was under way when it stopped proves nothing.
func (h *health) hear(l landing, p Policy, now time.Time, chance float64) change {
	if l.canary {
		h.canary = false
	}
	if s, paused := h.senders[l.from]; paused && l.probe { // another one, in a while, unless it lifts the pause
		h.senders[l.from] = senderPause{until: latest(s.until, now.Add(p.ProbeEvery))}
	}
	r := l.result
	switch {
	case r.Ours, r.Outcome == gateway.Rejected && !r.Counts: // it says nothing of the carrier
		if l.canary {
			h.until = now.Add(p.ProbeEvery)
			if h.held == gateway.BreakerOpen {
				h.until = now.Add(p.rest(h.rests, chance))
			}
		}
		return change{}
	case r.Outcome == gateway.StopLane:
		return h.stop(r.Code, p, now)
	case r.Outcome == gateway.StopSender && !l.cancel:
		return h.strike(l, p, now)
	case answers(r):
		return h.answered(l)
	}
	return h.missed(l, p, now, chance)
}

// stop: the carrier takes nothing from us. While it says so, one message every
// now and then finds out whether that is still so.
func (h *health) stop(code string, p Policy, now time.Time) (did change) {
	if h.held != gateway.LaneStopped {
		did.event, h.since = "carrier.stopped", now
	}
	h.held, h.code, h.until, h.misses = gateway.LaneStopped, code, now.Add(p.ProbeEvery), 0
	return did
}

// strike: the carrier refuses a sender. Where it refuses one after the other, or
// the canary as well, it refuses us.
func (h *health) strike(l landing, p Policy, now time.Time) change {
	if h.strikes == nil {
		h.strikes = map[gateway.Number]bool{}
	}
	if h.senders == nil {
		h.senders = map[gateway.Number]senderPause{}
	}
	h.strikes[l.from], h.misses = true, 0
	if _, known := h.senders[l.from]; known || len(h.senders) < maxSenders {
		h.senders[l.from] = senderPause{until: now.Add(p.ProbeEvery)}
	}
	if l.canary || len(h.strikes) >= strikesToStop {
		return h.stop(l.result.Code, p, now)
	}
	return change{}
}

// answered: the carrier spoke of the message, which it does for those it lets in.
func (h *health) answered(l landing) (did change) {
	h.misses = 0
	if !l.cancel {
		h.strikes = nil
		if _, paused := h.senders[l.from]; paused && l.probe {
			delete(h.senders, l.from)
			did.free, did.sender = gateway.SenderPaused, l.from
		}
	}
	if l.canary && h.held != "" {
		did = change{event: map[gateway.Reason]string{gateway.LaneStopped: "carrier.resumed", gateway.BreakerOpen: "carrier.breaker_closed"}[h.held], free: h.held}
		h.held, h.code, h.since, h.until, h.rests = "", "", time.Time{}, time.Time{}, 0
	}
	return did
}

// missed: no answer, or no room. The breaker opens after some of them in a row,
// at once where the carrier says how long to stay away; a lane that is stopped
// stays so.
func (h *health) missed(l landing, p Policy, now time.Time, chance float64) (did change) {
	h.misses++
	asked := min(l.result.RetryAfter, p.ProbeEvery)
	switch {
	case h.held == gateway.LaneStopped:
		if l.canary {
			h.until = now.Add(p.ProbeEvery)
		}
		return did
	case h.held == gateway.BreakerOpen:
		if !l.canary {
			return did
		}
		h.rests++
	case h.misses < breakAfter && asked == 0:
		return did
	default:
		h.held, h.since, h.rests = gateway.BreakerOpen, now, 0
		did.event = "carrier.breaker_opened"
	}
	h.code, h.until = l.result.Code, now.Add(max(asked, p.rest(h.rests, chance)))
	return did
}

// rest is the wait before the next canary: it doubles, with a jitter of half.
func (p Policy) rest(rests int, chance float64) time.Duration {
	span := p.Retry.First
	for i := 0; i < rests && span < maxRest; i++ {
		span *= 2
	}
	span = min(span, maxRest, max(p.Retry.Max, time.Millisecond))
	return span/2 + time.Duration(chance*float64(span/2))
}

// status is the lane's row.
func (h *health) status(lane string) gateway.LaneStatus {
	return gateway.LaneStatus{Lane: lane, Reason: h.held, Code: h.code, Since: h.since.Truncate(time.Microsecond), Until: h.until.Truncate(time.Microsecond)}
}

// answers tells whether the carrier spoke of the message.
func answers(r gateway.Result) bool {
	switch r.Outcome {
	case gateway.Accepted, gateway.Divided:
		return true
	case gateway.Rejected, gateway.TooLarge, gateway.RetryLater:
		return r.Counts
	}
	return false
}

// judge tells where a message of a paused sender goes instead of leaving. One is
// let through when its time has come, to find out whether the pause is over. It
// works on a copy: the store may ask it while the lane goes on.
func (h *health) judge(p Policy) func(*gateway.Delivery, *gateway.Message, time.Time) *gateway.Next {
	if len(h.senders) == 0 {
		return nil
	}
	senders := make(map[gateway.Number]senderPause, len(h.senders))
	for n, s := range h.senders {
		senders[n] = s
	}
	type key struct {
		id gateway.ID
		n  int
	}
	probes := map[gateway.Number]key{}
	return func(d *gateway.Delivery, m *gateway.Message, now time.Time) *gateway.Next {
		s, paused := senders[m.From]
		if !paused {
			return nil
		}
		if !s.canary && !now.Before(s.until) {
			me := key{d.MessageID, d.N}
			if first, out := probes[m.From]; !out || first == me {
				probes[m.From] = me
				return nil
			}
		}
		due := s.until
		if !due.After(now) {
			due = now.Add(p.ProbeEvery)
		}
		return &gateway.Next{State: gateway.Held, Reason: gateway.SenderPaused, Claim: gateway.ByGateway, Due: d.Within(due)}
	}
}

// depart notes that a request leaves, and tells whether its sender is paused, so
// that it is to find out whether that is over.
func (h *health) depart(from gateway.Number) (probe bool) {
	s, probe := h.senders[from]
	if probe {
		s.canary = true
		h.senders[from] = s
	}
	return probe
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// refusesSender tells whether nothing of a sender should board.
func (h *health) refusesSender(from gateway.Number) bool {
	_, paused := h.senders[from]
	return paused
}
