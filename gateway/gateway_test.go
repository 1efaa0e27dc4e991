package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mmsgw/capability"
)

// rooms stands in for the rooms around the domain, as plain as they can be.
type rooms struct {
	mu       sync.Mutex
	keys     map[string]Accepting
	stored   map[ID]*Message
	kept     int
	seats    int
	rode     []Dispatch
	freed    int
	profiles map[string]capability.MMS
	optedOut map[Number]bool
	standing map[string]bool // lanes that do not go
	fail     error
	gate     chan struct{} // Accept waits for it, if set
}

func (r *rooms) Lookup(_ context.Context, numbers []string) []capability.Result {
	out := make([]capability.Result, len(numbers))
	for i, n := range numbers {
		out[i].Profile.MMS, out[i].Err = capability.Yes, r.fail
		if m, ok := r.profiles[n]; ok {
			out[i].Profile.MMS = m
		}
	}
	return out
}

func (r *rooms) Keep(_ context.Context, u []*Upload) error { r.kept += len(u); return nil }
func (r *rooms) Cap(string) int64                          { return 100_000 }
func (r *rooms) Measure(_ string, m *Message) int64        { return 1000 + m.MediaBytes() }

func (r *rooms) Board(_ string, _ Number, _ int) (Seat, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seats == 0 {
		return Seat{}, false
	}
	r.seats--
	return Seat{Owner: "o", Epoch: 1, Room: 1, Go: func(d Dispatch) { r.rode = append(r.rode, d) }, Free: func() { r.freed++ }}, true
}

func (r *rooms) Accept(_ context.Context, a Accept) (Accepting, error) {
	if r.gate != nil {
		<-r.gate
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	key := a.Message.Account + "|" + a.Message.IdemKey
	if e, ok := r.keys[key]; ok && a.Message.IdemKey != "" {
		return e, nil
	}
	r.keys[key] = Accepting{ID: a.Message.ID, IdemHash: a.Message.IdemHash, Replayed: true}
	r.stored[a.Message.ID] = a.Message
	return Accepting{ID: a.Message.ID, IdemHash: a.Message.IdemHash, Boarded: len(a.Attempts) > 0}, nil
}

func (r *rooms) Message(_ context.Context, id ID) (*Message, []Attempt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stored[id], nil, nil
}

func (r *rooms) ByKey(_ context.Context, account, key string) (Accepting, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keys[account+"|"+key], nil
}

func (r *rooms) Timeline(context.Context, ID) ([]Event, error)         { return nil, nil }
func (r *rooms) Messages(context.Context, Listing) ([]*Message, error) { return nil, nil }
func (r *rooms) Act(context.Context, Judged) (int, error)              { return 0, nil }
func (r *rooms) OptOut(context.Context, OptOut) (bool, error)          { return false, nil }
func (r *rooms) OptIn(context.Context, OptOut) (bool, error)           { return false, nil }
func (r *rooms) OptedOut(_ context.Context, _ string, _ Number, numbers []Number) ([]bool, error) {
	out := make([]bool, len(numbers))
	for i, n := range numbers {
		out[i] = r.optedOut[n]
	}
	return out, nil
}
func (r *rooms) Goes(lane string) bool { return !r.standing[lane] }

func newGateway() (*Gateway, *rooms) {
	r := &rooms{keys: map[string]Accepting{}, stored: map[ID]*Message{}, profiles: map[string]capability.MMS{}}
	g := &Gateway{Numbers: r, Carriers: r, Media: r, Messages: r, Consent: r, Lanes: r, Now: time.Now, NewID: NewID}
	paid := capability.Standing{Plan: capability.Paid, MMSEnabled: true, SMSEnabled: true}
	broke := 0.0
	g.Rules.Store(&Rules{
		Accounts: map[string]*Account{
			"acme": {ID: "acme", Standing: paid, DefaultRegion: "US", Freshness: time.Hour, Numbers: map[Number]OwnNumber{
				"+12125550123": {Registered: true}, "+12125550124": {}, "+18005550199": {Registered: true}, "+12125550125": {Registered: true, Carriers: []string{"south"}}}},
			"bad": {ID: "bad", Standing: capability.Standing{Plan: capability.Trial, Credit: &broke, Suspended: true}, Numbers: map[Number]OwnNumber{}},
		},
		Routes:  []Route{{Kind: MMS, To: []string{"+1"}, Carriers: []string{"north"}}},
		Unknown: Block, Failed: Block,
	})
	return g, r
}

func submission() *Submission {
	return &Submission{Account: "acme", From: "+12125550123", To: []string{"+14165550199"}, Text: "hello", Priority: Normal, Report: true,
		Media: []*Upload{{Picture: Picture{ID: "med_1", Type: "image/png", Size: 1000}, Handle: make([]byte, 1000)}}}
}

func codes(flags []Flag) string {
	var c []string
	for _, f := range flags {
		c = append(c, f.Code+"@"+f.Field)
	}
	return strings.Join(c, " ")
}

func TestEveryFlag(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Submission, *rooms)
		want   string
	}{
		"nothing":        {func(s *Submission, r *rooms) {}, ""},
		"account":        {func(s *Submission, r *rooms) { s.Account = "who" }, "account_unknown@/account"},
		"standing":       {func(s *Submission, r *rooms) { s.Account = "bad" }, "account_trial@/account account_out_of_credit@/account account_suspended@/account account_mms_not_enabled@/account from_not_owned@/from"},
		"missing":        {func(s *Submission, r *rooms) { s.From, s.To = "", nil }, "field_missing@/from field_missing@/to"},
		"invalid":        {func(s *Submission, r *rooms) { s.From, s.To[0] = "12", "+1999" }, "from_invalid@/from to_invalid@/to/0"},
		"services":       {func(s *Submission, r *rooms) { s.From, s.To[0] = "911", "+19005550123" }, "from_not_messageable@/from to_not_messageable@/to/0"},
		"regions":        {func(s *Submission, r *rooms) { s.From, s.To[0] = "+18765550123", "+442079460958" }, "from_unsupported_region@/from to_unsupported_region@/to/0"},
		"territory":      {func(s *Submission, r *rooms) { s.To[0] = "+17875550123" }, "to_territory@/to/0"},
		"not owned":      {func(s *Submission, r *rooms) { s.From = "+12025550123" }, "from_not_owned@/from"},
		"not registered": {func(s *Submission, r *rooms) { s.From = "+12125550124" }, "from_not_registered@/from"},
		"kind":           {func(s *Submission, r *rooms) { s.From = "+18005550199" }, "from_kind_not_allowed@/from"},
		"kind, for some": {func(s *Submission, r *rooms) {
			s.From, s.To = "+18005550199", []string{"+12025550199", "+14165550199", "+16045550199"}
		}, "from_kind_not_allowed@/from"},
		"kind, for none": {func(s *Submission, r *rooms) { s.From, s.To[0] = "+18005550199", "+12025550199" }, ""},
		"kind, for text": {func(s *Submission, r *rooms) { s.From, s.Media = "+18005550199", nil }, "no_route@/to/0"},
		"twice":          {func(s *Submission, r *rooms) { s.To = []string{"+14165550199", "416-555-0199"} }, "duplicate_recipient@/to/1"},
		"many":           {func(s *Submission, r *rooms) { s.To = slices.Repeat([]string{"+14165550199"}, 1001) }, "too_many_recipients@/to"},
		"empty":          {func(s *Submission, r *rooms) { s.Text, s.Media, s.Channel = " \n", nil, "mms" }, "empty_message@/text"},
		"long": {func(s *Submission, r *rooms) {
			s.Text, s.Subject = strings.Repeat("é", 1601), strings.Repeat("é", 81)
		}, "text_too_long@/text subject_too_long@/subject"},
		"just not long": {func(s *Submission, r *rooms) {
			s.Text, s.Subject = strings.Repeat("é", 1600), strings.Repeat("é", 80)
		}, ""},
		"images":           {func(s *Submission, r *rooms) { s.Media = slices.Repeat(s.Media, 11) }, "too_many_images@/media"},
		"weight":           {func(s *Submission, r *rooms) { s.Media[0].Size = MaxMediaBytes + 1 }, "total_too_large@/media carrier_cap_exceeded@/to/0"},
		"no picture":       {func(s *Submission, r *rooms) { s.Media[0].Fault = "unsupported_media_type" }, "unsupported_media_type@/media/0"},
		"other type":       {func(s *Submission, r *rooms) { s.Media[0].Declared = "image/jpeg" }, "media_type_mismatch@/media/0"},
		"from cannot":      {func(s *Submission, r *rooms) { r.profiles["+12125550123"] = capability.No }, "from_not_mms_capable@/from"},
		"to unknown":       {func(s *Submission, r *rooms) { r.profiles["+14165550199"] = capability.Unknown }, "to_capability_unknown@/to/0"},
		"lookup down":      {func(s *Submission, r *rooms) { r.fail = errors.New("down") }, "capability_lookup_failed@/from capability_lookup_failed@/to/0"},
		"hosted nowhere":   {func(s *Submission, r *rooms) { s.From = "+12125550125" }, "no_route@/to/0"},
		"text goes by sms": {func(s *Submission, r *rooms) { s.Media = nil }, "no_route@/to/0"},
		"cap":              {func(s *Submission, r *rooms) { s.Media[0].Size = 200_000 }, "carrier_cap_exceeded@/to/0"},
		"validity":         {func(s *Submission, r *rooms) { s.ExpiresIn = time.Second }, "expires_in_invalid@/expires_in"},
		"faults first": {func(s *Submission, r *rooms) {
			s.Faults, s.To = []Flag{{Code: "field_invalid", Severity: Block, Field: "/to"}}, nil
		}, "field_invalid@/to"},
	} {
		g, r := newGateway()
		s := submission()
		c.change(s, r)
		v, err := g.Check(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		got := codes(v.Flags)
		if name == "many" { // and a thousand repeats of one number
			got = strings.Join(slices.DeleteFunc(strings.Fields(got), func(c string) bool { return strings.HasPrefix(c, "duplicate") }), " ")
		}
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
		for _, f := range v.Flags {
			if f.Message == "" && f.Code != "field_invalid" {
				t.Errorf("%s: %s has no words", name, f.Code)
			}
			if _, ok := flagOrder[f.Code]; !ok {
				t.Errorf("%s is not in the table", f.Code)
			}
		}
		_, _, err = g.Submit(t.Context(), s)
		var refusal *Refusal
		if errors.As(err, &refusal) == v.Sendable() || refusal != nil && codes(refusal.Flags) != codes(v.Flags) {
			t.Errorf("%s: check says %s, send says %v", name, codes(v.Flags), err)
		}
		if !v.Sendable() && (r.kept > 0 || len(r.stored) > 0) {
			t.Errorf("%s: refused, and yet something was stored", name)
		}
	}
}

// What text alone lacks is a carrier for SMS; where pictures have none either,
// turning it into one is no way out.
func TestNoRouteForText(t *testing.T) {
	g, _ := newGateway()
	s := submission()
	s.Media = nil
	for _, c := range []struct {
		from   string
		routes []Route
		said   bool
	}{
		{"+12125550123", g.Rules.Load().Routes, true},
		{"+12125550125", g.Rules.Load().Routes, false}, // hosted where no route leads
		{"+12125550123", append([]Route{{Kind: SMS, To: []string{"+1202"}, Carriers: []string{"texts"}}}, g.Rules.Load().Routes...), false},
	} {
		g.Rules.Load().Routes, s.From = c.routes, c.from
		v, err := g.Check(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if len(v.Flags) != 1 || v.Flags[0].Code != "no_route" || strings.Contains(v.Flags[0].Message, "Add a picture or a subject, or set channel to mms") != c.said {
			t.Errorf("%+v", v.Flags)
		}
		for _, f := range v.MMS {
			if strings.Contains(f.Message, "SMS") {
				t.Errorf("of pictures it says %s", f.Message)
			}
		}
	}
}

func TestOnlyTheLookupFailed(t *testing.T) {
	g, r := newGateway()
	r.fail = errors.New("down")
	if v, _ := g.Check(t.Context(), submission()); !v.OnlyLookupFailed() {
		t.Errorf("%s", codes(v.Flags))
	}
	s := submission()
	s.To[0] = "911"
	if v, _ := g.Check(t.Context(), s); v.OnlyLookupFailed() {
		t.Errorf("%s", codes(v.Flags))
	}
	g.Rules.Load().Failed = Warn
	if v, _ := g.Check(t.Context(), submission()); !v.Sendable() || len(v.Flags) != 2 {
		t.Errorf("as a warning: %s", codes(v.Flags))
	}
}

func TestBoarding(t *testing.T) {
	g, r := newGateway()
	r.seats = 2
	s := submission()
	s.To = []string{"+14165550199", "+14165550198", "+14165550197"}
	m, _, err := g.Submit(t.Context(), s)
	if err != nil || len(r.rode) != 2 || r.freed != 0 {
		t.Fatalf("%v: %d rode, %d freed", err, len(r.rode), r.freed)
	}
	for i, d := range r.rode {
		if d.Attempt.MessageID != m.ID || d.Attempt.Dials != 1 || len(d.Deliveries) != 1 || d.Deliveries[0].N != i {
			t.Errorf("dispatch %d is %+v", i, d)
		}
	}
}

func TestIdempotencyKeys(t *testing.T) {
	g, r := newGateway()
	send := func(change func(*Submission)) (*Message, bool, error) {
		s := submission()
		s.IdemKey = "k"
		change(s)
		return g.Submit(t.Context(), s)
	}
	first, replayed, err := send(func(*Submission) {})
	if err != nil || replayed {
		t.Fatal(replayed, err)
	}
	again, replayed, err := send(func(s *Submission) { s.To[0] = "+1 (416) 555-0199" }) // another way to write it
	if err != nil || !replayed || again.ID != first.ID {
		t.Errorf("the same again: %v %v", replayed, err)
	}
	if _, _, err := send(func(s *Submission) { s.Text = "other" }); !errors.Is(err, ErrIdemConflict) {
		t.Errorf("another message: %v", err)
	}
	g.Rules.Load().Accounts["acme"].Standing.Suspended = true
	if _, replayed, err := send(func(*Submission) {}); err != nil || !replayed {
		t.Errorf("what was accepted is refused afterwards: %v", err)
	}
	var refusal *Refusal
	if _, _, err := send(func(s *Submission) { s.IdemKey = "fresh" }); !errors.As(err, &refusal) {
		t.Errorf("a new one of a suspended account: %v", err)
	}
	if len(r.stored) != 1 {
		t.Errorf("%d messages are stored", len(r.stored))
	}
}

func TestOneKeyAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, r := newGateway()
		r.gate = make(chan struct{})
		results := make(chan string, 3)
		for range 3 {
			go func() {
				s := submission()
				s.IdemKey = "k"
				_, replayed, err := g.Submit(context.Background(), s)
				results <- fmt.Sprint(replayed, err)
			}()
		}
		synctest.Wait()
		<-time.After(idemPatience + time.Second) // two give up waiting
		for range 2 {
			if got := <-results; got != fmt.Sprint(false, ErrIdemInProgress) {
				t.Errorf("a waiting one got %s", got)
			}
		}
		close(r.gate)
		if got := <-results; got != "false <nil>" {
			t.Errorf("the first got %s", got)
		}
	})
}

func TestTheHashIsOfTheMessage(t *testing.T) {
	seen := map[string]string{}
	base := func() *Message {
		return &Message{From: "+1", Channel: MMS, Subject: "s", Text: "t", Reference: "r", Priority: Normal, Report: true,
			Media: []Picture{{ID: "a", Name: "n"}, {ID: "b"}}, Deliveries: []Delivery{{Recipient: "+2"}, {Recipient: "+3"}}}
	}
	for name, change := range map[string]func(*Message){
		"base": func(*Message) {}, "from": func(m *Message) { m.From = "+9" }, "text": func(m *Message) { m.Text = "u" },
		"moved": func(m *Message) { m.Subject, m.Text = "st", "" }, "media order": func(m *Message) { m.Media[0], m.Media[1] = m.Media[1], m.Media[0] },
		"to order": func(m *Message) { m.Deliveries[0], m.Deliveries[1] = m.Deliveries[1], m.Deliveries[0] }, "report": func(m *Message) { m.Report = false },
		"read": func(m *Message) { m.Read = true }, "priority": func(m *Message) { m.Priority = High },
	} {
		m := base()
		change(m)
		h := string(idemHash(m, 0))
		if other, ok := seen[h]; ok {
			t.Errorf("%s and %s have one hash", name, other)
		}
		seen[h] = name
		for i := range m.Media {
			m.Media[i].Name = "another name"
		}
		if again := string(idemHash(m, 0)); again != h {
			t.Errorf("%s has two hashes", name)
		}
	}
}
