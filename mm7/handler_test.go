package mm7

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// post hands one request to a handler and reads its answer as an MMSC would.
func post(t *testing.T, h *Handler, contentType, body string) (*httptest.ResponseRecorder, *Response) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	rsp, err := ParseResponse(w.Code, w.Header(), w.Body.Bytes())
	if err != nil {
		t.Fatalf("unreadable answer: %v\n%s", err, w.Body)
	}
	return w, rsp
}

func TestHandlerTakesReports(t *testing.T) {
	var reports []*DeliveryReportReq
	var reads []*ReadReplyReq
	h := &Handler{
		Dialect: preset(t, "rel-6-mm7-1-4"),
		DeliveryReport: func(_ context.Context, r *DeliveryReportReq) (Status, error) {
			reports = append(reports, r)
			return Status{}, nil
		},
		ReadReply: func(_ context.Context, r *ReadReplyReq) (Status, error) {
			reads = append(reads, r)
			return Status{Code: 1000, Text: "noted"}, nil
		},
	}
	w, rsp := post(t, h, "text/xml", string(sample(t, "quirks/q01-dlr-unqualified-children-recipients-timestamp.xml")))
	if w.Code != 200 || rsp.Operation != OpDeliveryReportRsp || rsp.Status.Code != 1000 || rsp.Status.Text != "Success" ||
		rsp.TransactionID != "-675086d4:1912:-25b6" || rsp.Namespace != ns5 || rsp.MM7Version != "5.3.0" {
		t.Errorf("%d %+v", w.Code, rsp)
	}
	if len(reports) != 1 || reports[0].MessageID != "65_20260102_B_1" {
		t.Errorf("reports %+v", reports)
	}
	_, rsp = post(t, h, "text/xml", string(sample(t, "canonical/read-reply-req.xml")))
	if rsp.Operation != OpReadReplyRsp || rsp.Status.Text != "noted" || len(reads) != 1 {
		t.Errorf("%+v", rsp)
	}
	if ct := w.Header().Get("Content-Type"); ct != `text/xml; charset="utf-8"` || w.Header().Get("Content-Length") != itoa(w.Body.Len()) {
		t.Errorf("header %v", w.Header())
	}
}

func TestHandlerRefuses(t *testing.T) {
	good := string(sample(t, "canonical/delivery-report-req-retrieved.xml"))
	without := func(s string) string { return strings.Replace(good, s, "", 1) }
	store := errors.New("store down")
	answer, fail := Status{}, error(nil)
	called := 0
	h := &Handler{Dialect: preset(t, "rel-6-mm7-1-4"), DeliveryReport: func(context.Context, *DeliveryReportReq) (Status, error) {
		called++
		return answer, fail
	}}
	for name, tc := range map[string]struct {
		body   string
		status Status
		err    error
		http   int
		code   int
		fault  string
		called int
	}{
		"unknown operation":  {string(sample(t, "canonical/deliver-req.xml")), Status{}, nil, 200, 4003, "Client", 0},
		"no function for it": {string(sample(t, "canonical/read-reply-req.xml")), Status{}, nil, 200, 4003, "Client", 0},
		"bad XML":            {good[:300], Status{}, nil, 200, 4004, "Client", 0},
		"DOCTYPE":            {"<!DOCTYPE a><a/>", Status{}, nil, 200, 4004, "Client", 0},
		"nothing":            {"", Status{}, nil, 200, 4004, "Client", 0},
		"empty Body":         {envelopeWith(""), Status{}, nil, 200, 4004, "Client", 0},
		"no MessageID":       {without("<MessageID>msg-0001</MessageID>"), Status{}, nil, 200, 2007, "Client", 0},
		"no Recipient":       {without("<Recipient><Number>+15555550101</Number></Recipient>"), Status{}, nil, 200, 2007, "Client", 0},
		"no MMStatus":        {without("<MMStatus>Retrieved</MMStatus>"), Status{}, nil, 200, 2007, "Client", 0},
		"store down":         {good, Status{}, store, 503, 4006, "Server", 1},
		"refused by us":      {good, Status{Code: 2005}, nil, 200, 2005, "Client", 1},
	} {
		t.Run(name, func(t *testing.T) {
			answer, fail, called = tc.status, tc.err, 0
			w, rsp := post(t, h, "text/xml", tc.body)
			if w.Code != tc.http || rsp.Operation != OpVASPErrorRsp || rsp.Status.Code != tc.code || rsp.Fault == nil || rsp.Fault.Code != tc.fault || called != tc.called {
				t.Errorf("HTTP %d, %+v, fault %+v, called %d", w.Code, rsp, rsp.Fault, called)
			}
			if strings.Contains(tc.body, "tx-delivery-report-req-retrieved") && strings.Contains(tc.body, "</env:Envelope>") && rsp.TransactionID != "tx-delivery-report-req-retrieved" {
				t.Errorf("TransactionID %q", rsp.TransactionID)
			}
			if strings.Contains(w.Body.String(), "store") {
				t.Error("the cause is told to the carrier")
			}
		})
	}
}

func TestHandlerBounds(t *testing.T) {
	h := &Handler{Dialect: preset(t, "rel-6-mm7-1-4")}
	for _, length := range []int64{-1, MaxEnvelope + 1} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat(" ", MaxEnvelope+1)))
		r.ContentLength = length
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusRequestEntityTooLarge {
			t.Errorf("length %d: HTTP %d", length, w.Code)
		}
	}
}

// TestHandlerEcho sends heads that must not be echoed as they are.
func TestHandlerEcho(t *testing.T) {
	h := &Handler{Dialect: preset(t, "rel-6-mm7-1-4")}
	for name, tc := range map[string]struct{ ns, version, wantNS, wantVersion, tid string }{
		"odd but fine": {"urn:MM7", "6.7.0", "urn:MM7", "6.7.0", `a &amp; "b" &lt;c`},
		"not a URI":    {"a b", "6.x", ns6, "6.8.0", "t"},
		"far too long": {"urn:" + strings.Repeat("x", 300), "6.7.0", ns6, "6.7.0", "t"},
		"none":         {"", "", ns6, "6.8.0", "t"},
	} {
		body := `<e:Envelope xmlns:e="` + soapNamespace + `"><e:Header><TransactionID>` + tc.tid + `</TransactionID></e:Header><e:Body><Foo xmlns="` + tc.ns + `"><MM7Version>` + tc.version + `</MM7Version></Foo></e:Body></e:Envelope>`
		_, rsp := post(t, h, "text/xml", body)
		want := strings.NewReplacer("&amp;", "&", "&lt;", "<").Replace(tc.tid)
		if rsp.Namespace != tc.wantNS || rsp.MM7Version != tc.wantVersion || rsp.TransactionID != want {
			t.Errorf("%s: %+v", name, rsp)
		}
	}
}
