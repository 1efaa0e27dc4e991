package carrier_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"mmsgw/gateway"
	"mmsgw/mm7"
)

// FuzzReport: whatever a carrier writes into a report, what is kept of it is
// bounded, clean, and the same when it is read again.
func FuzzReport(f *testing.F) {
	f.Add("msg-0001", "+15555550101/TYPE=PLMN@mmsc.example", "Retrieved", "RejectionByOtherRS", "2026-01-02T03:04:05Z")
	f.Add("0402105226100000000000000", "(416) 555-0199", "Third:User Retrieved", "", "2026-01-02T03:04:05")
	f.Add("a+/=:@", "77700", "Not Retrieved", "x", "yesterday")
	f.Add("漢", "someone@mail.example", "Delivery Condition Not Met", "", "2026-01-02T22:22:54.123456789+09:00")
	s := &sink{}
	set := north(f, s)
	known := map[gateway.ReportStatus]bool{
		gateway.ReportRetrieved: true, gateway.ReportForwarded: true, gateway.ReportDeferred: true, gateway.ReportExpired: true,
		gateway.ReportRejected: true, gateway.ReportFiltered: true, gateway.ReportUnrecognised: true, gateway.ReportUnreachable: true,
		gateway.ReportIndeterminate: true,
	}
	f.Fuzz(func(t *testing.T, key, number, status, extension, date string) {
		s.got = nil
		post(set, nil, reporting(func(r *mm7.DeliveryReportReq) {
			r.MessageID, r.Recipient.Value, r.MMStatus, r.MMStatusExtension, r.Date = key, number, status, extension, date
		}))
		if len(s.got) == 0 {
			return
		}
		r := s.got[0]
		if len(r.CarrierKey) > 255 || !utf8.ValidString(r.CarrierKey) || strings.Contains(r.CarrierKey, "\x00") {
			t.Errorf("MessageID %q", r.CarrierKey)
		}
		if len(r.Raw) > 64 || strings.ContainsFunc(r.Raw, func(c rune) bool { return c < ' ' || c > '~' }) {
			t.Errorf("word %q", r.Raw)
		}
		if !known[r.Status] || r.Status == gateway.ReportRetrieved && !strings.Contains(strings.ToLower(r.Raw), "retrieved") {
			t.Errorf("%q is %q", r.Raw, r.Status)
		}
		if digits := strings.TrimPrefix(r.Recipient.E164(), "+"); len(digits) > 22 || strings.Trim(digits, "0123456789") != "" {
			t.Errorf("number %q", r.Recipient.E164())
		}
		if r.At.After(now) || now.Sub(r.At) > 31*24*60*60*1e9 {
			t.Errorf("date %q is %v", date, r.At)
		}
		if r.Recipient == "" {
			return
		}
		again := reported(t, reporting(func(a *mm7.DeliveryReportReq) { a.Recipient.Value = r.Recipient.E164() }))
		if again.Recipient != r.Recipient {
			t.Errorf("%q, read again, is %q", r.Recipient.E164(), again.Recipient.E164())
		}
	})
}

// FuzzAnswer: whatever answers a submission, there is a verdict, in codes
// alone.
func FuzzAnswer(f *testing.F) {
	f.Add(200, "", soap(mm7.Status{Code: 1100, Details: "+14165550199"}, nil))
	f.Add(500, "5", soap(mm7.Status{Code: 4006}, &mm7.Fault{Code: "Server", String: "busy"}))
	f.Add(503, "Fri, 20 Nov 2026 12:00:30 GMT", []byte("<html>"))
	f.Add(302, "-1", []byte(nil))
	for _, name := range sampleNames(f, "Rsp>", "Fault>") {
		status, _, body := sample(f, name)
		f.Add(status, "", body)
	}
	var a album
	answer := &canned{}
	o := options("http://mmsc.invalid/")
	o.Transport = answer
	l := link(f, o, a.open)
	d := dispatch(message())
	f.Fuzz(func(t *testing.T, status int, retry string, body []byte) {
		if status < 200 || status > 999 {
			return
		}
		answer.status, answer.retry, answer.body = status, retry, body
		r := l.Send(t.Context(), d)
		switch r.Outcome {
		case gateway.Accepted, gateway.RetryLater, gateway.Rejected, gateway.TooLarge, gateway.StopLane, gateway.StopSender, gateway.UnknownSent:
		default:
			t.Errorf("outcome %q", r.Outcome)
		}
		if r.Code == "" || len(r.Code) > 32 || strings.Trim(r.Code, "abcdefghijklmnopqrstuvwxyz-0123456789") != "" {
			t.Errorf("code %q", r.Code)
		}
		if r.RetryAfter < 0 || r.RetryAfter > 24*60*60*1e9 || len(r.CarrierKey) > 255 {
			t.Errorf("%+v", r)
		}
		if (r.Outcome == gateway.Rejected || r.Outcome == gateway.StopLane || r.Outcome == gateway.StopSender) && r.Reason.Text() == "" {
			t.Errorf("%s without a reason", r.Outcome)
		}
	})
}
