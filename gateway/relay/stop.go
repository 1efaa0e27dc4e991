package relay

import (
	"time"

	"mmsgw/gateway"
)

// stop is a lane's breaker against what refuses everything from us: a login
// turned down, a certificate nobody trusts. While it is on, nothing is sent but
// one canary at a time, no more often than the policy says.
type stop struct {
	on     bool
	canary bool      // one is out
	until  time.Time // no canary before
}

// change is what a result did to the lane.
type change uint8

const (
	unchanged change = iota
	stopped
	recovered
)

// closed tells whether nothing may be sent now, and until when at least; zero
// where the canary's answer is awaited.
func (s *stop) closed(now time.Time) (closed bool, until time.Time) {
	switch {
	case !s.on:
		return false, time.Time{}
	case s.canary:
		return true, time.Time{}
	}
	return now.Before(s.until), s.until
}

// hear learns from a result. Only a canary's can start the lane again: what
// was under way when it stopped proves nothing.
func (s *stop) hear(r gateway.Result, canary bool, next time.Time) change {
	refused := r.Outcome == gateway.StopLane
	switch {
	case refused && !s.on:
		s.on, s.until = true, next
		return stopped
	case !canary:
		return unchanged
	case answers(r):
		*s = stop{}
		return recovered
	}
	s.canary, s.until = false, next
	return unchanged
}

// answers tells whether the carrier spoke of the message or its sender, which
// it does only for those it lets in.
func answers(r gateway.Result) bool {
	switch r.Outcome {
	case gateway.Accepted, gateway.StopSender:
		return true
	case gateway.Rejected, gateway.TooLarge, gateway.RetryLater:
		return r.Counts
	}
	return false
}
