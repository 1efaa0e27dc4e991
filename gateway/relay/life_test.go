package relay_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mmsgw/gateway"
	"mmsgw/gateway/relay"
	"mmsgw/gateway/store"
)

// These tests live through hours and days in fake time, over the real store on
// both engines; the carrier alone is scripted.

// mmsc is the scripted carrier. What it takes it reports as retrieved a second
// later, unless it is silent.
type mmsc struct {
	name   string
	mu     sync.Mutex
	answer func(dial int) gateway.Result // of a message, dials counted from 1
	silent bool
	hangs  bool
	dials  map[gateway.ID][]dial // by message
	report func(gateway.Report)
}

type dial struct {
	at      time.Time
	attempt gateway.ID
}

func (c *mmsc) Send(ctx context.Context, d gateway.Dispatch) gateway.Result {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := d.Attempt.MessageID
	c.dials[id] = append(c.dials[id], dial{time.Now(), d.Attempt.ID})
	if c.hangs {
		c.mu.Unlock()
		<-ctx.Done()
		c.mu.Lock()
		return gateway.Result{Outcome: gateway.UnknownSent, Code: "canceled"}
	}
	r := c.answer(len(c.dials[id]))
	if r.Outcome == gateway.Accepted {
		r.CarrierKey = d.Attempt.ID.Hex()
	}
	if r.Outcome == gateway.Accepted && !c.silent {
		report := c.report
		time.AfterFunc(time.Second, func() { report(c.retrieved(d.Attempt.ID)) })
	}
	return r
}

// retrieved is a report by MessageID that echoes our TransactionID.
func (c *mmsc) retrieved(attempt gateway.ID) gateway.Report {
	now := time.Now()
	return gateway.Report{ID: gateway.NewID(), Lane: c.name, CarrierKey: attempt.Hex(), TransactionID: attempt.TransactionID(), Recipient: alice,
		Sender: from, Status: gateway.ReportRetrieved, Raw: "Retrieved", At: now, ReceivedAt: now, Patience: 72 * time.Hour}
}

const (
	from  = gateway.Number("+12125550123")
	alice = gateway.Number("+14165550199")
)

func always(r gateway.Result) func(int) gateway.Result {
	return func(int) gateway.Result { return r }
}

func (c *mmsc) say(answer func(dial int) gateway.Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = answer
}

func (c *mmsc) of(id gateway.ID) []dial {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.dials[id])
}

var (
	taken   = gateway.Result{Outcome: gateway.Accepted, Code: "1000", Counts: true}
	down    = gateway.Result{Outcome: gateway.RetryLater, Code: "connection_refused"}
	noEntry = gateway.Result{Outcome: gateway.StopLane, Code: "401"}
	silence = gateway.Result{Outcome: gateway.UnknownSent, Code: "timeout"}
)

// life is one gateway's: a store that stays, a relay that comes and goes.
type life struct {
	*testing.T
	mmsc  *mmsc // of the lane north
	lanes []relay.Lane
	store *store.Store
	relay *relay.Relay
	where store.Options
	end   func()
	dead  bool // its store is closed already
}

func agreed() relay.Policy {
	return relay.Policy{
		PerSecond: 50, Window: 8, Retry: relay.Retry{First: 5 * time.Second, Max: 15 * time.Minute}, Unknown: relay.WaitForReport,
		UnknownWait: 30 * time.Minute, Then: relay.Hold, ResendMax: 1, SameID: true, ReportTimeout: 72 * time.Hour, ProbeEvery: 5 * time.Minute,
	}
}

// newMMSC is a carrier that takes everything until told otherwise.
func newMMSC(name string) *mmsc {
	return &mmsc{name: name, answer: always(taken), dials: map[gateway.ID][]dial{}}
}

// live runs a test on both engines, with one lane by the policy given.
func live(t *testing.T, p relay.Policy, test func(l *life)) {
	onBoth(t, func(l *life) {
		l.mmsc = newMMSC("north")
		l.lanes = []relay.Lane{{Name: "north", Link: l.mmsc, Policy: p}}
		l.begin("run-1")
		test(l)
	})
}

// onBoth gives a test an empty database of either engine; the life it begins
// is ended for it.
func onBoth(t *testing.T, test func(l *life)) {
	on := func(where store.Options) func(*testing.T) {
		return func(t *testing.T) {
			l := &life{T: t, where: where}
			defer func() { l.end() }()
			test(l)
		}
	}
	t.Run("sqlite", func(t *testing.T) {
		synctest.Test(t, on(store.Options{Path: filepath.Join(t.TempDir(), "mmsgw.db")}))
	})
	t.Run("postgres", func(t *testing.T) { synctest.Test(t, on(store.Options{DSN: database(t)})) })
}

// database makes one on the server that the test command started.
func database(t *testing.T) string {
	admin := os.Getenv("MMSGW_TEST_POSTGRES")
	if admin == "" {
		if os.Getenv("MMSGW_TEST_ALL") == "1" {
			t.Fatal("MMSGW_TEST_POSTGRES is not set: run the tests by `make test`")
		}
		t.Skip("needs PostgreSQL: run the tests by `make test`")
	}
	db, err := sql.Open("pgx", admin)
	if err != nil {
		t.Fatal(err)
	}
	name := "life_" + rand.Text()
	if _, err := db.Exec(`CREATE DATABASE "` + name + `"`); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := db.Exec(`DROP DATABASE "` + name + `" WITH (FORCE)`); err != nil {
			t.Error(err)
		}
		db.Close()
	})
	u, err := url.Parse(admin)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// leaseTTL is long: a life of days need not renew every three seconds.
const leaseTTL = 30 * time.Minute

// begin opens the store and sets a relay going.
func (l *life) begin(owner string) {
	l.Helper()
	var running atomic.Pointer[relay.Relay]
	o := l.where
	o.Quiet, o.LeaseTTL = true, leaseTTL
	o.Wake = func(lane string) {
		if r := running.Load(); r != nil {
			r.Wake(lane)
		}
	}
	o.WakeDue = func() {
		if r := running.Load(); r != nil {
			r.WakeTimer()
		}
	}
	s, err := store.Open(context.Background(), o)
	if err != nil {
		l.Fatal(err)
	}
	l.store = s
	for _, lane := range l.lanes {
		lane.Link.(*mmsc).report = func(r gateway.Report) {
			if err := s.Report(context.Background(), r); err != nil {
				l.Error(err)
			}
		}
	}
	l.relay = relay.New(relay.Options{Owner: owner, Queue: s, Lanes: l.lanes,
		Renew: leaseTTL / 3, Rand: func() float64 { return 0.5 }})
	running.Store(l.relay)
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		l.relay.Run(ctx)
	}()
	l.end = sync.OnceFunc(func() {
		cancel()
		<-over
		if err := s.Close(); err != nil && !l.dead {
			l.Error(err)
		}
		l.dead = false
	})
}

// crash ends this life with the requests under way unanswered and nothing more
// written.
func (l *life) crash() {
	if err := l.store.Close(); err != nil {
		l.Error(err)
	}
	l.dead = true
	l.end()
}

func (l *life) wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// submit accepts messages for the lane north.
func (l *life) submit(n int, validity time.Duration) []gateway.ID {
	l.Helper()
	return l.submitTo("north", n, validity)
}

// submitTo accepts messages, boarding the lane where it can.
func (l *life) submitTo(lane string, n int, validity time.Duration) []gateway.ID {
	l.Helper()
	var ids []gateway.ID
	for range n {
		now := time.Now()
		m := &gateway.Message{ID: gateway.NewID(), Account: "acme", From: from, Channel: gateway.MMS, Text: "hi", Priority: gateway.Normal,
			Report: true, CreatedAt: now, ValidUntil: now.Add(validity), IdemHash: []byte{1}}
		m.Deliveries = []gateway.Delivery{{MessageID: m.ID, Of: 1, Account: m.Account, Recipient: alice, Lane: lane, Priority: m.Priority,
			State: gateway.Queued, Reason: gateway.WaitingTurn, Claim: gateway.ByGateway, Ready: true, Due: m.ValidUntil,
			ValidUntil: m.ValidUntil, WantsReport: true, UpdatedAt: now}}
		a := gateway.Accept{Message: m}
		seat, boards := l.relay.Board(lane, from, 1)
		if boards {
			a.Attempts = []gateway.Attempt{{ID: gateway.NewID(), Kind: gateway.Submits, MessageID: m.ID, Covers: []int{0}, Lane: lane, Owner: seat.Owner, Epoch: seat.Epoch, Dials: 1, OpenedAt: now}}
		}
		done, err := l.store.Accept(context.Background(), a)
		switch {
		case err != nil:
			l.Fatal(err)
		case boards && done.Boarded:
			seat.Go(gateway.Dispatch{Attempt: a.Attempts[0], Message: m, Deliveries: m.Deliveries})
		case boards:
			seat.Free()
		}
		ids = append(ids, m.ID)
	}
	return ids
}

func (l *life) read(id gateway.ID) gateway.Delivery {
	l.Helper()
	m, _, err := l.store.Message(context.Background(), id)
	if err != nil {
		l.Fatal(err)
	}
	return m.Deliveries[0]
}

// is checks where all of them stand.
func (l *life) is(ids []gateway.ID, s gateway.State, r gateway.Reason) {
	l.Helper()
	for i, id := range ids {
		if d := l.read(id); d.State != s || d.Reason != r {
			l.Errorf("message %d is %s, %s; want %s, %s", i, d.State, d.Reason, s, r)
		}
	}
}

// waits checks that all of them wait for a carrier that is down.
func (l *life) waits(ids []gateway.ID) {
	l.Helper()
	for i, id := range ids {
		d := l.read(id)
		if !(d.State == gateway.Queued && d.Reason == gateway.BackingOff || d.State == gateway.Held && d.Reason == gateway.BreakerOpen) || d.Due.IsZero() {
			l.Errorf("message %d is %s, %s, due %v; want it to back off, or to wait for the breaker", i, d.State, d.Reason, d.Due)
		}
	}
}

// TestLifeOutage: eight hours without the carrier. Everything arrives, nothing
// fails, no message was tried sooner than its back-off, and the carrier was not
// knocked at more often than once a minute.
func TestLifeOutage(t *testing.T) {
	live(t, agreed(), func(l *life) {
		l.mmsc.say(always(down))
		ids := l.submit(3, 24*time.Hour)
		l.wait(8 * time.Hour)
		l.waits(ids)
		l.mmsc.say(always(taken))
		late := l.submit(3, 24*time.Hour)
		l.wait(15 * time.Minute)
		l.is(slices.Concat(ids, late), gateway.Delivered, gateway.Retrieved)
		for _, id := range ids {
			d, dials := l.read(id), l.mmsc.of(id)
			if d.Attempts != 1 || d.Tries != len(dials) || d.Claim != gateway.ByHandset {
				l.Errorf("%d answers, %d tries, claimed by %s; want the one answer of %d dials", d.Attempts, d.Tries, d.Claim, len(dials))
			}
			want := 2500 * time.Millisecond // half of the first span, by the test's chance
			for i := 1; i < len(dials); i++ {
				if gap := dials[i].at.Sub(dials[i-1].at); gap < want {
					l.Fatalf("try %d came after %s, want %s", i+1, gap, want)
				}
				want = min(2*want, 450*time.Second)
			}
			if len(dials) > 100 {
				l.Errorf("%d dials in eight hours", len(dials))
			}
		}
	})
}

// TestLifeValidity: an outage longer than the validity. What was never taken
// expires on time, and is not sent when the carrier is back.
func TestLifeValidity(t *testing.T) {
	live(t, agreed(), func(l *life) {
		l.mmsc.say(always(down))
		short, long := l.submit(3, time.Hour), l.submit(3, 4*time.Hour)
		l.wait(time.Hour - time.Second)
		l.waits(short)
		l.wait(2 * time.Second)
		l.is(short, gateway.Expired, gateway.ExpiredBeforeSend)
		l.waits(long)
		l.wait(2 * time.Hour)
		l.mmsc.say(always(taken))
		l.wait(15 * time.Minute)
		l.is(short, gateway.Expired, gateway.ExpiredBeforeSend)
		l.is(long, gateway.Delivered, gateway.Retrieved)
	})
}

// TestLifeUnknown takes each policy for a lost answer to each of its ends, a
// lane for each.
func TestLifeUnknown(t *testing.T) {
	wait, resend, hold := agreed(), agreed(), agreed()
	resend.Unknown, hold.Unknown = relay.Resend, relay.Hold
	waitThenResend, twice, fresh := wait, resend, resend
	waitThenResend.Then, twice.ResendMax, fresh.SameID = relay.Resend, 2, false
	const end = 2 * time.Hour // of the validity
	undecided := func(dials int) look {
		return look{end + time.Minute, gateway.Undecided, gateway.NoReport, dials}
	}
	lost := []lostAnswer{
		{"wait", wait, always(silence), 0, 1, []look{
			{29 * time.Minute, gateway.Uncertain, gateway.AwaitingReport, 1},
			{31 * time.Minute, gateway.Held, gateway.AmbiguousOutcome, 1},
			{end - time.Minute, gateway.Held, gateway.AmbiguousOutcome, 1},
			undecided(1),
		}},
		{"wait, reported", wait, always(silence), 10 * time.Minute, 1, []look{
			{11 * time.Minute, gateway.Delivered, gateway.Retrieved, 1},
			{end + time.Minute, gateway.Delivered, gateway.Retrieved, 1},
		}},
		{"wait, reported when held", wait, always(silence), time.Hour, 1, []look{
			{59 * time.Minute, gateway.Held, gateway.AmbiguousOutcome, 1},
			{61 * time.Minute, gateway.Delivered, gateway.Retrieved, 1},
		}},
		{"wait, reported too late", wait, always(silence), end + time.Hour, 1, []look{
			undecided(1),
			{end + 61*time.Minute, gateway.Delivered, gateway.Retrieved, 1},
		}},
		{"wait, then resend", waitThenResend, first(silence, taken), 0, 1, []look{
			{29 * time.Minute, gateway.Uncertain, gateway.AwaitingReport, 1},
			{31 * time.Minute, gateway.Delivered, gateway.Retrieved, 2},
		}},
		{"wait, then resend, lost again", waitThenResend, always(silence), 0, 1, []look{
			{31 * time.Minute, gateway.Uncertain, gateway.AwaitingReport, 2},
			{61 * time.Minute, gateway.Held, gateway.AmbiguousOutcome, 2},
			undecided(2),
		}},
		{"resend", resend, first(silence, taken), 0, 1, []look{
			{time.Second, gateway.Uncertain, gateway.BackingOff, 1},
			{6 * time.Second, gateway.Delivered, gateway.Retrieved, 2},
		}},
		{"resend, a new one", fresh, first(silence, taken), 0, 2, []look{{6 * time.Second, gateway.Delivered, gateway.Retrieved, 2}}},
		{"resend, lost again", resend, always(silence), 0, 1, []look{{time.Minute, gateway.Held, gateway.AmbiguousOutcome, 2}, undecided(2)}},
		{"resend twice, lost again", twice, always(silence), 0, 1, []look{{time.Minute, gateway.Held, gateway.AmbiguousOutcome, 3}, undecided(3)}},
		{"resend never", noResend(resend), always(silence), 0, 1, []look{{time.Minute, gateway.Held, gateway.AmbiguousOutcome, 1}, undecided(1)}},
		{"resend into an outage", resend, first(silence, down), 0, 22, []look{{time.Hour, gateway.Queued, gateway.BackingOff, 15}, undecided(23)}},
		{"hold", hold, always(silence), 0, 1, []look{{time.Second, gateway.Held, gateway.AmbiguousOutcome, 1}, undecided(1)}},
	}
	onBoth(t, func(l *life) {
		var times []time.Duration
		ids := make([]gateway.ID, len(lost))
		for _, c := range lost {
			carrier := newMMSC(c.name)
			carrier.say(c.answer)
			l.lanes = append(l.lanes, relay.Lane{Name: c.name, Link: carrier, Policy: c.policy})
			for _, look := range c.looks {
				times = append(times, look.at)
			}
		}
		l.begin("run-1")
		start := time.Now()
		for i, c := range lost {
			ids[i] = l.submitTo(c.name, 1, end)[0]
			carrier := l.lanes[i].Link.(*mmsc)
			if c.report > 0 {
				time.AfterFunc(c.report, func() { carrier.report(carrier.retrieved(carrier.of(ids[i])[0].attempt)) })
			}
		}
		slices.Sort(times)
		for _, at := range slices.Compact(times) {
			l.wait(at - time.Since(start))
			for i, c := range lost {
				l.look(c, at, ids[i], l.lanes[i].Link.(*mmsc))
			}
		}
	})
}

func noResend(p relay.Policy) relay.Policy {
	p.ResendMax = 0
	return p
}

// lostAnswer is one policy's life with a carrier that does not answer.
type lostAnswer struct {
	name   string
	policy relay.Policy
	answer func(dial int) gateway.Result
	report time.Duration // when a report comes after all; 0: never
	ids    int           // TransactionIDs the carrier saw in the end
	looks  []look
}

// look is where a message is to stand at a time.
type look struct {
	at     time.Duration
	state  gateway.State
	reason gateway.Reason
	dials  int
}

// look checks what there is to check at a time.
func (l *life) look(c lostAnswer, at time.Duration, id gateway.ID, carrier *mmsc) {
	l.Helper()
	for i, want := range c.looks {
		if want.at != at {
			continue
		}
		d, dials := l.read(id), carrier.of(id)
		if d.State != want.state || d.Reason != want.reason || len(dials) != want.dials || !d.Doubt {
			l.Errorf("%s, after %s: %s, %s, %d dials, doubt %t; want %s, %s, %d dials, doubt", c.name, at, d.State, d.Reason, len(dials), d.Doubt,
				want.state, want.reason, want.dials)
		}
		names := map[gateway.ID]bool{}
		for _, d := range dials {
			names[d.attempt] = true
		}
		if i == len(c.looks)-1 && len(names) != c.ids {
			l.Errorf("%s: the carrier saw %d TransactionIDs, want %d", c.name, len(names), c.ids)
		}
	}
}

// first answers once so, then otherwise.
func first(once, then gateway.Result) func(int) gateway.Result {
	return func(dial int) gateway.Result {
		if dial == 1 {
			return once
		}
		return then
	}
}

// TestLifeNoReport: what was taken and never reported ends as not known.
func TestLifeNoReport(t *testing.T) {
	p := agreed()
	p.ReportTimeout = 3 * time.Hour
	live(t, p, func(l *life) {
		l.mmsc.silent = true
		ids := l.submit(2, time.Hour)
		l.wait(3*time.Hour - time.Minute)
		l.is(ids, gateway.Sent, gateway.AwaitingReport)
		l.wait(2 * time.Minute)
		l.is(ids, gateway.Undecided, gateway.NoReport)
	})
}

// TestLifeLaneStop: the carrier lets nobody in for two hours. Few are tried,
// none is counted against, and all arrive.
func TestLifeLaneStop(t *testing.T) {
	live(t, agreed(), func(l *life) {
		l.mmsc.say(always(noEntry))
		ids := l.submit(20, 24*time.Hour)
		l.wait(2*time.Hour - time.Minute)
		dials := 0
		for _, id := range ids {
			dials += len(l.mmsc.of(id))
		}
		if dials < 24 || dials > 24+8 {
			l.Errorf("%d dials in two hours, want one every five minutes", dials)
		}
		l.mmsc.say(always(taken))
		l.wait(11 * time.Minute)
		l.is(ids, gateway.Delivered, gateway.Retrieved)
		for _, id := range ids {
			if d := l.read(id); d.Attempts != 1 {
				l.Errorf("%d answers counted, want 1", d.Attempts)
			}
		}
	})
}

// TestLifeCrash: the process dies with requests under way and others backing
// off and waiting. The next life finds all of them: what was under way is
// uncertain, nothing is forgotten, nothing else is sent twice.
func TestLifeCrash(t *testing.T) {
	p := agreed()
	p.Unknown = relay.Resend
	live(t, p, func(l *life) {
		l.mmsc.say(always(down))
		backing := l.submit(1, 24*time.Hour)
		l.wait(10 * time.Second)
		l.mmsc.mu.Lock()
		l.mmsc.hangs = true
		l.mmsc.mu.Unlock()
		flying := l.submit(20, 24*time.Hour)
		l.wait(time.Second)
		l.crash()

		under := map[gateway.ID]bool{}
		for _, id := range flying {
			if len(l.mmsc.of(id)) > 0 {
				under[id] = true
			}
		}
		if len(under) == 0 || len(under) == len(flying) {
			l.Fatalf("%d of %d under way, want some", len(under), len(flying))
		}
		l.mmsc.mu.Lock()
		l.mmsc.hangs = false
		l.mmsc.mu.Unlock()
		l.mmsc.say(always(taken))
		l.begin("run-2")
		l.wait(leaseTTL + leaseTTL/3 + 15*time.Minute) // on PostgreSQL the dead node's lease must run out
		l.is(slices.Concat(backing, flying), gateway.Delivered, gateway.Retrieved)
		for _, id := range flying {
			dials, want := l.mmsc.of(id), 1
			if under[id] {
				want = 2
			}
			if len(dials) != want || want == 2 && dials[0].attempt != dials[1].attempt {
				l.Errorf("dialled %d times, want %d, by one TransactionID", len(dials), want)
			}
		}
	})
}
