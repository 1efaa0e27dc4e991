package carrier_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"mmsgw/gateway"
	"mmsgw/gateway/carrier"
	"mmsgw/mm7"
)

// The results there are, but for code and key.
var (
	accepted   = gateway.Result{Outcome: gateway.Accepted, Counts: true}
	again      = gateway.Result{Outcome: gateway.RetryLater, Counts: true}
	linkBusy   = gateway.Result{Outcome: gateway.RetryLater}
	badRequest = gateway.Result{Outcome: gateway.Rejected, Reason: gateway.RefusedRequest, Counts: true}
	badAddress = gateway.Result{Outcome: gateway.Rejected, Reason: gateway.RefusedAddress, Counts: true}
	badContent = gateway.Result{Outcome: gateway.Rejected, Reason: gateway.RefusedContent, Counts: true}
	tooLarge   = gateway.Result{Outcome: gateway.TooLarge, Reason: gateway.RefusedSize, Counts: true}
	badLink    = gateway.Result{Outcome: gateway.StopLane, Reason: gateway.LaneStopped}
	badSender  = gateway.Result{Outcome: gateway.StopSender, Reason: gateway.SenderPaused}
	doubt      = gateway.Result{Outcome: gateway.UnknownSent}
)

func with(r gateway.Result, code, key string) gateway.Result {
	r.Code, r.CarrierKey = code, key
	return r
}

// TestSampleAnswers: every answer there is a sample of, as the answer to a
// submission.
func TestSampleAnswers(t *testing.T) {
	unreadable := with(doubt, "unreadable", "")
	want := map[string]gateway.Result{
		"canonical/submit-rsp.xml":                                         with(accepted, "1000", "msg-0001"),
		"canonical/submit-rsp-200.http":                                    with(accepted, "1000", "msg-0001"),
		"canonical/rel5-submit-rsp.xml":                                    with(accepted, "1000", "m5"),
		"canonical/submit-rsp-partial.xml":                                 with(doubt, "1100", "msg-0001"),
		"canonical/fault-200.http":                                         with(badAddress, "2002", ""),
		"canonical/fault-500.http":                                         with(badRequest, "2007", ""),
		"canonical/fault-rserror-2007.xml":                                 with(badRequest, "2007", ""),
		"canonical/fault-rserror-3000.xml":                                 with(again, "3000", ""),
		"canonical/fault-rserror-4006.xml":                                 with(linkBusy, "4006", ""),
		"canonical/fault-transactionid.xml":                                with(badRequest, "2000", ""),
		"canonical/fault-vasperror-4003.xml":                               with(badSender, "4003", ""),
		"canonical/cancel-rsp.xml":                                         unreadable,
		"canonical/deliver-rsp.xml":                                        unreadable,
		"canonical/delivery-report-rsp.xml":                                unreadable,
		"canonical/read-reply-rsp.xml":                                     unreadable,
		"canonical/replace-rsp.xml":                                        with(badRequest, "3001", ""),
		"quirks/q02-rserror-without-fault-or-status-wrapper.xml":           with(again, "6102", ""),
		"quirks/q07-fault-qualified-children.xml":                          with(badAddress, "2002", ""),
		"quirks/q08-submitrsp-error-with-messageid-text.xml":               with(badRequest, "2101", ""),
		"quirks/q09-fault-as-child-of-envelope.xml":                        with(badRequest, "2000", ""),
		"quirks/q11-header-default-namespace-transactionid-whitespace.xml": with(accepted, "1000", "369500617770864640"),
		"quirks/q12-envelope-namespace-typo.xml":                           with(accepted, "1000", "m12"),
		"quirks/q13-details-as-plain-text.xml":                             with(doubt, "1100", "msg-0001"),
		"quirks/q26-response-multipart-with-only-soap-part.http":           with(accepted, "1000", "msg-0001"),
		"quirks/q27-response-application-xml.http":                         with(accepted, "1000", "msg-0001"),
		"quirks/q28-response-200-empty-body.http":                          unreadable,
		"quirks/q29-response-500-html.http":                                with(linkBusy, "http-500", ""),
		"quirks/q30-response-submitrsp-with-4006-in-200.http":              with(linkBusy, "4006", ""),
	}
	names := sampleNames(t, "Rsp>", "Fault>", "HTTP/1.1 200", "HTTP/1.1 500")
	if len(names) != len(want) {
		t.Errorf("%d sample answers, %d expectations", len(names), len(want))
	}
	for _, name := range names {
		status, header, body := sample(t, name)
		url := serve(t, answering(status, header, body))
		expected, known := want[name]
		if got := send(t, options(url)); !same(got, expected) || !known {
			t.Errorf("%s: %+v, want %+v", name, got, expected)
		}
	}
}

func answering(status int, header http.Header, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for k, v := range header {
			w.Header()[k] = v
		}
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}
}

// soap is an answer of a status code, in a SubmitRsp or a fault.
func soap(status mm7.Status, fault *mm7.Fault) []byte {
	d, _ := mm7.Preset("rel-6-mm7-1-4")
	r := &mm7.Response{Head: mm7.Head{TransactionID: "t"}, Operation: mm7.OpSubmitRsp, Status: status, MessageID: "key", Fault: fault}
	if fault != nil {
		r.Operation = mm7.OpRSErrorRsp
	}
	return mm7.EncodeResponse(d, r)
}

// TestStatusCodes: the whole table, each as an Rsp and as a fault, by HTTP 200
// and 500.
func TestStatusCodes(t *testing.T) {
	for _, c := range []struct {
		want  gateway.Result
		codes []int
	}{
		{badRequest, []int{2000, 2001, 2005, 2006, 2007, 2008, 2009, 2101, 2503, 2999, 3001, 3002, 3003, 3004, 4004, 4005, 4008}},
		{badAddress, []int{2002, 2003}},
		{badContent, []int{2004}},
		{again, []int{3000, 3500, 3501, 3999, 4000, 4030, 4999, 5000, 5123, 6102, 7103, 9999, 12000, 1, 17, 999}},
		{linkBusy, []int{4006}},
		{badSender, []int{4001, 4002, 4003, 4007}},
	} {
		want := c.want
		for _, code := range c.codes {
			for _, fault := range []*mm7.Fault{nil, {Code: "Server", String: "no"}} {
				for _, status := range []int{200, 500, 400, 404, 502} {
					url := serve(t, answering(status, nil, soap(mm7.Status{Code: code}, fault)))
					if got := send(t, options(url)); !same(got, with(want, fmt.Sprint(code), "")) {
						t.Errorf("%d by HTTP %d, fault %t: %+v", code, status, fault != nil, got)
					}
				}
			}
		}
	}
}

// TestSuccess counts in a SubmitRsp of any HTTP status, and nowhere else.
func TestSuccess(t *testing.T) {
	for _, status := range []int{200, 202, 401, 403, 404, 500, 503} {
		url := serve(t, answering(status, nil, soap(mm7.Status{Code: 1000}, nil)))
		if got := send(t, options(url)); !same(got, with(accepted, "1000", "key")) {
			t.Errorf("HTTP %d: %+v", status, got)
		}
	}
	url := serve(t, answering(200, nil, soap(mm7.Status{Code: 1000}, &mm7.Fault{Code: "Client"})))
	if got := send(t, options(url)); !same(got, with(doubt, "unreadable", "")) {
		t.Errorf("a fault that tells success: %+v", got)
	}
	long := strings.Repeat("é", 300)
	url = serve(t, answering(200, nil, []byte(strings.Replace(string(soap(mm7.Status{Code: 1000}, nil)), "key", long, 1))))
	if got := send(t, options(url)); got.CarrierKey != long[:254] {
		t.Errorf("a MessageID of %d bytes is kept as %d", len(long), len(got.CarrierKey))
	}
}

// TestTextDecides: the codes whose meaning hangs on what stands beside them.
func TestTextDecides(t *testing.T) {
	for _, c := range []struct {
		status mm7.Status
		want   gateway.Result
	}{
		{mm7.Status{Code: 1100, Details: "x"}, with(doubt, "1100", "key")},
		{mm7.Status{Code: 1100}, with(doubt, "1100", "key")},
		{mm7.Status{Code: 1100, Details: "+15555550102: unknown"}, with(doubt, "1100", "key")},
		{mm7.Status{Code: 1100, Details: "failed: +15555550102,+14165550199."}, with(badAddress, "1100", "key")},
		{mm7.Status{Code: 1100, Details: "14165550199/TYPE=PLMN"}, with(badAddress, "1100", "key")},
		{mm7.Status{Code: 1100, Details: "(4165550199)"}, with(badAddress, "1100", "key")},
		{mm7.Status{Code: 1100, Details: "1141655501990"}, with(doubt, "1100", "key")},
		{mm7.Status{Code: 2004, Text: "Content size exceeded"}, with(tooLarge, "2004", "")},
		{mm7.Status{Code: 2004, Details: "message too LARGE"}, with(tooLarge, "2004", "")},
		{mm7.Status{Code: 2004, Text: "image/bmp"}, with(badContent, "2004", "")},
		{mm7.Status{Code: 1001}, with(accepted, "1001", "key")},
	} {
		url := serve(t, answering(200, nil, soap(c.status, nil)))
		if got := send(t, options(url)); !same(got, c.want) {
			t.Errorf("%+v: %+v, want %+v", c.status, got, c.want)
		}
	}
}

// TestTransactionIDTrouble: the first time it is our mistake; of a resend the
// MMSC may say that it has it.
func TestTransactionIDTrouble(t *testing.T) {
	url := serve(t, answering(500, nil, soap(mm7.Status{}, &mm7.Fault{Code: "Client.TransactionID", String: "duplicate"})))
	var a album
	l := link(t, options(url), a.open)
	d := dispatch(message())
	for dials, want := range map[int]gateway.Result{1: with(badRequest, "2000", ""), 2: with(doubt, "2000", "")} {
		d.Attempt.Dials = dials
		if got := l.Send(t.Context(), d); !same(got, want) {
			t.Errorf("dial %d: %+v, want %+v", dials, got, want)
		}
	}
}

// TestHTTPStatuses: the whole table without an MM7 answer, with a fault that
// names no code, and, for those that mean the link, with one that does.
func TestHTTPStatuses(t *testing.T) {
	overrules := []int{401, 403, 407, 408, 429, 503, 504}
	for _, c := range []struct {
		want     gateway.Result
		statuses []int
	}{
		{badLink, []int{300, 301, 302, 303, 304, 307, 308, 401, 404, 405, 407, 410, 411, 415, 421, 426}},
		{badSender, []int{403}},
		{linkBusy, []int{408, 429, 500, 501, 502, 503, 505, 507, 599}},
		{tooLarge, []int{413}},
		{badRequest, []int{400, 402, 406, 409, 414, 422, 451, 499}},
		{doubt, []int{504}},
	} {
		want := c.want
		for _, status := range c.statuses {
			bodies := [][]byte{nil, []byte("<html>no</html>")}
			if status != 500 { // where SOAP 1.1 wants its faults
				bodies = append(bodies, soap(mm7.Status{}, &mm7.Fault{Code: "Server", String: "no"}), soap(mm7.Status{}, &mm7.Fault{Code: "Client", String: "no"}))
			}
			if slices.Contains(overrules, status) {
				bodies = append(bodies, soap(mm7.Status{Code: 2003}, nil), soap(mm7.Status{Code: 4001}, nil))
			}
			if status == 304 { // has no body
				bodies = bodies[:1]
			}
			for _, body := range bodies {
				url := serve(t, answering(status, http.Header{"Location": {"/elsewhere"}}, body))
				if got := send(t, options(url)); !same(got, with(want, fmt.Sprint("http-", status), "")) {
					t.Errorf("HTTP %d %.60q: %+v", status, body, got)
				}
			}
		}
	}
	for _, status := range []int{200, 201, 204} {
		url := serve(t, answering(status, nil, nil))
		if got := send(t, options(url)); !same(got, with(doubt, "unreadable", "")) {
			t.Errorf("HTTP %d without a body: %+v", status, got)
		}
	}
}

// TestFaultOfNoClass: a fault of which nothing can be made leaves it to HTTP.
func TestFaultOfNoClass(t *testing.T) {
	body := soap(mm7.Status{}, &mm7.Fault{Code: "Vendor", String: "no"})
	for status, want := range map[int]gateway.Result{500: with(linkBusy, "http-500", ""), 200: with(doubt, "unreadable", "")} {
		if got := send(t, options(serve(t, answering(status, nil, body)))); !same(got, want) {
			t.Errorf("HTTP %d: %+v", status, got)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"":                               0,
		"5":                              5 * time.Second,
		" 60 ":                           time.Minute,
		"0":                              0,
		"-5":                             0,
		"5.5":                            0,
		"soon":                           0,
		"Fri, 20 Nov 2026 12:00:30 GMT":  30 * time.Second,
		"Friday, 20-Nov-26 12:01:00 GMT": time.Minute,
		"Fri, 20 Nov 2026 11:00:30 GMT":  0,
		"Fri, 20 Nov 2099 11:00:30 GMT":  24 * time.Hour,
		"99999999999999999":              24 * time.Hour,
		"99999999999999999999999":        0,
	} {
		url := serve(t, answering(503, http.Header{"Retry-After": {header}}, nil))
		if got := send(t, options(url)); got.RetryAfter != want || got.Outcome != gateway.RetryLater {
			t.Errorf("Retry-After %q: %+v, want %v", header, got, want)
		}
	}
	url := serve(t, answering(400, http.Header{"Retry-After": {"5"}}, nil))
	if got := send(t, options(url)); got.RetryAfter != 0 {
		t.Errorf("a refusal asks for another try: %+v", got)
	}
}

// TestCutConnections: the connection ends at each stage of the exchange. The
// request has left in all of them.
func TestCutConnections(t *testing.T) {
	answer := "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 1000\r\n\r\n" + string(soap(mm7.Status{Code: 1000}, nil))[:200]
	for _, c := range []struct {
		name   string
		read   int // bytes of the request; -1: all
		answer string
		want   string
	}{
		{"after a byte", 1, "", "no-answer"},
		{"in the header", 100, "", "no-answer"},
		{"in the body", 1500, "", "no-answer"},
		{"after the request", -1, "", "no-answer"},
		{"in the status line", -1, answer[:7], "no-answer"},
		{"in the answer's header", -1, answer[:30], "no-answer"},
		{"before the answer's body", -1, answer[:strings.Index(answer, "\r\n\r\n")+4], "unreadable"},
		{"in the answer's body", -1, answer, "unreadable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			url := cutting(t, c.read, c.answer)
			if got := send(t, options(url)); !same(got, with(doubt, c.want, "")) {
				t.Errorf("%+v, want %s", got, c.want)
			}
		})
	}
}

// cutting is a server that reads so much, writes so much, and hangs up.
func cutting(t *testing.T, read int, answer string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if read >= 0 {
				_, _ = io.ReadFull(conn, make([]byte, read))
			} else if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = io.Copy(io.Discard, req.Body)
			}
			_, _ = io.WriteString(conn, answer)
			_ = conn.Close()
		}
	}()
	return "http://" + listener.Addr().String()
}

// TestUnreached: nothing left.
func TestUnreached(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + listener.Addr().String()
	_ = listener.Close()
	if got := send(t, options(url)); !same(got, with(linkBusy, "refused", "")) {
		t.Errorf("a closed port: %+v", got)
	}

	o := options("http://mmsc.invalid/")
	o.Transport = failing{&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "mmsc.invalid", IsNotFound: true}}}
	if got := send(t, o); !same(got, with(linkBusy, "dns", "")) {
		t.Errorf("a name nobody knows: %+v", got)
	}
	o.Transport = failing{&net.OpError{Op: "dial", Err: context.DeadlineExceeded}}
	if got := send(t, o); !same(got, with(linkBusy, "connect-timeout", "")) {
		t.Errorf("a host that does not answer: %+v", got)
	}
	o.Transport = failing{&net.OpError{Op: "dial", Err: fmt.Errorf("no route to host")}}
	if got := send(t, o); !same(got, with(linkBusy, "not-sent", "")) {
		t.Errorf("a host out of reach: %+v", got)
	}
}

type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

// TestSlow: no answer in time, or none before we give up.
func TestSlow(t *testing.T) {
	block := make(chan struct{})
	arrived := make(chan struct{}, 4)
	url := serve(t, func(http.ResponseWriter, *http.Request) { arrived <- struct{}{}; <-block })
	t.Cleanup(func() { close(block) })
	o := options(url)
	o.Response = 50 * time.Millisecond
	if got := send(t, o); !same(got, with(doubt, "timeout", "")) {
		t.Errorf("too slow: %+v", got)
	}
	<-arrived
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	var a album
	if got := link(t, options(url), a.open).Send(ctx, dispatch(message())); !same(got, ours(with(doubt, "canceled", ""))) {
		t.Errorf("given up: %+v", got)
	}
}

// TestTLS: a peer that can't be trusted, does not trust us, or speaks no TLS,
// stops the lane.
func TestTLS(t *testing.T) {
	quiet := func(s *httptest.Server) { s.Config.ErrorLog = log.New(io.Discard, "", 0) }
	server := httptest.NewUnstartedServer(http.HandlerFunc(answering(200, nil, soap(mm7.Status{Code: 1000}, nil))))
	quiet(server)
	server.StartTLS()
	defer server.Close()
	stopped := with(badLink, "tls", "")
	trusting := func(max uint16) carrier.Options {
		o := options(server.URL)
		o.Transport = mm7.NewTransport(mm7.TransportOptions{TLS: &tls.Config{RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, MaxVersion: max}})
		return o
	}
	if got := send(t, options(server.URL)); !same(got, stopped) {
		t.Errorf("a certificate nobody signed: %+v", got)
	}
	if got := send(t, trusting(0)); !same(got, with(accepted, "1000", "key")) {
		t.Errorf("a certificate we trust: %+v", got)
	}
	if got := send(t, trusting(tls.VersionTLS11)); !same(got, stopped) {
		t.Errorf("no version in common: %+v", got)
	}
	plain := serve(t, answering(200, nil, nil))
	if got := send(t, options("https"+strings.TrimPrefix(plain, "http"))); !same(got, stopped) {
		t.Errorf("a server that speaks no TLS: %+v", got)
	}

	strict := httptest.NewUnstartedServer(http.NotFoundHandler())
	quiet(strict)
	strict.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	strict.StartTLS()
	defer strict.Close()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		o := options(strict.URL)
		o.Transport = mm7.NewTransport(mm7.TransportOptions{TLS: &tls.Config{RootCAs: strict.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, MaxVersion: version}})
		// With TLS 1.3 the request is under way when the alert comes, and the reset that
		// follows may throw the alert away: then nobody knows, which the next one mends.
		got := send(t, o)
		for range 20 {
			if version != tls.VersionTLS13 || !same(got, with(doubt, "no-answer", "")) {
				break
			}
			got = send(t, o)
		}
		if !same(got, stopped) {
			t.Errorf("no certificate of ours, TLS %x: %+v", version, got)
		}
	}
}

// same compares results, which hold a list.
func same(a, b gateway.Result) bool { return reflect.DeepEqual(a, b) }

func ours(r gateway.Result) gateway.Result { r.Ours = true; return r }
