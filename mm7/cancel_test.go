package mm7

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func fullCancel() *CancelReq {
	return &CancelReq{
		Head:   Head{TransactionID: "tx-c"},
		VASPID: "vasp-1", VASID: "svc-1", SenderAddress: Address{Value: "+15555550100"},
		MessageID: "msg-0001", ApplicID: "app.a", ReplyApplicID: "app.b", AuxApplicInfo: "x=1",
	}
}

func TestCancelRoundTrip(t *testing.T) {
	for name, d := range dialects(t) {
		for _, omit := range []bool{false, true} {
			d.OmitSenderAddress = omit
			got, err := ParseRequest("text/xml", fullCancel().Encode(d))
			if err != nil || got.Cancel == nil {
				t.Fatalf("%s: %+v, %v", name, got, err)
			}
			want := *fullCancel()
			want.Namespace, want.MM7Version = d.Namespace, d.MM7Version
			if omit {
				want.SenderAddress = Address{}
			}
			if !d.release6() {
				want.ApplicID, want.ReplyApplicID, want.AuxApplicInfo = "", "", ""
			}
			if *got.Cancel != want || got.Operation != OpCancelReq || got.Head != want.Head {
				t.Errorf("%s\ngot  %+v\nwant %+v", name, *got.Cancel, want)
			}
		}
	}
}

func TestCancelStyles(t *testing.T) {
	d := preset(t, "rel-6-mm7-1-4")
	d.NumberFormat = NumberE164
	for style, want := range map[XMLStyle]string{
		StyleDefaultNamespace: `<CancelReq xmlns="` + ns6 + `"><MM7Version>6.8.0</MM7Version><SenderIdentification><VASPID>v</VASPID><SenderAddress><Number>15555550100</Number></SenderAddress></SenderIdentification><MessageID>a&amp;b</MessageID></CancelReq>`,
		StylePrefix:           `<mm7:CancelReq xmlns:mm7="` + ns6 + `"><mm7:MM7Version>6.8.0</mm7:MM7Version><mm7:SenderIdentification><mm7:VASPID>v</mm7:VASPID><mm7:SenderAddress><mm7:Number>15555550100</mm7:Number></mm7:SenderAddress></mm7:SenderIdentification><mm7:MessageID>a&amp;b</mm7:MessageID></mm7:CancelReq>`,
		StyleRootPrefixOnly:   `<mm7:CancelReq xmlns:mm7="` + ns6 + `"><MM7Version>6.8.0</MM7Version><SenderIdentification><VASPID>v</VASPID><SenderAddress><Number>15555550100</Number></SenderAddress></SenderIdentification><MessageID>a&amp;b</MessageID></mm7:CancelReq>`,
	} {
		d.XMLStyle = style
		r := &CancelReq{Head: Head{TransactionID: "t"}, VASPID: "v", SenderAddress: Address{Value: "+15555550100"}, MessageID: "a&b"}
		if got := string(r.Encode(d)); !strings.Contains(got, "<env:Body>"+want+"</env:Body>") {
			t.Errorf("%s\ngot  %s\nwant %s", style, got, want)
		}
	}
}

// TestCancelSamples: what others wrote is read, and what is made of it is read alike.
func TestCancelSamples(t *testing.T) {
	d := preset(t, "rel-6-mm7-1-4")
	for name, tid := range map[string]string{"canonical/cancel-req.xml": "tx-cancel-req", "canonical/cancel-req.http": "tx-c"} {
		_, header, body := message(t, name, sample(t, name))
		got, err := ParseRequest(header.Get("Content-Type"), body)
		if err != nil || got.Cancel == nil {
			t.Fatalf("%s: %+v, %v", name, got, err)
		}
		want := CancelReq{Head: Head{tid, ns6, "6.8.0"}, VASPID: "vasp-1", VASID: "svc-1",
			SenderAddress: Address{Kind: ShortCode, Value: "77700"}, MessageID: "msg-0001"}
		if *got.Cancel != want {
			t.Errorf("%s\ngot  %+v\nwant %+v", name, *got.Cancel, want)
		}
		again, err := ParseRequest("text/xml", got.Cancel.Encode(d))
		if err != nil || *again.Cancel != want {
			t.Errorf("%s, written again: %+v, %v", name, again, err)
		}
	}
	got, err := ParseResponse(200, http.Header{}, sample(t, "canonical/cancel-rsp.xml"))
	if err != nil || got.Operation != OpCancelRsp || got.Status.Code != 1000 {
		t.Fatalf("%+v, %v", got, err)
	}
	again, err := ParseResponse(200, http.Header{}, EncodeResponse(d, got))
	if err != nil || again.Operation != OpCancelRsp || again.Status != got.Status || again.Head != got.Head {
		t.Errorf("written again: %+v, %v", again, err)
	}
}

// TestCancelLeniently: names in any case and order, in any namespace or none; what is
// missing is empty.
func TestCancelLeniently(t *testing.T) {
	for body, want := range map[string]CancelReq{
		`<x:cancelreq xmlns:x="urn:x"><MESSAGEID> m </MESSAGEID><x:SenderIdentification><VASID>v</VASID><SenderAddress>+15555550100</SenderAddress></x:SenderIdentification></x:cancelreq>`: {
			Head: Head{Namespace: "urn:x"}, VASID: "v", SenderAddress: Address{Value: "+15555550100"}, MessageID: "m"},
		`<CancelReq/>`: {},
	} {
		got, err := ParseRequest("", []byte(envelopeWith(body)))
		if err != nil || got.Cancel == nil || *got.Cancel != want {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
}

func cancelRsp(operation Operation, code int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		d, _ := Preset("rel-6-mm7-1-4")
		_, _ = w.Write(EncodeResponse(d, &Response{Head: Head{TransactionID: "tx-c"}, Operation: operation, Status: Status{Code: code}}))
	}
}

func TestCancel(t *testing.T) {
	m := newMMSC(t, cancelRsp(OpCancelRsp, 1000))
	c := client(t, ClientOptions{URL: m.URL + "/mm7", Basic: &Basic{"gw", "pass"}})
	rsp, err := c.Cancel(t.Context(), fullCancel())
	if err != nil || rsp.Status.Code != 1000 || rsp.Operation != OpCancelRsp || rsp.TransactionID != "tx-c" {
		t.Fatalf("%+v, %v", rsp, err)
	}
	want := fullCancel().Encode(c.dialect)
	if string(m.body) != string(want) || m.last.ContentLength != int64(len(want)) || len(m.last.TransferEncoding) > 0 {
		t.Errorf("Content-Length %d, %v\ngot  %s\nwant %s", m.last.ContentLength, m.last.TransferEncoding, m.body, want)
	}
	h := m.last.Header
	if h.Get("Content-Type") != `text/xml; charset="utf-8"` || h.Get("SOAPAction") != `""` || h.Get("Authorization") != "Basic Z3c6cGFzcw==" || h.Get("Expect") != "" {
		t.Errorf("header %v", h)
	}
}

func TestCancelAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		answer   func(http.ResponseWriter)
		code     int
		noAnswer bool
	}{
		"unknown there":       {cancelRsp(OpCancelRsp, 2005), 2005, false},
		"too late":            {cancelRsp(OpCancelRsp, 3001), 3001, false},
		"not taken there":     {func(w http.ResponseWriter) { _, _ = w.Write(sample(t, "canonical/fault-vasperror-4003.xml")) }, 4003, false},
		"404":                 {func(w http.ResponseWriter) { w.WriteHeader(404) }, 0, false},
		"success of another":  {cancelRsp(OpSubmitRsp, 1000), 0, true},
		"success of a report": {cancelRsp(OpDeliveryReportRsp, 1000), 0, true},
		"nothing":             {func(http.ResponseWriter) {}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMMSC(t, tc.answer)
			rsp, err := client(t, ClientOptions{URL: m.URL}).Cancel(t.Context(), fullCancel())
			_, none := errors.AsType[*NoAnswerError](err)
			if none != tc.noAnswer || !none && (err != nil || rsp.Status.Code != tc.code) {
				t.Errorf("%+v, %v", rsp, err)
			}
		})
	}
	m := newMMSC(t, cancelRsp(OpCancelRsp, 1000))
	if _, err := client(t, ClientOptions{URL: m.URL}).Submit(t.Context(), minimalSubmit()); err == nil {
		t.Error("a CancelRsp counts as success of a SubmitReq")
	}
}

// TestCancelSent: an error tells whether the request may have left, as for a SubmitReq.
func TestCancelSent(t *testing.T) {
	closed := listen(t)
	closed.Close()
	reads, got := recordOne(t)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tc := range map[string]struct {
		ctx     context.Context
		to      net.Addr
		request *CancelReq
		left    bool
	}{
		"refused":         {t.Context(), closed.Addr(), fullCancel(), false},
		"canceled before": {canceled, reads.Addr(), fullCancel(), false},
		"no MessageID":    {t.Context(), reads.Addr(), &CancelReq{}, false},
		"no answer":       {t.Context(), reads.Addr(), fullCancel(), true},
	} {
		_, err := client(t, ClientOptions{URL: fmt.Sprint("http://", tc.to), Response: time.Minute}).Cancel(tc.ctx, tc.request)
		_, not := errors.AsType[*NotSentError](err)
		_, none := errors.AsType[*NoAnswerError](err)
		if not == tc.left || none != tc.left {
			t.Errorf("%s: %v", name, err)
		}
	}
	if text := <-got; !strings.Contains(text, "CancelReq") {
		t.Errorf("arrived: %s", text)
	}
}

// TestCancelIsNotForUs: an MMSC that asks it of us is told so.
func TestCancelIsNotForUs(t *testing.T) {
	h := &Handler{Dialect: preset(t, "rel-6-mm7-1-4")}
	if _, rsp := post(t, h, "text/xml", string(sample(t, "canonical/cancel-req.xml"))); rsp.Status.Code != 4003 {
		t.Errorf("%+v", rsp)
	}
}

func FuzzParseCancel(f *testing.F) {
	for _, name := range []string{"canonical/cancel-req.xml", "canonical/cancel-req.http"} {
		_, header, body := message(f, name, sample(f, name))
		f.Add(header.Get("Content-Type"), body)
	}
	for _, d := range dialects(f) {
		f.Add("text/xml", fullCancel().Encode(d))
	}
	d := preset(f, "rel-6-mm7-1-4")
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		r, err := ParseRequest(contentType, body)
		if err != nil || r.Cancel == nil {
			return
		}
		want := *r.Cancel
		data := want.Encode(d)
		if len(data) > MaxEnvelope {
			return
		}
		again, err := ParseRequest("text/xml", data)
		if err != nil {
			t.Fatalf("what was read is not written readably: %v", err)
		}
		got := *again.Cancel
		if got.MessageID != want.MessageID || got.VASPID != want.VASPID || got.VASID != want.VASID || got.SenderAddress != want.SenderAddress && want.SenderAddress.Value != "" {
			t.Errorf("\ngot  %+v\nwant %+v", got, want)
		}
	})
}
