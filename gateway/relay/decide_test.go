package relay

import (
	"testing"
	"time"

	"mmsgw/gateway"
)

var (
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ended = noon.Add(24 * time.Hour)
)

// policy is one with a value of its own in each place.
func policy(tune ...func(*Policy)) Policy {
	p := Policy{
		Retry: Retry{First: 10 * time.Second, Max: 10 * time.Minute}, Unknown: WaitForReport, UnknownWait: 30 * time.Minute,
		Then: Hold, ResendMax: 1, ReportTimeout: 72 * time.Hour, ProbeEvery: 5 * time.Minute,
	}
	for _, t := range tune {
		t(&p)
	}
	return p
}

func unknownIs(u OnUnknown) func(*Policy) { return func(p *Policy) { p.Unknown = u } }
func thenResend(p *Policy)                { p.Then = Resend }
func attempts(n int) func(*Policy)        { return func(p *Policy) { p.Retry.Attempts = n } }
func resends(n int) func(*Policy)         { return func(p *Policy) { p.ResendMax = n } }
func at(d time.Duration) time.Time        { return noon.Add(d) }
func status(n gateway.Next) gateway.Next  { n.Status = "9"; return n }
func counted(n gateway.Next) gateway.Next { n.Counts = true; return n }
func inDoubt(n gateway.Next) gateway.Next { n.Doubt = true; return n }
func next(s gateway.State, r gateway.Reason) gateway.Next {
	return gateway.Next{State: s, Reason: r, Claim: gateway.ByGateway}
}
func nextAt(s gateway.State, r gateway.Reason, due time.Time) gateway.Next {
	n := next(s, r)
	n.Due = due
	return n
}
func byCarrier(n gateway.Next) gateway.Next { n.Claim = gateway.ByCarrier; return n }

// sending is a delivery at its first dial.
func sending(tune ...func(*gateway.Delivery)) *gateway.Delivery {
	d := &gateway.Delivery{State: gateway.Sending, ValidUntil: ended, WantsReport: true, Tries: 1}
	for _, t := range tune {
		t(d)
	}
	return d
}

func silent(d *gateway.Delivery)   { d.WantsReport = false }
func doubtful(d *gateway.Delivery) { d.Doubt = true }
func resent(d *gateway.Delivery)   { d.Doubt, d.Resends, d.Tries = true, 1, 2 }
func lastHour(d *gateway.Delivery) { d.ValidUntil = at(time.Minute) }
func answered(n int) func(*gateway.Delivery) {
	return func(d *gateway.Delivery) { d.Attempts, d.Answers = n, n }
}
func tried(n int) func(*gateway.Delivery) { return func(d *gateway.Delivery) { d.Tries = n } }

func TestDecide(t *testing.T) {
	const half = 0.5
	retry := gateway.Result{Outcome: gateway.RetryLater, Code: "9"}
	retryCounts := gateway.Result{Outcome: gateway.RetryLater, Code: "9", Counts: true}
	after := func(d time.Duration) gateway.Result {
		return gateway.Result{Outcome: gateway.RetryLater, Code: "9", RetryAfter: d}
	}
	damaged := gateway.Result{Outcome: gateway.Rejected, Reason: gateway.MediaCorruptStored, Code: "9"}
	unknown := gateway.Result{Outcome: gateway.UnknownSent, Code: "9"}
	wait, resend, hold := unknownIs(WaitForReport), unknownIs(Resend), unknownIs(Hold)
	held := status(inDoubt(nextAt(gateway.Held, gateway.AmbiguousOutcome, ended)))

	for _, c := range []struct {
		name   string
		policy Policy
		d      *gateway.Delivery
		result gateway.Result
		want   gateway.Next
	}{
		{"accepted", policy(), sending(), gateway.Result{Outcome: gateway.Accepted, Code: "9", CarrierKey: "k"},
			status(counted(byCarrier(nextAt(gateway.Sent, gateway.AwaitingReport, at(72*time.Hour)))))},
		{"accepted without a key", policy(), sending(), gateway.Result{Outcome: gateway.Accepted, Code: "9"},
			status(counted(byCarrier(nextAt(gateway.Sent, gateway.AwaitingReport, at(72*time.Hour)))))},
		{"accepted, no report asked for", policy(), sending(silent), gateway.Result{Outcome: gateway.Accepted, Code: "9"},
			status(counted(byCarrier(next(gateway.Sent, gateway.AcceptedByCarrier))))},
		{"accepted after a doubt", policy(), sending(resent), gateway.Result{Outcome: gateway.Accepted, Code: "9"},
			status(counted(byCarrier(nextAt(gateway.Sent, gateway.AwaitingReport, at(72*time.Hour)))))},

		{"retry, first", policy(), sending(), retry, status(nextAt(gateway.Queued, gateway.BackingOff, at(5*time.Second)))},
		{"retry, third", policy(), sending(tried(3)), retry, status(nextAt(gateway.Queued, gateway.BackingOff, at(20*time.Second)))},
		{"retry, hundredth", policy(), sending(tried(100)), retry, status(nextAt(gateway.Queued, gateway.BackingOff, at(5*time.Minute)))},
		{"retry, before the first dial was counted", policy(), sending(tried(0)), retry, status(nextAt(gateway.Queued, gateway.BackingOff, at(5*time.Second)))},
		{"retry after less", policy(), sending(), after(time.Second), status(nextAt(gateway.Queued, gateway.BackingOff, at(5*time.Second)))},
		{"retry after more", policy(), sending(), after(time.Minute), status(nextAt(gateway.Queued, gateway.BackingOff, at(time.Minute)))},
		{"retry after too much", policy(), sending(), after(100 * time.Hour), status(nextAt(gateway.Queued, gateway.BackingOff, at(time.Hour)))},
		{"retry beyond the end", policy(), sending(lastHour), after(time.Hour), status(nextAt(gateway.Queued, gateway.BackingOff, at(time.Minute)))},
		{"retry that counts", policy(), sending(answered(9)), retryCounts, status(counted(nextAt(gateway.Queued, gateway.BackingOff, at(5*time.Second))))},
		{"one answer left", policy(attempts(3)), sending(answered(1)), retryCounts, status(counted(nextAt(gateway.Queued, gateway.BackingOff, at(5*time.Second))))},
		{"no answer left", policy(attempts(3)), sending(answered(2)), retryCounts, status(counted(next(gateway.Failed, gateway.RetriesExhausted)))},
		{"no answer left, but this is none", policy(attempts(3)), sending(answered(2)), retry, status(nextAt(gateway.Queued, gateway.BackingOff, at(5*time.Second)))},
		{"no answer left, but one was lost", policy(attempts(3)), sending(answered(2), doubtful), retryCounts, counted(held)},
		{"retry in doubt", policy(), sending(resent), retry, status(nextAt(gateway.Queued, gateway.BackingOff, at(10*time.Second)))},

		{"reject", policy(), sending(), gateway.Result{Outcome: gateway.Rejected, Reason: gateway.RefusedContent, Code: "9", Counts: true},
			status(counted(byCarrier(next(gateway.Failed, gateway.RefusedContent))))},
		{"reject for no reason", policy(), sending(), gateway.Result{Outcome: gateway.Rejected, Code: "9", Counts: true},
			status(counted(byCarrier(next(gateway.Failed, gateway.RefusedRequest))))},
		{"reject by size", policy(), sending(), gateway.Result{Outcome: gateway.TooLarge, Code: "9", Counts: true},
			status(counted(byCarrier(next(gateway.Failed, gateway.RefusedSize))))},
		{"reject by the carrier, one answer was lost", policy(), sending(resent), gateway.Result{Outcome: gateway.Rejected, Reason: gateway.RefusedContent, Code: "9", Counts: true},
			status(counted(byCarrier(next(gateway.Failed, gateway.RefusedContent))))},
		{"reject of our own", policy(), sending(), damaged, status(next(gateway.Failed, gateway.MediaCorruptStored))},
		{"reject of our own, one answer was lost", policy(), sending(resent), damaged, held},

		{"lane stop", policy(), sending(), gateway.Result{Outcome: gateway.StopLane, Code: "9", Counts: true},
			status(nextAt(gateway.Held, gateway.LaneStopped, at(5*time.Minute)))},
		{"lane stop near the end", policy(), sending(lastHour), gateway.Result{Outcome: gateway.StopLane, Code: "9"},
			status(nextAt(gateway.Held, gateway.LaneStopped, at(time.Minute)))},
		{"sender stop", policy(), sending(), gateway.Result{Outcome: gateway.StopSender, Code: "9"},
			status(nextAt(gateway.Held, gateway.SenderPaused, at(5*time.Minute)))},

		{"unknown, wait", policy(wait), sending(), unknown, status(inDoubt(nextAt(gateway.Uncertain, gateway.AwaitingReport, at(30*time.Minute))))},
		{"unknown, wait beyond the end", policy(wait), sending(lastHour), unknown, status(inDoubt(nextAt(gateway.Uncertain, gateway.AwaitingReport, at(time.Minute))))},
		{"unknown again, wait", policy(wait, thenResend), sending(resent), unknown, status(inDoubt(nextAt(gateway.Uncertain, gateway.AwaitingReport, at(30*time.Minute))))},
		{"unknown, resend", policy(resend), sending(), unknown, status(inDoubt(nextAt(gateway.Uncertain, gateway.BackingOff, at(5*time.Second))))},
		{"unknown again, resend", policy(resend, resends(2)), sending(resent), unknown, status(inDoubt(nextAt(gateway.Uncertain, gateway.BackingOff, at(10*time.Second))))},
		{"unknown once too often", policy(resend), sending(resent), unknown, held},
		{"unknown, resend never", policy(resend, resends(0)), sending(), unknown, held},
		{"unknown, hold", policy(hold), sending(), unknown, held},
		{"no outcome is unknown", policy(hold), sending(), gateway.Result{Code: "9"}, held},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.policy.Decide(c.d, c.result, noon, half); got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

// TestDecideFits lets every outcome meet every policy and both kinds of
// delivery, and holds the result to what every waiting row owes: a reason, a
// claim, a due time inside its validity, and a step the domain allows.
func TestDecideFits(t *testing.T) {
	for _, outcome := range []gateway.Outcome{"", gateway.Accepted, gateway.RetryLater, gateway.Rejected, gateway.TooLarge, gateway.StopLane, gateway.StopSender, gateway.UnknownSent} {
		for _, p := range []Policy{policy(), policy(unknownIs(Resend)), policy(unknownIs(Hold)), policy(attempts(1)), policy(resends(0), thenResend)} {
			for _, d := range []*gateway.Delivery{sending(), sending(silent), sending(resent), sending(lastHour)} {
				for i, chance := range []float64{0, 0.999, 0, 0.999} {
					n := p.Decide(d, gateway.Result{Outcome: outcome, Counts: i < 2}, noon, chance)
					if n.Reason == "" || n.Reason.Text() == "" || n.Claim == "" || n.Ready {
						t.Errorf("%s: %+v has no reason or claim, or does not wait", outcome, n)
					}
					after := *d
					after.Move(n, noon)
					if after.Final() != after.Due.IsZero() {
						t.Errorf("%s: %+v: a delivery that waits needs a due time, a final one has none", outcome, n)
					}
					if n.State != gateway.Sent && n.Due.After(d.ValidUntil) {
						t.Errorf("%s: due %s after the end of its validity %s", outcome, n.Due, d.ValidUntil)
					}
					if d.Doubt && !after.Doubt {
						t.Errorf("%s: a doubt was forgotten", outcome)
					}
				}
			}
		}
	}
}

func TestOnDue(t *testing.T) {
	row := func(s gateway.State, r gateway.Reason, tune ...func(*gateway.Delivery)) *gateway.Delivery {
		d := sending(tune...)
		d.State, d.Reason, d.Claim = s, r, gateway.ByGateway
		return d
	}
	over := func(d *gateway.Delivery) { d.ValidUntil = noon }
	ready := func(d *gateway.Delivery) { d.Ready = true }
	turn := gateway.Next{State: gateway.Queued, Reason: gateway.WaitingTurn, Claim: gateway.ByGateway, Ready: true, Due: ended}
	again := turn
	again.Resend = true
	held := inDoubt(nextAt(gateway.Held, gateway.AmbiguousOutcome, ended))
	expired := next(gateway.Expired, gateway.ExpiredBeforeSend)
	undecided := next(gateway.Undecided, gateway.NoReport)

	for _, c := range []struct {
		name   string
		policy Policy
		d      *gateway.Delivery
		want   gateway.Next
	}{
		{"backed off", policy(), row(gateway.Queued, gateway.BackingOff), turn},
		{"backed off in doubt", policy(), row(gateway.Queued, gateway.BackingOff, resent), turn},
		{"the lane stopped", policy(), row(gateway.Held, gateway.LaneStopped), turn},
		{"the sender paused", policy(), row(gateway.Held, gateway.SenderPaused), turn},
		{"no report, hold", policy(), row(gateway.Uncertain, gateway.AwaitingReport, doubtful), held},
		{"no report, resend", policy(thenResend), row(gateway.Uncertain, gateway.AwaitingReport, doubtful), again},
		{"no report, resent enough", policy(thenResend), row(gateway.Uncertain, gateway.AwaitingReport, resent), held},
		{"resend after back-off", policy(unknownIs(Resend)), row(gateway.Uncertain, gateway.BackingOff, doubtful), again},
		{"no report for what was sent", policy(), row(gateway.Sent, gateway.AwaitingReport), undecided},
		{"no report for what was sent, late", policy(), row(gateway.Sent, gateway.AwaitingReport, over), undecided},
		{"no report for what was forwarded", policy(), row(gateway.Sent, gateway.ForwardedUnconfirmed), next(gateway.Undecided, gateway.ForwardedUnconfirmed)},

		{"over in line", policy(), row(gateway.Queued, gateway.WaitingTurn, over, ready), expired},
		{"over backing off", policy(), row(gateway.Queued, gateway.BackingOff, over), expired},
		{"over with the lane stopped", policy(), row(gateway.Held, gateway.LaneStopped, over), expired},
		{"over before its hour", policy(), row(gateway.Scheduled, "", over), expired},
		{"over in line, in doubt", policy(), row(gateway.Queued, gateway.WaitingTurn, over, ready, doubtful), undecided},
		{"over with the lane stopped, in doubt", policy(), row(gateway.Held, gateway.LaneStopped, over, doubtful), undecided},
		{"over and uncertain", policy(thenResend), row(gateway.Uncertain, gateway.AwaitingReport, over, doubtful), undecided},
		{"over and ambiguous", policy(), row(gateway.Held, gateway.AmbiguousOutcome, over, doubtful), undecided},

		{"early in line", policy(), row(gateway.Queued, gateway.WaitingTurn, ready),
			gateway.Next{State: gateway.Queued, Reason: gateway.WaitingTurn, Claim: gateway.ByGateway, Ready: true, Due: at(time.Hour)}},
		{"early ambiguous", policy(), row(gateway.Held, gateway.AmbiguousOutcome, lastHour, doubtful), nextAt(gateway.Held, gateway.AmbiguousOutcome, at(time.Minute))},
		{"on the wire", policy(), row(gateway.Sending, "", over), nextAt(gateway.Sending, "", at(time.Hour))},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.policy.OnDue(c.d, noon); got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestBackoff(t *testing.T) {
	r := Retry{First: 5 * time.Second, Max: 15 * time.Minute}
	for tries := 0; tries < 100; tries++ {
		span := min(r.First<<max(0, min(tries-1, 20)), r.Max)
		for _, chance := range []float64{0, 0.25, 0.999999} {
			want := time.Duration(chance * float64(span))
			if got := r.backoff(tries, chance); got != want {
				t.Errorf("try %d, chance %v: %s, want %s", tries, chance, got, want)
			}
		}
	}
}
