package simulator_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mmsgw/mm7"
	"mmsgw/simulator"
)

// TestAccepted follows a sound message: answer, report, record, journal, log.
func TestAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, journal, logged := &gateway{}, &lines{}, &lines{}
		ids := 0
		m := open(t, g, simulator.Options{
			Journal: journal,
			Log:     slog.New(slog.NewTextHandler(logged, nil)),
			NewID:   func() string { ids++; return fmt.Sprint("id-", ids) },
			VASPID:  "acme", VASID: "picture",
		})
		o := submit(m, posted(t, preset(t, "rel-6-mm7-1-4"), message("tx-1")), g.told)
		synctest.Wait()

		if o.code != 200 || o.String() != "status 1000" || o.rsp.MessageID != "id-1" || o.rsp.TransactionID != "tx-1" {
			t.Errorf("answered %s, %+v", o, o.rsp)
		}
		if got := g.story(); got != "answer, report Retrieved" {
			t.Fatalf("what happened: %s", got)
		}
		r := g.reports[0]
		if r.MessageID != "id-1" || r.TransactionID == "tx-1" || r.Recipient.Value != recipient || r.Sender.Value != sender || r.Date != mm7.DateTime(time.Now()) {
			t.Errorf("reported %+v", r)
		}
		seen := m.Seen()
		if len(seen) != 1 {
			t.Fatalf("saw %d submissions", len(seen))
		}
		s := seen[0]
		if !s.Accepted || s.TransactionID != "tx-1" || s.MessageID != "id-1" || s.From != sender || s.To[0] != recipient ||
			s.Subject != "Your receipt" || s.Text != "Thanks for coming by!" || s.Request != 1 || s.Copy != 1 || !s.Report || s.Size == 0 {
			t.Errorf("saw %+v", s)
		}
		if len(s.Images) != 1 || s.Images[0].SHA256 != fmt.Sprintf("%x", sha256.Sum256([]byte(gif))) || s.Images[0].Size != len(gif) || s.Images[0].Type != "image/gif" {
			t.Errorf("saw images %+v", s.Images)
		}
		if got := m.Totals(); got != (simulator.Totals{Requests: 1, Accepted: 1, ReportsAnswered: 1}) {
			t.Errorf("totals %+v", got)
		}
		checkJournal(t, journal.String())
		for _, private := range []string{sender, recipient, "Thanks", "receipt", "secret"} {
			if strings.Contains(logged.String(), private) {
				t.Errorf("%q is in the log:\n%s", private, logged)
			}
		}
		if !strings.Contains(logged.String(), "+1******0199") {
			t.Errorf("the log names no recipient:\n%s", logged)
		}
	})
}

func checkJournal(t *testing.T, journal string) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(journal))
	for _, kind := range []string{"submission", "report"} {
		var line map[string]any
		if err := dec.Decode(&line); err != nil {
			t.Fatalf("journal: %v in\n%s", err, journal)
		}
		if line["kind"] != kind || line["message_id"] != "id-1" {
			t.Errorf("journal line %v, want a %s of id-1", line, kind)
		}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		t.Errorf("the journal goes on:\n%s", journal)
	}
}

// TestFaults submits the same message three times to an MMSC with each fault.
func TestFaults(t *testing.T) {
	const told = "answer, report Retrieved"
	always := func(answer string) string { return answer + ", " + answer + ", " + answer }
	fine := always("status 1000")
	table := map[string]struct {
		answers  string // of the three
		accepted int
		reports  string // what followed the last answer; the others had the same
	}{
		"":                         {fine, 3, told},
		"refuse":                   {fine, 3, told}, // a Server's
		"slow":                     {fine, 3, told},
		"http-503":                 {"HTTP 503, HTTP 503, status 1000", 1, told},
		"soap-4006":                {"fault 4006, fault 4006, status 1000", 1, told},
		"report-first":             {fine, 3, "report Retrieved, answer"},
		"duplicate-report":         {fine, 3, told + ", report Retrieved, report Retrieved"},
		"drop-after-request":       {always("hung up"), 3, "report Retrieved"},
		"reject-2004":              {always("status 2004"), 0, "answer"},
		"partial-1100":             {always("status 1100"), 3, "answer"},
		"no-report":                {fine, 3, "answer"},
		"auth-401":                 {always("HTTP 401"), 0, "answer"},
		"lost":                     {always("hung up"), 0, ""},
		"reset-lost":               {always("hung up"), 0, ""},
		"http-429":                 {"HTTP 429, HTTP 429, status 1000", 1, told},
		"http-500":                 {"HTTP 500, HTTP 500, status 1000", 1, told},
		"fault-3000":               {"fault 3000, fault 3000, status 1000", 1, told},
		"retry-after-hour":         {"HTTP 503, HTTP 503, status 1000", 1, told},
		"retry-after-years":        {"HTTP 503, HTTP 503, status 1000", 1, told},
		"retry-after-garbage":      {"HTTP 503, HTTP 503, status 1000", 1, told},
		"status-in-200":            {always("status 2002"), 0, "answer"},
		"address-2002":             {always("fault 2002"), 0, "answer"},
		"size-2004":                {always("fault 2004"), 0, "answer"},
		"denied-4001":              {always("fault 4001"), 0, "answer"},
		"denied-4007":              {always("fault 4007"), 0, "answer"},
		"service-4005":             {always("fault 4005"), 0, "answer"},
		"fault-transaction-id":     {always("fault 2000"), 0, "answer"}, // the class of its faultcode
		"forbidden-403":            {always("HTTP 403"), 0, "answer"},
		"redirect-307":             {always("HTTP 307"), 0, ""},
		"refuse-many-3003":         {fine, 3, told},
		"refuse-many-2503":         {fine, 3, told},
		"no-message-id":            {fine, 3, told},
		"other-transaction":        {fine, 3, told},
		"partial-unnamed":          {always("status 1100"), 3, "answer"},
		"half-answer":              {always("hung up"), 3, told},
		"reset-after-request":      {always("hung up"), 3, "report Retrieved"},
		"never-answers":            {always("hung up"), 3, "report Retrieved"},
		"stall-headers":            {always("hung up"), 3, "report Retrieved"},
		"stale-keepalive":          {always("hung up"), 3, "report Retrieved"}, // needs a socket to answer on
		"stale-reset":              {always("hung up"), 3, "report Retrieved"}, // likewise
		"garbage":                  {always("HTTP 200"), 3, told},
		"binary-answer":            {always("HTTP 200"), 3, told},
		"gzip-bomb":                {always("HTTP 200"), 3, told},
		"endless-answer":           {always("HTTP 200"), 3, "answer, answer, answer, answer, report Retrieved"}, // a write each
		"doctype-answer":           {always("HTTP 200"), 3, told},
		"deep-answer":              {always("HTTP 200"), 3, told},
		"two-roots-answer":         {always("HTTP 200"), 3, told},
		"wrong-namespace":          {fine, 3, told},
		"report-echo-transaction":  {fine, 3, told},
		"forwarded-then-retrieved": {fine, 3, "answer, report Forwarded, report Retrieved"},
		"deferred-then-retrieved":  {fine, 3, "answer, report Deferred, report Retrieved"},
		"expired-then-retrieved":   {fine, 3, "answer, report Expired, report Retrieved"},
		"out-of-order":             {fine, 3, told + ", report Forwarded"},
		"expired":                  {fine, 3, "answer, report Expired"},
		"rejected":                 {fine, 3, "answer, report Rejected"},
		"filtered":                 {fine, 3, "answer, report Rejected"},
		"indeterminate":            {fine, 3, "answer, report Indeterminate"},
		"unrecognised":             {fine, 3, "answer, report Unrecognised"},
		"unreachable":              {fine, 3, "answer, report Unreachable"},
		"read":                     {fine, 3, told + ", read Read"},
		"late-report":              {fine, 3, "answer"},
		"forged-report":            {fine, 3, told}, // the gateway refuses the other
		"report-unknown-id":        {fine, 3, told},
		"id-upper-case":            {fine, 3, told},
		"id-leading-zero":          {fine, 3, told},
		"number-plmn":              {fine, 3, told},
		"number-bare":              {fine, 3, told},
		"number-mail":              {fine, 3, told},
		"swapped":                  {fine, 3, told},
		"no-cancel":                {fine, 3, told},
		"cancel-lost":              {fine, 3, told},
	}
	for name, want := range table {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &gateway{}
				m := open(t, g, simulator.Options{Fault: name})
				var answers []string
				for i := range 3 {
					g.said = nil
					o := submit(m, posted(t, preset(t, "rel-6-mm7-1-4"), message(fmt.Sprint("tx-", i))), g.told)
					answers = append(answers, o.String())
					synctest.Wait()
				}
				if got := strings.Join(answers, ", "); got != want.answers {
					t.Errorf("answers: %s\nwant: %s", got, want.answers)
				}
				if got := g.story(); got != want.reports {
					t.Errorf("the last time: %s\nwant: %s", got, want.reports)
				}
				if got := m.Totals(); got.Accepted != want.accepted || got.Failed != 3-want.accepted || got.Requests != 3 {
					t.Errorf("totals %+v, want %d accepted", got, want.accepted)
				}
			})
		})
	}
	for _, f := range simulator.Faults() {
		if _, known := table[f.Name]; !known || strings.HasSuffix(f.About, ".") || f.About == "" {
			t.Errorf("fault %s, %q: is it in the table?", f.Name, f.About)
		}
	}
	if got := len(simulator.Faults()); got != len(table)-1 {
		t.Errorf("there are %d faults; the table has %d and the sound MMSC", got, len(table)-1)
	}
}

// TestFaultsInDetail looks at what the table above cannot tell.
func TestFaultsInDetail(t *testing.T) {
	one := func(fault string, check func(t *testing.T, g *gateway, m *simulator.MMSC, o *outcome)) func(*testing.T) {
		return func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &gateway{}
				m := open(t, g, simulator.Options{Fault: fault})
				o := submit(m, posted(t, preset(t, "rel-6-mm7-1-4"), message("tx-1")), g.told)
				check(t, g, m, o)
			})
		}
	}
	t.Run("slow", one("slow", func(t *testing.T, _ *gateway, m *simulator.MMSC, _ *outcome) {
		if took := time.Since(m.Seen()[0].At); took != 3*time.Second {
			t.Errorf("answered after %v", took)
		}
	}))
	t.Run("late-report", one("late-report", func(t *testing.T, g *gateway, m *simulator.MMSC, _ *outcome) {
		<-time.After(10*time.Second - 1)
		if got := g.story(); got != "answer" {
			t.Errorf("too early: %s", got)
		}
		<-time.After(2)
		synctest.Wait()
		if got := g.story(); got != "answer, report Retrieved" {
			t.Errorf("after ten seconds: %s", got)
		}
	}))
	t.Run("no-message-id", one("no-message-id", func(t *testing.T, g *gateway, m *simulator.MMSC, o *outcome) {
		synctest.Wait()
		if o.rsp.MessageID != "" || g.reports[0].MessageID == "" || g.reports[0].MessageID != m.Seen()[0].MessageID || g.reports[0].TransactionID == "tx-1" {
			t.Errorf("answered %+v, reported %+v", o.rsp, g.reports[0])
		}
	}))
	t.Run("report-echo-transaction", one("report-echo-transaction", func(t *testing.T, g *gateway, m *simulator.MMSC, o *outcome) {
		synctest.Wait()
		if o.rsp.MessageID != "" || g.reports[0].MessageID == "" || g.reports[0].TransactionID != "tx-1" {
			t.Errorf("answered %+v, reported %+v", o.rsp, g.reports[0])
		}
	}))
	t.Run("duplicate-report", one("duplicate-report", func(t *testing.T, g *gateway, _ *simulator.MMSC, _ *outcome) {
		synctest.Wait()
		if g.reports[0] != g.reports[1] || g.reports[1] != g.reports[2] {
			t.Errorf("three different reports %+v", g.reports)
		}
	}))
	t.Run("rejected", one("rejected", func(t *testing.T, g *gateway, _ *simulator.MMSC, _ *outcome) {
		synctest.Wait()
		if got := g.reports[0].MMStatusExtension; got != "RejectionByMMSRecipient" {
			t.Errorf("extension %q", got)
		}
	}))
	t.Run("http-503", one("http-503", func(t *testing.T, _ *gateway, _ *simulator.MMSC, o *outcome) {
		if o.header.Get("Retry-After") != "1" {
			t.Errorf("headers %v", o.header)
		}
	}))
	t.Run("auth-401", one("auth-401", func(t *testing.T, _ *gateway, _ *simulator.MMSC, o *outcome) {
		if !strings.HasPrefix(o.header.Get("WWW-Authenticate"), "Basic realm=") {
			t.Errorf("headers %v", o.header)
		}
	}))
}

func TestScenario(t *testing.T) {
	m := open(t, nil, simulator.Options{
		Fault:    "reject-2004",
		Scenario: map[string]string{"0199": "soap-4006", "90199": "auth-401", "+14165550199": "no-report"},
	})
	for number, want := range map[string]string{
		"+14165550199": "status 1000",
		"+14165590199": "HTTP 401",
		"+14165580199": "fault 4006",
		"+14165550100": "status 2004",
	} {
		r := message("tx-" + number)
		r.Recipients.To[0].Value = number
		if got := submit(m, posted(t, preset(t, "rel-6-mm7-1-4"), r), nil); got.String() != want {
			t.Errorf("%s: %s, want %s", number, got, want)
		}
	}
}

func TestNoReportUnlessAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gateway{}
		m := open(t, g, simulator.Options{})
		r := message("tx-1")
		r.DeliveryReport = false
		submit(m, posted(t, preset(t, "rel-6-mm7-1-4"), r), g.told)
		synctest.Wait()
		if got := g.story(); got != "answer" {
			t.Errorf("what happened: %s", got)
		}
	})
}

// TestReportOfEachRecipient: one report a recipient, whatever the block.
func TestReportOfEachRecipient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gateway{}
		m := open(t, g, simulator.Options{})
		r := message("tx-1")
		r.Recipients.Bcc = []mm7.Address{{Value: "+14165550198"}}
		submit(m, posted(t, preset(t, "rel-6-mm7-1-4"), r), g.told)
		synctest.Wait()
		to := map[string]bool{}
		for _, r := range g.reports {
			to[r.Recipient.Value] = r.MessageID == m.Seen()[0].MessageID
		}
		if len(g.reports) != 2 || !to[recipient] || !to["+14165550198"] {
			t.Errorf("reports %+v", g.reports)
		}
	})
}

func TestResend(t *testing.T) {
	m := open(t, nil, simulator.Options{})
	for _, id := range []string{"tx-1", "tx-2", "tx-1"} {
		submit(m, posted(t, preset(t, "rel-6-mm7-1-4"), message(id)), nil)
	}
	other := message("tx-3")
	other.Parts[1].Data = []byte(gif + ";")
	submit(m, posted(t, preset(t, "rel-6-mm7-1-4"), other), nil)
	var got []string
	for _, s := range m.Seen() {
		got = append(got, fmt.Sprint(s.TransactionID, " ", s.Request, " ", s.Copy))
	}
	if want := "tx-1 1 1, tx-2 1 2, tx-1 2 3, tx-3 1 1"; strings.Join(got, ", ") != want {
		t.Errorf("saw %s, want %s", strings.Join(got, ", "), want)
	}
	if got := m.Totals(); got.Resends != 1 || got.Accepted != 4 {
		t.Errorf("totals %+v", got)
	}
}

// TestKeep: the newest are kept, the counters go on, what is forgotten counts no more.
func TestKeep(t *testing.T) {
	m := open(t, nil, simulator.Options{Keep: 2})
	for _, id := range []string{"tx-1", "tx-2", "tx-3", "tx-1"} {
		submit(m, posted(t, preset(t, "rel-6-mm7-1-4"), message(id)), nil)
	}
	seen := m.Seen()
	if len(seen) != 2 || seen[0].TransactionID != "tx-3" || seen[1].TransactionID != "tx-1" || seen[1].Request != 1 {
		t.Errorf("saw %+v", seen)
	}
	if got := m.Totals(); got.Requests != 4 {
		t.Errorf("totals %+v", got)
	}
}

func TestCredentials(t *testing.T) {
	m := open(t, nil, simulator.Options{Auth: simulator.Basic{Username: "gw", Password: "right"}})
	for _, c := range []struct{ user, password, want string }{
		{"gw", "right", "status 1000"},
		{"gw", "wrong", "HTTP 401"},
		{"", "", "HTTP 401"},
	} {
		p := posted(t, preset(t, "rel-6-mm7-1-4"), message("tx-1"))
		if c.user != "" {
			r := p.request()
			r.SetBasicAuth(c.user, c.password)
		}
		if got := submit(m, p, nil); got.String() != c.want {
			t.Errorf("%s:%s: %s, want %s", c.user, c.password, got, c.want)
		}
	}
	if got := m.Totals(); got.Refused != 2 || len(m.Seen()) != 1 {
		t.Errorf("totals %+v", got)
	}
}

func TestBadOptions(t *testing.T) {
	for want, o := range map[string]simulator.Options{
		`no fault "slowly"`:    {Fault: "slowly"},
		"end in 0199":          {Scenario: map[string]string{"+14165550199": "slowly"}},
		"set it as Fault":      {Scenario: map[string]string{"0199": "refuse"}},
		`no dialect "rel-7"`:   {Preset: "rel-7"},
		"MM7Version":           {Dialect: mm7.Dialect{Namespace: "urn:x"}},
		"http:// or https://":  {ReportTo: "127.0.0.1:8081"},
		"without a user":       {ReportTo: "http://north:secret@127.0.0.1:8081/"},
		"1 to 33554432 bytes":  {MaxMessage: 64 << 20},
		"33554432 bytes can":   {MaxMessage: -1},
		"there are refuse, sl": {Fault: "?"},
	} {
		_, err := simulator.New(o)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want %q in it", o, err, want)
		} else if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), recipient) {
			t.Errorf("tells too much: %v", err)
		}
	}
}

// TestJournalFails: the MMSC goes on, and says once that there is no journal.
func TestJournalFails(t *testing.T) {
	logged := &lines{}
	m := open(t, nil, simulator.Options{Journal: broken{}, Log: slog.New(slog.NewTextHandler(logged, nil))})
	for range 2 {
		if got := submit(m, posted(t, preset(t, "rel-6-mm7-1-4"), message("tx-1")), nil); got.String() != "status 1000" {
			t.Errorf("answered %s", got)
		}
	}
	if n := strings.Count(logged.String(), "journal"); n != 1 {
		t.Errorf("said %d times:\n%s", n, logged)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// sample reads a request from a file as it came over the wire.
func sample(t testing.TB, path string) *post {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, body, ok := strings.Cut(string(raw), "\r\n\r\n")
	if !ok {
		head, body, _ = strings.Cut(string(raw), "\n\n")
	}
	p := &post{method: http.MethodPost, header: http.Header{}, body: body}
	for line := range strings.Lines(head) {
		if name, value, ok := strings.Cut(line, ": "); ok {
			p.header.Set(name, strings.TrimSpace(value))
		}
	}
	p.length = int64(len(p.body))
	return p
}

// shared is the folder of samples that lies beside the project.
func shared(t testing.TB) string {
	dir := os.Getenv("MMSGW_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared")
	}
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("MMSGW_TEST_ALL") == "1" {
			t.Fatalf("the samples beside the project are missing: %v", err)
		}
		t.Skipf("the samples beside the project are missing: %v", err)
	}
	return filepath.Join(dir, "mm7", "samples")
}
