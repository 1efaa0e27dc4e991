package main

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
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
	"mmsgw/simulator"
)

var update = flag.Bool("update", false, "write the golden file of words anew")

const wordsFile = "../../testdata/show/golden.txt"

// gallery is a gateway with a carrier for each kind of trouble, told apart by the
// area code of the recipient.
type gallery struct {
	*town
	sims map[string]*simulator.Server
	seen map[string]string // state and reason → what show says first
}

// exhibit is one carrier of the gallery.
type exhibit struct {
	name, area, fault string
	scenario          map[string]string
	config            string // beside name, protocol, url, reports
}

var exhibits = []exhibit{
	{name: "plain", area: "416", scenario: map[string]string{
		"0101": "reject-2004", "0102": "size-2004", "0103": "address-2002", "0104": "service-4005", "0105": "filtered", "0106": "unrecognised", "0107": "rejected",
		"0108": "expired", "0109": "indeterminate", "0110": "no-report", "0111": "lost", "0112": "no-report",
	}},
	{name: "quiet", area: "647", fault: "no-report", config: "timeouts: {report: 1s}"},
	{name: "paused", area: "905"},
	{name: "stopped", area: "514", fault: "auth-401"},
	{name: "down", area: "604", config: "retry: {first: 60s, max: 60s}"},
	{name: "slow", area: "718", fault: "never-answers", config: "limits: {window: 1}"},
	{name: "capped", area: "917", config: "limits: {per_day: 1}"},
	{name: "denied", area: "415", fault: "denied-4007"},
	{name: "doubt", area: "312", fault: "lost", config: "retry: {unknown: hold}"},
	{name: "few", area: "206", fault: "fault-3000", scenario: map[string]string{"0101": "denied-4001"},
		config: "retry: {first: 10ms, max: 20ms, attempts: 2}, outcomes: [{code: 4001, then: reject, reason: carrier_refused_sender}]"},
}

// openGallery sets all of them up.
func openGallery(t *testing.T) *gallery {
	t.Helper()
	g := &gallery{town: found(t, simulator.Options{}, quick), sims: map[string]*simulator.Server{}, seen: map[string]string{}}
	var carriers, routes strings.Builder
	for _, x := range exhibits {
		s, err := simulator.Open("127.0.0.1:0", simulator.Options{ReportTo: "http://" + g.reports + "/mm7/" + x.name,
			ReportAuth: simulator.Basic{Username: "c", Password: demoPassword}, Fault: x.fault, Scenario: x.scenario})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		g.sims[x.name] = s
		config := x.config
		if config != "" {
			config = ", " + config
		}
		fmt.Fprintf(&carriers, "  - {name: %s, protocol: mm7, url: \"%s\", reports: {basic: {username: c, password_file: north.pass}}%s}\n", x.name, s.URL(), config)
		fmt.Fprintf(&routes, "  - {to: [\"+1%s\"], carriers: [%s]}\n", x.area, x.name)
	}
	g.sims["down"].Close()
	text := fmt.Sprintf(`state_dir: ./state
media_reserve: 8MiB
listen: {api: ["unix:mmsgw.sock"], carriers: "tcp:%s", admin: "tcp:%s"}
accounts:
  - {id: acme, numbers: ["+12125550123"]}
  - {id: gone, numbers: ["+12125550124"], suspended: false}
capability: {file: numbers.csv}
carriers:
%sroutes:
%s`, g.reports, g.admin, carriers.String(), routes.String())
	if err := os.WriteFile(g.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return g
}

// send submits one message to a number of an exhibit and gives its id.
func (g *gallery) send(area, end string, tune ...func(*client.Submission)) string {
	g.t.Helper()
	m := client.Submission{Account: "acme", From: demoSender, To: []string{"+1" + area + "555" + end}, Channel: "mms", Text: "x"}
	for _, t := range tune {
		t(&m)
	}
	done, err := g.client.Submit(g.t.Context(), m)
	if err != nil {
		g.t.Fatal(err)
	}
	return done.Message.ID
}

var placeholders = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`msg_[0-9a-f]{32}`), "MESSAGE"},
	{regexp.MustCompile(`\+1\d{10}`), "NUMBER"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [A-Z]+`), "TIME"},
}

// shows waits until a message stands somewhere and keeps what show says first.
func (g *gallery) shows(id, state, reason string) {
	g.t.Helper()
	g.becomes(id, state, reason)
	r := mmsgw(g.t, nil, "show", id, "--socket", g.socket)
	r.want(g.t, exitDone, "", "")
	first, _, _ := strings.Cut(r.out, "\n")
	for _, p := range placeholders {
		first = p.what.ReplaceAllString(first, p.with)
	}
	if !strings.Contains(first, ": "+state+".") {
		g.t.Errorf("%s, %s: show says %q", state, reason, first)
		return
	}
	g.seen[strings.TrimSpace(state+" "+reason)] = first
}

// TestEveryStateAndReason reaches each state and each reason there is, and holds
// what show says of it against words that a person has read.
func TestEveryStateAndReason(t *testing.T) {
	t.Parallel()
	g := openGallery(t)
	g.serve(binary)
	if _, err := g.client.Pause(t.Context(), "paused"); err != nil {
		t.Fatal(err)
	}
	late := g.send("905", "0101", func(m *client.Submission) { m.ExpiresIn = "1m" })
	g.atCarriers()
	g.lanes()
	g.people()
	untilWithin(t, 2*time.Minute, "its minute is over", func() bool {
		m, err := g.client.Message(t.Context(), late)
		return err == nil && m.Final
	})
	g.shows(late, "expired", "expired_before_send")
	g.complete()

	var got bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(g.seen)) {
		fmt.Fprintf(&got, "%s\n    %s\n", key, g.seen[key])
	}
	if *update {
		if err := os.MkdirAll(filepath.Dir(wordsFile), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(wordsFile, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(wordsFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("show says other words than a person has read in %s (write them anew with -update, and read them):\n%s", wordsFile, got.String())
	}
}

// atCarriers is what carriers answer and report of single messages.
func (g *gallery) atCarriers() {
	g.t.Helper()
	for _, k := range []struct{ area, end, state, reason string }{
		{"416", "0100", "delivered", "retrieved"},
		{"416", "0101", "failed", "carrier_refused_content"},
		{"416", "0102", "failed", "carrier_refused_size"},
		{"416", "0103", "failed", "carrier_refused_address"},
		{"416", "0104", "failed", "carrier_refused_request"},
		{"416", "0105", "undelivered", "carrier_filtered"},
		{"416", "0106", "undelivered", "handset_unsupported"},
		{"416", "0107", "undelivered", "recipient_rejected"},
		{"416", "0108", "expired", "expired_at_carrier"},
		{"416", "0109", "unknown", "indeterminate"},
		{"416", "0110", "sent", "awaiting_report"},
		{"416", "0111", "uncertain", "awaiting_report"},
		{"647", "0100", "unknown", "no_report"},
		{"312", "0100", "held", "ambiguous_outcome"},
		{"206", "0100", "failed", "retries_exhausted"},
		{"206", "0101", "failed", "carrier_refused_sender"},
	} {
		g.shows(g.send(k.area, k.end), k.state, k.reason)
	}
	no := false
	g.shows(g.send("416", "0100", func(m *client.Submission) { m.DeliveryReport = &no }), "sent", "accepted_by_carrier")
	forwarded := g.send("416", "0112")
	g.becomes(forwarded, "sent", "awaiting_report")
	g.forward(forwarded)
	g.shows(forwarded, "sent", "forwarded_unconfirmed")
}

// forward reports Forwarded, as a carrier does that hands over to another network.
func (g *gallery) forward(id string) {
	g.t.Helper()
	m, err := g.client.Message(g.t.Context(), id)
	if err != nil {
		g.t.Fatal(err)
	}
	d := &m.Deliveries[0]
	body := fmt.Sprintf(`<?xml version="1.0"?><env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Header><TransactionID>t</TransactionID></env:Header>
<env:Body><DeliveryReportReq><MM7Version>6.8.0</MM7Version><MessageID>%s</MessageID><Recipient><Number>%s</Number></Recipient><Sender><Number>%s</Number></Sender>
<Date>%s</Date><MMStatus>Forwarded</MMStatus></DeliveryReportReq></env:Body></env:Envelope>`, d.CarrierMessageID, d.To, m.From, time.Now().UTC().Format(time.RFC3339))
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, "http://"+g.reports+"/mm7/plain", strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "text/xml")
	r.SetBasicAuth("c", demoPassword)
	resp, err := http.DefaultClient.Do(r)
	if err != nil || resp.StatusCode != http.StatusOK {
		g.t.Fatalf("the report is answered %v, %v", resp, err)
	}
	_ = resp.Body.Close()
}

// lanes is what waits for a lane.
func (g *gallery) lanes() {
	g.t.Helper()
	g.shows(g.send("905", "0100"), "held", "carrier_paused")
	g.shows(g.send("514", "0100"), "held", "lane_stopped")
	g.shows(g.send("415", "0100"), "held", "sender_paused")
	g.shows(g.send("718", "0100"), "sending", "")
	g.shows(g.send("718", "0101"), "queued", "waiting_turn")
	g.becomes(g.send("917", "0100"), "delivered", "")
	g.shows(g.send("917", "0101"), "held", "daily_cap")
	tried := g.send("604", "0100")
	for range 4 {
		g.becomes(g.send("604", "0101"), "queued", "backing_off")
	}
	g.shows(tried, "queued", "backing_off")
	g.shows(g.send("604", "0102"), "held", "breaker_open")
}

// people is what callers, operators and recipients do, and the hour.
func (g *gallery) people() {
	g.t.Helper()
	soon, in := time.Now().Add(2*time.Second), func(at time.Time) func(*client.Submission) {
		return func(m *client.Submission) { m.SendAt = at }
	}
	refused := g.send("416", "0113", in(soon))
	if _, err := g.client.OptOut(g.t.Context(), "+14165550113", "acme", ""); err != nil {
		g.t.Fatal(err)
	}
	gone := g.send("416", "0100", in(soon), func(m *client.Submission) { m.Account, m.From = "gone", "+12125550124" })
	g.edit("suspended: false", "suspended: true")
	if _, err := g.client.Reload(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
	hour := time.Now().Add(time.Hour)
	scheduled, held, canceled := g.send("416", "0100", in(hour)), g.send("416", "0100", in(hour)), g.send("416", "0100", in(hour))
	g.shows(scheduled, "scheduled", "scheduled")
	if _, err := g.client.Hold(g.t.Context(), held); err != nil {
		g.t.Fatal(err)
	}
	g.shows(held, "held", "operator_hold")
	if _, err := g.client.Cancel(g.t.Context(), canceled); err != nil {
		g.t.Fatal(err)
	}
	g.shows(canceled, "canceled", "canceled_by_caller")
	g.shows(refused, "blocked", "to_opted_out")
	g.shows(gone, "held", "standing_changed")
}

// elsewhere are the reasons that other tests reach, or other releases.
var elsewhere = []string{"fitting", "media_corrupt_stored"}

// complete sees that no state and no reason was left out.
func (g *gallery) complete() {
	g.t.Helper()
	var states, reasons []string
	for key := range g.seen {
		state, reason, _ := strings.Cut(key, " ")
		states, reasons = append(states, state), append(reasons, reason)
	}
	for _, s := range []gateway.State{gateway.Scheduled, gateway.Queued, gateway.Held, gateway.Sending, gateway.Uncertain, gateway.Sent, gateway.Delivered,
		gateway.Undelivered, gateway.Expired, gateway.Failed, gateway.Canceled, gateway.Blocking, gateway.Undecided} {
		if !slices.Contains(states, string(s)) {
			g.t.Errorf("state %s was not reached", s)
		}
	}
	for _, code := range gateway.Codes() {
		x, ok := gateway.Explain(code)
		if !ok || x.Kind != gateway.OfReason || slices.Contains(elsewhere, code) {
			continue
		}
		if !slices.Contains(reasons, code) {
			g.t.Errorf("reason %s was not reached", code)
		}
		mmsgw(g.t, nil, "explain", code).want(g.t, exitDone, x.Means, "")
	}
}
