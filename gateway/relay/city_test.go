package relay_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mmsgw/capability"
	"mmsgw/gateway"
	"mmsgw/gateway/relay"
	"mmsgw/gateway/store"
)

// city is a whole gateway but its sockets, in fake time: the domain's front door
// over the real store, the real relay, and carriers that are scripted.
type city struct {
	*testing.T
	carriers map[string]*peer
	order    []string // of the carriers
	policies map[string]relay.Policy
	rules    *gateway.Rules
	shift    time.Duration // the machine's clock against the fake one
	gateway  *gateway.Gateway
	store    *store.Store
	relay    *relay.Relay
	life     *life
	runs     int
}

// peer is one scripted carrier.
type peer struct {
	name   string
	mu     sync.Mutex
	answer func(d gateway.Dispatch, n int) gateway.Result // of its n-th request, from 1
	takes  time.Duration                                  // an answer
	report gateway.ReportStatus                           // of what it took, a second later; empty: none
	tell   func(gateway.Report)
	calls  []call
}

// call is one request as a carrier got it.
type call struct {
	at      time.Time
	kind    gateway.AttemptKind
	attempt gateway.ID
	message gateway.ID
	from    gateway.Number
	to      []gateway.Number
}

func (p *peer) Send(ctx context.Context, d gateway.Dispatch) gateway.Result {
	c := call{at: time.Now(), kind: d.Attempt.Kind, attempt: d.Attempt.ID, message: d.Attempt.MessageID, from: d.Message.From}
	for i := range d.Deliveries {
		c.to = append(c.to, d.Deliveries[i].Recipient)
	}
	p.mu.Lock()
	p.calls = append(p.calls, c)
	n, answer, takes, status := len(p.calls), p.answer, p.takes, p.report
	p.mu.Unlock()
	if takes > 0 {
		select {
		case <-time.After(takes):
		case <-ctx.Done():
			return gateway.Result{Outcome: gateway.UnknownSent, Code: "canceled", Ours: true}
		}
	}
	r := answer(d, n)
	if r.Outcome == gateway.Accepted && d.Attempt.Kind == gateway.Submits {
		r.CarrierKey = d.Attempt.ID.Hex()
		for i := range d.Deliveries {
			if status != "" && !slices.Contains(r.LeftOut, d.Deliveries[i].N) {
				report := p.reportOn(d.Attempt.ID, d.Message.From, d.Deliveries[i].Recipient, status)
				time.AfterFunc(time.Second, func() { p.now()(report) })
			}
		}
	}
	return r
}

func (p *peer) reportOn(attempt gateway.ID, from, to gateway.Number, status gateway.ReportStatus) gateway.Report {
	now := time.Now()
	return gateway.Report{ID: gateway.NewID(), Lane: p.name, CarrierKey: attempt.Hex(), Recipient: to, Sender: from, Status: status, Raw: string(status),
		At: now, ReceivedAt: now, Patience: 72 * time.Hour}
}

// now is whom it reports to: whatever run of the process there is by then.
func (p *peer) now() func(gateway.Report) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tell
}

func (p *peer) say(r gateway.Result) {
	p.script(func(gateway.Dispatch, int) gateway.Result { return r })
}

func (p *peer) script(answer func(d gateway.Dispatch, n int) gateway.Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

func (p *peer) slow(takes time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.takes = takes
}

func (p *peer) reports(status gateway.ReportStatus) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.report = status
}

func (p *peer) seen() []call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

// of are the requests with a message.
func (p *peer) of(id gateway.ID) []call {
	return slices.DeleteFunc(p.seen(), func(c call) bool { return c.message != id })
}

const second = gateway.Number("+12125550124")

// town runs a test on both engines in a city with carriers by the policies given,
// each named by its place: north, south, east.
func town(t *testing.T, test func(c *city), policies ...relay.Policy) {
	t.Helper()
	onBoth(t, func(l *life) {
		c := &city{T: l.T, life: l, carriers: map[string]*peer{}, policies: map[string]relay.Policy{}}
		for i, p := range policies {
			name := []string{"north", "south", "east"}[i]
			c.order = append(c.order, name)
			c.policies[name] = p
			c.carriers[name] = &peer{name: name, report: gateway.ReportRetrieved, answer: func(gateway.Dispatch, int) gateway.Result { return taken }}
		}
		paid := capability.Standing{Plan: capability.Paid, MMSEnabled: true, SMSEnabled: true}
		c.rules = &gateway.Rules{Accounts: map[string]*gateway.Account{}, Routes: []gateway.Route{{Kind: gateway.MMS, Carriers: c.order}}, Unknown: gateway.Block, Failed: gateway.Block}
		for _, id := range []string{"acme", "beta"} {
			c.rules.Accounts[id] = &gateway.Account{ID: id, Standing: paid, Freshness: 24 * time.Hour, Numbers: map[gateway.Number]gateway.OwnNumber{
				from: {Registered: true}, second: {Registered: true}, "+12125550125": {Registered: true}, "+12125550126": {Registered: true}}}
		}
		c.begin()
		test(c)
	})
}

func (c *city) now() time.Time { return time.Now().Add(c.shift) }

// lanes are those of the policies.
func (c *city) lanes() []relay.Lane {
	var all []relay.Lane
	for _, name := range c.order {
		all = append(all, relay.Lane{Name: name, Link: c.carriers[name], Policy: c.policies[name]})
	}
	return all
}

// begin starts a run of the process over what is stored.
func (c *city) begin() {
	c.Helper()
	var running atomic.Pointer[relay.Relay]
	o := c.life.where
	ids := gateway.IDs(c.now)
	o.Quiet, o.LeaseTTL, o.Now, o.NewID = true, leaseTTL, c.now, ids
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
		c.Fatal(err)
	}
	c.store, c.life.store = s, s
	for _, p := range c.carriers {
		p.mu.Lock()
		p.tell = func(r gateway.Report) {
			if err := s.Report(context.Background(), r); err != nil {
				c.Error(err)
			}
		}
		p.mu.Unlock()
	}
	c.runs++
	lost, err := s.ReadyLanes(context.Background())
	if err != nil {
		c.Fatal(err)
	}
	lost = slices.DeleteFunc(lost, func(name string) bool { return slices.Contains(c.order, name) })
	c.relay = relay.New(relay.Options{Owner: fmt.Sprintf("run-%d", c.runs), Queue: s, Lanes: c.lanes(), Lost: lost, Renew: leaseTTL / 3, Now: c.now,
		Rand: func() float64 { return 0.5 }, Standing: func(a string, n gateway.Number, ch gateway.Channel) bool {
			return c.gateway.Rules.Load().Standing(a, n, ch)
		}})
	running.Store(c.relay)
	c.gateway = &gateway.Gateway{Numbers: willing{}, Carriers: willing{}, Media: willing{}, Messages: s, Consent: s, Lanes: c.relay, Now: c.now, NewID: ids}
	c.gateway.Rules.Store(c.rules)
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	r := c.relay
	go func() {
		defer close(over)
		r.Run(ctx)
	}()
	c.life.end = sync.OnceFunc(func() {
		cancel()
		<-over
		if err := s.Release(context.Background(), fmt.Sprintf("run-%d", c.runs)); err != nil && !c.life.dead {
			c.Error(err)
		}
		if err := s.Close(); err != nil && !c.life.dead {
			c.Error(err)
		}
		c.life.dead = false
	})
	c.wait(100 * time.Millisecond)
}

// restart ends a run in good order and begins another.
func (c *city) restart() {
	c.Helper()
	c.life.end()
	c.begin()
}

func (c *city) wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// willing are the rooms that stand in nobody's way.
type willing struct{}

func (willing) Lookup(_ context.Context, numbers []string) []capability.Result {
	results := make([]capability.Result, len(numbers))
	for i, n := range numbers {
		results[i].Profile = capability.Profile{Number: n, MMS: capability.Yes}
	}
	return results
}
func (willing) Keep(context.Context, []*gateway.Upload) error { return nil }
func (willing) Measure(string, *gateway.Message) int64        { return 1000 }
func (willing) Cap(string) int64                              { return 0 }

// want is a submission to be changed by what it is for.
func want(tune ...func(*gateway.Submission)) *gateway.Submission {
	s := &gateway.Submission{Account: "acme", From: from.E164(), To: []string{alice.E164()}, Channel: "mms", Text: "hi", Priority: gateway.Normal, Report: true}
	for _, t := range tune {
		t(s)
	}
	return s
}

func by(n gateway.Number) func(*gateway.Submission) {
	return func(s *gateway.Submission) { s.From = n.E164() }
}
func lasting(d time.Duration) func(*gateway.Submission) {
	return func(s *gateway.Submission) { s.ExpiresIn = d }
}
func of(account string) func(*gateway.Submission) {
	return func(s *gateway.Submission) { s.Account = account }
}
func to(numbers ...gateway.Number) func(*gateway.Submission) {
	return func(s *gateway.Submission) {
		s.To = nil
		for _, n := range numbers {
			s.To = append(s.To, n.E164())
		}
	}
}

// many are n recipients.
func many(n int) []gateway.Number {
	var all []gateway.Number
	for i := range n {
		all = append(all, gateway.Number(fmt.Sprintf("+1416555%04d", 100+i)))
	}
	return all
}

func (c *city) submit(s *gateway.Submission) gateway.ID {
	c.Helper()
	m, _, err := c.gateway.Submit(context.Background(), s)
	if err != nil {
		c.Fatal(err)
	}
	return m.ID
}

func (c *city) submitN(n int, tune ...func(*gateway.Submission)) []gateway.ID {
	c.Helper()
	var ids []gateway.ID
	for range n {
		ids = append(ids, c.submit(want(tune...)))
	}
	return ids
}

func (c *city) message(id gateway.ID) (*gateway.Message, []gateway.Attempt) {
	c.Helper()
	m, attempts, err := c.store.Message(context.Background(), id)
	if err != nil {
		c.Fatal(err)
	}
	return m, attempts
}

func (c *city) delivery(id gateway.ID) gateway.Delivery {
	c.Helper()
	m, _ := c.message(id)
	return m.Deliveries[0]
}

// is checks where every delivery of the messages stands.
func (c *city) is(s gateway.State, r gateway.Reason, ids ...gateway.ID) {
	c.Helper()
	for i, id := range ids {
		m, _ := c.message(id)
		for _, d := range m.Deliveries {
			if d.State != s || d.Reason != r {
				c.Errorf("message %d, recipient %d is %s, %s; want %s, %s", i, d.N, d.State, d.Reason, s, r)
				return
			}
			if !d.Final() && d.State != gateway.Sending && d.Due.IsZero() {
				c.Errorf("message %d, recipient %d is %s, %s and has no due time", i, d.N, d.State, d.Reason)
			}
		}
	}
}

// told are the types of the events there are, of one message or, with a zero id,
// of lanes and the like.
func (c *city) told(id gateway.ID) (types []string) {
	c.Helper()
	var after int64
	for {
		page, err := c.store.After(context.Background(), gateway.FeedQuery{After: after, Message: id, Limit: 500})
		if err != nil {
			c.Fatal(err)
		}
		for _, e := range page.Events {
			if e.MessageID == id {
				types = append(types, e.Type)
			}
		}
		if page.Seen == after {
			return types
		}
		after = page.Seen
	}
}

func (c *city) tells(id gateway.ID, want ...string) {
	c.Helper()
	if got := c.told(id); !slices.Equal(got, want) {
		c.Errorf("told\n got %v\nwant %v", got, want)
	}
}

func (c *city) status(lane string) gateway.LaneStatus {
	c.Helper()
	all, err := c.store.Lanes(context.Background())
	if err != nil {
		c.Fatal(err)
	}
	for _, l := range all {
		if l.Lane == lane {
			return l
		}
	}
	return gateway.LaneStatus{Lane: lane}
}

func (c *city) pause(lane string, pause bool) {
	c.Helper()
	if _, err := c.store.Pause(context.Background(), lane, pause, "uid 0"); err != nil {
		c.Fatal(err)
	}
}

func (c *city) act(a gateway.Action) (int, error) {
	c.Helper()
	a.By, a.Who = gateway.ByOperator, "uid 0"
	return c.gateway.Act(context.Background(), a)
}

// does acts on one message, and must succeed.
func (c *city) does(v gateway.Verb, id gateway.ID, to ...gateway.Number) {
	c.Helper()
	if n, err := c.act(gateway.Action{Verb: v, Message: id, To: to}); err != nil || n == 0 {
		c.Fatalf("%s: %d, %v", v, n, err)
	}
}

// busiest is the most that a carrier got in any half open second, by recipients
// or by requests.
func (p *peer) busiest(requests bool) (most int) {
	calls := p.seen()
	slices.SortFunc(calls, func(a, b call) int { return a.at.Compare(b.at) })
	first, sum := 0, 0
	load := func(c call) int {
		if requests {
			return 1
		}
		return len(c.to)
	}
	for _, c := range calls {
		sum += load(c)
		for !calls[first].at.After(c.at.Add(-time.Second)) {
			sum -= load(calls[first])
			first++
		}
		most = max(most, sum)
	}
	return most
}
