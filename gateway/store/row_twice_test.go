package store

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"mmsgw/gateway"
)

// thief stands between a store and its PostgreSQL. Armed, it lets the next commit
// happen and steals its answer: the connection is gone.
type thief struct {
	armed atomic.Bool
	stole atomic.Int32
}

// between gives a DSN that leads through the thief.
func (f *thief) between(t *testing.T, dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	to := u.Host
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				client.Close()
				continue
			}
			go func() { io.Copy(server, client); server.Close() }()
			go f.carry(client, server)
		}
	}()
	u.Host = l.Addr().String()
	return u.String()
}

func (f *thief) carry(client, server net.Conn) {
	defer client.Close()
	defer server.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if bytes.Contains(buf[:n], []byte("COMMIT\x00")) && f.armed.CompareAndSwap(true, false) {
			f.stole.Add(1)
			return
		}
		if _, failed := client.Write(buf[:n]); err != nil || failed != nil {
			return
		}
	}
}

// stolen is a world whose commits can lose their answers.
func stolen(t *testing.T) (*world, *thief) {
	f := &thief{}
	w := newWorld(t, f.between(t, postgresDSN(t)))
	w.Store.Close()
	w.Store = w.reopen(func(o *Options) { o.Quiet = true })
	return w, f
}

// TestRowLostAnswers: a commit happens and its answer is lost. Whoever waits for it
// is told what he would have been, and the feed tells everything once.
func TestRowLostAnswers(t *testing.T) {
	w, f := stolen(t)
	lease := w.own()
	lose := func(what string, do func()) {
		t.Helper()
		before := f.stole.Load()
		f.armed.Store(true)
		do()
		if f.stole.Load() != before+1 {
			t.Errorf("%s: no answer was stolen", what)
		}
	}
	news := func(what string) func(bool, error) {
		return func(news bool, err error) {
			t.Helper()
			if !news || err != nil {
				t.Errorf("%s: news %v, %v", what, news, err)
			}
		}
	}
	day := gateway.Day{Name: "2026-11-25", Limit: 10, End: w.now.Add(time.Hour)}
	m := w.message(alice, bob)
	ride := gateway.Attempt{ID: gateway.NewID(), Kind: gateway.Submits, MessageID: m.ID, Covers: []int{0, 1}, Lane: "north", Owner: "node-1", Epoch: lease.Epoch, Dials: 1, OpenedAt: w.now}
	lose("accept", func() {
		if out, err := w.Accept(t.Context(), gateway.Accept{Message: m, Attempts: []gateway.Attempt{ride}, Days: []gateway.Day{day}}); err != nil || !out.Boarded || out.Replayed {
			t.Errorf("accepted %+v, %v", out, err)
		}
	})
	waits := w.accept(w.message(alice, bob))
	var got []gateway.Dispatch
	lose("take", func() {
		got = take(t, w.Store, gateway.Order{Lease: lease, N: 5, Recipients: 5, Group: 5, Day: day})
	})
	if len(got) != 1 || !slices.Equal(got[0].Attempt.Covers, []int{0, 1}) || got[0].Attempt.MessageID != waits.ID {
		t.Fatalf("took %+v", got)
	}
	if left := dayLeft(w, day); left != 6 {
		t.Errorf("%d left of the day, want 6", left)
	}
	lose("settle", func() { w.accepted(got[0], "k") })
	lose("report", func() { w.hear(w.report("k", alice, gateway.ReportRetrieved)) })
	act := func(verb gateway.Verb, id gateway.ID) (bool, error) {
		n, err := w.Act(t.Context(), gateway.Judged{Action: gateway.Action{Verb: verb, Message: id}, Judge: rowJudge(verb)})
		return n == 1, err
	}
	lose("recall", func() { news("recall")(act(gateway.ToCancel, waits.ID)) })
	third := w.accept(w.message(alice))
	lose("hold", func() { news("hold")(act(gateway.ToHold, third.ID)) })
	lose("release", func() { news("release")(act(gateway.ToRelease, third.ID)) })
	parked := w.report("nobody's", alice, gateway.ReportForwarded)
	lose("park", func() { w.hear(parked) })
	lose("link", func() {
		if err := w.Link(t.Context(), parked.ID, third.ID, alice, "uid 0"); err != nil {
			t.Errorf("link: %v", err)
		}
	})
	o := gateway.OptOut{Account: "acme", Number: alice, At: w.now, Who: "uid 0"}
	lose("opt-out", func() { news("opt-out")(w.OptOut(t.Context(), o)) })
	lose("opt-in", func() { news("opt-in")(w.OptIn(t.Context(), o)) })
	lose("pause", func() { news("pause")(w.Pause(t.Context(), "north", true, "uid 0")) })
	lose("resume", func() { news("resume")(w.Pause(t.Context(), "north", false, "uid 0")) })

	w.timeline(m.ID, "message.accepted", "delivery.attempted", "delivery.attempted")
	w.timeline(waits.ID, "message.accepted", "delivery.attempted", "delivery.attempted", "delivery.sent", "delivery.sent", "delivery.delivered", "delivery.reported")
	w.timeline(third.ID, "message.accepted", "delivery.held", "delivery.queued", "delivery.reported")
	once(w, "optout.changed", 2)
	once(w, "carrier.paused", 1)
	once(w, "carrier.resumed", 1)
}

// TestRowLostAnswerOfANote: freeing and evading go on where they were.
func TestRowLostAnswerOfANote(t *testing.T) {
	w, f := stolen(t)
	var ids []gateway.ID
	for i := range freed + 10 {
		m := w.message(alice)
		d := &m.Deliveries[0]
		d.Spare = "south"
		if i%2 == 0 {
			d.State, d.Reason, d.Ready, d.Due = gateway.Held, gateway.LaneStopped, false, w.now.Add(time.Minute)
		}
		ids = append(ids, w.accept(m).ID)
	}
	stands := gateway.LaneStatus{Lane: "north", Reason: gateway.LaneStopped, Since: w.now, Until: w.now.Add(time.Minute)}
	for _, n := range []gateway.LaneNote{
		{Status: gateway.LaneStatus{Lane: "north"}, Free: gateway.LaneStopped},
		{Status: stands, Event: "carrier.stopped", Evade: true},
	} {
		f.armed.Store(true)
		done := make(chan error, 1)
		w.Note(n, func(err error) { done <- err })
		if err := <-done; err != nil || f.armed.Load() {
			t.Fatalf("noted: %v", err)
		}
	}
	for _, id := range ids {
		m, _ := w.read(id)
		if d := m.Deliveries[0]; d.State != gateway.Queued || d.Lane != "south" || d.Spare != "north" {
			t.Fatalf("it is %s at %s, then %s", d.State, d.Lane, d.Spare)
		}
		if types := w.types(id); len(types) > 3 {
			t.Fatalf("told %v", types)
		}
	}
	once(w, "carrier.stopped", 1)
}

// rowJudge are people's verbs as plain as they can be.
func rowJudge(verb gateway.Verb) func(*gateway.Delivery, *gateway.Message, bool, time.Time) (gateway.Event, bool) {
	return func(d *gateway.Delivery, _ *gateway.Message, _ bool, now time.Time) (gateway.Event, bool) {
		switch {
		case verb == gateway.ToCancel && d.State == gateway.Sent && d.Recall == gateway.RecallNone:
			d.Recall = gateway.RecallWanted
			return d.TellReported(gateway.EventData{}, now), true
		case verb == gateway.ToHold && d.State == gateway.Queued:
			d.Move(gateway.Next{State: gateway.Held, Reason: gateway.OperatorHold, Claim: gateway.ByOperator, Due: d.ValidUntil}, now)
		case verb == gateway.ToRelease && d.State == gateway.Held:
			d.Move(d.Turn(), now)
		default:
			return gateway.Event{}, false
		}
		return d.Tell(gateway.EventData{}, now), true
	}
}

func dayLeft(w *world, day gateway.Day) (left int) {
	w.t.Helper()
	err := w.run(func(b *batch) (err error) {
		left, err = b.left("north", day)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return left
}

// once checks how often the feed tells something.
func once(w *world, kind string, want int) {
	w.t.Helper()
	page, err := w.After(w.t.Context(), gateway.FeedQuery{Type: kind, Limit: 100})
	if err != nil || len(page.Events) != want {
		w.t.Errorf("%s is told %d times, want %d (%v)", kind, len(page.Events), want, err)
	}
}

// TestRowLostSeat: an accept whose answer was lost for so long that another node took
// the lane does not send: the other one has settled what it found under way.
func TestRowLostSeat(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		lease := w.own()
		m := w.message(alice)
		a := gateway.Attempt{ID: gateway.NewID(), Kind: gateway.Submits, MessageID: m.ID, Covers: []int{0}, Lane: "north", Owner: "node-1", Epoch: lease.Epoch, Dials: 1, OpenedAt: w.now}
		c := &acceptance{result: result{make(chan error, 2)}, a: gateway.Accept{Message: m, Attempts: []gateway.Attempt{a}}}
		apply := func() {
			over := make(chan error, 1)
			w.in.hand(noted{c, over}, true)
			if err := <-over; err != nil {
				t.Fatal(err)
			}
			w.hot.forget()
		}
		apply()
		apply()
		if !c.out.Boarded {
			t.Error("applied again it does not know that it boarded")
		}
		w.now = w.now.Add(w.opt.LeaseTTL + time.Second)
		_, orphans, err := w.Own(t.Context(), "north", "node-2")
		if err != nil || len(orphans) != 1 {
			t.Fatalf("%d orphans, %v", len(orphans), err)
		}
		w.settle(orphans[0], gateway.Result{Outcome: gateway.UnknownSent, Code: "owner_gone"},
			gateway.Next{State: gateway.Uncertain, Reason: gateway.AwaitingReport, Due: w.now.Add(time.Hour), Doubt: true})
		apply()
		if c.out.Boarded {
			t.Error("it would be dialled though it is settled")
		}
	})
}
