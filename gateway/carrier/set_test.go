package carrier_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"mmsgw/gateway"
	"mmsgw/gateway/carrier"
	"mmsgw/mm7"
)

// unread is a body that nobody may look at.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body of a stranger was read")
	return 0, io.EOF
}

// TestGate: each check in its order, before anything is read, and one line of
// log for a sender who is not who it should be.
func TestGate(t *testing.T) {
	var log bytes.Buffer
	o := options("http://127.0.0.1:1")
	o.ReportOpen, o.ReportLogin = false, &carrier.Login{Username: "north", Password: "s3cret:with colon"}
	o.ReportFrom = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	clock := o.Now()
	o.Now = func() time.Time { return clock }
	s := &sink{}
	set, err := carrier.NewSet(s, link(t, o, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, path, from, user, password string
		status                             int
		logged                             bool
	}{
		{"POST", "/mm7/north", "192.0.2.7:1234", "north", "s3cret:with colon", 200, false},
		{"POST", "/mm7/north", "[::ffff:192.0.2.7]:1234", "north", "s3cret:with colon", 200, false},
		{"POST", "/mm7/north", "[2001:db8::1%eth0]:1234", "north", "s3cret:with colon", 200, false},
		{"POST", "/mm7/north", "192.0.2.7:1234", "north", "wrong", 401, true},
		{"POST", "/mm7/north", "192.0.2.7:1234", "south", "s3cret:with colon", 401, true},
		{"POST", "/mm7/north", "192.0.2.7:1234", "", "", 401, true},
		{"POST", "/mm7/north", "198.51.100.1:1234", "north", "s3cret:with colon", 403, true},
		{"POST", "/mm7/north", "198.51.100.1:1234", "north", "wrong", 403, true},
		{"POST", "/mm7/north", "@", "north", "s3cret:with colon", 403, true},
		{"GET", "/mm7/north", "198.51.100.1:1234", "", "", 405, false},
		{"PUT", "/mm7/north", "192.0.2.7:1234", "north", "s3cret:with colon", 405, false},
		{"POST", "/mm7/south", "198.51.100.1:1234", "", "", 404, false},
		{"GET", "/mm7/south", "198.51.100.1:1234", "", "", 404, false},
		{"POST", "/mm7/", "192.0.2.7:1234", "", "", 404, false},
		{"POST", "/mm7/north/", "192.0.2.7:1234", "", "", 404, false},
		{"POST", "/mm7", "192.0.2.7:1234", "", "", 404, false},
		{"POST", "/north", "192.0.2.7:1234", "", "", 404, false},
		{"POST", "/", "192.0.2.7:1234", "", "", 404, false},
	} {
		log.Reset()
		clock = clock.Add(time.Minute)
		var body io.Reader = unread{t}
		if c.status == 200 {
			body = bytes.NewReader(reporting(nil))
		}
		r := httptest.NewRequest(c.method, c.path, body)
		r.RemoteAddr = c.from
		if c.user != "" {
			r.SetBasicAuth(c.user, c.password)
		}
		w := httptest.NewRecorder()
		set.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%+v: HTTP %d", c, w.Code)
		}
		if got := w.Header().Get("WWW-Authenticate"); strings.HasPrefix(got, `Basic realm="`) != (c.status == 401) {
			t.Errorf("%+v: WWW-Authenticate %q", c, got)
		}
		if got := w.Header().Get("Allow"); (got == "POST") != (c.status == 405) {
			t.Errorf("%+v: Allow %q", c, got)
		}
		line := log.String()
		if strings.Count(line, "\n") != map[bool]int{true: 1}[c.logged] || c.logged && (!strings.Contains(line, "carrier=north") || !strings.Contains(line, "level=WARN") || !strings.Contains(line, c.from)) {
			t.Errorf("%+v: logged %q", c, line)
		}
		if strings.Contains(line, "s3cret") || strings.Contains(line, "wrong") || strings.Contains(line, "south") {
			t.Errorf("%+v: what the stranger said is logged: %q", c, line)
		}
	}
	if len(s.got) != 3 {
		t.Errorf("%d reports were taken, want 3", len(s.got))
	}
}

// TestStrangersDoNotFillTheLog: a line a minute at most, with how many there were.
func TestStrangersDoNotFillTheLog(t *testing.T) {
	var log bytes.Buffer
	o := options("http://127.0.0.1:1")
	o.ReportOpen, o.ReportLogin = false, &carrier.Login{Username: "north", Password: "s3cret"}
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	clock := o.Now()
	o.Now = func() time.Time { return clock }
	set, err := carrier.NewSet(&sink{}, link(t, o, nil))
	if err != nil {
		t.Fatal(err)
	}
	for range 120 {
		w := httptest.NewRecorder()
		set.ServeHTTP(w, httptest.NewRequest("POST", "/mm7/north", unread{t}))
		if w.Code != 401 {
			t.Fatalf("HTTP %d", w.Code)
		}
		clock = clock.Add(time.Second)
	}
	if got := strings.Count(log.String(), "\n"); got != 2 || !strings.Contains(log.String(), "count=1\n") || !strings.Contains(log.String(), "count=60\n") {
		t.Errorf("120 in two minutes are told as\n%s", log.String())
	}
}

// TestBadReports: each has its answer, and none comes through.
func TestBadReports(t *testing.T) {
	s := &sink{}
	set := north(t, s)
	for _, c := range []struct {
		name string
		body []byte
		http int
		code int
	}{
		{"nothing", nil, 200, 4004},
		{"no XML", []byte("hello"), 200, 4004},
		{"half", reporting(nil)[:300], 200, 4004},
		{"a document type", []byte(`<!DOCTYPE a [<!ENTITY b "b">]>` + string(reporting(nil))), 200, 4004},
		{"deep", []byte(strings.Repeat("<a>", 10_000)), 200, 4004},
		{"no MessageID", reporting(func(r *mm7.DeliveryReportReq) { r.MessageID = "" }), 200, 2007},
		{"no recipient", reporting(func(r *mm7.DeliveryReportReq) { r.Recipient.Value = "" }), 200, 2007},
		{"no status", reporting(func(r *mm7.DeliveryReportReq) { r.MMStatus = "" }), 200, 2007},
		{"a submission", bytes.ReplaceAll(reporting(nil), []byte("DeliveryReportReq"), []byte("SubmitReq")), 200, 4003},
		{"too long", append(reporting(nil), bytes.Repeat([]byte(" "), mm7.MaxEnvelope)...), 413, 0},
	} {
		w := post(set, http.Header{"Content-Type": {"text/xml"}}, c.body)
		if w.Code != c.http || c.code != 0 && code(t, w) != c.code {
			t.Errorf("%s: HTTP %d %s", c.name, w.Code, w.Body)
		}
	}
	if len(s.got) > 0 {
		t.Errorf("came through: %+v", s.got)
	}
}

// TestSet finds carriers by name, and knows nothing of others.
func TestSet(t *testing.T) {
	o := options("http://127.0.0.1:1")
	o.MaxMessage = 600 << 10
	l := link(t, o, nil)
	set, err := carrier.NewSet(nil, l)
	if err != nil {
		t.Fatal(err)
	}
	var carriers gateway.Carriers = set
	if carriers.Cap("north") != 600<<10 || carriers.Measure("north", message()) != l.Measure(message()) || set.Link("north") != l {
		t.Error("north is not what it was made as")
	}
	if carriers.Cap("south") != 0 || carriers.Measure("south", message()) != 0 || set.Link("south") != nil {
		t.Error("there is a south")
	}
	if _, err := carrier.NewSet(nil, l, l); err == nil || !strings.Contains(err.Error(), `"north"`) {
		t.Errorf("two of a name: %v", err)
	}
}
