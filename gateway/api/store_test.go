package api_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mmsgw/client"
	"mmsgw/gateway"
	"mmsgw/gateway/api"
	"mmsgw/gateway/store"
)

// openStore starts a world on a real store, for an operator.
func openStore(t *testing.T) (*world, *store.Store, *client.Client) {
	t.Helper()
	w := newWorld(t)
	s, err := store.Open(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "mmsgw.db"), Fatal: func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	w.gateway.Messages, w.gateway.Consent = s, s
	o := w.options()
	o.Pictures, o.Feed, o.Operations = s, s, s
	w.server = api.New(o)
	w.operator, w.accounts = true, []string{"acme"}
	w.listen()
	c, err := client.New("unix:" + w.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return w, s, c
}

func TestListOfAStore(t *testing.T) {
	w, _, c := openStore(t)
	var sent []*client.Message
	for i := range 5 {
		sent = append(sent, w.send(fmt.Sprintf(`{"from":"%s","to":["%s","+1416555%04d"],"text":"hi","reference":"r%d"}`, via, to2, 100+i, i)))
	}
	if _, err := c.Hold(t.Context(), sent[1].ID, "416 555 0101"); err != nil {
		t.Fatal(err)
	}
	for q, want := range map[string]string{
		"": "r4 r3 r2 r1 r0", "state=held": "r1", "state=held&to=" + to2: "", "reason=operator_hold&carrier=texts": "r1", "carrier=north": "",
		"to=%2B14165550103": "r3", "reference=r2": "r2", "from=" + via + "&reference=r0": "r0", "from=" + to: "", "account=acme&state=held": "r1",
		"since=" + sent[3].CreatedAt.Format(time.RFC3339Nano): "r4 r3", "until=" + sent[1].CreatedAt.Format(time.RFC3339Nano): "r0",
	} {
		if ids, _ := w.list(q); ids != want {
			t.Errorf("%s: %q, want %q", q, ids, want)
		}
	}
	ids, page := w.list("limit=2")
	for page.NextCursor != nil {
		var more string
		more, page = w.list("limit=2&cursor=" + *page.NextCursor)
		ids += "|" + more
	}
	if ids != "r4 r3|r2 r1|r0" {
		t.Errorf("pages %s", ids)
	}
	// What waits in a lane that stands is listed by what the lane stands for.
	if _, err := c.Pause(t.Context(), "texts"); err != nil {
		t.Fatal(err)
	}
	if ids, _ := w.list("reason=carrier_paused"); ids != "r4 r3 r2 r1 r0" {
		t.Errorf("behind a pause: %q", ids)
	}
	if n, err := c.Act(t.Context(), client.Action{Verb: client.ToCancel, Filter: client.Filter{State: "held", Reason: "carrier_paused", Reference: "r1"}}); err != nil || n != 1 {
		t.Errorf("canceled %d, %v; want the one that is not held by an operator", n, err)
	}
}

func TestVerbsOnAStore(t *testing.T) {
	w, _, c := openStore(t)
	ctx := t.Context()
	at := time.Now().Add(time.Hour)
	m, err := c.Submit(ctx, client.Submission{From: via, To: []string{to, to2}, Text: "hi", SendAt: at, ExpiresIn: "2h"})
	if err != nil || m.Message.State != "scheduled" {
		t.Fatalf("%+v, %v", m.Message, err)
	}
	id := m.Message.ID
	steps := []struct {
		verb, to, code string // the code of a refusal
		state          string
	}{
		{"retry", "", "not_retryable", ""}, {"release", "", "not_held", ""}, {"hold", to, "", "scheduled"}, {"hold", "", "", "held"}, {"hold", "", "not_holdable", ""},
		{"release", to2, "", "scheduled"}, {"cancel", to2, "", "held"}, {"cancel", to2, "not_cancelable", ""}, {"retry", "", "", "queued"}, {"cancel", "", "", "canceled"},
	}
	for i, s := range steps {
		body := "{}"
		if s.to != "" {
			body = `{"to":["` + s.to + `"]}`
		}
		a := w.json("/v1/messages/"+id+"/"+s.verb, body)
		if s.code != "" {
			if p := a.problem(t); p.Status != 409 || p.Code != s.code {
				t.Errorf("step %d, %+v: %+v", i, s, p)
			}
			continue
		}
		var got client.Message
		decode(t, a.body, &got)
		if a.status != 200 || got.State != s.state {
			t.Errorf("step %d, %+v: HTTP %d: %s", i, s, a.status, a.body)
		}
	}
	events, err := c.Timeline(ctx, id)
	if got := kinds(events); err != nil || !strings.HasSuffix(got, "delivery.canceled delivery.queued delivery.canceled message.completed") {
		t.Errorf("%s, %v", got, err)
	}
	if d, err := events[len(events)-2].Details(); err != nil || !strings.HasPrefix(d.By, "uid ") || d.ClaimedBy != "gateway" {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestOptOutOnAStore(t *testing.T) {
	w, _, c := openStore(t)
	ctx := t.Context()
	for range 2 {
		if o, err := c.OptOut(ctx, to, "acme", via); err != nil || !o.OptedOut {
			t.Errorf("%+v, %v", o, err)
		}
	}
	if p := w.json("/v1/messages", base(`,"text":"hi"`)).problem(t); p.Code != "to_opted_out" {
		t.Errorf("%+v", p)
	}
	if _, err := c.OptIn(ctx, to, "acme", via, "texted START"); err != nil {
		t.Error(err)
	}
	w.send(base(`,"text":"hi"`))
	events := w.page("/v1/events?type=optout.changed").Items
	if len(events) != 2 || events[0].To != to || events[0].Account != "acme" {
		t.Fatalf("%+v", events)
	}
	if d, err := events[1].Details(); err != nil || d.OptedOut == nil || *d.OptedOut || d.From != via || d.Note != "texted START" || !strings.HasPrefix(d.By, "uid ") {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestCarriersOfAStore(t *testing.T) {
	w, _, c := openStore(t)
	ctx := t.Context()
	w.send(base(`,"text":"hi"`))
	w.send(base(`,"text":"hi","send_at":"` + time.Now().Add(time.Hour).Format(time.RFC3339) + `"`))
	for range 2 {
		if k, err := c.Pause(ctx, "texts"); err != nil || k.State != "paused" || k.PausedAt == nil || k.Waiting != 2 || len(k.Backlog) != 2 {
			t.Errorf("%+v, %v", k, err)
		}
	}
	all, err := c.Carriers(ctx)
	if err != nil || len(all) != 2 || all[0].State != "going" || all[0].Waiting != 0 {
		t.Fatalf("%+v, %v", all, err)
	}
	for _, b := range all[1].Backlog {
		switch {
		case b.State == "scheduled" && b.Count == 1 && b.NextAt != nil && time.Until(*b.NextAt) > 59*time.Minute:
		case b.State == "held" && b.Reason.Code == "carrier_paused" && b.Count == 1 && b.NextAt == nil && time.Since(*b.OldestAt) < time.Minute:
		default:
			t.Errorf("%+v", b)
		}
	}
	if k, err := c.Resume(ctx, "texts"); err != nil || k.State != "going" || k.PausedAt != nil {
		t.Errorf("%+v, %v", k, err)
	}
	if got := kinds(w.page("/v1/events?carrier=texts").Items); !strings.Contains(got, "carrier.paused carrier.resumed") {
		t.Errorf("events %s", got)
	}
}

func TestLinkOnAStore(t *testing.T) {
	w, s, c := openStore(t)
	ctx := t.Context()
	m := w.send(base(`,"text":"hi"`))
	for i := range 2 {
		r := gateway.Report{ID: gateway.NewID(), Lane: "texts", CarrierKey: fmt.Sprint("K", i), Recipient: to, Status: gateway.ReportRetrieved, Raw: "Retrieved",
			At: time.Now(), ReceivedAt: time.Now()}
		if err := s.Report(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	no, yes := false, true
	page, err := c.Reports(ctx, client.ReportQuery{Matched: &no, Carrier: "texts", To: to, Limit: 1})
	if err != nil || len(page.Items) != 1 || page.NextCursor == nil || page.Items[0].CarrierMessageID != "K1" {
		t.Fatalf("%+v, %v", page, err)
	}
	if page, err = c.Reports(ctx, client.ReportQuery{Matched: &no, Cursor: *page.NextCursor}); err != nil || len(page.Items) != 1 || page.Items[0].CarrierMessageID != "K0" {
		t.Fatalf("%+v, %v", page, err)
	}
	id := page.Items[0].ID
	if got, err := c.Link(ctx, id, m.ID, "416-555-0199"); err != nil || got.State != "delivered" {
		t.Errorf("%+v, %v", got, err)
	}
	for report, code := range map[string]string{id: "already_linked", strings.Repeat("0", 32): "not_found"} {
		if p := w.json("/v1/reports/"+report+"/link", `{"message":"`+m.ID+`","to":"`+to+`"}`).problem(t); p.Code != code {
			t.Errorf("%s: %+v", report, p)
		}
	}
	if page, err = c.Reports(ctx, client.ReportQuery{Matched: &yes}); err != nil || len(page.Items) != 1 || page.Items[0].Message != m.ID || !strings.HasPrefix(page.Items[0].LinkedBy, "uid ") {
		t.Errorf("%+v, %v", page, err)
	}
}
