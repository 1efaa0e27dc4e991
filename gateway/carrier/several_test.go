package carrier_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"mmsgw/gateway"
	"mmsgw/gateway/carrier"
	"mmsgw/mm7"
	"mmsgw/simulator"
)

// several is a message to three recipients of one request.
func several() gateway.Dispatch {
	m := message()
	m.Deliveries = nil
	for i, to := range []gateway.Number{recipient, "+14165550198", "+14165550197"} {
		m.Deliveries = append(m.Deliveries, gateway.Delivery{N: i + 4, Recipient: to, WantsReport: true, ValidUntil: m.ValidUntil})
	}
	d := dispatch(m)
	d.Attempt.Covers = []int{4, 5, 6}
	return d
}

// TestSendToSeveral: the recipients of one request do not see each other, and it
// is as large as was measured.
func TestSendToSeveral(t *testing.T) {
	mmsc, err := simulator.Open("127.0.0.1:0", simulator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer mmsc.Close()
	o := options(mmsc.URL())
	o.Group = 10
	l := link(t, o, nil)
	d := several()
	if r := l.Send(t.Context(), d); r.Outcome != gateway.Accepted || r.LeftOut != nil {
		t.Fatalf("%+v", r)
	}
	seen := mmsc.MMSC.Seen()[0]
	if want := []string{"+14165550199", "+14165550198", "+14165550197"}; !slices.Equal(seen.To, want) || len(seen.Problems) > 0 {
		t.Errorf("sent to %v (%v)", seen.To, seen.Problems)
	}
	if n := l.Measure(d.Message); n != seen.Size {
		t.Errorf("measured %d, sent %d bytes", n, seen.Size)
	}
}

// TestAnswersToSeveral: what an answer means where a request had several
// recipients.
func TestAnswersToSeveral(t *testing.T) {
	split := gateway.Result{Outcome: gateway.Divided}
	leftOut := with(accepted, "1100", "key")
	leftOut.LeftOut = []int{5}
	for name, c := range map[string]struct {
		status mm7.Status
		want   gateway.Result
	}{
		"all taken":              {mm7.Status{Code: 1000}, with(accepted, "1000", "key")},
		"one left out":           {mm7.Status{Code: 1100, Details: "tel:14165550198 unknown"}, leftOut},
		"nobody named":           {mm7.Status{Code: 1100, Details: "some were left out"}, with(doubt, "1100", "key")},
		"a stranger named":       {mm7.Status{Code: 1100, Details: "+12125550111"}, with(doubt, "1100", "key")},
		"several not taken":      {mm7.Status{Code: 3003}, with(split, "3003", "")},
		"several not taken here": {mm7.Status{Code: 2503}, with(split, "2503", "")},
		"too many":               {mm7.Status{Code: 3501}, with(split, "3501", "")},
		"one address is wrong":   {mm7.Status{Code: 2002}, with(split, "2002", "")},
		"one is not there":       {mm7.Status{Code: 2003}, with(split, "2003", "")},
		"content":                {mm7.Status{Code: 2004}, with(badContent, "2004", "")},
	} {
		url := serve(t, answering(200, nil, soap(c.status, nil)))
		if got := link(t, options(url), nil).Send(t.Context(), several()); !same(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// TestOverrides: a carrier's own codes and words go before the table; the first
// that fits counts, and others are as before.
func TestOverrides(t *testing.T) {
	overrides := []carrier.Override{
		{Code: "4030", Text: "OVERLOAD", Outcome: gateway.RetryLater, After: time.Minute},
		{Code: "2001", Text: "flow", Outcome: gateway.RetryLater, Counts: true},
		{Code: "http-502", Outcome: gateway.UnknownSent},
		{Text: "not provisioned", Outcome: gateway.Rejected, Reason: gateway.RefusedSender, Counts: true},
		{Code: "2999", Outcome: gateway.Accepted, Counts: true},
	}
	busy := with(linkBusy, "4030", "")
	busy.RetryAfter = time.Minute
	sender := with(gateway.Result{Outcome: gateway.Rejected, Reason: gateway.RefusedSender, Counts: true}, "2563", "")
	for name, c := range map[string]struct {
		http   int
		status mm7.Status
		want   gateway.Result
	}{
		"code and text":       {200, mm7.Status{Code: 4030, Text: "System overload, wait"}, busy},
		"code, another text":  {200, mm7.Status{Code: 4030, Text: "bad"}, with(again, "4030", "")},
		"text in the details": {500, mm7.Status{Code: 2001, Details: "Flow refuse"}, with(again, "2001", "")},
		"by HTTP":             {502, mm7.Status{}, with(doubt, "http-502", "")},
		"by text alone":       {200, mm7.Status{Code: 2563, Text: "Sender not provisioned"}, sender},
		"taken after all":     {200, mm7.Status{Code: 2999}, with(accepted, "2999", "key")},
		"not overridden":      {200, mm7.Status{Code: 2003}, with(badAddress, "2003", "")},
	} {
		var body []byte
		if c.status.Code != 0 {
			body = soap(c.status, nil)
		}
		o := options(serve(t, answering(c.http, nil, body)))
		o.Outcomes = overrides
		if got := send(t, o); !same(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// TestCancel: a carrier is asked to call back what it took, by the MessageID to
// the letter; what it answers says nothing of the sender.
func TestCancel(t *testing.T) {
	for name, c := range map[string]struct {
		status mm7.Status
		want   gateway.Result
	}{
		"called back":   {mm7.Status{Code: 1000}, with(accepted, "1000", "")},
		"not known":     {mm7.Status{Code: 2005}, with(badRequest, "2005", "")},
		"too late":      {mm7.Status{Code: 3001}, with(badRequest, "3001", "")},
		"not supported": {mm7.Status{Code: 4003}, with(badRequest, "4003", "")},
		"busy":          {mm7.Status{Code: 4006}, with(linkBusy, "4006", "")},
	} {
		var asked string
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			asked = string(body)
			w.Header().Set("Content-Type", "text/xml")
			_, _ = w.Write(mm7.EncodeResponse(mustPreset(), &mm7.Response{Head: mm7.Head{TransactionID: "t"}, Operation: mm7.OpCancelRsp, Status: c.status}))
		}))
		t.Cleanup(s.Close)
		call := dispatch(message())
		call.Attempt.Kind, call.Attempt.CarrierID = gateway.Cancels, "00Ab"
		if got := link(t, options(s.URL), nil).Send(t.Context(), call); !same(got, c.want) || !strings.Contains(asked, "<MessageID>00Ab</MessageID>") {
			t.Errorf("%s: %+v, want %+v, asked by\n%s", name, got, c.want, asked)
		}
	}
}

// TestMangledIDs: a MessageID and what a report makes of it are one key.
func TestMangledIDs(t *testing.T) {
	o := options(serve(t, answering(200, nil, mm7.EncodeResponse(mustPreset(), &mm7.Response{
		Head: mm7.Head{TransactionID: "t"}, Operation: mm7.OpSubmitRsp, Status: mm7.Status{Code: 1000}, MessageID: "00ABcd7"}))))
	if got := send(t, o); got.CarrierKey != "00ABcd7" || got.CarrierID != "" {
		t.Errorf("without rules: %q, %q", got.CarrierKey, got.CarrierID)
	}
	o.MessageID = carrier.IDRules{IgnoreCase: true, IgnoreZeros: true}
	if got := send(t, o); got.CarrierKey != "abcd7" || got.CarrierID != "00ABcd7" {
		t.Errorf("with rules: %q, %q", got.CarrierKey, got.CarrierID)
	}
}

func mustPreset() mm7.Dialect {
	d, ok := mm7.Preset("rel-6-mm7-1-4")
	if !ok {
		panic("the preset is gone")
	}
	return d
}
