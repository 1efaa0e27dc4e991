package relay

import (
	"cmp"
	"time"
)

// Policy is what was agreed with one carrier and what we do when it does not
// answer (contract, section 6: limits, timeouts, retry).
type Policy struct {
	PerSecond     float64 // requests a second, evenly spaced; 0: unpaced
	Burst         int     // how many may go at once after a pause; default 1
	Window        int     // requests without an answer at a time; default 8
	Retry         Retry
	Unknown       OnUnknown     // what follows when no answer came; default WaitForReport
	UnknownWait   time.Duration // how long WaitForReport waits; default 30 minutes
	Then          OnUnknown     // what follows that wait: Resend or Hold; default Hold
	ResendMax     int           // resends of a round, by either way
	SameID        bool          // a resend keeps its TransactionID
	ReportTimeout time.Duration // how long a report is awaited; default 72 hours
	ProbeEvery    time.Duration // how often a stopped lane or sender is tried; default 5 minutes
}

// Retry says how tries are spaced and when they end.
type Retry struct {
	First    time.Duration // the longest first pause; default 5 seconds
	Max      time.Duration // the longest pause at all; default 15 minutes
	Attempts int           // answers about the message that exhaust it; 0: until it expires
}

// OnUnknown is what follows when a request left and no answer came.
type OnUnknown string

// The ways.
const (
	WaitForReport OnUnknown = "wait_for_report"
	Resend        OnUnknown = "resend"
	Hold          OnUnknown = "hold"
)

// filled is the policy with its defaults.
func (p Policy) filled() Policy {
	p.Burst = cmp.Or(p.Burst, 1)
	p.Window = cmp.Or(p.Window, 8)
	p.Retry.First = cmp.Or(p.Retry.First, 5*time.Second)
	p.Retry.Max = cmp.Or(p.Retry.Max, 15*time.Minute)
	p.Unknown = cmp.Or(p.Unknown, WaitForReport)
	p.UnknownWait = cmp.Or(p.UnknownWait, 30*time.Minute)
	p.Then = cmp.Or(p.Then, Hold)
	p.ReportTimeout = cmp.Or(p.ReportTimeout, 72*time.Hour)
	p.ProbeEvery = cmp.Or(p.ProbeEvery, 5*time.Minute)
	return p
}

// backoff is the pause before the next try: full jitter over a span that
// begins with First and doubles with each try up to Max. chance is in [0, 1).
func (r Retry) backoff(tries int, chance float64) time.Duration {
	span := r.First
	for i := 1; i < tries && span < r.Max; i++ {
		span *= 2
	}
	return time.Duration(chance * float64(min(span, r.Max)))
}
