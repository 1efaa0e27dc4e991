package relay

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mmsgw/gateway"
)

// edge is a scripted carrier: it answers each dial as told, after a time.
type edge struct {
	mu       sync.Mutex
	rtt      time.Duration
	answer   func(dial int, d gateway.Dispatch) gateway.Result
	dials    []time.Time
	ids      []gateway.ID // of the attempts dialled
	inFlight int
	most     int
	cut      int // dials that ctx ended
}

func (e *edge) Send(ctx context.Context, d gateway.Dispatch) gateway.Result {
	e.mu.Lock()
	n := len(e.dials)
	e.dials, e.ids = append(e.dials, time.Now()), append(e.ids, d.Attempt.ID)
	e.inFlight++
	e.most = max(e.most, e.inFlight)
	rtt, answer := e.rtt, e.answer
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.inFlight--
	}()
	select {
	case <-time.After(rtt + time.Duration(n%7)*rtt/50):
		return answer(n, d)
	case <-ctx.Done():
		e.mu.Lock()
		defer e.mu.Unlock()
		e.cut++
		return gateway.Result{Outcome: gateway.UnknownSent, Code: "cut"}
	}
}

func (e *edge) say(r gateway.Result) {
	e.script(func(int, gateway.Dispatch) gateway.Result { return r })
}

func (e *edge) script(answer func(dial int, d gateway.Dispatch) gateway.Result) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = answer
}

func (e *edge) dialled() []time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]time.Time(nil), e.dials...)
}

var (
	yes     = gateway.Result{Outcome: gateway.Accepted, Code: "1000", CarrierKey: "k"}
	refusal = gateway.Result{Outcome: gateway.RetryLater, Code: "refused"}
	denied  = gateway.Result{Outcome: gateway.StopLane, Code: "401"}
	lost    = gateway.Result{Outcome: gateway.UnknownSent, Code: "eof"}
)

// bench is a relay with one lane over a memory and an edge, in fake time.
type bench struct {
	*testing.T
	*memory
	edge  *edge
	relay *Relay
	log   *bytes.Buffer
	stop  func() // ends Run and waits for it
}

func run(t *testing.T, p Policy, test func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{T: t, memory: newMemory(t), edge: &edge{rtt: 10 * time.Millisecond}}
		b.edge.say(yes)
		b.start(p, "run-1")
		synctest.Wait()
		b.wait(2 * commitTime) // the first Take
		test(b)
		b.stop()
	})
}

// start runs a relay, a new life of the process, over what is stored.
func (b *bench) start(p Policy, owner string) {
	b.log = &bytes.Buffer{}
	b.relay = New(Options{
		Owner: owner, Queue: b.memory, Lanes: []Lane{{"north", b.edge, p}}, Log: slog.New(slog.NewTextHandler(b.log, nil)),
		Rand: func() float64 { return 0.5 },
	})
	b.change(func() { b.memory.relay = b.relay })
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		b.relay.Run(ctx)
	}()
	b.stop = func() { cancel(); <-over }
}

// wait lets fake time pass.
func (b *bench) wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (b *bench) expect(want map[gateway.State]int) {
	b.Helper()
	got := b.count()
	for s, n := range want {
		if got[s] != n {
			b.Fatalf("%d are %s, want %d (all: %v)", got[s], s, n, got)
		}
	}
}

func TestRelaySendsWhatIsReady(t *testing.T) {
	run(t, Policy{}, func(b *bench) {
		b.accept("north", 100)
		b.wait(time.Second)
		b.expect(map[gateway.State]int{gateway.Sent: 100})
		if b.edge.most > 8 {
			b.Errorf("%d requests at a time, the window is 8", b.edge.most)
		}
		if n := len(b.takes); n > 60 {
			b.Errorf("%d takes for 100 messages: one should bring many", n)
		}
	})
}

// TestRelayWindow: a slow carrier has as many requests as agreed, no more, and
// all the time.
func TestRelayWindow(t *testing.T) {
	run(t, Policy{Window: 3}, func(b *bench) {
		b.edge.rtt = time.Second
		b.accept("north", 30)
		b.wait(11 * time.Second)
		b.expect(map[gateway.State]int{gateway.Sent: 30})
		if b.edge.most != 3 {
			b.Errorf("%d requests at a time, want 3", b.edge.most)
		}
	})
}

// TestRelayPace counts what the carrier sees in any second, whether messages
// wait or come one by one and board.
func TestRelayPace(t *testing.T) {
	for _, burst := range []int{1, 5} {
		run(t, Policy{PerSecond: 40, Burst: burst, Window: 100}, func(b *bench) {
			b.accept("north", 100)
			var all sync.WaitGroup
			for range 200 {
				all.Go(func() { b.submit("north") })
				b.wait(20 * time.Millisecond)
			}
			all.Wait()
			b.wait(4 * time.Second)
			b.expect(map[gateway.State]int{gateway.Sent: 300})
			dials := b.edge.dialled()
			first := 0
			for last := range dials {
				for !dials[first].After(dials[last].Add(-time.Second)) {
					first++
				}
				if n := last - first + 1; n > 40+burst-1 {
					b.Fatalf("%d requests in the second before %s, want at most %d", n, dials[last], 40+burst-1)
				}
			}
			if took := dials[len(dials)-1].Sub(dials[0]); took > 7900*time.Millisecond {
				b.Errorf("300 requests at 40 a second took %s", took)
			}
		})
	}
}

func TestRelayBoards(t *testing.T) {
	run(t, Policy{Window: 2}, func(b *bench) {
		b.edge.rtt = time.Second
		id, boarded := b.submit("north")
		if !boarded {
			b.Fatal("no seat in a lane that has nothing to do")
		}
		b.wait(time.Second + 2*commitTime)
		if d := b.state(id); d.State != gateway.Sent || d.Attempts != 1 {
			b.Errorf("it is %s after %d answers", d.State, d.Attempts)
		}
		one, ok1 := b.relay.Board("north", "+12125550123", 1)
		two, ok2 := b.relay.Board("north", "+12125550123", 1)
		if _, ok3 := b.relay.Board("north", "+12125550123", 1); !ok1 || !ok2 || ok3 {
			b.Errorf("seats %t %t %t in a window of 2", ok1, ok2, ok3)
		}
		one.Free()
		if one, ok1 = b.relay.Board("north", "+12125550123", 1); !ok1 {
			b.Error("a seat given back is not free")
		}
		one.Free()
		two.Free()
		if _, ok := b.relay.Board("south", "+12125550123", 1); ok {
			b.Error("a seat in a lane that does not exist")
		}
	})
}

// TestRelayBoardsAtPace: no seat before its time, however wide the window.
func TestRelayBoardsAtPace(t *testing.T) {
	run(t, Policy{PerSecond: 1}, func(b *bench) {
		if _, boarded := b.submit("north"); !boarded {
			b.Fatal("no seat")
		}
		b.wait(900 * time.Millisecond)
		if seat, ok := b.relay.Board("north", "+12125550123", 1); ok {
			seat.Free()
			b.Error("a second seat within the second")
		}
		b.wait(200 * time.Millisecond)
		if _, boarded := b.submit("north"); !boarded {
			b.Error("no seat in the next second")
		}
		b.wait(time.Second)
	})
}

// TestRelayHintMeanwhile: what becomes ready while a Take is under way is not
// forgotten with that Take's empty answer.
func TestRelayHintMeanwhile(t *testing.T) {
	run(t, Policy{}, func(b *bench) {
		b.change(func() { b.late = 50 * time.Millisecond })
		b.relay.Wake("north")
		b.wait(2 * commitTime) // nothing found, but not said yet
		b.accept("north", 1)
		b.wait(time.Second)
		b.expect(map[gateway.State]int{gateway.Sent: 1})
	})
}

// TestRelayBoardsNobodyBeforeOthers: while messages wait in the store, nobody
// overtakes them; when they are gone, boarding goes on.
func TestRelayBoardsNobodyBeforeOthers(t *testing.T) {
	run(t, Policy{Window: 5}, func(b *bench) {
		b.edge.rtt = 100 * time.Millisecond
		b.change(func() { b.late = 30 * time.Millisecond }) // places come free meanwhile
		b.accept("north", 80)
		b.wait(500 * time.Millisecond)
		for range 500 {
			if seat, ok := b.relay.Board("north", "+12125550123", 1); ok {
				seat.Free()
				b.Fatal("a seat while others wait")
			}
			b.wait(time.Millisecond)
		}
		b.wait(3 * time.Second)
		b.expect(map[gateway.State]int{gateway.Sent: 80})
		if _, boarded := b.submit("north"); !boarded {
			b.Error("no seat after the others have gone")
		}
		b.wait(time.Second)
	})
}

// TestRelayKeepsBoarding: a message that had to wait does not make all that
// come after it wait, too.
func TestRelayKeepsBoarding(t *testing.T) {
	run(t, Policy{Window: 16}, func(b *bench) {
		b.accept("north", 1)
		var all sync.WaitGroup
		boarded := make(chan bool, 400)
		for range 400 {
			all.Go(func() { _, ok := b.submit("north"); boarded <- ok })
			b.wait(2 * time.Millisecond) // half the window is busy
		}
		all.Wait()
		b.wait(time.Second)
		b.expect(map[gateway.State]int{gateway.Sent: 401})
		n := 0
		for range 400 {
			if <-boarded {
				n++
			}
		}
		if n < 350 {
			b.Errorf("%d of 400 boarded", n)
		}
	})
}

func TestRelayLaneStopsAndRecovers(t *testing.T) {
	run(t, Policy{Window: 4}, func(b *bench) {
		b.edge.say(denied)
		b.accept("north", 50)
		b.wait(time.Minute)
		burnt := len(b.edge.dialled())
		if burnt > 8 {
			b.Errorf("%d messages were tried at a carrier that lets nobody in", burnt)
		}
		b.expect(map[gateway.State]int{gateway.Held: burnt, gateway.Queued: 50 - burnt})
		if _, ok := b.relay.Board("north", "+12125550123", 1); ok {
			b.Error("a seat in a stopped lane")
		}
		b.wait(time.Hour)
		probes := b.edge.dialled()[burnt:]
		if len(probes) < 11 || len(probes) > 13 {
			b.Errorf("%d probes in an hour, want one in five minutes", len(probes))
		}
		for i := 1; i < len(probes); i++ {
			if pause := probes[i].Sub(probes[i-1]); pause < 5*time.Minute {
				b.Errorf("probes %s apart", pause)
			}
		}
		b.edge.say(yes)
		b.wait(11 * time.Minute)
		b.expect(map[gateway.State]int{gateway.Sent: 50})
		for _, d := range b.deliveries {
			if d.Attempts != 1 {
				b.Errorf("%d answers counted, want the last alone", d.Attempts)
			}
		}
		log := b.log.String()
		if strings.Count(log, "level=ERROR") != 1 || strings.Count(log, "the lane goes on") != 1 {
			b.Errorf("a stop and a recovery are told once each:\n%s", grep(log, "ERROR", "the lane goes on"))
		}
		if end := grep(log, "the lane goes on"); strings.Contains(end, "due=") || strings.Contains(end, "reason=") {
			b.Errorf("a lane that goes waits for nothing:\n%s", end)
		}
		if _, boarded := b.submit("north"); !boarded {
			b.Error("no seat in a lane that goes again")
		}
		b.wait(time.Second)
	})
}

// TestRelayCanaryUnanswered: a probe that gets no answer proves nothing, nor
// does one that was not sent for its damaged picture.
func TestRelayCanaryUnanswered(t *testing.T) {
	run(t, Policy{Window: 4, Unknown: Hold}, func(b *bench) {
		b.edge.script(func(dial int, _ gateway.Dispatch) gateway.Result {
			return []gateway.Result{denied, refusal, lost, {Outcome: gateway.Rejected, Reason: gateway.MediaCorruptStored},
				{Outcome: gateway.Rejected, Reason: gateway.RefusedContent, Counts: true}, yes}[min(dial, 5)]
		})
		b.accept("north", 1)
		b.wait(time.Second)
		if _, ok := b.relay.Board("north", "+12125550123", 1); ok {
			b.Error("a seat in a stopped lane where nothing waits")
		}
		b.accept("north", 9)
		b.wait(5*time.Minute + time.Second)
		if n := len(b.edge.dialled()); n != 2 {
			b.Errorf("%d dials, want one probe", n)
		}
		b.wait(5 * time.Minute)
		if n := len(b.edge.dialled()); n != 3 {
			b.Errorf("%d dials, want two probes", n)
		}
		b.wait(5 * time.Minute)
		if n := len(b.edge.dialled()); n != 4 {
			b.Errorf("%d dials, want three probes", n)
		}
		b.wait(10 * time.Minute) // the fourth is answered: about the message
		b.expect(map[gateway.State]int{gateway.Held: 1, gateway.Failed: 2, gateway.Sent: 7})
	})
}

// TestRelayCanaryMissing: the probe's time came when there was nothing to send;
// the next message is the probe.
func TestRelayCanaryMissing(t *testing.T) {
	run(t, Policy{}, func(b *bench) {
		b.edge.say(denied)
		first := b.accept("north", 1)[0]
		b.wait(time.Second)
		b.change(func() { b.find(first, 0).Due = time.Now().Add(time.Hour) })
		b.wait(10 * time.Minute)
		b.relay.Wake("north") // for nothing
		b.wait(time.Second)
		b.edge.say(yes)
		b.accept("north", 3)
		b.wait(time.Second)
		b.expect(map[gateway.State]int{gateway.Sent: 4}) // what the stop held goes with them
	})
}

// TestRelaySenderStop: a refused sender's messages are held, those under way
// apart, until one of them is taken.
func TestRelaySenderStop(t *testing.T) {
	run(t, Policy{}, func(b *bench) {
		var held gateway.ID
		b.edge.script(func(dial int, d gateway.Dispatch) gateway.Result {
			if dial == 0 {
				held = d.Attempt.MessageID
				return gateway.Result{Outcome: gateway.StopSender, Code: "4001"}
			}
			return yes
		})
		b.accept("north", 10)
		b.wait(time.Second)
		first := len(b.edge.dialled())
		b.expect(map[gateway.State]int{gateway.Held: 11 - first, gateway.Sent: first - 1})
		if _, boards := b.relay.Board("north", "+12125550123", 1); boards {
			b.Error("a seat for a sender that the carrier refuses")
		}
		if seat, boards := b.relay.Board("north", "+12125550124", 1); !boards {
			b.Error("no seat for another sender")
		} else {
			seat.Free()
		}
		if d := b.state(held); d.Reason != gateway.SenderPaused || d.Attempts != 0 || d.Status != "4001" {
			b.Errorf("it is %s after %d answers, status %q", d.Reason, d.Attempts, d.Status)
		}
		b.wait(5 * time.Minute)
		b.expect(map[gateway.State]int{gateway.Sent: 10})
	})
}

// TestRelayStoreFails: results are kept and settled when the store is back,
// nothing is sent twice, and meanwhile no more is asked for than fits.
func TestRelayStoreFails(t *testing.T) {
	run(t, Policy{Window: 4}, func(b *bench) {
		b.edge.rtt = 100 * time.Millisecond
		b.accept("north", 50)
		b.wait(50 * time.Millisecond) // on the wire
		b.change(func() { b.broken = errBroken })
		b.wait(time.Minute)
		if n := len(b.edge.dialled()); n > 8 {
			b.Errorf("%d requests without a store", n)
		}
		b.expect(map[gateway.State]int{gateway.Sending: len(b.edge.dialled())})
		if n := len(b.takes); n > 30 {
			b.Errorf("%d takes in a minute from a store that is away", n)
		}
		b.change(func() { b.broken = nil })
		b.wait(20 * time.Second)
		b.expect(map[gateway.State]int{gateway.Sent: 50})
		if n := len(b.edge.dialled()); n != 50 {
			b.Errorf("%d requests for 50 messages", n)
		}
	})
}

// TestRelayStoreSettlesNothing: the lane stops before its results fill the memory.
func TestRelayStoreSettlesNothing(t *testing.T) {
	run(t, Policy{Window: 2}, func(b *bench) {
		b.change(func() { b.unsettled = errBroken })
		b.accept("north", 200)
		b.wait(time.Minute)
		if n := len(b.edge.dialled()); n != 2+unsettled {
			b.Errorf("%d requests whose results went nowhere, want %d", n, 2+unsettled)
		}
		b.change(func() { b.unsettled = nil })
		b.wait(time.Minute)
		b.expect(map[gateway.State]int{gateway.Sent: 200})
	})
}

func TestRelayDrains(t *testing.T) {
	run(t, Policy{Window: 4}, func(b *bench) {
		b.edge.rtt = 10 * time.Second
		b.accept("north", 10)
		b.wait(time.Second)
		start := time.Now()
		b.stop()
		if took := time.Since(start); took < 8*time.Second || took > 10*time.Second {
			b.Errorf("stopping took %s, the requests under way another 9 s", took)
		}
		b.expect(map[gateway.State]int{gateway.Sent: 4, gateway.Queued: 6})
	})
}

func TestRelayBoardsNobodyAtTheEnd(t *testing.T) {
	run(t, Policy{Window: 4}, func(b *bench) {
		b.edge.rtt = time.Second
		b.submit("north")
		asked := make(chan bool, 1)
		time.AfterFunc(100*time.Millisecond, func() { _, ok := b.relay.Board("north", "+12125550123", 1); asked <- ok })
		b.stop()
		if <-asked {
			b.Error("a seat in a lane that is ending")
		}
		b.expect(map[gateway.State]int{gateway.Sent: 1})
	})
}

func TestRelayCutsOff(t *testing.T) {
	run(t, Policy{Window: 4}, func(b *bench) {
		b.edge.rtt = time.Hour
		b.accept("north", 10)
		b.wait(time.Second)
		start := time.Now()
		b.stop()
		if took := time.Since(start); took < 20*time.Second || took > 21*time.Second {
			b.Errorf("stopping took %s", took)
		}
		b.expect(map[gateway.State]int{gateway.Uncertain: 4, gateway.Queued: 6})
	})
}

// TestRelayGivesUp: with neither carrier nor store there is an end all the
// same, and what was open is uncertain in the next life.
func TestRelayGivesUp(t *testing.T) {
	run(t, Policy{Window: 4}, func(b *bench) {
		b.edge.rtt = time.Hour
		b.accept("north", 10)
		b.wait(time.Second)
		b.change(func() { b.broken = errBroken })
		start := time.Now()
		b.stop()
		if took := time.Since(start); took > 26*time.Second {
			b.Errorf("stopping took %s", took)
		}
		b.expect(map[gateway.State]int{gateway.Sending: 4, gateway.Queued: 6})
		b.change(func() { b.broken = nil })
		b.edge.rtt = time.Millisecond
		b.start(Policy{Window: 4}, "run-2")
		b.wait(time.Second)
		b.expect(map[gateway.State]int{gateway.Uncertain: 4, gateway.Sent: 6})
	})
}

// TestRelayOrphans: what another life left open follows the policy, and is
// resent under the same TransactionID if so agreed.
func TestRelayOrphans(t *testing.T) {
	for _, same := range []bool{true, false} {
		p := Policy{Unknown: Resend, ResendMax: 1, SameID: same}
		run(t, p, func(b *bench) {
			b.stop()
			left := b.accept("north", 1)[0]
			b.change(func() {
				d := b.find(left, 0)
				b.depart(d, gateway.Order{Lease: b.lease}, time.Now())
			})
			first := b.state(left).Attempt
			b.start(p, "run-2")
			b.wait(10 * time.Millisecond)
			if d := b.state(left); d.State != gateway.Uncertain || d.Reason != gateway.BackingOff || !d.Doubt {
				b.Errorf("it is %s, %s", d.State, d.Reason)
			}
			b.wait(10 * time.Second)
			d := b.state(left)
			if d.State != gateway.Sent || d.Resends != 1 || len(b.edge.ids) != 1 || (b.edge.ids[0] == first) != same {
				b.Errorf("it is %s after %d resends, dialled as %v first as %v", d.State, d.Resends, b.edge.ids, first)
			}
		})
	}
}

// TestRelayOrphanOnce: an orphan whose settlement takes long is not concluded
// again at each renewal.
func TestRelayOrphanOnce(t *testing.T) {
	run(t, Policy{}, func(b *bench) {
		b.stop()
		left := b.accept("north", 1)[0]
		b.change(func() {
			b.depart(b.find(left, 0), gateway.Order{Lease: b.lease}, time.Now())
			b.unsettled = errBroken
		})
		b.start(Policy{}, "run-2")
		b.wait(time.Minute)
		b.change(func() { b.unsettled = nil })
		b.wait(time.Minute)
		b.expect(map[gateway.State]int{gateway.Uncertain: 1})
		if n := strings.Count(b.log.String(), "msg=uncertain"); n != 1 {
			b.Errorf("concluded %d times", n)
		}
	})
}

// TestRelayIdleLosesTheLease: a renewal refused ends the boarding at once.
func TestRelayIdleLosesTheLease(t *testing.T) {
	run(t, Policy{}, func(b *bench) {
		b.change(func() { b.other = true })
		b.wait(4 * time.Second)
		if _, ok := b.relay.Board("north", "+12125550123", 1); ok {
			b.Error("a seat in another node's lane")
		}
	})
}

// TestRelayLosesTheLease: a node that loses a lane takes nothing more from it,
// finishes what it sent, and goes on when it has the lane back.
func TestRelayLosesTheLease(t *testing.T) {
	run(t, Policy{Window: 1}, func(b *bench) {
		b.edge.rtt = time.Second
		b.accept("north", 10)
		b.wait(1500 * time.Millisecond)
		var before int
		b.change(func() { b.other, before = true, len(b.takes) })
		b.wait(20 * time.Second)
		if n := len(b.takes) - before; n > 1 {
			b.Errorf("%d takes after the lane was another's", n)
		}
		sent := len(b.edge.dialled())
		if sent > 3 {
			b.Errorf("%d requests, most of them after the lease was lost", sent)
		}
		b.expect(map[gateway.State]int{gateway.Sent: sent, gateway.Queued: 10 - sent})
		if _, ok := b.relay.Board("north", "+12125550123", 1); ok {
			b.Error("a seat in another node's lane")
		}
		b.change(func() { b.other = false; b.lease.Epoch++; b.lease.Owner = "other" })
		b.wait(20 * time.Second)
		b.expect(map[gateway.State]int{gateway.Sent: 10})
	})
}

// TestRelayLeaseRunsOut: no new request leaves on a lease that nobody could
// renew in time.
func TestRelayLeaseRunsOut(t *testing.T) {
	run(t, Policy{}, func(b *bench) {
		b.wait(time.Minute)
		b.change(func() { b.broken = errBroken })
		b.wait(9 * time.Second)
		if seat, ok := b.relay.Board("north", "+12125550123", 1); ok {
			seat.Free()
		}
		b.wait(2 * time.Second)
		if _, ok := b.relay.Board("north", "+12125550123", 1); ok {
			b.Error("a seat on a lease that ran out")
		}
	})
}

// TestRelayStrayLane: deliveries of a carrier that is not configured wait, are
// told of once, and expire.
func TestRelayStrayLane(t *testing.T) {
	run(t, Policy{}, func(b *bench) {
		ids := b.accept("south", 2)
		b.change(func() {
			for _, id := range ids {
				d := b.find(id, 0)
				d.Reason, d.Ready, d.Due = gateway.BackingOff, false, time.Now().Add(time.Second)
			}
		})
		b.relay.WakeTimer()
		b.wait(3 * time.Hour)
		b.expect(map[gateway.State]int{gateway.Queued: 2})
		if n := strings.Count(b.log.String(), "not configured"); n != 1 {
			b.Errorf("told %d times", n)
		}
		b.wait(22 * time.Hour)
		b.expect(map[gateway.State]int{gateway.Expired: 2})
	})
}

// TestRelayLogs: one line for each settled attempt, by the agreed keys, the
// number masked.
func TestRelayLogs(t *testing.T) {
	run(t, Policy{}, func(b *bench) {
		id := b.accept("north", 1)[0]
		b.wait(time.Second)
		lines := grep(b.log.String(), "msg=sent")
		d := b.state(id)
		for _, want := range []string{"message=" + id.MessageName(), "carrier=north", "attempt=1", "transaction_id=" + d.Attempt.TransactionID(),
			"carrier_message_id=k", "recipient=+1******0199", "reason=awaiting_report", "code=1000", "due="} {
			if !strings.Contains(lines, want) {
				b.Errorf("no %s in %s", want, lines)
			}
		}
		if strings.Count(lines, "\n") != 1 || strings.Contains(b.log.String(), "4165550199") {
			b.Errorf("one line, no number:\n%s", b.log)
		}
	})
}

// grep is the lines of s that have one of the words.
func grep(s string, words ...string) string {
	var found strings.Builder
	for line := range strings.Lines(s) {
		for _, w := range words {
			if strings.Contains(line, w) {
				found.WriteString(line)
				break
			}
		}
	}
	return found.String()
}
