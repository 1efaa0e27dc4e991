package relay

import (
	"cmp"
	"time"

	"mmsgw/gateway"
)

// Policy is what was agreed with one carrier and what we do when it does not
// answer (contract, section 6: limits, timeouts, retry).
type Policy struct {
	PerSecond     float64        // requests or recipients a second, evenly spaced; 0: unpaced
	Burst         int            // how many may go at once after a pause; default 1
	Requests      bool           // requests are counted, not recipients: here and in PerDay
	PerDay        int            // in one of the carrier's days; 0: no limit
	DayZone       *time.Location // of the carrier's midnight; default UTC
	MaxRecipients int            // of one request; default 1
	Recalls       bool           // the carrier takes cancel requests
	Window        int            // requests without an answer at a time; default 8
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
	p.MaxRecipients = cmp.Or(p.MaxRecipients, 1)
	if p.DayZone == nil {
		p.DayZone = time.UTC
	}
	p.Retry.First = cmp.Or(p.Retry.First, 5*time.Second)
	p.Retry.Max = cmp.Or(p.Retry.Max, 15*time.Minute)
	p.Unknown = cmp.Or(p.Unknown, WaitForReport)
	p.UnknownWait = cmp.Or(p.UnknownWait, 30*time.Minute)
	p.Then = cmp.Or(p.Then, Hold)
	p.ReportTimeout = cmp.Or(p.ReportTimeout, 72*time.Hour)
	p.ProbeEvery = cmp.Or(p.ProbeEvery, 5*time.Minute)
	return p
}

// Group is how many recipients share a request: never more than a second's worth.
func (p Policy) Group() int {
	if p.Requests || p.PerSecond <= 0 {
		return max(1, p.MaxRecipients)
	}
	return min(max(1, p.MaxRecipients), mostUnits(p.PerSecond, p.Burst))
}

// units is what a request to so many recipients counts for in the rate.
func (p Policy) units(recipients int) int {
	if p.Requests {
		return 1
	}
	return max(1, recipients)
}

// day is the carrier's day at a time. It ends at its midnight, however many
// hours it has.
func (p Policy) day(now time.Time) gateway.Day {
	if p.PerDay == 0 {
		return gateway.Day{}
	}
	there := now.In(p.DayZone)
	return gateway.Day{
		Name: there.Format("2006-01-02"), Limit: p.PerDay, Requests: p.Requests,
		End: time.Date(there.Year(), there.Month(), there.Day()+1, 0, 0, 0, 0, p.DayZone),
	}
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
