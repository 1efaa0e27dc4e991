package store

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mmsgw/gateway"
)

func TestAWholeLife(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		m := w.message(alice)
		m.Media = []gateway.Picture{{ID: "med_1", Type: "image/png", Size: 3, Width: 1, Height: 2, Frames: 1, Name: "a.png", Place: "1:0:3"}}
		m.Flags = []gateway.Flag{{Code: "to_territory", Severity: gateway.Warn, Field: "/to/0", Message: "x"}}
		w.accept(m)
		ds := w.take(10)
		if len(ds) != 1 || ds[0].Message.Text != "hi" || len(ds[0].Message.Media) != 1 || ds[0].Message.Media[0].Place != "1:0:3" {
			t.Fatalf("took %+v", ds)
		}
		w.state(m.ID, 0, gateway.Sending)
		w.accepted(ds[0], "k1")
		w.state(m.ID, 0, gateway.Sent)
		w.hear(w.report("k1", alice, gateway.ReportRetrieved))
		got, attempts := w.read(m.ID)
		d := got.Deliveries[0]
		if d.State != gateway.Delivered || d.DeliveredAt.IsZero() || d.SentAt.IsZero() || d.Claim != gateway.ByHandset || !d.Due.IsZero() {
			t.Errorf("delivery is %+v", d)
		}
		if len(attempts) != 1 || attempts[0].CarrierKey != "k1" || attempts[0].Outcome != gateway.Accepted || attempts[0].Dials != 1 {
			t.Errorf("attempts are %+v", attempts)
		}
		if got.From != sender || got.Flags[0].Code != "to_territory" || got.Media[0].Name != "a.png" || !got.Report || !got.ValidUntil.Equal(m.ValidUntil) {
			t.Errorf("message is %+v", got)
		}
		w.timeline(m.ID, "message.accepted", "delivery.attempted", "delivery.sent", "delivery.delivered", "message.completed")
	})
}

func TestAnAttemptRidesAlong(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		lease := w.own()
		ride := func(epoch int64) (*gateway.Message, gateway.Accepting) {
			m := w.message(alice)
			a := gateway.Attempt{ID: gateway.NewID(), Kind: gateway.Submits, MessageID: m.ID, Covers: []int{0}, Lane: "north", Owner: "node-1", Epoch: epoch, Dials: 1, OpenedAt: w.now}
			out, err := w.Accept(t.Context(), gateway.Accept{Message: m, Attempts: []gateway.Attempt{a}})
			if err != nil {
				t.Fatal(err)
			}
			return m, out
		}
		m, out := ride(lease.Epoch)
		if !out.Boarded {
			t.Error("the attempt did not ride along")
		}
		w.state(m.ID, 0, gateway.Sending)
		m, out = ride(lease.Epoch - 1)
		if out.Boarded {
			t.Error("an attempt of an old epoch was stored")
		}
		w.state(m.ID, 0, gateway.Queued)
		if ds := w.take(5); len(ds) != 1 || ds[0].Attempt.MessageID != m.ID {
			t.Errorf("took %+v, want the one left behind", ds)
		}
	})
}

func TestIdempotency(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		first := w.message(alice)
		first.IdemKey, first.IdemHash = "k", []byte("hash")
		w.accept(first)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				m := w.message(alice)
				m.IdemKey, m.IdemHash = "k", []byte("other")
				out, err := w.Accept(t.Context(), gateway.Accept{Message: m})
				if err != nil || !out.Replayed || out.ID != first.ID || !bytes.Equal(out.IdemHash, []byte("hash")) {
					t.Errorf("got %+v, %v; want the first message", out, err)
				}
			})
		}
		wg.Wait()
		other := w.message(alice)
		other.Account, other.IdemKey = "else", "k"
		for i := range other.Deliveries {
			other.Deliveries[i].Account = "else"
		}
		if out, err := w.Accept(t.Context(), gateway.Accept{Message: other}); err != nil || out.Replayed {
			t.Errorf("another account's key: %+v, %v", out, err)
		}
		// a commit whose answer was lost is handed over again
		if out, err := w.Accept(t.Context(), gateway.Accept{Message: first}); err != nil || out.Replayed || out.ID != first.ID {
			t.Errorf("the same change again: %+v, %v", out, err)
		}
		w.timeline(first.ID, "message.accepted")
		if got, err := w.ByKey(t.Context(), "acme", "k"); err != nil || got.ID != first.ID {
			t.Errorf("by key: %+v, %v", got, err)
		}
		if got, err := w.ByKey(t.Context(), "acme", "nobody's"); err != nil || !got.ID.IsZero() {
			t.Errorf("by an unused key: %+v, %v", got, err)
		}
	})
}

func TestSettleTwiceAndLate(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		m := w.accept(w.message(alice))
		d := w.take(1)[0]
		unknown := gateway.Next{State: gateway.Uncertain, Reason: gateway.AwaitingReport, Claim: gateway.ByGateway, Due: w.now.Add(time.Minute), Doubt: true}
		w.settle(d, gateway.Result{Outcome: gateway.UnknownSent, Code: "timeout"}, unknown)
		w.settle(d, gateway.Result{Outcome: gateway.UnknownSent, Code: "timeout"}, unknown)
		w.state(m.ID, 0, gateway.Uncertain)
		w.accepted(d, "late") // the answer came after all
		w.state(m.ID, 0, gateway.Sent)
		w.accepted(d, "again")
		_, attempts := w.read(m.ID)
		if attempts[0].CarrierKey != "late" {
			t.Errorf("a definite answer was overwritten: %+v", attempts[0])
		}
		w.timeline(m.ID, "message.accepted", "delivery.attempted", "delivery.uncertain", "delivery.sent")
	})
}

func TestReports(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		m := w.accept(w.message(alice))
		d := w.take(1)[0]
		w.hear(w.report("k", alice, gateway.ReportRetrieved)) // before the answer that names it
		w.state(m.ID, 0, gateway.Sending)
		w.accepted(d, "k")
		w.state(m.ID, 0, gateway.Delivered)
		w.hear(w.report("k", alice, gateway.ReportRetrieved)) // an exact repeat
		w.hear(w.report("k", alice, gateway.ReportExpired))   // out of order
		w.hear(w.report("k", alice, gateway.ReportExpired))
		w.hear(w.report("k", bob, gateway.ReportRetrieved)) // a stranger's
		w.state(m.ID, 0, gateway.Delivered)
		w.timeline(m.ID, "message.accepted", "delivery.attempted", "delivery.sent", "delivery.delivered", "message.completed", "delivery.reported")
	})
}

func TestAReportOfTheWayAndItsEnd(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		m := w.accept(w.message(alice))
		w.accepted(w.take(1)[0], "k")
		w.hear(w.report("k", alice, gateway.ReportForwarded))
		got, _ := w.read(m.ID)
		if d := got.Deliveries[0]; d.State != gateway.Sent || d.Reason != gateway.ForwardedUnconfirmed || d.Due.IsZero() {
			t.Errorf("after Forwarded: %+v", d)
		}
		w.hear(w.report("k", alice, gateway.ReportExpired))
		w.state(m.ID, 0, gateway.Expired)
		w.hear(w.report("k", alice, gateway.ReportRetrieved)) // better evidence wins
		w.state(m.ID, 0, gateway.Delivered)
	})
}

func TestReportsForAnAttemptWithoutMessageID(t *testing.T) {
	unknown := gateway.Next{State: gateway.Uncertain, Reason: gateway.AwaitingReport, Claim: gateway.ByGateway, Doubt: true}
	lose := func(w *world, to gateway.Number) (*gateway.Message, gateway.Dispatch) {
		m := w.accept(w.message(to))
		d := w.take(1)[0]
		next := unknown
		next.Due = w.now.Add(time.Hour)
		w.settle(d, gateway.Result{Outcome: gateway.UnknownSent}, next)
		return m, d
	}
	onBoth(t, func(t *testing.T, w *world) {
		m, d := lose(w, alice)
		r := w.report("x1", alice, gateway.ReportRetrieved)
		r.TransactionID = d.Attempt.ID.TransactionID()
		lose(w, alice) // a second one fits too, but the echo decides
		w.hear(r)
		w.state(m.ID, 0, gateway.Delivered)

		only, _ := lose(w, bob)
		w.hear(w.report("x2", bob, gateway.ReportDeferred))
		w.state(only.ID, 0, gateway.Sent)
		w.hear(w.report("x2", bob, gateway.ReportRetrieved))
		w.state(only.ID, 0, gateway.Delivered)

		third, _ := lose(w, alice) // now two fit: nobody guesses
		w.hear(w.report("x3", alice, gateway.ReportRetrieved))
		w.state(third.ID, 0, gateway.Uncertain)
	})
}

func TestAReportThatMatchesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.hear(w.report("who", alice, gateway.ReportRetrieved))
		w.hear(w.report("who", alice, gateway.ReportRetrieved)) // parked once
		unmatched := func() int {
			page, err := w.After(t.Context(), gateway.FeedQuery{Type: "report.unmatched", Limit: 10})
			if err != nil {
				t.Fatal(err)
			}
			return len(page.Events)
		}
		for i, wait := range parkTimes {
			if n := unmatched(); n != 0 {
				t.Fatalf("told as unmatched after %d tries", i)
			}
			if _, next, err := w.Due(t.Context(), w.now, 1); err != nil || !next.Equal(w.now.Add(wait)) {
				t.Fatalf("try %d is due %v, want in %v (%v)", i, next, wait, err)
			}
			w.now = w.now.Add(wait)
			w.due()
		}
		if n := unmatched(); n != 1 {
			t.Errorf("told as unmatched %d times, want once", n)
		}
		// kept: what names it later finds it
		m := w.accept(w.message(alice))
		w.accepted(w.take(1)[0], "who")
		w.state(m.ID, 0, gateway.Delivered)
	})
}

// The early-report race: on PostgreSQL report and answer are two transactions
// of two nodes that can miss each other; the parked report's due time mends it.
func TestTheEarlyReportRace(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		other := w.Store
		if !w.engine.sole {
			other = w.reopen(nil)
		}
		const rounds = 40
		ids := map[gateway.ID]bool{}
		for range rounds {
			ids[w.accept(w.message(alice)).ID] = true
		}
		ds := w.take(rounds)
		if len(ds) != rounds {
			t.Fatalf("took %d", len(ds))
		}
		var wg sync.WaitGroup
		for i, d := range ds {
			key := fmt.Sprintf("k%d", i)
			wg.Go(func() { w.accepted(d, key) })
			wg.Go(func() {
				if err := other.Report(t.Context(), w.report(key, alice, gateway.ReportRetrieved)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		w.now = w.now.Add(parkTimes[0])
		w.due()
		for id := range ids {
			w.state(id, 0, gateway.Delivered)
		}
	})
}

// The cursor: whoever has seen C never later finds an event at or before C,
// with three writers at once (three nodes on PostgreSQL).
func TestTheCursorUnderThreeWriters(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		writers := []*Store{w.Store, w.Store, w.Store}
		if !w.engine.sole {
			writers = []*Store{w.Store, w.reopen(nil), w.reopen(nil)}
		}
		const each = 150
		var wg sync.WaitGroup
		for _, s := range writers {
			for range 3 {
				wg.Go(func() {
					for range each / 3 {
						if _, err := s.Accept(t.Context(), gateway.Accept{Message: w.message(alice)}); err != nil {
							t.Error(err)
						}
					}
				})
			}
		}
		finished := make(chan struct{})
		go func() { wg.Wait(); close(finished) }()
		seen := map[int64]bool{}
		var after int64
		for done := false; !done; {
			select {
			case <-finished:
				done = true // one last look
			default:
			}
			page, err := w.After(t.Context(), gateway.FeedQuery{After: after, Limit: 7})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Events {
				if e.Seq <= after || seen[e.Seq] {
					t.Fatalf("event %d came behind cursor %d", e.Seq, after)
				}
				seen[e.Seq] = true
			}
			after = page.Seen
			done = done && len(page.Events) == 0
		}
		for {
			page, err := w.After(t.Context(), gateway.FeedQuery{After: after, Limit: 500})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Events {
				seen[e.Seq] = true
			}
			if after = page.Seen; len(page.Events) == 0 {
				break
			}
		}
		if len(seen) != 3*each {
			t.Errorf("the reader saw %d events of %d", len(seen), 3*each)
		}
	})
}

func TestTakeIsFairAndOrdered(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		put := func(account string, p gateway.Priority, n int) {
			for range n {
				m := w.message(alice)
				m.Account, m.Priority = account, p
				m.Deliveries[0].Account, m.Deliveries[0].Priority = account, p
				w.accept(m)
			}
		}
		put("big", gateway.Normal, 30)
		put("small", gateway.Normal, 2)
		put("big", gateway.High, 1)
		put("small", gateway.Low, 1)
		count := map[string]int{}
		ds := w.take(9)
		for i, d := range ds {
			if i == 0 && d.Message.Priority != gateway.High {
				t.Errorf("the first has priority %d", d.Message.Priority)
			}
			count[d.Message.Account]++
		}
		if len(ds) != 9 || count["small"] != 2 || count["big"] != 7 {
			t.Errorf("took %v of %d", count, len(ds))
		}
		rest := w.take(100)
		if len(rest) != 25 || rest[24].Message.Priority != gateway.Low {
			t.Errorf("took %d more; the last should be the low one", len(rest))
		}
	})
}

func TestLeases(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		first := w.own()
		m := w.accept(w.message(alice))
		w.take(1)
		if again := w.own(); again.Epoch != first.Epoch {
			t.Errorf("renewing changed the epoch from %d to %d", first.Epoch, again.Epoch)
		}
		if !w.engine.sole {
			if _, _, err := w.Own(t.Context(), "north", "node-2"); !errors.Is(err, gateway.ErrNotOwner) {
				t.Fatalf("another node took a live lease: %v", err)
			}
			w.now = w.now.Add(w.opt.LeaseTTL + time.Second)
		}
		second, orphans, err := w.Own(t.Context(), "north", "node-2")
		if err != nil || second.Epoch != first.Epoch+1 {
			t.Fatalf("took over with %+v, %v", second, err)
		}
		if len(orphans) != 1 || orphans[0].Attempt.MessageID != m.ID || len(orphans[0].Deliveries) != 1 {
			t.Fatalf("orphans are %+v", orphans)
		}
		w.accept(w.message(bob))
		refused := make(chan error, 1)
		w.Take(gateway.Order{Lease: first, N: 1}, func(_ gateway.Taken, err error) { refused <- err })
		if err := <-refused; !errors.Is(err, gateway.ErrNotOwner) {
			t.Errorf("an intent of an old epoch gave %v", err)
		}
		w.accepted(orphans[0], "k") // a fact of the old owner is still a fact
		w.state(m.ID, 0, gateway.Sent)
	})
}

func TestAResendKeepsOrChangesItsTransactionID(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		m := w.accept(w.message(alice))
		d := w.take(1)[0]
		lose := func(d gateway.Dispatch) {
			w.settle(d, gateway.Result{Outcome: gateway.UnknownSent}, gateway.Next{State: gateway.Uncertain, Reason: gateway.BackingOff, Due: w.now, Doubt: true})
			due := w.due()
			if len(due) != 1 {
				t.Fatalf("due: %+v", due)
			}
			done := make(chan error, 1)
			w.Move([]gateway.Move{{MessageID: m.ID, Seen: due[0].State, SeenDue: due[0].Due,
				Next: gateway.Next{State: gateway.Queued, Reason: gateway.WaitingTurn, Ready: true, Due: m.ValidUntil, Resend: true}}}, func(err error) { done <- err })
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		lose(d)
		same := take(t, w.Store, gateway.Order{Lease: w.own(), N: 1, SameID: true})[0]
		if same.Attempt.ID != d.Attempt.ID || same.Attempt.Dials != 2 {
			t.Errorf("the resend is attempt %+v, want a second dial of the first", same.Attempt)
		}
		lose(same)
		fresh := take(t, w.Store, gateway.Order{Lease: w.own(), N: 1, SameID: false})[0]
		if fresh.Attempt.ID == d.Attempt.ID || fresh.Attempt.Dials != 1 {
			t.Errorf("the resend is attempt %+v, want a new one", fresh.Attempt)
		}
		if got, _ := w.read(m.ID); got.Deliveries[0].Resends != 2 || got.Deliveries[0].Tries != 3 {
			t.Errorf("delivery is %+v", got.Deliveries[0])
		}
	})
}

func TestAMoveOfWhatHasMovedIsNotTaken(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		m := w.accept(w.message(alice))
		due := m.Deliveries[0].Due
		w.take(1)
		done := make(chan error, 1)
		w.Move([]gateway.Move{{MessageID: m.ID, Seen: gateway.Queued, SeenDue: due, Next: gateway.Next{State: gateway.Expired, Reason: gateway.ExpiredBeforeSend}}}, func(err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		w.state(m.ID, 0, gateway.Sending)
	})
}

func TestAMessageOfManyIsCompleteOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		m := w.accept(w.message(alice, bob))
		ds := w.take(5)
		w.accepted(ds[0], "a")
		w.accepted(ds[1], "b")
		w.hear(w.report("a", alice, gateway.ReportRetrieved))
		w.hear(w.report("b", bob, gateway.ReportExpired))
		w.hear(w.report("b", bob, gateway.ReportRetrieved))
		completed := 0
		for _, kind := range w.types(m.ID) {
			if kind == "message.completed" {
				completed++
			}
		}
		if completed != 1 {
			t.Errorf("completed %d times: %v", completed, w.types(m.ID))
		}
	})
}

func TestEverythingIsThereAfterReopening(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		m := w.accept(w.message(alice))
		key, err := w.Secret(t.Context(), "media")
		if err != nil || len(key) != 32 {
			t.Fatalf("secret %x, %v", key, err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		w.Store = w.reopen(nil)
		w.state(m.ID, 0, gateway.Queued)
		if again, err := w.Secret(t.Context(), "media"); err != nil || !bytes.Equal(again, key) {
			t.Errorf("the secret changed: %x, %v", again, err)
		}
		if _, err := w.Accept(t.Context(), gateway.Accept{Message: w.message(bob)}); err != nil {
			t.Error(err)
		}
	})
}

func TestANewerSchemaIsRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		if _, err := w.writer.Exec("INSERT INTO schema_version (version) VALUES (999)"); err != nil {
			t.Fatal(err)
		}
		if err := w.migrate(t.Context()); err == nil {
			t.Error("a newer schema was accepted")
		}
	})
}

func TestASecondDaemonIsRefused(t *testing.T) {
	w := newWorld(t, "")
	if _, err := Open(t.Context(), Options{Path: w.opt.Path}); err == nil {
		t.Error("two stores opened one file")
	}
	if _, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "no", "such", "dir.db")}); err == nil {
		t.Error("a store opened in a directory that is not there")
	}
}

func TestPictures(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		p := gateway.Picture{ID: "med_x", Type: "image/gif", Size: 9, Width: 1, Height: 1, Frames: 2, Place: "1:2:9"}
		if err := w.AddPicture(t.Context(), "acme", p); err != nil {
			t.Fatal(err)
		}
		if err := w.AddPicture(t.Context(), "acme", p); err != nil {
			t.Errorf("the same again: %v", err)
		}
		for _, account := range []string{"acme", ""} {
			if got, err := w.Picture(t.Context(), account, "med_x"); err != nil || got != p {
				t.Errorf("for %q: %+v, %v", account, got, err)
			}
		}
		if _, err := w.Picture(t.Context(), "else", "med_x"); !errors.Is(err, gateway.ErrNotFound) {
			t.Errorf("another account's picture: %v", err)
		}
		if place, err := w.Place(t.Context(), "med_x"); err != nil || place != "1:2:9" {
			t.Errorf("place %q, %v", place, err)
		}
	})
}

// A commit whose answer was lost runs again. Each change must find itself done:
// here the very same changes are applied a second time after they were
// committed, as after a lost answer.
func TestChangesAppliedTwice(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		lease := w.own()
		again := func(c change) {
			t.Helper()
			for range 2 {
				w.hot.forget()
				over := make(chan error, 1)
				w.in.hand(noted{c, over}, true)
				if err := <-over; err != nil {
					t.Fatal(err)
				}
			}
		}
		m := w.message(alice)
		a := gateway.Attempt{ID: gateway.NewID(), Kind: gateway.Submits, MessageID: m.ID, Covers: []int{0}, Lane: "north", Owner: "node-1", Epoch: lease.Epoch, Dials: 1, OpenedAt: w.now}
		again(&acceptance{result: result{make(chan error, 2)}, a: gateway.Accept{Message: m, Attempts: []gateway.Attempt{a}}})
		waiting := w.accept(w.message(bob))
		taken := &taking{order: gateway.Order{Lease: lease, N: 5}, after: func(gateway.Taken, error) {}}
		again(taken)
		if len(taken.out.Dispatches) != 1 || taken.out.Dispatches[0].Attempt.MessageID != waiting.ID {
			t.Fatalf("took %+v", taken.out)
		}
		again(&settling{gateway.Settlement{Attempt: taken.out.Dispatches[0].Attempt.ID, Lane: "north", Result: gateway.Result{Outcome: gateway.Accepted, CarrierKey: "k"},
			Next: []gateway.NextOf{{Next: gateway.Next{State: gateway.Sent, Reason: gateway.AwaitingReport, Due: w.now.Add(time.Hour)}}}}, func(error) {}})
		again(&reporting{result: result{make(chan error, 2)}, r: parkedReport{Report: w.report("k", bob, gateway.ReportRetrieved)}})
		for _, id := range []gateway.ID{m.ID, waiting.ID} {
			got, attempts := w.read(id)
			if len(attempts) != 1 || got.Deliveries[0].Tries != 1 {
				t.Errorf("%d attempts, delivery %+v", len(attempts), got.Deliveries[0])
			}
		}
		w.timeline(m.ID, "message.accepted", "delivery.attempted")
		w.timeline(waiting.ID, "message.accepted", "delivery.attempted", "delivery.sent", "delivery.delivered", "message.completed")
	})
}

// noted is a change whose end the test waits for.
type noted struct {
	change
	over chan error
}

func (c noted) done(err error) { c.over <- err }

// A report that came while its attempt was still open is asked again as soon
// as the attempt is known to get no answer, however long it has been parked.
func TestAReportParkedBeforeItsAttemptIsLost(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		m := w.accept(w.message(alice))
		d := w.take(1)[0]
		w.hear(w.report("x", alice, gateway.ReportRetrieved))
		for _, wait := range parkTimes {
			w.now = w.now.Add(wait)
			w.due()
		}
		w.state(m.ID, 0, gateway.Sending)
		w.settle(d, gateway.Result{Outcome: gateway.UnknownSent, Code: "owner_gone"}, gateway.Next{State: gateway.Uncertain, Reason: gateway.AwaitingReport, Due: w.now.Add(time.Hour), Doubt: true})
		w.due()
		w.state(m.ID, 0, gateway.Delivered)
	})
}

// A statement that the database refuses harms its own change alone: those that
// shared its transaction are done, and so are those that come after it.
func TestARefusedStatementHarmsNobodyElse(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		for range 3 {
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() {
					if _, err := w.Accept(t.Context(), gateway.Accept{Message: w.message(alice)}); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Go(func() {
				err := w.run(func(b *batch) error { return b.query("INSERT INTO meta (name, value) VALUES ('no value', NULL)", nil) })
				if err == nil {
					t.Error("a row without its value was stored")
				}
			})
			wg.Wait()
		}
		if ds := w.take(100); len(ds) != 30 {
			t.Errorf("%d of 30 messages are there", len(ds))
		}
	})
}
