package carrier_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"mmsgw/gateway"
	"mmsgw/gateway/carrier"
	"mmsgw/mm7"
	"mmsgw/simulator"
)

// sink keeps reports, or fails.
type sink struct {
	mu  sync.Mutex
	got []gateway.Report
	err error
	C   chan gateway.Report
}

func (s *sink) Report(_ context.Context, r gateway.Report) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.got = append(s.got, r)
	if s.C != nil {
		s.C <- r
	}
	return nil
}

// post posts body to a set as the carrier north, and gives the answer.
func post(set http.Handler, header http.Header, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/mm7/north", strings.NewReader(string(body)))
	for k, v := range header {
		r.Header[k] = v
	}
	w := httptest.NewRecorder()
	set.ServeHTTP(w, r)
	return w
}

func north(t testing.TB, to carrier.Reports) *carrier.Set {
	t.Helper()
	s, err := carrier.NewSet(to, link(t, options("http://127.0.0.1:1"), nil))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func code(t testing.TB, w *httptest.ResponseRecorder) int {
	t.Helper()
	r, err := mm7.ParseResponse(w.Code, w.Header(), w.Body.Bytes())
	if err != nil {
		t.Fatalf("HTTP %d %q: %v", w.Code, w.Body, err)
	}
	return r.Status.Code
}

// told is what is to be known of a report.
type told struct {
	key, to, from, raw string
	at                 string
	status             gateway.ReportStatus
}

func tell(r gateway.Report) told {
	return told{r.CarrierKey, r.Recipient.E164(), r.Sender.E164(), r.Raw, mm7.DateTime(r.At), r.Status}
}

// TestSampleReports: every report there is a sample of, as it is handed on.
func TestSampleReports(t *testing.T) {
	const (
		to, from = "+15555550101", "77700"
		today    = "2026-01-05T00:00:00Z" // where the date is one to come
	)
	canonical := func(raw string, status gateway.ReportStatus) told {
		return told{"msg-0001", to, from, raw, "2026-01-02T03:05:00Z", status}
	}
	want := map[string]told{
		"canonical/delivery-report-req-deferred.xml":                canonical("Deferred", gateway.ReportDeferred),
		"canonical/delivery-report-req-deliveryconditionnotmet.xml": canonical("DeliveryConditionNotMet", gateway.ReportUnrecognised),
		"canonical/delivery-report-req-expired.xml":                 canonical("Expired", gateway.ReportExpired),
		"canonical/delivery-report-req-forwarded.xml":               canonical("Forwarded", gateway.ReportForwarded),
		"canonical/delivery-report-req-indeterminate.xml":           canonical("Indeterminate", gateway.ReportIndeterminate),
		"canonical/delivery-report-req-rejected-ext.xml":            canonical("Rejected", gateway.ReportRejected),
		"canonical/delivery-report-req-rejected.xml":                canonical("Rejected", gateway.ReportRejected),
		"canonical/delivery-report-req-retrieved.xml":               canonical("Retrieved", gateway.ReportRetrieved),
		"canonical/delivery-report-req-unrecognised.xml":            canonical("Unrecognised", gateway.ReportUnrecognised),
		"canonical/delivery-report-req.http":                        canonical("Retrieved", gateway.ReportRetrieved),
		"canonical/read-reply-req.xml":                              {"msg-0001", to, from, "Read", "2026-01-02T03:06:00Z", gateway.ReportRead},
		"canonical/rel5-delivery-report-req.xml":                    {"m5", to, from, "Retrieved", "2026-01-02T03:05:00Z", gateway.ReportRetrieved},

		"quirks/q01-dlr-unqualified-children-recipients-timestamp.xml": {"65_20260102_B_1", "0105550002", "0105550001", "Retrieved", "2026-01-02T13:22:54Z", gateway.ReportRetrieved},
		"quirks/q03-dlr-fields-out-of-order-statustext-numeric.xml":    {"08171042446000030927018671407892", "+8613000000002", "+13000000001", "Retrieved", today, gateway.ReportRetrieved},
		"quirks/q06-dlr-rfc2822-plmn-addresses.xml":                    {"m6.mmsc.example.com", "+61400000001", "+61400000002", "Retrieved", "2026-01-02T03:04:05Z", gateway.ReportRetrieved},
		"quirks/q10-dlr-american-and-vendor-status.xml":                {"m10", to, "111122", "Unrecognized", today, gateway.ReportUnrecognised},
		"quirks/q24-dlr-as-multipart-type-but-plain-xml-body.http":     canonical("Retrieved", gateway.ReportRetrieved),
	}
	names := sampleNames(t, "DeliveryReportReq", "ReadReplyReq")
	if len(names) != len(want) {
		t.Errorf("%d sample reports, %d expectations", len(names), len(want))
	}
	o := options("http://127.0.0.1:1")
	o.Now = func() time.Time { return time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC) }
	for _, name := range names {
		_, header, body := sample(t, name)
		s := &sink{}
		set, err := carrier.NewSet(s, link(t, o, nil))
		if err != nil {
			t.Fatal(err)
		}
		if w := post(set, header, body); w.Code != 200 || code(t, w) != 1000 || len(s.got) != 1 {
			t.Errorf("%s: answered HTTP %d %s, %d reports", name, w.Code, w.Body, len(s.got))
			continue
		}
		r := s.got[0]
		if tell(r) != want[name] {
			t.Errorf("%s: %+v, want %+v", name, tell(r), want[name])
		}
		if r.Lane != "north" || r.ID != (gateway.ID{9}) || !r.ReceivedAt.Equal(o.Now()) || r.Patience != 72*time.Hour || r.TransactionID == "" {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// reporting is a report as an MMSC posts it.
func reporting(change func(*mm7.DeliveryReportReq)) []byte {
	d, _ := mm7.Preset("rel-6-mm7-1-4")
	r := &mm7.DeliveryReportReq{
		Head: mm7.Head{TransactionID: "t1"}, MessageID: "key", Date: "2026-11-20T11:00:00Z", MMStatus: "Retrieved",
		Recipient: mm7.Address{Value: recipient.E164()}, Sender: mm7.Address{Value: sender.E164()},
	}
	if change != nil {
		change(r)
	}
	return r.Encode(d)
}

// reported is what north hands on of a report.
func reported(t testing.TB, body []byte) gateway.Report {
	t.Helper()
	s := &sink{}
	if w := post(north(t, s), nil, body); w.Code != 200 || len(s.got) != 1 {
		t.Fatalf("HTTP %d %s, %d reports", w.Code, w.Body, len(s.got))
	}
	return s.got[0]
}

func TestReportStatus(t *testing.T) {
	for _, c := range []struct {
		word, extension string
		want            gateway.ReportStatus
	}{
		{"retrieved", "", gateway.ReportRetrieved},
		{"RETRIEVED", "", gateway.ReportRetrieved},
		{"Third:User Retrieved", "", gateway.ReportRetrieved},
		{"User_Retrieved", "", gateway.ReportRetrieved},
		{"Not Retrieved", "", gateway.ReportIndeterminate},
		{"NotRetrieved", "", gateway.ReportIndeterminate},
		{"Retrieved by nobody", "", gateway.ReportIndeterminate},
		{"System Rejected", "", gateway.ReportRejected},
		{"Rejected", "RejectionByMMSRecipient", gateway.ReportRejected},
		{"Rejected", "RejectionByOtherRS", gateway.ReportFiltered},
		{"rejected", "rejectionbyotherrs", gateway.ReportFiltered},
		{"Expired", "RejectionByOtherRS", gateway.ReportExpired},
		{"Not Supported", "", gateway.ReportUnrecognised},
		{"NotSupported", "", gateway.ReportUnrecognised},
		{"Delivery Condition Not Met", "", gateway.ReportUnrecognised},
		{"Unreachable", "", gateway.ReportUnreachable},
		{"Processing", "", gateway.ReportIndeterminate},
		{"17", "", gateway.ReportIndeterminate},
		{"漢", "", gateway.ReportIndeterminate},
	} {
		got := reported(t, reporting(func(r *mm7.DeliveryReportReq) { r.MMStatus, r.MMStatusExtension = c.word, c.extension }))
		if got.Status != c.want {
			t.Errorf("%q %q is %s, want %s", c.word, c.extension, got.Status, c.want)
		}
	}
}

func TestReadReplies(t *testing.T) {
	d, _ := mm7.Preset("rel-6-mm7-1-4")
	for word, want := range map[string]gateway.ReportStatus{
		"Read": gateway.ReportRead, "read": gateway.ReportRead, "Deleted": gateway.ReportDeleted,
		"Indeterminate": gateway.ReportDeleted, "Unread": gateway.ReportDeleted,
	} {
		r := &mm7.ReadReplyReq{MessageID: "key", Recipient: mm7.Address{Value: recipient.E164()}, TimeStamp: "2026-11-20T11:00:00Z", MMStatus: word}
		got := reported(t, r.Encode(d))
		if got.Status != want || got.Raw != word || got.At != now.Add(-time.Hour) {
			t.Errorf("%s: %+v", word, got)
		}
		if _, moves := got.Next(); moves != (want == gateway.ReportRead) {
			t.Errorf("%s moves the delivery: %t", word, moves)
		}
	}
}

// TestReportBounds: what is long or strange is kept short and harmless.
func TestReportBounds(t *testing.T) {
	long := strings.Repeat("k", 10_000)
	got := reported(t, reporting(func(r *mm7.DeliveryReportReq) {
		r.MessageID, r.TransactionID, r.MMStatus = long, long, "Ré\ttrieved\u202e"+long
		r.Recipient.Value, r.Date = "+"+strings.Repeat("1", 10_000), long
	}))
	if got.CarrierKey != long[:255] || got.TransactionID != long[:255] || got.Recipient != "" || got.At != now {
		t.Errorf("%+v", got)
	}
	if len(got.Raw) != 64 || !strings.HasPrefix(got.Raw, "Rtrievedkk") {
		t.Errorf("the carrier's word is kept as %q", got.Raw)
	}
}

func TestReportDate(t *testing.T) {
	for date, want := range map[string]time.Time{
		"2026-11-20T11:30:00Z":        now.Add(-30 * time.Minute),
		"2026-11-20T06:30:00.5-05:00": now.Add(-30*time.Minute + time.Second/2),
		"2026-11-20T11:30:00":         now.Add(-30 * time.Minute),
		"2026-11-20T12:00:01Z":        now,
		"1970-01-01T00:00:00Z":        now,
		"0000-00-00T00:00:00Z":        now,
		"yesterday":                   now,
		"":                            now,
	} {
		if got := reported(t, reporting(func(r *mm7.DeliveryReportReq) { r.Date = date })); !got.At.Equal(want) {
			t.Errorf("%q is %v, want %v", date, got.At, want)
		}
	}
}

func TestReportNumber(t *testing.T) {
	for value, want := range map[string]string{
		"+14165550199": "+14165550199", "14165550199": "+14165550199", "4165550199": "+14165550199",
		"+14165550199/TYPE=PLMN": "+14165550199", "4165550199/TYPE=PLMN@mmsc.example": "+14165550199", "14165550199@mmsc.example": "+14165550199",
		"(416) 555-0199": "+14165550199", "+1 416.555.0199": "+14165550199",
		"77700": "77700", "0165550199": "0165550199", "+61400000001": "+61400000001", "8613000000002": "8613000000002",
		"someone1@mail.example": "", "not a number": "", "+": "", "٠١٢٣٤٥٦٧٨٩": "", "4165550199x": "",
	} {
		got := reported(t, reporting(func(r *mm7.DeliveryReportReq) { r.Recipient.Value, r.Sender.Value = value, value }))
		if got.Recipient.E164() != want || got.Sender.E164() != want {
			t.Errorf("%q is %q", value, got.Recipient.E164())
		}
	}
}

// TestReportNotKept: the carrier is asked to come again, and told nothing else.
func TestReportNotKept(t *testing.T) {
	s := &sink{err: errors.New("disk on fire")}
	w := post(north(t, s), nil, reporting(nil))
	if w.Code != http.StatusServiceUnavailable || code(t, w) != 4006 || strings.Contains(w.Body.String(), "fire") {
		t.Errorf("HTTP %d %s", w.Code, w.Body)
	}
}

// TestReportsOfSimulator: what an MMSC reports of what it was sent comes back
// by the carrier's name, with the MessageID of the answer.
func TestReportsOfSimulator(t *testing.T) {
	s := &sink{C: make(chan gateway.Report, 10)}
	var set http.Handler
	ours := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { set.ServeHTTP(w, r) }))
	defer ours.Close()
	mmsc, err := simulator.New(simulator.Options{
		ReportTo: ours.URL + "/mm7/north", ReportAuth: simulator.Basic{Username: "north", Password: "in"}, Fault: "forwarded-then-retrieved",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer mmsc.Close()
	theirs := httptest.NewServer(mmsc)
	defer theirs.Close()

	o := options(theirs.URL)
	o.ReportOpen, o.ReportLogin = false, &carrier.Login{Username: "north", Password: "in"}
	o.Now = time.Now
	var a album
	l := link(t, o, a.open)
	if set, err = carrier.NewSet(s, l); err != nil {
		t.Fatal(err)
	}
	sent := l.Send(t.Context(), dispatch(message(a.add("image/jpeg", 500))))
	for _, want := range []gateway.ReportStatus{gateway.ReportForwarded, gateway.ReportRetrieved} {
		select {
		case r := <-s.C:
			if r.Status != want || r.CarrierKey != sent.CarrierKey || r.Recipient != recipient || r.Sender != sender || r.Lane != "north" {
				t.Errorf("%+v, want %s of %q", r, want, sent.CarrierKey)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("no report: %+v", mmsc.Totals())
		}
	}
}
