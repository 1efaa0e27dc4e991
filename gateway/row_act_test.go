package gateway

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"mmsgw/capability"
)

// desk is a store of one delivery: it asks an action's judge of it.
type desk struct {
	rooms
	d        Delivery
	m        *Message
	optedOut bool
	now      time.Time
	event    Event
	caps     map[string]int64
}

func (k *desk) Act(_ context.Context, a Judged) (int, error) {
	d := k.d
	e, acts := a.Judge(&d, k.m, k.optedOut, k.now)
	if !acts {
		return 0, nil
	}
	k.d, k.event = d, e
	return 1, nil
}

func (k *desk) Cap(carrier string) int64           { return k.caps[carrier] }
func (k *desk) Measure(_ string, m *Message) int64 { return 2 * m.MediaBytes() }
func (k *desk) gateway(rules *Rules) *Gateway {
	g := &Gateway{Messages: k, Carriers: k, Now: func() time.Time { return k.now }}
	g.Rules.Store(rules)
	return g
}

// twoCarriers are rules under which acme may send by north, else by south.
func twoCarriers() *Rules {
	return &Rules{
		Accounts: map[string]*Account{"acme": {ID: "acme", Standing: capability.Standing{Plan: capability.Paid, MMSEnabled: true},
			Numbers: map[Number]OwnNumber{"+12125550123": {Registered: true}}}},
		Routes: []Route{{Kind: MMS, Carriers: []string{"north", "south"}}}, Recalling: []string{"north"},
	}
}

func newDesk() *desk {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	m := &Message{ID: NewID(), Account: "acme", From: "+12125550123", Channel: MMS, Text: "hi", CreatedAt: now.Add(-time.Hour), ValidUntil: now.Add(time.Hour), Report: true}
	return &desk{m: m, now: now, d: Delivery{MessageID: m.ID, Of: 1, Account: "acme", Recipient: "+14165550199", Lane: "north", ValidUntil: m.ValidUntil, WantsReport: true,
		Attempts: 3, Answers: 2, Tries: 4, Resends: 1, Alone: true}}
}

// TestRowVerbs is the table of people's verbs: what each does to a delivery of each
// state and reason, in doubt or not; everything else is refused and changes
// nothing.
func TestRowVerbs(t *testing.T) {
	canceled, turn := "canceled/canceled_by_caller", "queued/waiting_turn"
	held, doubt := "held/operator_hold", "held/ambiguous_outcome"
	type does map[Verb]string
	waits := does{ToCancel: canceled, ToHold: held}
	none := does{}
	for _, c := range []struct {
		state  State
		reason Reason
		doubt  bool
		does   does
	}{
		{Scheduled, WaitsForTime, false, waits},
		{Queued, WaitingTurn, false, waits},
		{Queued, BackingOff, false, waits},
		{Queued, BackingOff, true, does{ToCancel: doubt, ToHold: held}},
		{Held, LaneStopped, false, waits},
		{Held, LaneStopped, true, does{ToCancel: doubt, ToHold: held}},
		{Held, SenderPaused, false, waits},
		{Held, StandingChanged, false, waits},
		{Held, StandingChanged, true, does{ToCancel: doubt, ToHold: held}},
		{Held, AmbiguousOutcome, true, does{ToRetry: turn, ToHold: held}},
		{Held, OperatorHold, false, does{ToCancel: canceled, ToRetry: turn, ToRelease: turn}},
		{Held, OperatorHold, true, does{ToRetry: turn, ToRelease: doubt}},
		{Sending, "", false, none},
		{Uncertain, AwaitingReport, true, does{ToCancel: doubt, ToRetry: turn}},
		{Uncertain, BackingOff, true, does{ToCancel: doubt, ToRetry: turn}},
		{Sent, AwaitingReport, false, does{ToCancel: "sent/awaiting_report"}},
		{Sent, ForwardedUnconfirmed, false, does{ToCancel: "sent/forwarded_unconfirmed"}},
		{Delivered, Retrieved, false, none},
		{Undelivered, RecipientRejected, false, none},
		{Expired, ExpiredBeforeSend, false, does{ToRetry: turn}},
		{Expired, ExpiredAtCarrier, false, none},
		{Failed, RefusedContent, false, does{ToRetry: turn}},
		{Failed, RetriesExhausted, true, does{ToRetry: turn}},
		{Canceled, CanceledByCaller, false, none},
		{Blocking, OptedOut, false, none},
		{Undecided, NoReport, true, none},
	} {
		for _, verb := range Verbs() {
			k := newDesk()
			k.d.State, k.d.Reason, k.d.Doubt = c.state, c.reason, c.doubt
			before := k.d
			n, err := k.gateway(twoCarriers()).Act(t.Context(), Action{Verb: verb, Message: k.m.ID, By: ByOperator, Who: "uid 0"})
			want, fits := c.does[verb]
			got := string(k.d.State) + "/" + string(k.d.Reason)
			if !fits {
				if n != 0 || !errors.Is(err, unfit[verb]) || k.d != before {
					t.Errorf("%s of %s, %s, in doubt %v: %d, %v, made it %s", verb, c.state, c.reason, c.doubt, n, err, got)
				}
				continue
			}
			if n != 1 || err != nil || got != want || k.event.Type == "" {
				t.Errorf("%s of %s, %s, in doubt %v: %d, %v, made it %s, want %s", verb, c.state, c.reason, c.doubt, n, err, got, want)
			}
			if !k.d.Final() && c.state != Sent && k.d.Due.IsZero() {
				t.Errorf("%s of %s, %s leaves it without a due time", verb, c.state, c.reason)
			}
			if k.d.Doubt != c.doubt {
				t.Errorf("%s of %s, %s takes its doubt away", verb, c.state, c.reason)
			}
		}
	}
}

// TestRowVerbsOnSent: the carrier is asked once to cancel what it has, where it takes
// that and where a report is awaited still.
func TestRowVerbsOnSent(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*desk)
		acts   bool
	}{
		"asked":         {func(*desk) {}, true},
		"asked already": {func(k *desk) { k.d.Recall = RecallAsked }, false},
		"to be asked":   {func(k *desk) { k.d.Recall = RecallWanted }, false},
		"no report":     {func(k *desk) { k.d.WantsReport = false }, false},
		"other carrier": {func(k *desk) { k.d.Lane = "south" }, false},
	} {
		k := newDesk()
		k.d.State, k.d.Reason = Sent, AwaitingReport
		c.change(k)
		n, err := k.gateway(twoCarriers()).Act(t.Context(), Action{Verb: ToCancel, Message: k.m.ID})
		if c.acts != (n == 1 && err == nil) || c.acts && (k.d.Recall != RecallWanted || k.event.Type != "delivery.reported") {
			t.Errorf("%s: %d, %v, recall %d, told %s", name, n, err, k.d.Recall, k.event.Type)
		}
	}
}

// TestRowRetryAsksAgain: consent, standing and ownership are asked before a retry;
// the route is taken as it is now, without the carriers that the message is too
// large for; what may have been taken stays with its carrier; a new round begins
// from nothing, and a validity that is over begins again.
func TestRowRetryAsksAgain(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*desk, *Rules)
		lane   string // empty: refused
		spare  CarrierList
	}{
		"plain":        {func(*desk, *Rules) {}, "north", "south"},
		"opted out":    {func(k *desk, _ *Rules) { k.optedOut = true }, "", ""},
		"suspended":    {func(_ *desk, r *Rules) { r.Accounts["acme"].Standing.Suspended = true }, "", ""},
		"trial":        {func(_ *desk, r *Rules) { r.Accounts["acme"].Standing.Plan = capability.Trial }, "", ""},
		"no credit":    {func(_ *desk, r *Rules) { r.Accounts["acme"].Standing.Credit = new(float64) }, "", ""},
		"no pictures":  {func(_ *desk, r *Rules) { r.Accounts["acme"].Standing.MMSEnabled = false }, "", ""},
		"no account":   {func(_ *desk, r *Rules) { delete(r.Accounts, "acme") }, "", ""},
		"not owned":    {func(_ *desk, r *Rules) { delete(r.Accounts["acme"].Numbers, "+12125550123") }, "", ""},
		"unregistered": {func(_ *desk, r *Rules) { r.Accounts["acme"].Numbers["+12125550123"] = OwnNumber{} }, "", ""},
		"hosted": {func(_ *desk, r *Rules) {
			r.Accounts["acme"].Numbers["+12125550123"] = OwnNumber{Registered: true, Carriers: []string{"south"}}
		}, "south", ""},
		"another route": {func(_ *desk, r *Rules) { r.Routes[0].Carriers = []string{"east", "west", "north"} }, "east", "west,north"},
		"no route":      {func(_ *desk, r *Rules) { r.Routes = nil }, "north", ""},
		"too large for one": {func(k *desk, _ *Rules) {
			k.m.Media, k.caps = []Picture{{Size: 100_000}}, map[string]int64{"north": 150_000, "south": 300_000}
		}, "south", ""},
		"too large for the other": {func(k *desk, _ *Rules) {
			k.m.Media, k.caps = []Picture{{Size: 100_000}}, map[string]int64{"south": 150_000}
		}, "north", ""},
		"too large for both": {func(k *desk, _ *Rules) {
			k.m.Media, k.caps = []Picture{{Size: 100_000}}, map[string]int64{"south": 150_000, "north": 150_000}
		}, "north", ""},
		"in doubt": {func(k *desk, r *Rules) { k.d.Doubt, r.Routes[0].Carriers = true, []string{"east"} }, "north", ""},
		"too late": {func(k *desk, _ *Rules) {
			k.d.State, k.d.Reason, k.d.ValidUntil, k.now = Expired, ExpiredBeforeSend, k.now.Add(-time.Minute), k.now.Add(time.Hour)
		}, "north", "south"},
	} {
		k, rules := newDesk(), twoCarriers()
		k.d.State, k.d.Reason = Failed, RetriesExhausted
		c.change(k, rules)
		n, err := k.gateway(rules).Act(t.Context(), Action{Verb: ToRetry, Message: k.m.ID, By: ByGateway})
		if c.lane == "" {
			if n != 0 || !errors.Is(err, ErrNotRetryable) {
				t.Errorf("%s: %d, %v", name, n, err)
			}
			continue
		}
		d := &k.d
		if n != 1 || err != nil || d.Lane != c.lane || d.Spare != c.spare {
			t.Errorf("%s: %d, %v, by %s, then %s; want %s, then %s", name, n, err, d.Lane, d.Spare, c.lane, c.spare)
		}
		if d.State != Queued || !d.Ready || d.Round != 1 || d.Attempts != 3 || d.Answers+d.Tries+d.Resends != 0 || d.Alone || d.Claim != ByGateway {
			t.Errorf("%s: it is %+v", name, d)
		}
		if !d.Due.Equal(d.ValidUntil) || !d.ValidUntil.After(k.now) || name == "too late" && d.ValidUntil.Sub(k.now) != 2*time.Hour {
			t.Errorf("%s: due %v, valid until %v", name, d.Due, d.ValidUntil)
		}
	}
}

// TestRowRelease: what is released stands where it would have without the hold.
func TestRowRelease(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*desk, *Rules)
		state  State
		reason Reason
	}{
		"plain":         {func(*desk, *Rules) {}, Queued, WaitingTurn},
		"scheduled":     {func(k *desk, _ *Rules) { k.m.SendAt = k.now.Add(time.Minute) }, Scheduled, WaitsForTime},
		"its time over": {func(k *desk, _ *Rules) { k.m.SendAt = k.now.Add(-time.Minute) }, Queued, WaitingTurn},
		"in doubt":      {func(k *desk, _ *Rules) { k.d.Doubt = true }, Held, AmbiguousOutcome},
		"suspended":     {func(_ *desk, r *Rules) { r.Accounts["acme"].Standing.Suspended = true }, Held, StandingChanged},
	} {
		k, rules := newDesk(), twoCarriers()
		k.d.State, k.d.Reason = Held, OperatorHold
		c.change(k, rules)
		if n, err := k.gateway(rules).Act(t.Context(), Action{Verb: ToRelease, Message: k.m.ID, By: ByOperator}); n != 1 || err != nil {
			t.Errorf("%s: %d, %v", name, n, err)
		}
		if k.d.State != c.state || k.d.Reason != c.reason || k.d.Due.IsZero() || k.d.Ready != (c.state == Queued) {
			t.Errorf("%s: %+v", name, k.d)
		}
	}
}

// TestRowActTo: an action that names recipients leaves the others alone; one that
// names nobody's says so.
func TestRowActTo(t *testing.T) {
	k := newDesk()
	k.d.State, k.d.Reason = Queued, WaitingTurn
	g := k.gateway(twoCarriers())
	if n, err := g.Act(t.Context(), Action{Verb: ToCancel, Message: k.m.ID, To: []Number{"+12025550111"}}); n != 0 || !errors.Is(err, ErrNotCancelable) {
		t.Errorf("of somebody else: %d, %v", n, err)
	}
	if n, err := g.Act(t.Context(), Action{Verb: ToRelease, Filter: Filter{}}); n != 0 || err != nil {
		t.Errorf("by a filter that chooses nothing that fits: %d, %v", n, err)
	}
	if n, err := g.Act(t.Context(), Action{Verb: ToCancel, Message: k.m.ID, To: []Number{"+12025550111", "+14165550199"}}); n != 1 || err != nil || k.d.State != Canceled {
		t.Errorf("of one of them: %d, %v", n, err)
	}
}

// TestRowRoutes: by sender, recipient, network and who hosts the sender; the first
// that fits decides, and none of those behind it.
func TestRowRoutes(t *testing.T) {
	routes := []Route{
		{Kind: SMS, Carriers: []string{"texts"}},
		{Kind: MMS, Network: []string{"Rogers", "Bell"}, Carriers: []string{"maple", "north"}},
		{Kind: MMS, From: []string{"+1212", "+1646"}, To: []string{"+1416"}, Carriers: []string{"north", "south"}},
		{Kind: MMS, To: []string{"+1"}, Carriers: []string{"south", "east"}},
	}
	for name, c := range map[string]struct {
		l    leg
		want []string
	}{
		"text":              {leg{kind: SMS, from: "+12125550123", to: "+14165550199", network: "bell"}, []string{"texts"}},
		"network":           {leg{kind: MMS, from: "+12125550123", to: "+14165550199", network: "Rogers"}, []string{"maple", "north"}},
		"network, any case": {leg{kind: MMS, from: "+12125550123", to: "+14165550199", network: "bELL"}, []string{"maple", "north"}},
		"network, a part":   {leg{kind: MMS, from: "+12125550123", to: "+14165550199", network: "Bell Canada"}, []string{"north", "south"}},
		"both ends":         {leg{kind: MMS, from: "+16465550123", to: "+14165550199"}, []string{"north", "south"}},
		"other sender":      {leg{kind: MMS, from: "+18005550199", to: "+14165550199"}, []string{"south", "east"}},
		"hosted":            {leg{kind: MMS, from: "+12125550123", to: "+14165550199", hosts: []string{"south"}}, []string{"south"}},
		"hosted, in order":  {leg{kind: MMS, from: "+12125550123", to: "+14165550199", hosts: []string{"south", "north"}}, []string{"north", "south"}},
		"hosted elsewhere":  {leg{kind: MMS, from: "+12125550123", to: "+14165550199", hosts: []string{"east"}}, nil},
		"nowhere":           {leg{kind: MMS, from: "+12125550123", to: "+442079460958"}, nil},
	} {
		if got := route(routes, c.l); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if !slices.Equal(routes[2].Carriers, []string{"north", "south"}) {
		t.Error("choosing a route changed it")
	}
}

// TestRowSpare: the list of carriers that are left goes round without losing one.
func TestRowSpare(t *testing.T) {
	l := ListOf([]string{"b", "c", "d"})
	if got := l.Rotate(1, "a"); got != "b,d,a" {
		t.Errorf("%s", got)
	}
	if got := l.Rotate(0, ""); got != "c,d" {
		t.Errorf("without a way back: %s", got)
	}
	if got := ListOf([]string{"b"}).Rotate(0, ""); got != "" || got.All() != nil {
		t.Errorf("the last one: %q", got)
	}
}
