package relay_test

import (
	"testing"
	"time"

	"mmsgw/gateway"
	"mmsgw/gateway/relay"
)

// TestRowCanceledInDoubt: what may have been taken is not sent again once it is
// canceled, whatever it waited for: a resend, its lane, the end of a wait for its
// report. A report still tells what became of it.
func TestRowCanceledInDoubt(t *testing.T) {
	resend := agreed()
	resend.Unknown, resend.ResendMax, resend.Retry.First = relay.Resend, 5, time.Minute
	waits := agreed()
	waits.Then = relay.Resend
	for name, k := range map[string]struct {
		policy relay.Policy
		then   gateway.Result
		after  time.Duration
		stands gateway.Reason
	}{
		"a resend":          {resend, silence, time.Second, gateway.BackingOff},
		"a stopped lane":    {resend, noEntry, 2 * time.Minute, gateway.LaneStopped},
		"a refused sender":  {resend, noSender, 2 * time.Minute, gateway.SenderPaused},
		"a busy carrier":    {resend, tryLater, 31 * time.Second, gateway.BackingOff},
		"the report's time": {waits, silence, time.Minute, gateway.AwaitingReport},
	} {
		t.Run(name, func(t *testing.T) {
			town(t, func(c *city) {
				north := c.carriers["north"]
				north.script(func(_ gateway.Dispatch, n int) gateway.Result {
					if n == 1 {
						return silence
					}
					return k.then
				})
				id := c.submit(want(lasting(10 * time.Hour)))
				c.wait(k.after)
				if d := c.delivery(id); d.Reason != k.stands || !d.Doubt {
					t.Fatalf("it is %s, %s", d.State, d.Reason)
				}
				sent := len(north.of(id))
				c.does(gateway.ToCancel, id)
				c.is(gateway.Held, gateway.AmbiguousOutcome, id)
				north.say(taken)
				c.wait(5 * time.Hour)
				if n := len(north.of(id)); n != sent {
					t.Errorf("sent again after it was canceled")
				}
				if _, err := c.act(gateway.Action{Verb: gateway.ToCancel, Message: id}); err == nil {
					t.Error("it was canceled twice")
				}
				r := north.reportOn(gateway.NewID(), from, alice, gateway.ReportRetrieved)
				r.TransactionID = north.of(id)[0].attempt.TransactionID()
				if err := c.store.Report(t.Context(), r); err != nil {
					t.Fatal(err)
				}
				c.is(gateway.Delivered, gateway.Retrieved, id)
			}, k.policy)
		})
	}
}
