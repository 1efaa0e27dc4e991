package relay

import (
	"time"

	"mmsgw/gateway"
)

// maxRetryAfter is how long a carrier's Retry-After is obeyed at most.
const maxRetryAfter = time.Hour

// Decide is what follows from one dial for the delivery it was for. d is the
// delivery as it was sent, its Tries counting this dial; chance, in [0, 1),
// spreads the next try.
func (p Policy) Decide(d *gateway.Delivery, r gateway.Result, now time.Time, chance float64) gateway.Next {
	switch r.Outcome {
	case gateway.Accepted:
		return p.accepted(d, r, now)
	case gateway.RetryLater:
		return p.retry(d, r, now, chance)
	case gateway.Rejected:
		return refused(d, r, r.Reason)
	case gateway.TooLarge:
		return refused(d, r, gateway.RefusedSize)
	case gateway.StopLane:
		return p.pause(d, r, gateway.LaneStopped, now)
	case gateway.StopSender:
		return p.pause(d, r, gateway.SenderPaused, now)
	case gateway.Divided:
		n := d.Turn()
		n.Alone, n.Status = true, r.Code
		return n
	default: // also where no outcome is named: what was dialled may have been taken
		return p.unknown(d, r, now, chance)
	}
}

// accepted holds without a MessageID too: reports are then matched otherwise.
func (p Policy) accepted(d *gateway.Delivery, r gateway.Result, now time.Time) gateway.Next {
	n := gateway.Next{State: gateway.Sent, Reason: gateway.AcceptedByCarrier, Claim: gateway.ByCarrier, Status: r.Code, Counts: true}
	if d.WantsReport {
		n.Reason, n.Due = gateway.AwaitingReport, now.Add(p.ReportTimeout)
	}
	return n
}

func (p Policy) retry(d *gateway.Delivery, r gateway.Result, now time.Time, chance float64) gateway.Next {
	if r.Counts && p.Retry.Attempts > 0 && d.Answers+1 >= p.Retry.Attempts {
		if d.Doubt { // an earlier dial may have been taken: that it failed is not known
			n := hold(d, r)
			n.Counts = true
			return n
		}
		return gateway.Next{State: gateway.Failed, Reason: gateway.RetriesExhausted, Claim: gateway.ByGateway, Status: r.Code, Counts: true}
	}
	wait := max(p.Retry.backoff(d.Tries, chance), min(r.RetryAfter, maxRetryAfter))
	return gateway.Next{
		State: gateway.Queued, Reason: gateway.BackingOff, Claim: gateway.ByGateway, Status: r.Code,
		Due: d.Within(now.Add(wait)), Counts: r.Counts,
	}
}

// refused: what is no answer, a damaged picture, is our own word. It says
// nothing of an earlier dial that may have been taken.
func refused(d *gateway.Delivery, r gateway.Result, why gateway.Reason) gateway.Next {
	if why == "" {
		why = gateway.RefusedRequest
	}
	n := gateway.Next{State: gateway.Failed, Reason: why, Claim: gateway.ByCarrier, Status: r.Code, Counts: r.Counts}
	if r.Counts {
		return n
	}
	if d.Doubt {
		return hold(d, r)
	}
	n.Claim = gateway.ByGateway
	return n
}

// pause: what is refused is not this message, so it costs it no attempt.
func (p Policy) pause(d *gateway.Delivery, r gateway.Result, why gateway.Reason, now time.Time) gateway.Next {
	return gateway.Next{
		State: gateway.Held, Reason: why, Claim: gateway.ByGateway, Status: r.Code, Due: d.Within(now.Add(p.ProbeEvery)),
	}
}

func (p Policy) unknown(d *gateway.Delivery, r gateway.Result, now time.Time, chance float64) gateway.Next {
	n := hold(d, r)
	switch {
	case p.Unknown == WaitForReport:
		n.State, n.Reason, n.Due = gateway.Uncertain, gateway.AwaitingReport, d.Within(now.Add(p.UnknownWait))
	case p.Unknown == Resend && d.Resends < p.ResendMax:
		n.State, n.Reason, n.Due = gateway.Uncertain, gateway.BackingOff, d.Within(now.Add(p.Retry.backoff(d.Tries, chance)))
	}
	return n
}

// hold is where what may have been taken waits for a report or a person.
func hold(d *gateway.Delivery, r gateway.Result) gateway.Next {
	return gateway.Next{
		State: gateway.Held, Reason: gateway.AmbiguousOutcome, Claim: gateway.ByGateway, Status: r.Code, Due: d.ValidUntil, Doubt: true,
	}
}

// OnDue is what follows when the time a delivery waited for has come.
func (p Policy) OnDue(d *gateway.Delivery, now time.Time) gateway.Next {
	switch {
	case d.State == gateway.Sent:
		n := gateway.Next{State: gateway.Undecided, Reason: gateway.NoReport, Claim: gateway.ByGateway}
		if d.Reason == gateway.ForwardedUnconfirmed {
			n.Reason = d.Reason
		}
		return n
	case d.State == gateway.Sending || d.State.Final():
		return linger(d, now)
	case !now.Before(d.ValidUntil):
		return d.Expire()
	case d.State != gateway.Uncertain && d.GoesOn():
		return d.Turn()
	case d.State == gateway.Uncertain:
		return p.doubted(d)
	}
	return linger(d, now)
}

// doubted: the wait after an unknown outcome is over and no report came.
func (p Policy) doubted(d *gateway.Delivery) gateway.Next {
	again := d.Reason == gateway.BackingOff || p.Then == Resend && d.Resends < p.ResendMax
	if !again {
		return hold(d, gateway.Result{})
	}
	n := d.Turn()
	n.Resend = true
	return n
}

// linger leaves the delivery where it is, to be looked at later: it was due
// and nothing was to be done, as when the clock was set back.
func linger(d *gateway.Delivery, now time.Time) gateway.Next {
	due := now.Add(time.Hour)
	if d.ValidUntil.After(now) {
		due = d.Within(due)
	}
	return gateway.Next{State: d.State, Reason: d.Reason, Claim: d.Claim, Ready: d.Ready, Due: due}
}

// Recalled is what follows from the answer to a cancel request. One that says
// neither yes nor no is not asked again but where nothing was written.
func Recalled(r gateway.Result) gateway.Next {
	switch r.Outcome {
	case gateway.Accepted:
		return gateway.Next{State: gateway.Canceled, Reason: gateway.CanceledByCaller, Claim: gateway.ByCarrier, Status: r.Code}
	case gateway.RetryLater:
		return gateway.Next{Resend: !r.Counts, Status: r.Code}
	}
	return gateway.Next{Status: r.Code}
}
