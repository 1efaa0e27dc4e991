package relay_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"mmsgw/gateway"
	"mmsgw/gateway/relay"
)

// week is a time in which anything happens: whatever carriers answer, people do and
// processes die of, by a die that falls the same each time.
type week struct {
	*city
	die     *rand.Rand
	ids     []gateway.ID
	sendAt  map[gateway.ID]time.Time
	optOuts map[gateway.Number]time.Time
	mu      sync.Mutex
	said    map[string]map[int]gateway.Outcome // by carrier and request
	ill     map[string]bool
}

// TestRowAnything: after a week of anything every message has come to an end that is
// told once; nobody was dialled too early, or after an opt-out, and nobody twice
// without the delivery showing it; at no time does a row wait for nothing.
func TestRowAnything(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			p := together(4)
			p.Unknown, p.ResendMax, p.Recalls, p.ReportTimeout = relay.Resend, 2, true, 10*time.Hour
			p.SameID = seed%2 == 0
			q := p
			q.Unknown, q.Then, q.MaxRecipients, q.PerDay = relay.WaitForReport, relay.Resend, 1, 60
			town(t, func(c *city) {
				w := &week{city: c, die: rand.New(rand.NewPCG(seed, 7)), sendAt: map[gateway.ID]time.Time{}, optOuts: map[gateway.Number]time.Time{},
					said: map[string]map[int]gateway.Outcome{"north": {}, "south": {}}, ill: map[string]bool{}}
				c.rules.Recalling = []string{"north", "south"}
				for name, peer := range c.carriers {
					peer.reports("")
					peer.script(w.answer(peer, name))
				}
				for range 60 {
					w.step()
				}
				w.ends()
			}, p, q)
		})
	}
}

func (w *week) roll(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.die.IntN(n)
}

// fall makes a carrier ill, or well.
func (w *week) fall(name string, ill bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ill[name] = ill
}

// answer is what a carrier says, and reports of what it took.
func (w *week) answer(p *peer, name string) func(gateway.Dispatch, int) gateway.Result {
	return func(d gateway.Dispatch, n int) gateway.Result {
		r := []gateway.Result{taken, taken, taken, taken, tryLater, silence, noSender, down,
			{Outcome: gateway.Rejected, Reason: gateway.RefusedContent, Code: "2004", Counts: true},
			{Outcome: gateway.Rejected, Reason: gateway.RefusedRequest, Code: "2007", Counts: true}}[w.roll(10)]
		w.mu.Lock()
		ill := w.ill[name]
		w.mu.Unlock()
		if ill {
			r = down
		}
		if len(d.Deliveries) > 1 && w.roll(5) == 0 {
			r = gateway.Result{Outcome: gateway.Divided, Code: "2002"}
		}
		took := r.Outcome == gateway.Accepted || r.Outcome == gateway.UnknownSent
		w.mu.Lock()
		w.said[name][n] = r.Outcome
		w.mu.Unlock()
		if took && d.Attempt.Kind == gateway.Submits {
			for i := range d.Deliveries {
				w.reports(p, d, d.Deliveries[i].Recipient)
			}
		}
		return r
	}
}

// reports sends none, one or some reports, at any time, by either id.
func (w *week) reports(p *peer, d gateway.Dispatch, to gateway.Number) {
	for range w.roll(3) {
		status := []gateway.ReportStatus{gateway.ReportRetrieved, gateway.ReportRetrieved, gateway.ReportDeferred, gateway.ReportForwarded,
			gateway.ReportExpired, gateway.ReportRejected, gateway.ReportIndeterminate, gateway.ReportRead}[w.roll(8)]
		r := p.reportOn(d.Attempt.ID, d.Message.From, to, status)
		if w.roll(2) == 0 {
			r.TransactionID = d.Attempt.ID.TransactionID()
		}
		time.AfterFunc(time.Duration(w.roll(7200))*time.Second/2, func() {
			r.At, r.ReceivedAt, r.Patience = time.Now(), time.Now(), 10*time.Hour
			if err := w.store.Report(context.Background(), r); err != nil && !w.life.dead {
				w.Error(err)
			}
		})
	}
}

// step does one thing and lets some time pass.
func (w *week) step() {
	switch n := w.roll(20); {
	case n < 9:
		w.sends()
	case n < 14:
		w.acts()
	case n < 16:
		name := w.order[w.roll(2)]
		w.pause(name, w.roll(2) == 0)
	case n < 18:
		w.fall(w.order[w.roll(2)], w.roll(2) == 0)
	case n == 18:
		to := many(40)[w.roll(40)]
		if _, err := w.store.OptOut(context.Background(), gateway.OptOut{Account: "acme", Number: to, At: w.now(), Who: "uid 0"}); err != nil {
			w.Fatal(err)
		}
		if w.optOuts[to].IsZero() {
			w.optOuts[to] = time.Now()
		}
	default:
		if w.roll(2) == 0 {
			w.life.crash()
			w.begin()
			w.wait(time.Duration(w.roll(60)) * time.Minute)
		} else {
			w.restart()
		}
	}
	w.wait(time.Duration(w.roll(600)) * time.Second)
	w.waitsForSomething()
}

func (w *week) sends() {
	first, n := w.roll(36), 1+w.roll(4)
	numbers := slices.DeleteFunc(slices.Clone(many(40)[first:first+n]), func(n gateway.Number) bool { return !w.optOuts[n].IsZero() })
	if len(numbers) == 0 {
		return
	}
	s := want(to(numbers...), lasting(time.Duration(30+w.roll(600))*time.Minute))
	if w.roll(4) == 0 {
		s.SendAt = time.Now().Add(time.Duration(1+w.roll(120)) * time.Minute)
	}
	id := w.submit(s)
	w.ids, w.sendAt[id] = append(w.ids, id), s.SendAt
}

func (w *week) acts() {
	a := gateway.Action{Verb: gateway.Verbs()[w.roll(4)]}
	if len(w.ids) > 0 && w.roll(3) > 0 {
		a.Message = w.ids[w.roll(len(w.ids))]
	} else {
		a.Filter = gateway.Filter{State: []gateway.State{gateway.Held, gateway.Queued, gateway.Failed, gateway.Uncertain, gateway.Expired}[w.roll(5)]}
	}
	dry := a
	dry.DryRun = true
	would, err := w.act(dry)
	if err != nil {
		w.Fatal(err)
	}
	if n, err := w.act(a); n != would || err != nil && n > 0 {
		w.Errorf("%s would change %d, and changed %d: %v", a.Verb, would, n, err)
	}
	if a.Verb == gateway.ToRetry {
		for id := range w.sendAt {
			w.sendAt[id] = time.Time{} // a retry is due now
		}
	}
}

// waitsForSomething: every row that waits says why and until when.
func (w *week) waitsForSomething() {
	for _, id := range w.ids {
		m, attempts := w.message(id)
		for i := range m.Deliveries {
			d := &m.Deliveries[i]
			open := slices.ContainsFunc(attempts, func(a gateway.Attempt) bool { return a.ID == d.Attempt && a.Open() })
			switch {
			case d.Final() && (!d.Due.IsZero() || d.Ready):
				w.Fatalf("it is %s and still due", d.State)
			case d.State == gateway.Sending && !open:
				w.Fatal("it is under way without an attempt")
			case !d.Final() && d.State != gateway.Sending && (d.Due.IsZero() || d.Reason == ""):
				w.Fatalf("it is %s, %s, due %v", d.State, d.Reason, d.Due)
			case !d.Final() && d.State != gateway.Sending && d.State != gateway.Sent && d.Due.After(d.ValidUntil) && d.State != gateway.Scheduled:
				w.Fatalf("it is %s, %s, due after its end", d.State, d.Reason)
			}
		}
	}
}

// ends lets everything come to its end, and looks at all of it.
func (w *week) ends() {
	for _, name := range w.order {
		w.pause(name, false)
		w.fall(name, false)
	}
	w.wait(40 * time.Hour)
	for i, id := range w.ids {
		m, _ := w.message(id)
		if state, final := gateway.StateOf(m.Deliveries); !final {
			w.Errorf("message %d is %s for ever: %v", i, state, w.told(id))
		}
		w.toldOnce(id)
		for j := range m.Deliveries {
			w.dialledRight(&m.Deliveries[j])
		}
	}
}

// toldOnce plays the events of a message: its completion comes each time the last
// of its deliveries came to an end, and at no other.
func (w *week) toldOnce(id gateway.ID) {
	m, _ := w.message(id)
	events, err := w.store.Timeline(context.Background(), id)
	if err != nil {
		w.Fatal(err)
	}
	done, want, got := map[int]bool{}, 0, 0
	final := map[string]bool{"delivery.delivered": true, "delivery.undelivered": true, "delivery.expired": true, "delivery.failed": true,
		"delivery.canceled": true, "delivery.blocked": true, "delivery.unknown": true}
	moves := map[string]bool{"delivery.queued": true, "delivery.held": true, "delivery.attempted": true, "delivery.uncertain": true, "delivery.sent": true, "delivery.scheduled": true}
	var types []string
	for _, e := range events {
		types = append(types, fmt.Sprint(e.N, " ", e.Type))
		switch {
		case e.Type == "message.completed":
			got++
		case final[e.Type] && !done[e.N]:
			done[e.N] = true
			if len(done) == len(m.Deliveries) {
				want++
			}
		case moves[e.Type]:
			delete(done, e.N)
		}
	}
	if got != want {
		w.Errorf("its end is told %d times, want %d: %v", got, want, types)
	}
}

// dialledRight looks at the requests for one delivery.
func (w *week) dialledRight(d *gateway.Delivery) {
	var calls []call
	doubt := map[int]bool{}
	for _, name := range w.order {
		for n, c := range w.carriers[name].seen() {
			if c.message != d.MessageID || c.kind != gateway.Submits || !slices.Contains(c.to, d.Recipient) {
				continue
			}
			w.mu.Lock()
			said, ended := w.said[name][n+1]
			w.mu.Unlock()
			doubt[len(calls)] = !ended || said == gateway.Accepted || said == gateway.UnknownSent
			calls = append(calls, c)
		}
	}
	first := time.Time{}
	for i, c := range calls {
		if doubt[i] && (first.IsZero() || c.at.Before(first)) {
			first = c.at
		}
	}
	for _, c := range calls {
		if !first.IsZero() && c.at.After(first) && !d.Duplicate {
			w.Errorf("dialled again in doubt, and does not show it: %v", w.told(d.MessageID))
		}
		if out := w.optOuts[d.Recipient]; !out.IsZero() && c.at.After(out.Add(2*time.Second)) {
			w.Errorf("dialled %s after the opt-out", c.at.Sub(out))
		}
		if c.at.Before(w.sendAt[d.MessageID]) {
			w.Errorf("dialled %s before its time", w.sendAt[d.MessageID].Sub(c.at))
		}
	}
}
