package api_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"mmsgw/client"
	"mmsgw/gateway"
)

// What operators alone may do is refused to others, whoever's it is.
func TestOperatorsOnly(t *testing.T) {
	w := open(t)
	m := w.send(base(`,"text":"hi"`))
	for _, path := range []string{
		"POST /v1/messages/" + m.ID + "/hold", "POST /v1/messages/" + m.ID + "/release", "POST /v1/messages/x/hold", "POST /v1/actions", "GET /v1/carriers",
		"POST /v1/carriers/north/pause", "POST /v1/carriers/none/resume", "GET /v1/reports", "POST /v1/reports/x/link", "POST /v1/reload",
		"DELETE /v1/numbers/" + to + "/opt-out?reason=x",
	} {
		method, path, _ := strings.Cut(path, " ")
		if p := w.do(method, path, nil).problem(t); p.Status != 403 || p.Code != "forbidden" {
			t.Errorf("%s %s: %+v", method, path, p)
		}
	}
	w.accounts = []string{"other"}
	for _, path := range []string{"POST /v1/messages/" + m.ID + "/cancel", "POST /v1/messages/" + m.ID + "/retry", "GET /v1/messages?account=acme",
		"PUT /v1/numbers/" + to + "/opt-out?account=acme"} {
		method, path, _ := strings.Cut(path, " ")
		if p := w.do(method, path, nil).problem(t); p.Status != 404 || p.Code != "not_found" {
			t.Errorf("another's %s %s: %+v", method, path, p)
		}
	}
	if ids, page := w.list(""); len(page.Items) != 0 {
		t.Errorf("another's messages are listed: %s", ids)
	}
}

type carrierPage struct {
	Items      []client.Carrier `json:"items"`
	NextCursor *string          `json:"next_cursor"`
}

func (w *world) carriers(query string) (p carrierPage) {
	w.t.Helper()
	a := w.get("/v1/carriers" + query)
	if a.status != 200 {
		w.t.Fatalf("HTTP %d: %s", a.status, a.body)
	}
	decode(w.t, a.body, &p)
	return p
}

func TestCarriers(t *testing.T) {
	w := open(t)
	w.operator = true
	at := time.Date(2026, 12, 1, 15, 0, 0, 0, time.UTC)
	w.desk.lanes = []gateway.LaneStatus{{Lane: "texts", Reason: gateway.DailyCap, Since: at, Until: at.Add(9 * time.Hour)},
		{Lane: "gone", Reason: gateway.LaneStopped, Code: "3001", Since: at, Until: at.Add(time.Minute)}}
	w.desk.backlog = []gateway.Backlog{
		{Lane: "north", State: gateway.Queued, Reason: gateway.WaitingTurn, Count: 5, Oldest: at},
		{Lane: "north", State: gateway.Queued, Reason: gateway.BackingOff, Count: 2, Oldest: at.Add(-time.Hour), Next: at.Add(time.Hour)},
		{Lane: "texts", State: gateway.Held, Reason: gateway.DailyCap, Count: 1, Oldest: at, Next: at.Add(8 * time.Hour)},
		{Lane: "texts", State: gateway.Queued, Reason: gateway.WaitingTurn, Count: 6, Oldest: at.Add(-time.Minute)},
		{Lane: "gone", State: gateway.Queued, Reason: gateway.WaitingTurn, Count: 1, Oldest: at},
	}
	all := w.carriers("").Items
	if len(all) != 3 || all[0].Name != "north" || all[1].Name != "texts" || all[2].Name != "gone" {
		t.Fatalf("%+v", all)
	}
	c := all[0]
	if c.State != "going" || c.Reason != nil || c.NextTryAt != nil || !c.Configured || c.Protocol != "mm7" || c.InFlight != 3 || c.Waiting != 7 || len(c.Backlog) != 2 ||
		!c.OldestAt.Equal(at.Add(-time.Hour)) || !c.NextAt.Equal(at.Add(time.Hour)) {
		t.Errorf("%+v", c)
	}
	want := client.Limits{PerSecond: 50, Burst: 5, Count: "recipients", PerDay: 1000, DayZone: "America/Los_Angeles", Window: 8, MaxMessage: 1 << 20, MaxRecipients: 10}
	if *c.Limits != want {
		t.Errorf("%+v", c.Limits)
	}
	if b := c.Backlog[0]; b.State != "queued" || b.Reason.Code != "backing_off" || b.Reason.Message == "" || b.Count != 2 {
		t.Errorf("%+v", b)
	}
	// What waits for its turn in a lane that stands is held by what it stands for.
	c = all[1]
	if c.State != "daily_cap" || c.Reason.Code != "daily_cap" || !c.Since.Equal(at) || !c.NextTryAt.Equal(at.Add(9*time.Hour)) || len(c.Backlog) != 1 {
		t.Errorf("%+v", c)
	}
	if b := c.Backlog[0]; b.State != "held" || b.Reason.Code != "daily_cap" || b.Count != 7 || !b.OldestAt.Equal(at.Add(-time.Minute)) || !b.NextAt.Equal(at.Add(8*time.Hour)) {
		t.Errorf("%+v", b)
	}
	if c = all[2]; c.State != "stopped" || c.Configured || c.Limits != nil || c.Code != "3001" || c.Backlog[0].Reason.Code != "lane_stopped" || c.Waiting != 1 {
		t.Errorf("%+v", c)
	}
	first := w.carriers("?limit=2")
	if rest := w.carriers("?limit=2&cursor=" + *first.NextCursor); len(first.Items) != 2 || len(rest.Items) != 1 || rest.Items[0].Name != "gone" || rest.NextCursor != nil {
		t.Errorf("%+v, %+v", first, rest)
	}
}

func TestPause(t *testing.T) {
	w := open(t)
	w.operator = true
	w.desk.lanes = []gateway.LaneStatus{{Lane: "north", Reason: gateway.BreakerOpen, Code: "503", Since: time.Now(), Until: time.Now()}}
	w.desk.backlog = []gateway.Backlog{{Lane: "north", State: gateway.Queued, Reason: gateway.WaitingTurn, Count: 1}}
	change := func(verb string) (c client.Carrier) {
		t.Helper()
		a := w.do("POST", "/v1/carriers/north/"+verb, nil)
		if a.status != 200 {
			t.Fatalf("%s: HTTP %d: %s", verb, a.status, a.body)
		}
		decode(t, a.body, &c)
		return c
	}
	for range 2 {
		if c := change("pause"); c.State != "paused" || c.Reason.Code != "carrier_paused" || c.Code != "503" || c.NextTryAt != nil || c.PausedAt == nil || !strings.HasPrefix(c.PausedBy, "uid ") ||
			c.Backlog[0].Reason.Code != "carrier_paused" {
			t.Errorf("%+v", c)
		}
	}
	for range 2 {
		if c := change("resume"); c.State != "breaker_open" || c.PausedAt != nil || c.PausedBy != "" || c.NextTryAt == nil {
			t.Errorf("%+v", c)
		}
	}
	if log := w.log.String(); strings.Count(log, "level=INFO") != 2 || !strings.Contains(log, "carrier=north") {
		t.Errorf("logged: %s", log)
	}
	for _, path := range []string{"/v1/carriers/none/pause", "/v1/carriers/%00/resume"} {
		if p := w.do("POST", path, nil).problem(t); p.Status != 404 || p.Code != "not_found" {
			t.Errorf("%s: %+v", path, p)
		}
	}
}

func TestReports(t *testing.T) {
	w := open(t)
	m := w.send(base(`,"text":"hi"`))
	id, _ := gateway.ParseMessageName(m.ID)
	w.operator = true
	at := time.Date(2026, 12, 1, 15, 0, 0, 0, time.UTC)
	var kept []gateway.KeptReport
	for range 3 {
		r := gateway.KeptReport{Report: gateway.Report{ID: gateway.NewID(), Lane: "north", CarrierKey: "K", TransactionID: "T", Recipient: to, Sender: via,
			Status: gateway.ReportRetrieved, Raw: "Retrieved", At: at, ReceivedAt: at}}
		kept = append([]gateway.KeptReport{r}, kept...)
	}
	kept[1].MessageID, kept[1].Linked, kept[0].Due = id, "uid 7", at
	w.desk.reports = kept
	read := func(query string) (p client.ReportPage) {
		t.Helper()
		a := w.get("/v1/reports?" + query)
		if a.status != 200 {
			t.Fatalf("%s: HTTP %d: %s", query, a.status, a.body)
		}
		decode(t, a.body, &p)
		return p
	}
	all := read("").Items
	want := client.Report{ID: kept[1].ID.Hex(), Carrier: "north", CarrierMessageID: "K", TransactionID: "T", From: via, To: to, Status: "retrieved", CarrierStatus: "Retrieved",
		At: at, ReceivedAt: at, Matched: true, Message: m.ID, LinkedBy: "uid 7"}
	if len(all) != 3 || all[1] != want || all[0].NextTryAt == nil || all[0].Matched || all[0].Message != "" {
		t.Fatalf("%+v", all)
	}
	if p := read("matched=false&carrier=north&to=" + to + "&limit=1"); len(p.Items) != 1 || p.NextCursor == nil {
		t.Errorf("%+v", p)
	} else if p := read("matched=false&cursor=" + *p.NextCursor); len(p.Items) != 1 || p.Items[0].ID != kept[2].ID.Hex() || p.NextCursor != nil {
		t.Errorf("%+v", p)
	}
	if p := read("matched=true"); len(p.Items) != 1 || p.Items[0].ID != kept[1].ID.Hex() {
		t.Errorf("%+v", p)
	}
	link := func(report string) string { return "/v1/reports/" + report + "/link" }
	body := `{"message":"` + m.ID + `","to":"` + to + `"}`
	a := w.json(link(all[0].ID), body)
	var linked client.Message
	decode(t, a.body, &linked)
	if a.status != 200 || linked.ID != m.ID || len(w.desk.linked) != 1 || !strings.HasPrefix(w.desk.linked[0], to+" by uid ") {
		t.Errorf("HTTP %d: %s, %q", a.status, a.body, w.desk.linked)
	}
	for name, c := range map[string]struct {
		report, body string
		status       int
		code, field  string
	}{
		"again":             {all[0].ID, body, 409, "already_linked", ""},
		"matched":           {all[1].ID, body, 409, "already_linked", ""},
		"no report":         {long('0', 32), body, 404, "not_found", ""},
		"no id":             {"x", body, 404, "not_found", ""},
		"no message":        {all[2].ID, `{"message":"msg_` + long('0', 32) + `","to":"` + to + `"}`, 404, "not_found", ""},
		"no message's id":   {all[2].ID, `{"message":"m","to":"` + to + `"}`, 422, "field_invalid", "/message"},
		"another recipient": {all[2].ID, `{"message":"` + m.ID + `","to":"` + to2 + `"}`, 422, "field_invalid", "/to"},
		"no recipient":      {all[2].ID, `{"message":"` + m.ID + `"}`, 422, "field_missing", "/to"},
		"nothing":           {all[2].ID, ``, 422, "field_missing", "/message"},
	} {
		a := w.json(link(c.report), c.body)
		if p := a.problem(t); p.Status != c.status || p.Code != c.code || c.field != "" && p.Flags[0].Field != c.field {
			t.Errorf("%s: HTTP %d: %s", name, a.status, a.body)
		}
	}
}

func TestReload(t *testing.T) {
	w := open(t)
	w.operator = true
	if a := w.do("POST", "/v1/reload", nil); a.status != 200 || string(a.body) != "{\"changed\":[]}\n" {
		t.Errorf("HTTP %d: %s", a.status, a.body)
	}
	w.desk.changes = []string{"carriers[north].limits.per_second"}
	if a := w.do("POST", "/v1/reload", nil); a.status != 200 || string(a.body) != "{\"changed\":[\"carriers[north].limits.per_second\"]}\n" {
		t.Errorf("HTTP %d: %s", a.status, a.body)
	}
	w.desk.changes, w.desk.broken = nil, errors.New("c.yaml:1:1: a\nc.yaml:2:1: b")
	if p := w.do("POST", "/v1/reload", nil).problem(t); p.Status != 422 || p.Code != "configuration_refused" || p.Detail != "c.yaml:1:1: a\nc.yaml:2:1: b" {
		t.Errorf("%+v", p)
	}
}

// What was taken over, but could not be put on record, was not refused.
func TestReloadThatCannotBeTold(t *testing.T) {
	w := open(t)
	w.operator = true
	w.desk.changes, w.desk.broken = []string{"log.level"}, gateway.ErrStorage
	if p := w.do("POST", "/v1/reload", nil).problem(t); p.Status != 503 || p.Code != "storage_unavailable" || !strings.Contains(p.Detail, "not known") {
		t.Errorf("%+v", p)
	}
}

// A call that takes no body refuses a field, and does nothing.
func TestNoBody(t *testing.T) {
	w := open(t)
	w.operator = true
	w.desk.changes = []string{"log.level"}
	for _, path := range []string{"/v1/carriers/north/pause", "/v1/carriers/north/resume", "/v1/reload"} {
		if p := w.json(path, `{"dry_run":true}`).problem(t); p.Status != 400 || p.Code != "unknown_field" {
			t.Errorf("%s: %+v", path, p)
		}
		if a := w.json(path, `{}`); a.status != 200 {
			t.Errorf("%s: HTTP %d: %s", path, a.status, a.body)
		}
	}
	if log := w.log.String(); strings.Count(log, "carrier paused") != 1 {
		t.Errorf("logged: %s", log)
	}
}

// What waits for a carrier that is not configured is promised no turn.
func TestWaitsForNobody(t *testing.T) {
	w := open(t)
	now := w.send(base(`,"text":"hi"`))
	later := w.send(base(`,"text":"hi","send_at":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `"`))
	why := func(m *client.Message) client.Reason {
		var read client.Message
		decode(t, w.get("/v1/messages/"+m.ID).body, &read)
		return *read.Deliveries[0].Reason
	}
	if r := why(now); r.Code != "waiting_turn" || strings.Contains(r.Message, "not in the configuration") {
		t.Errorf("%+v", r)
	}
	w.desk.links = nil
	if r := why(now); r.Code != "waiting_turn" || !strings.Contains(r.Message, "not in the configuration") || strings.Contains(r.Message, "rate") {
		t.Errorf("%+v", r)
	}
	if r := why(later); r.Code != "scheduled" || !strings.Contains(r.Message, "not in the configuration") {
		t.Errorf("%+v", r)
	}
}
