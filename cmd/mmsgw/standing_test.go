package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"mmsgw/client"
	"mmsgw/gateway"
	"mmsgw/mm7"
	"mmsgw/simulator"
)

// paragraphs is the golden file; MMSGW_UPDATE=1 writes it anew, to be read.
const paragraphs = "../../testdata/show/each.txt"

// standing is a message that stands where a row of the contract's tables says.
type standing struct {
	what, state, reason string
	id                  string
}

// show reads what show says of it first, with placeholders for what no two runs share.
func (w *town) show(id string) string {
	w.t.Helper()
	r := w.do("show", id)
	r.want(w.t, exitDone, "\nDeliveries\n", "")
	text, _, _ := strings.Cut(r.out, "\n\n")
	for pattern, with := range map[string]string{
		`msg_[0-9a-f]{32}`: "MESSAGE", `\+1\d{10}`: "NUMBER", `\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [A-Z0-9+-]+`: "TIME",
	} {
		text = regexp.MustCompile(pattern).ReplaceAllString(text, with)
	}
	return text
}

// Every state and every reason of the contract is reached through the API, and show
// says in words where the message is, what holds it, what happens next and when.
func TestWhatShowSaysOfEach(t *testing.T) {
	t.Parallel()
	var golden strings.Builder
	states, reasons := map[string]bool{}, map[string]bool{}
	tell := func(w *town, all []standing) {
		for _, s := range all {
			w.becomes(s.id, s.state, s.reason)
			fmt.Fprintf(&golden, "%s: %s\n%s\n\n", strings.TrimSpace(s.state+" "+s.reason), s.what, w.show(s.id))
			states[s.state], reasons[s.reason] = true, true
		}
	}
	carriersThatStand(t, tell)
	validityThatEnds(t, tell)
	if os.Getenv("MMSGW_UPDATE") == "1" {
		if err := os.MkdirAll(filepath.Dir(paragraphs), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(paragraphs, []byte(golden.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(paragraphs)
	if err != nil {
		t.Fatal(err)
	}
	sameParagraphs(t, golden.String(), string(want))

	for _, s := range []gateway.State{gateway.Scheduled, gateway.Queued, gateway.Held, gateway.Sending, gateway.Uncertain, gateway.Sent, gateway.Delivered,
		gateway.Undelivered, gateway.Expired, gateway.Failed, gateway.Canceled, gateway.Blocking, gateway.Undecided} {
		if !states[string(s)] {
			t.Errorf("no message is %s", s)
		}
	}
	for _, code := range gateway.Codes() {
		e, _ := gateway.Explain(code)
		// Nothing in this release makes pictures fit; damage on the disk is the media room's to make.
		if e.Kind == gateway.OfReason && !reasons[code] && code != "fitting" && code != "media_corrupt_stored" {
			t.Errorf("no message has the reason %s", code)
		}
	}
	for code := range reasons {
		if code == "" {
			continue
		}
		r := mmsgw(t, nil, "explain", code)
		for _, want := range []string{code + " is a reason", "\n  means  ", "\n  next   ", "\n  acts   "} {
			r.want(t, exitDone, want, "")
		}
	}
}

func sameParagraphs(t *testing.T, got, want string) {
	t.Helper()
	a, b := strings.Split(got, "\n\n"), strings.Split(want, "\n\n")
	for i := range max(len(a), len(b)) {
		var g, w string
		if i < len(a) {
			g = a[i]
		}
		if i < len(b) {
			w = b[i]
		}
		if g != w {
			t.Errorf("show says\n%s\nwant, by %s (MMSGW_UPDATE=1 writes it anew)\n%s", g, paragraphs, w)
		}
	}
}

// carriersThatStand is a town of carriers that each stand in a way of their own.
func carriersThatStand(t *testing.T, tell func(*town, []standing)) {
	w := found(t, simulator.Options{Scenario: map[string]string{
		"0101": "no-report", "0102": "reject-2004", "0103": "size-2004", "0104": "address-2002", "0105": "service-4005", "0106": "expired", "0107": "rejected",
		"0108": "filtered", "0109": "unrecognised", "0110": "unreachable", "0111": "indeterminate", "0112": "lost", "0113": "never-answers", "0114": "denied-4001",
	}}, "first: 1h, max: 2h")
	w.edit("    vasp_id: acme\n", "    vasp_id: acme\n    cancel: true\n    outcomes: [{code: 4001, then: reject, reason: carrier_refused_sender}]\n")
	w.edit("response: 10s", "response: 60s")
	w.edit("accounts:\n", "accounts:\n  - {id: beta, suspended: false, numbers: [\"+12125550124\"]}\n")
	w.join("short", "647", simulator.Options{Scenario: map[string]string{"0100": "no-report", "0101": "no-report", "0102": "lost", "0103": "fault-3000"}},
		"timeouts: {connect: 2s, response: 10s, report: 1s}", "retry: {first: 1h, max: 1h, attempts: 1, unknown_wait: 1s}")
	w.join("paused", "905", simulator.Options{})
	w.add("broken", "http://"+freePort(t)+"/mm7", areaRoute("514"), "limits: {per_second: 1000, window: 1}", "retry: {first: 1h, max: 1h}")
	w.join("stopped", "604", simulator.Options{Fault: "auth-401"})
	w.join("picky", "718", simulator.Options{Fault: "denied-4007"})
	w.join("small", "917", simulator.Options{}, "limits: {per_day: 1}")
	w.join("slow", "415", simulator.Options{}, "limits: {per_second: 0.01}")
	w.join("again", "312", simulator.Options{Fault: "lost"}, "retry: {first: 1h, max: 1h, unknown: resend}")
	twice := w.join("twice", "206", simulator.Options{Fault: "lost"}, "retry: {first: 100ms, max: 100ms, unknown: resend, resend_max: 100}")
	w.serve(binary)
	if _, err := w.client.Pause(soon(t), "paused"); err != nil {
		t.Fatal(err)
	}
	tell(w, slices.Concat(w.answered(), w.held(), w.acted(), w.unknown()))
	again := w.to("206", 0)
	until(t, "it was sent", func() bool { return len(twice.Seen()) > 0 })
	if err := twice.SetFault(""); err != nil {
		t.Fatal(err)
	}
	tell(w, []standing{{"sent again when no answer had come", "delivered", "retrieved", again}})
	tell(w, w.changed())
}

// to sends to the n-th number of an area.
func (w *town) to(area string, n int) string {
	w.t.Helper()
	return w.postAs(client.Submission{Account: "acme"}, number(area, n))
}

// answered are the messages that the carrier north took or refused.
func (w *town) answered() []standing {
	no := false
	return []standing{
		{"the phone fetched it", "delivered", "retrieved", w.to("416", 0)},
		{"taken, the report is to come", "sent", "awaiting_report", w.to("416", 1)},
		{"taken, no report was asked for", "sent", "accepted_by_carrier", w.postAs(client.Submission{Account: "acme", DeliveryReport: &no}, number("416", 20))},
		{"2004", "failed", "carrier_refused_content", w.to("416", 2)},
		{"2004 that speaks of the size", "failed", "carrier_refused_size", w.to("416", 3)},
		{"2002", "failed", "carrier_refused_address", w.to("416", 4)},
		{"4005", "failed", "carrier_refused_request", w.to("416", 5)},
		{"4001, where that is of the sender", "failed", "carrier_refused_sender", w.to("416", 14)},
		{"reported Expired", "expired", "expired_at_carrier", w.to("416", 6)},
		{"reported Rejected", "undelivered", "recipient_rejected", w.to("416", 7)},
		{"reported Rejected by another MMSC", "undelivered", "carrier_filtered", w.to("416", 8)},
		{"reported Unrecognised", "undelivered", "handset_unsupported", w.to("416", 9)},
		{"reported Unreachable", "undelivered", "carrier_refused_address", w.to("416", 10)},
		{"reported Indeterminate", "unknown", "indeterminate", w.to("416", 11)},
		{"no answer, the report is awaited", "uncertain", "awaiting_report", w.to("416", 12)},
		{"no answer yet", "sending", "", w.to("416", 13)},
		{"one of three refused", "delivered", "retrieved", w.postAs(client.Submission{Account: "acme"}, number("416", 21), number("416", 4), number("416", 22))},
	}
}

// held are messages in lanes that stand.
func (w *town) held() []standing {
	tried := w.to("514", 0)
	w.becomes(tried, "queued", "backing_off")
	for i := range 4 {
		w.becomes(w.to("514", 1+i), "queued", "backing_off")
	}
	first := w.to("415", 0)
	w.becomes(first, "delivered", "retrieved")
	w.becomes(w.to("917", 0), "delivered", "retrieved")
	refused := w.to("604", 0)
	w.becomes(refused, "held", "lane_stopped")
	return []standing{
		{"the carrier was not reached", "queued", "backing_off", tried},
		{"nor five times in a row", "held", "breaker_open", w.to("514", 9)},
		{"the agreed rate", "queued", "waiting_turn", w.to("415", 1)},
		{"the agreed number of the day", "held", "daily_cap", w.to("917", 1)},
		{"paused", "held", "carrier_paused", w.to("905", 0)},
		{"401", "held", "lane_stopped", refused},
		{"behind one that got 401", "held", "lane_stopped", w.to("604", 1)},
		{"4007", "held", "sender_paused", w.to("718", 0)},
		{"no answer, to be sent again", "uncertain", "backing_off", w.to("312", 0)},
	}
}

// acted are messages that a person or a service did something to.
func (w *town) acted() []standing {
	later := func(n int) string {
		return w.postAs(client.Submission{Account: "acme", SendAt: time.Now().Add(2 * time.Hour)}, number("416", n))
	}
	scheduled, held, canceled, recalled := later(30), later(31), later(32), w.to("416", 1)
	w.do("hold", held).want(w.t, exitDone, "", "")
	w.do("cancel", canceled).want(w.t, exitDone, "", "")
	w.becomes(recalled, "sent", "awaiting_report")
	w.do("cancel", recalled).want(w.t, exitDone, "", "")
	return []standing{
		{"to be sent later", "scheduled", "scheduled", scheduled},
		{"held by a person", "held", "operator_hold", held},
		{"canceled before it left", "canceled", "canceled_by_caller", canceled},
		{"canceled at the carrier", "canceled", "canceled_by_caller", recalled},
	}
}

// unknown are messages of which the end is not told, or not known.
func (w *town) unknown() []standing {
	forwarded, given := w.to("416", 1), w.to("647", 1)
	for id, carrier := range map[string]string{forwarded: "north", given: "short"} {
		w.forward(carrier, w.becomes(id, "sent", "awaiting_report"))
	}
	return []standing{
		{"reported Forwarded", "sent", "forwarded_unconfirmed", forwarded},
		{"reported Forwarded, and then nothing", "unknown", "forwarded_unconfirmed", given},
		{"no report in time", "unknown", "no_report", w.to("647", 0)},
		{"no answer and no report", "held", "ambiguous_outcome", w.to("647", 2)},
		{"3000 as often as it is tried", "failed", "retries_exhausted", w.to("647", 3)},
	}
}

// forward reports that a carrier passed a message on.
func (w *town) forward(carrier string, d *client.Delivery) {
	w.t.Helper()
	dialect, _ := mm7.Preset("rel-6-mm7-1-4")
	body := (&mm7.DeliveryReportReq{
		Head: mm7.Head{TransactionID: "forwarded"}, MessageID: d.CarrierMessageID, MMStatus: "Forwarded", Date: mm7.DateTime(time.Now()),
		Recipient: mm7.Address{Value: d.To}, Sender: mm7.Address{Value: demoSender},
	}).Encode(dialect)
	if got := w.report(carrier, body, simulator.Basic{Username: "north", Password: demoPassword}); got != http.StatusOK {
		w.t.Errorf("a report is answered %d", got)
	}
}

// changed are messages that waited while what they need was taken away.
func (w *town) changed() []standing {
	out := w.to("905", 2)
	if _, err := w.client.OptOut(soon(w.t), number("905", 2), "acme", ""); err != nil {
		w.t.Fatal(err)
	}
	id := w.postAs(client.Submission{Account: "beta", From: "+12125550124"}, number("905", 1))
	w.do("hold", id).want(w.t, exitDone, "An operator holds it back.", "")
	w.edit("suspended: false", "suspended: true")
	w.do("reload").want(w.t, exitDone, "suspended", "")
	w.do("release", id).want(w.t, exitDone, "", "")
	w.do("carriers", "resume", "paused").want(w.t, exitDone, "", "")
	return []standing{
		{"its account was suspended meanwhile", "held", "standing_changed", id},
		{"the recipient said stop meanwhile", "blocked", "to_opted_out", out},
	}
}

// validityThatEnds is a town in which time went on, by what its rows say.
func validityThatEnds(t *testing.T, tell func(*town, []standing)) {
	w := found(t, simulator.Options{Fault: "lost"}, "first: 1h, max: 2h, unknown: hold")
	w.join("paused", "905", simulator.Options{})
	p := w.serve(binary)
	if _, err := w.client.Pause(soon(t), "paused"); err != nil {
		t.Fatal(err)
	}
	brief := client.Submission{ExpiresIn: "1m"}
	waited, lost := w.postAs(brief, number("905", 0)), w.postAs(brief, number("416", 0))
	w.becomes(waited, "held", "carrier_paused")
	w.becomes(lost, "held", "ambiguous_outcome")
	p.ending()
	w.setClock(2 * time.Minute)
	w.serve(binary)
	tell(w, []standing{
		{"its validity ended while it waited", "expired", "expired_before_send", waited},
		{"its validity ended while nobody knew", "unknown", "no_report", lost},
	})
}
