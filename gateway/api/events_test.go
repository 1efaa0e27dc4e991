package api_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"mmsgw/client"
	"mmsgw/gateway"
	"mmsgw/gateway/api"
)

func (w *world) page(path string) client.Page {
	w.t.Helper()
	a := w.get(path)
	if a.status != 200 {
		w.t.Fatalf("%s: HTTP %d: %s", path, a.status, a.body)
	}
	var p client.Page
	decode(w.t, a.body, &p)
	return p
}

func kinds(events []client.Event) string {
	var k []string
	for _, e := range events {
		k = append(k, e.Type)
	}
	return strings.Join(k, " ")
}

func TestFeed(t *testing.T) {
	w := open(t)
	m := w.send(base(`,"text":"hi","reference":"r1"`))
	id, _ := gateway.ParseMessageName(m.ID)
	at := time.Date(2026, 12, 1, 15, 0, 0, 120_000_999, time.FixedZone("", 3600))
	w.set(func() {
		w.tell(gateway.Event{At: at, Type: "delivery.sent", Account: "acme", MessageID: id, To: to, Carrier: "north", Data: gateway.EventData{State: gateway.Sent}.JSON()})
		w.tell(gateway.Event{At: at, Type: "carrier.paused", N: -1, Carrier: "no\"rth\\é"})
		w.tell(gateway.Event{At: at, Type: "message.accepted", Account: "other", MessageID: gateway.NewID(), N: -1})
	})
	all := w.page("/v1/events")
	if kinds(all.Items) != "message.accepted delivery.sent" || all.NextCursor == nil {
		t.Fatalf("%+v", all)
	}
	e := all.Items[1]
	if e.Account != "acme" || e.Message != m.ID || e.To != to || e.Carrier != "north" || !e.At.Equal(at.Truncate(time.Microsecond)) || string(e.Data) != `{"state":"sent"}` {
		t.Errorf("%+v", e)
	}
	if d, err := all.Items[0].Details(); err != nil || d.Reference != "r1" {
		t.Errorf("%+v, %v", d, err)
	}
	if p := w.page("/v1/events?after=" + all.Items[0].ID); kinds(p.Items) != "delivery.sent" {
		t.Errorf("after the first: %s", kinds(p.Items))
	}
	if p := w.page("/v1/events?after=latest"); len(p.Items) != 0 || *p.NextCursor != string(api.AppendCursor(nil, 4)) {
		t.Errorf("latest: %+v", p)
	}
	if p := w.page("/v1/events?limit=1"); kinds(p.Items) != "message.accepted" || *p.NextCursor != p.Items[0].ID {
		t.Errorf("limit: %+v", p)
	}
	for q, want := range map[string]string{
		"type=delivery.sent": "delivery.sent", "carrier=north": "delivery.sent", "message=" + m.ID: "message.accepted delivery.sent",
		"account=acme": "message.accepted delivery.sent", "type=none": "", "message=msg_" + strings.Repeat("0", 31) + "1": "",
	} {
		if got := kinds(w.page("/v1/events?" + q).Items); got != want {
			t.Errorf("%s: %q, want %q", q, got, want)
		}
	}
	w.operator = true
	if p := w.page("/v1/events"); kinds(p.Items) != "message.accepted delivery.sent carrier.paused message.accepted" || p.Items[2].Carrier != `no"rth\é` ||
		p.Items[2].Message != "" || string(p.Items[2].Data) != "{}" {
		t.Errorf("operator: %+v", p)
	}
	if p := w.page("/v1/events?account=other"); kinds(p.Items) != "message.accepted" {
		t.Errorf("operator, one account: %+v", p)
	}
}

// The hand-written form is what encoding/json makes of the wire type.
func TestEventsAreJSON(t *testing.T) {
	w := open(t)
	w.operator = true
	w.set(func() {
		for i := range 3 {
			w.tell(gateway.Event{At: time.UnixMicro(int64(i) * 1_000_500), Type: "delivery.sent", Account: "a<b>", MessageID: gateway.NewID(), To: to, Carrier: "n", Data: json.RawMessage(`{"late":true}`)})
		}
	})
	a := w.get("/v1/events")
	var p client.Page
	decode(t, a.body, &p)
	var again strings.Builder
	enc := json.NewEncoder(&again)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p); err != nil || again.String() != string(a.body) {
		t.Errorf("%v\n%s%s", err, again.String(), a.body)
	}
}

func TestTimeline(t *testing.T) {
	w := open(t)
	w.send(base(`,"text":"another"`))
	m := w.send(base(`,"text":"hi"`))
	id, _ := gateway.ParseMessageName(m.ID)
	w.set(func() {
		for i := range 70 {
			w.tell(gateway.Event{Type: fmt.Sprintf("delivery.e%d", i), Account: "acme", MessageID: id})
		}
	})
	first := w.page("/v1/messages/" + m.ID + "/events")
	if len(first.Items) != 50 || first.Items[0].Type != "message.accepted" || first.NextCursor == nil {
		t.Fatalf("%d items: %+v", len(first.Items), first)
	}
	rest := w.page("/v1/messages/" + m.ID + "/events?cursor=" + *first.NextCursor)
	if len(rest.Items) != 21 || rest.Items[0].Type != "delivery.e49" || rest.NextCursor != nil {
		t.Errorf("%d items: %+v", len(rest.Items), rest)
	}
	if all := w.page("/v1/messages/" + m.ID + "/events?limit=500"); len(all.Items) != 71 || all.NextCursor != nil {
		t.Errorf("%d items", len(all.Items))
	}
}

func TestWrongQueries(t *testing.T) {
	w := open(t)
	m := w.send(base(`,"text":"hi"`))
	timeline := "/v1/messages/" + m.ID + "/events?"
	for path, code := range map[string]string{
		"/v1/events?after=nonsense":            "bad_cursor",
		"/v1/events?after=ZTE6LTE":             "bad_cursor", // e1:-1
		"/v1/events?after=ZTE6MDE":             "bad_cursor", // e1:01
		"/v1/events?after=ZTI6MQ":              "bad_cursor", // e2:1
		"/v1/events?after=Latest":              "bad_cursor",
		"/v1/events?after=" + long('A', 1000):  "bad_cursor",
		timeline + "cursor=x":                  "bad_cursor",
		"/v1/events?wait=61":                   "field_invalid",
		"/v1/events?wait=-1":                   "field_invalid",
		"/v1/events?wait=1s":                   "field_invalid",
		"/v1/events?wait=99999999999999999999": "field_invalid",
		"/v1/events?limit=0":                   "field_invalid",
		"/v1/events?limit=501":                 "field_invalid",
		timeline + "limit=x":                   "field_invalid",
		"/v1/events?message=msg_1":             "field_invalid",
		"/v1/events?carrier=%00":               "field_invalid",
		"/v1/events?type=" + long('t', 65):     "field_invalid",
		"/v1/events?type=a&type=b":             "field_invalid",
		"/v1/events?a=%zz":                     "field_invalid",
		"/v1/events?acount=acme":               "unknown_field",
		timeline + "after=x":                   "unknown_field",
	} {
		if p := w.get(path).problem(t); p.Status != 400 || p.Code != code {
			t.Errorf("%s: HTTP %d %s, want 400 %s", path, p.Status, p.Code, code)
		}
	}
}

func long(c byte, n int) string { return strings.Repeat(string(c), n) }

func FuzzCursor(f *testing.F) {
	f.Add("ZTE6MQ")
	f.Add("ZTE6OTIyMzM3MjAzNjg1NDc3NTgwNw")
	f.Add(base64.RawURLEncoding.EncodeToString([]byte("e1:9223372036854775808")))
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		seq, err := api.ParseCursor(s)
		if err == nil && (seq < 0 || string(api.AppendCursor(nil, seq)) != s) {
			t.Errorf("%q is read as %d, which is written %q", s, seq, api.AppendCursor(nil, seq))
		}
	})
}
