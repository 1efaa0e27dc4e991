package carrier_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mmsgw/gateway"
	"mmsgw/gateway/carrier"
	"mmsgw/simulator"
)

var dialects = []string{"rel-6-mm7-1-4", "rel-5-mm7-1-2"}

// TestSendToStrictMMSC: an MMSC that checks all finds nothing wrong, and has
// what was sent.
func TestSendToStrictMMSC(t *testing.T) {
	for _, dialect := range dialects {
		for _, cte := range []string{"binary", "base64"} {
			for _, big := range []bool{false, true} {
				t.Run(fmt.Sprint(dialect, " ", cte, " big=", big), func(t *testing.T) { strictMMSC(t, dialect, cte, big) })
			}
		}
	}
}

func strictMMSC(t *testing.T, dialect, cte string, big bool) {
	mmsc, err := simulator.New(simulator.Options{
		Preset: dialect, VASPID: "acme", VASID: "picture", Auth: simulator.Basic{Username: "gw", Password: "secret"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer mmsc.Close()
	server := httptest.NewServer(mmsc)
	defer server.Close()

	var a album
	sizes := []int{20, 5000, 300}
	if big {
		sizes = []int{300_000, 5000, 200_001}
	}
	m := message(a.add("image/png", sizes[0]), a.add("image/jpeg", sizes[1]), a.add("image/gif", sizes[2]))
	m.Read = true
	o := options(server.URL + "/mm7")
	o.Dialect, o.Quirks.TransferEncoding = dialect, &cte
	o.Login = &carrier.Login{Username: "gw", Password: "secret"}
	d := dispatch(m)
	l := link(t, o, a.open)
	got := l.Send(t.Context(), d)
	if got.Outcome != gateway.Accepted || got.CarrierKey == "" || got.Code != "1000" || !got.Counts {
		t.Fatalf("result %+v, want accepted with a MessageID", got)
	}
	seen := mmsc.Seen()
	if len(seen) != 1 || len(seen[0].Problems) > 0 {
		t.Fatalf("the MMSC finds: %+v", seen)
	}
	s := seen[0]
	if s.TransactionID != d.Attempt.ID.Hex() || s.MessageID != got.CarrierKey || s.From != sender.E164() || len(s.To) != 1 || s.To[0] != recipient.E164() {
		t.Errorf("ids and addresses arrived as %+v", s)
	}
	if s.Subject != m.Subject || s.Text != m.Text || !s.Report || s.Expiry != "2026-11-21T12:00:00Z" {
		t.Errorf("the fields arrived as %+v", s)
	}
	for i, p := range m.Media {
		if len(s.Images) != len(m.Media) || s.Images[i].SHA256 != a.sum(p) || s.Images[i].Type != p.Type {
			t.Errorf("picture %d arrived as %+v", i, s.Images)
		}
	}
	if l.Measure(m) != s.Size {
		t.Errorf("measured %d bytes, the MMSC received %d", l.Measure(m), s.Size)
	}
}

// TestSendFields: what a report, a read report and a priority are asked for by.
func TestSendFields(t *testing.T) {
	var body string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		body = string(data)
	}))
	defer server.Close()
	var a album
	l := link(t, options(server.URL), a.open)
	for _, c := range []struct {
		change func(*gateway.Message)
		want   string
	}{
		{func(*gateway.Message) {}, "<DeliveryReport>true</DeliveryReport><ReadReply>false</ReadReply><Priority>Normal</Priority>"},
		{func(m *gateway.Message) { m.Report, m.Read, m.Priority = false, true, gateway.High }, "<DeliveryReport>false</DeliveryReport><ReadReply>true</ReadReply><Priority>High</Priority>"},
		{func(m *gateway.Message) { m.Priority = gateway.Low }, "<Priority>Low</Priority>"},
		{func(*gateway.Message) {}, "<TimeStamp>2026-11-20T12:00:00Z</TimeStamp><ExpiryDate>2026-11-21T12:00:00Z</ExpiryDate>"},
		{func(*gateway.Message) {}, "<To><Number>+14165550199</Number></To>"},
		{func(*gateway.Message) {}, "<VASPID>acme</VASPID><VASID>picture</VASID><SenderAddress><Number>+12125550123</Number></SenderAddress>"},
	} {
		m := message(a.add("image/gif", 40))
		c.change(m)
		l.Send(t.Context(), dispatch(m))
		if !strings.Contains(body, c.want) {
			t.Errorf("the request has no %s:\n%.3000s", c.want, body)
		}
		if strings.Contains(body, "more") {
			t.Error("the caller's name of a picture was sent")
		}
	}
}

// TestMeasure: to the byte what a server receives, whatever is in the message
// and however the carrier wants it.
func TestMeasure(t *testing.T) {
	var received int64
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		received, _ = io.Copy(io.Discard, r.Body)
		if received != r.ContentLength {
			t.Errorf("announced %d bytes, sent %d", r.ContentLength, received)
		}
	}))
	defer server.Close()
	prefix, plain, off, prefixed := "prefix", "e164", false, "SOAP-ENV"
	var a album
	bare := message()
	bare.Text = ""
	nothingSaid := message(a.add("image/gif", 57))
	nothingSaid.Text, nothingSaid.Subject = "", ""
	messages := []*gateway.Message{
		bare, message(), nothingSaid, message(a.add("image/png", 1)),
		message(a.add("image/png", 60_000), a.add("image/jpeg", 58), a.add("image/gif", 300_001)),
	}
	asked := a.asked
	for _, dialect := range dialects {
		for _, cte := range []string{"binary", "base64"} {
			for _, q := range []carrier.Quirks{{}, {XMLStyle: &prefix, NumberFormat: &plain, SendSenderAddress: &off, EnvelopePrefix: &prefixed}} {
				o := options(server.URL)
				q.TransferEncoding = &cte
				o.Dialect, o.Quirks = dialect, q
				l := link(t, o, a.open)
				set, err := carrier.NewSet(nil, l)
				if err != nil {
					t.Fatal(err)
				}
				for i, m := range messages {
					measured := set.Measure("north", m)
					if a.asked != asked {
						t.Fatal("a picture was opened to be measured")
					}
					l.Send(t.Context(), dispatch(m))
					asked = a.asked
					if measured != received {
						t.Errorf("%s %s %+v message %d: measured %d, received %d", dialect, cte, q, i, measured, received)
					}
				}
			}
		}
	}
}

// TestMeasureOfWhatCannotBeSent: a check of a message with bad numbers asks for
// sizes too.
func TestMeasureOfWhatCannotBeSent(t *testing.T) {
	var a album
	l := link(t, options("http://127.0.0.1:1"), a.open)
	m := message(a.add("image/png", 1000))
	whole := l.Measure(m)
	m.Deliveries = nil
	if got := l.Measure(m); got != whole {
		t.Errorf("without recipients %d, with one %d", got, whole)
	}
	m.Media[0].Type = ""
	if got := l.Measure(m); got < 1000 || got > whole {
		t.Errorf("with a picture that is none: %d, want its bytes at least", got)
	}
}

// TestPictures: what cannot be read is told apart from what is lost.
func TestPictures(t *testing.T) {
	url := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a request without its picture was sent") })
	for _, size := range []int{1000, 100_000} {
		for _, c := range []struct {
			name    string
			broken  func(*album, string)
			outcome gateway.Outcome
			reason  gateway.Reason
			code    string
		}{
			{"lost", func(a *album, p string) { a.errs[p] = fmt.Errorf("segment 3: %w", gateway.ErrMediaCorrupt) }, gateway.Rejected, gateway.MediaCorruptStored, "media-corrupt"},
			{"shrunk", func(a *album, p string) { a.bytes[p] = a.bytes[p][1:] }, gateway.Rejected, gateway.MediaCorruptStored, "media-corrupt"},
			{"grown", func(a *album, p string) { a.bytes[p] = append(a.bytes[p], 0) }, gateway.Rejected, gateway.MediaCorruptStored, "media-corrupt"},
			{"not now", func(a *album, p string) { a.errs[p] = errors.New("input/output error") }, gateway.RetryLater, "", "media-unread"},
		} {
			for _, foreign := range []bool{false, true} {
				var a album
				m := message(a.add("image/png", 10), a.add("image/png", size))
				c.broken(&a, m.Media[1].Place)
				o := options(url)
				if foreign {
					o.Transport = &http.Transport{}
				}
				got := link(t, o, a.open).Send(t.Context(), dispatch(m))
				if got.Outcome != c.outcome || got.Reason != c.reason || got.Code != c.code {
					t.Errorf("%s, %d bytes: %+v", c.name, size, got)
				}
			}
		}
	}
}

// TestSimulatedFaults: what the simulator can do instead of accepting.
func TestSimulatedFaults(t *testing.T) {
	for fault, want := range map[string]gateway.Result{
		"http-503":           {Outcome: gateway.RetryLater, Code: "http-503", RetryAfter: 1e9},
		"soap-4006":          {Outcome: gateway.RetryLater, Code: "4006"},
		"reject-2004":        {Outcome: gateway.Rejected, Reason: gateway.RefusedContent, Code: "2004", Counts: true},
		"auth-401":           {Outcome: gateway.StopLane, Reason: gateway.LaneStopped, Code: "http-401"},
		"no-message-id":      {Outcome: gateway.Accepted, Code: "1000", Counts: true},
		"drop-after-request": {Outcome: gateway.UnknownSent, Code: "no-answer"},
		"lost":               {Outcome: gateway.UnknownSent, Code: "no-answer"},
		"half-answer":        {Outcome: gateway.UnknownSent, Code: "unreadable"},
		"garbage":            {Outcome: gateway.UnknownSent, Code: "unreadable"},
	} {
		t.Run(fault, func(t *testing.T) {
			mmsc, err := simulator.New(simulator.Options{Fault: fault})
			if err != nil {
				t.Fatal(err)
			}
			defer mmsc.Close()
			server := httptest.NewServer(mmsc)
			defer server.Close()
			if got := send(t, options(server.URL)); !same(got, want) {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}

// TestNew: what is wrong is named.
func TestNew(t *testing.T) {
	word := "nonsense"
	for want, change := range map[string]func(*carrier.Options){
		"there is no dialect":   func(o *carrier.Options) { o.Dialect = word },
		"XML style":             func(o *carrier.Options) { o.Quirks.XMLStyle = &word },
		"NumberFormat":          func(o *carrier.Options) { o.Quirks.NumberFormat = &word },
		"URL":                   func(o *carrier.Options) { o.URL = "ftp://x" },
		"reports have no login": func(o *carrier.Options) { o.ReportOpen = false },
		"slash":                 func(o *carrier.Options) { o.Name = "a/b" },
	} {
		o := options("http://127.0.0.1:1")
		change(&o)
		if _, err := carrier.New(o, nil); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "carrier \"") {
			t.Errorf("error %v, want one of the carrier and %q", err, want)
		}
	}
}

// TestSendCanceled: what is given up before it leaves never left.
func TestSendCanceled(t *testing.T) {
	var a album
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l := link(t, options(serve(t, func(http.ResponseWriter, *http.Request) {})), a.open)
	if got := l.Send(ctx, dispatch(message())); got.Outcome != gateway.RetryLater || got.Code != "canceled" {
		t.Errorf("%+v", got)
	}
}
