package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"mmsgw/client"
	"mmsgw/gateway"
)

func TestSendAt(t *testing.T) {
	w := open(t)
	at := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	zone := time.FixedZone("", -5*3600)
	a := w.json("/v1/messages", base(`,"text":"hi","expires_in":"90m","send_at":"`+at.Add(999).In(zone).Format(time.RFC3339Nano)+`"`))
	var m client.Message
	decode(t, a.body, &m)
	if a.status != 202 || m.State != "scheduled" || m.SendAt == nil || !m.SendAt.Equal(at) || m.SendAt.Location() != time.UTC {
		t.Fatalf("HTTP %d: %s", a.status, a.body)
	}
	if m.ExpiresIn != "90m" || !m.ExpiresAt.Equal(at.Add(90*time.Minute)) {
		t.Errorf("expires in %s, at %v", m.ExpiresIn, m.ExpiresAt)
	}
	if d := m.Deliveries[0]; d.NextAttemptAt == nil || !d.NextAttemptAt.Equal(at) || d.Reason.Code != "scheduled" {
		t.Errorf("%+v", d)
	}
	if b := w.get("/v1/messages/" + m.ID); string(b.body) != string(a.body) {
		t.Errorf("read back:\n%s\naccepted:\n%s", b.body, a.body)
	}
}

func (w *world) list(query string) (ids string, page client.MessagePage) {
	w.t.Helper()
	a := w.get("/v1/messages?" + query)
	if a.status != 200 {
		w.t.Fatalf("%s: HTTP %d: %s", query, a.status, a.body)
	}
	if strings.Contains(string(a.body), `"deliveries"`) {
		w.t.Errorf("a list tells deliveries: %s", a.body)
	}
	decode(w.t, a.body, &page)
	for _, m := range page.Items {
		ids += " " + m.Reference
	}
	return strings.TrimSpace(ids), page
}

func TestList(t *testing.T) {
	w := open(t)
	var all []*client.Message
	for i := range 5 {
		all = append(all, w.send(base(fmt.Sprintf(`,"text":"hi","reference":"r%d"`, i))))
	}
	w.accounts = []string{"other"}
	w.send(`{"from":"+12125550177","to":["` + to2 + `"],"text":"hi","reference":"other"}`)
	w.accounts = []string{"acme"}
	third, _ := gateway.ParseMessageName(all[2].ID)
	w.set(func() {
		d := &w.messages[third].Deliveries[0]
		d.State, d.Reason = gateway.Held, gateway.OperatorHold
	})
	ids, page := w.list("")
	if ids != "r4 r3 r2 r1 r0" || page.NextCursor != nil || page.Items[2].Counts["held"] != 1 || page.Items[0].To[0] != to {
		t.Fatalf("%s: %+v", ids, page)
	}
	var pages []string
	for cursor := ""; ; {
		ids, page := w.list("limit=2&cursor=" + cursor)
		pages = append(pages, ids)
		if page.NextCursor == nil {
			break
		}
		cursor = *page.NextCursor
	}
	if got := strings.Join(pages, "|"); got != "r4 r3|r2 r1|r0" {
		t.Errorf("pages %s", got)
	}
	at := func(m *client.Message) string { return m.CreatedAt.Format(time.RFC3339Nano) }
	east := all[3].CreatedAt.In(time.FixedZone("", 3600)).Format(time.RFC3339Nano) // its + is a space when it is read
	for q, want := range map[string]string{
		"state=held": "r2", "reason=operator_hold": "r2", "state=held&reason=waiting_turn": "", "carrier=texts&limit=1": "r4", "carrier=none": "",
		"to=" + to + "&limit=1": "r4", "to=4165550199&limit=1": "r4", "to=" + to2: "", "from=(212)%20555-0123&limit=1": "r4", "reference=r3": "r3",
		"since=" + at(all[3]): "r4 r3", "until=" + at(all[1]): "r0", "since=" + east: "r4 r3", "account=acme&reference=r1": "r1", "reason=to_opted_out": "",
	} {
		if ids, _ := w.list(q); ids != want {
			t.Errorf("%s: %q, want %q", q, ids, want)
		}
	}
	w.operator = true
	if ids, _ := w.list("to=" + to2); ids != "other" {
		t.Errorf("an operator sees %q", ids)
	}
}

func TestWrongListQueries(t *testing.T) {
	w := open(t)
	w.operator = true
	for path, code := range map[string]string{
		"/v1/messages?state=hold":                  "field_invalid",
		"/v1/messages?reason=bad_cursor":           "field_invalid",
		"/v1/messages?to=12":                       "field_invalid",
		"/v1/messages?from=cafe":                   "field_invalid",
		"/v1/messages?since=yesterday":             "field_invalid",
		"/v1/messages?until=2026-12-01":            "field_invalid",
		"/v1/messages?limit=501":                   "field_invalid",
		"/v1/messages?reference=" + long('r', 256): "field_invalid",
		"/v1/messages?carrier=%01":                 "field_invalid",
		"/v1/messages?refrence=x":                  "unknown_field",
		"/v1/messages?cursor=ZTE6MQ":               "bad_cursor", // an event's
		"/v1/messages?cursor=bTE6eA":               "bad_cursor", // m1:x
		"/v1/reports?cursor=bTE6eA":                "bad_cursor",
		"/v1/carriers?cursor=YzE6bm93aGVyZQ":       "bad_cursor", // c1:nowhere
		"/v1/reports?matched=no":                   "field_invalid",
		"/v1/reports?to=5":                         "field_invalid",
		"/v1/reports?carrier=" + long('c', 65):     "field_invalid",
		"/v1/carriers?name=north":                  "unknown_field",
	} {
		if p := w.get(path).problem(t); p.Status != 400 || p.Code != code {
			t.Errorf("%s: HTTP %d %s, want 400 %s", path, p.Status, p.Code, code)
		}
	}
}

// act carries out a verb on a message and gives it as it is answered.
func (w *world) act(id, verb, body string) *client.Message {
	w.t.Helper()
	a := w.json("/v1/messages/"+id+"/"+verb, body)
	if a.status != 200 {
		w.t.Fatalf("%s: HTTP %d: %s", verb, a.status, a.body)
	}
	var m client.Message
	decode(w.t, a.body, &m)
	return &m
}

func TestVerbs(t *testing.T) {
	w := open(t)
	m := w.send(`{"from":"` + via + `","to":["` + to + `","` + to2 + `"],"text":"hi"}`)
	path := "/v1/messages/" + m.ID
	got := w.act(m.ID, "cancel", `{"to":["(416) 555-0199"]}`)
	if d := got.Deliveries; d[0].State != "canceled" || d[0].ClaimedBy != "gateway" || d[0].Reason.Code != "canceled_by_caller" || d[1].State != "queued" {
		t.Errorf("%+v", d)
	}
	for verb, code := range map[string]string{"cancel": "not_cancelable", "retry": "not_retryable"} {
		if p := w.json(path+"/"+verb, `{"to":["`+to+`"]}`).problem(t); p.Status != 409 || p.Code != code {
			t.Errorf("%s what is canceled: %+v", verb, p)
		}
	}
	w.operator, w.accounts = true, nil
	if got := w.act(m.ID, "hold", ""); got.State != "held" || got.Deliveries[1].ClaimedBy != "operator" || got.Deliveries[1].Reason.Code != "operator_hold" {
		t.Errorf("%+v", got)
	}
	if p := w.json(path+"/hold", `{}`).problem(t); p.Status != 409 || p.Code != "not_holdable" {
		t.Errorf("hold again: %+v", p)
	}
	if got := w.act(m.ID, "release", `{"to":null}`); got.State != "queued" {
		t.Errorf("%+v", got)
	}
	if p := w.do("POST", path+"/release", nil).problem(t); p.Status != 409 || p.Code != "not_held" {
		t.Errorf("release again: %+v", p)
	}
	if got := w.act(m.ID, "cancel", `{}`); got.State != "canceled" || got.Deliveries[1].ClaimedBy != "operator" {
		t.Errorf("%+v", got)
	}
	for e := range w.page(path + "/events").Items {
		d, err := w.page(path + "/events").Items[e].Details()
		if err != nil || e > 0 && !strings.HasPrefix(d.By, "uid ") {
			t.Errorf("event %d by %q, %v", e, d.By, err)
		}
	}
	if log := w.log.String(); strings.Count(log, "level=INFO") != 4 || !strings.Contains(log, m.ID) || !strings.Contains(log, "who=\"uid ") || strings.Contains(log, to) {
		t.Errorf("logged: %s", log)
	}
}

func TestRetryAfterFailure(t *testing.T) {
	w := open(t)
	m := w.send(base(`,"text":"hi"`))
	id, _ := gateway.ParseMessageName(m.ID)
	w.set(func() { w.messages[id].Deliveries[0].State = gateway.Failed })
	w.do("PUT", "/v1/numbers/"+to+"/opt-out", nil)
	if p := w.do("POST", "/v1/messages/"+m.ID+"/retry", nil).problem(t); p.Code != "not_retryable" {
		t.Errorf("opted out: %+v", p)
	}
	w.set(func() { clear(w.out) })
	if got := w.act(m.ID, "retry", ""); got.State != "queued" || got.Final {
		t.Errorf("%+v", got)
	}
}

func TestWrongActs(t *testing.T) {
	w := open(t)
	w.operator = true
	m := w.send(base(`,"text":"hi","account":"acme"`))
	verb := "/v1/messages/" + m.ID + "/cancel"
	for name, c := range map[string]struct {
		path, body string
		status     int
		code, flag string // and where
	}{
		"unknown recipient":   {verb, `{"to":["` + to + `","` + to2 + `"]}`, 422, "field_invalid", "/to/1"},
		"no number":           {verb, `{"to":["x"]}`, 422, "field_invalid", "/to/0"},
		"no string":           {verb, `{"to":[5]}`, 422, "field_invalid", "/to/0"},
		"no list":             {verb, `{"to":"` + to + `"}`, 422, "field_invalid", "/to"},
		"an empty list":       {verb, `{"to":[]}`, 422, "field_invalid", "/to"},
		"a long list":         {verb, `{"to":[` + strings.Repeat(`"1",`, 1000) + `"1"]}`, 422, "too_many_recipients", "/to"},
		"an unknown field":    {verb, `{"too":[]}`, 400, "unknown_field", ""},
		"twice":               {verb, `{"to":["` + to + `"],"to":["` + to + `"]}`, 400, "malformed_json", ""},
		"no object":           {verb, `[]`, 400, "malformed_json", ""},
		"no JSON":             {verb, `to`, 400, "malformed_json", ""},
		"a large body":        {verb, strings.Repeat(" ", 200<<10), 413, "body_too_large", ""},
		"a query":             {verb + "?to=" + to, ``, 400, "unknown_field", ""},
		"no message":          {"/v1/messages/msg_" + long('0', 32) + "/cancel", ``, 404, "not_found", ""},
		"no id":               {"/v1/messages/x/cancel", ``, 404, "not_found", ""},
		"action without verb": {"/v1/actions", `{"filter":{}}`, 422, "field_missing", "/verb"},
		"without filter":      {"/v1/actions", `{"verb":"cancel"}`, 422, "field_missing", "/filter"},
		"nothing":             {"/v1/actions", ``, 422, "field_missing", "/verb"},
		"an unknown verb":     {"/v1/actions", `{"verb":"kill","filter":{}}`, 422, "field_invalid", "/verb"},
		"a filter's state":    {"/v1/actions", `{"verb":"hold","filter":{"state":"stuck"}}`, 422, "field_invalid", "/filter/state"},
		"a filter's nothing":  {"/v1/actions", `{"verb":"hold","filter":{"reference":""}}`, 422, "field_invalid", "/filter/reference"},
		"a filter's null":     {"/v1/actions", `{"verb":"hold","filter":{"carrier":"north","to":null}}`, 422, "field_invalid", "/filter/to"},
		"a filter's number":   {"/v1/actions", `{"verb":"hold","filter":{"to":"stuck"}}`, 422, "field_invalid", "/filter/to"},
		"a filter's kind":     {"/v1/actions", `{"verb":"hold","filter":{"to":5}}`, 422, "field_invalid", "/filter/to"},
		"a filter's time":     {"/v1/actions", `{"verb":"hold","filter":{"since":"now"}}`, 422, "field_invalid", "/filter/since"},
		"a filter's field":    {"/v1/actions", `{"verb":"hold","filter":{"sate":"held"}}`, 400, "unknown_field", ""},
		"a filter as a list":  {"/v1/actions", `{"verb":"hold","filter":[]}`, 422, "field_invalid", "/filter"},
		"a field":             {"/v1/actions", `{"verb":"hold","filter":{},"dry":true}`, 400, "unknown_field", ""},
		"a dry run of words":  {"/v1/actions", `{"verb":"hold","filter":{},"dry_run":"yes"}`, 422, "field_invalid", "/dry_run"},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.json(c.path, c.body)
			p := a.problem(t)
			if a.status != c.status || p.Code != c.code || c.flag != "" && p.Flags[0].Field != c.flag || len(p.Flags) > 3 {
				t.Errorf("HTTP %d: %.500s", a.status, a.body)
			}
		})
	}
	if a := w.do("POST", verb, strings.NewReader(`{}`)); a.status != 415 || a.problem(t).Code != "unsupported_content_type" {
		t.Errorf("no content type: HTTP %d: %s", a.status, a.body)
	}
	if got := w.get("/v1/messages/" + m.ID); !strings.Contains(string(got.body), `"state":"queued"`) {
		t.Errorf("something was done: %s", got.body)
	}
}

func (w *world) actions(body string) (n int) {
	w.t.Helper()
	a := w.json("/v1/actions", body)
	if _, err := fmt.Sscanf(string(a.body), `{"count":%d}`, &n); a.status != 200 || err != nil {
		w.t.Fatalf("%s: HTTP %d: %s", body, a.status, a.body)
	}
	return n
}

func TestActions(t *testing.T) {
	w := open(t)
	var all []*client.Message
	for i := range 4 {
		all = append(all, w.send(base(fmt.Sprintf(`,"text":"hi","reference":"r%d"`, i%2))))
	}
	w.operator, w.accounts = true, nil
	if n := w.actions(`{"verb":"hold","filter":{},"dry_run":true}`); n != 4 {
		t.Errorf("dry run: %d", n)
	}
	if ids, _ := w.list("state=held"); ids != "" {
		t.Errorf("a dry run held %s", ids)
	}
	if n := w.actions(`{"filter":{"reference":"r1","account":"acme","to":"` + to + `"},"verb":"hold"}`); n != 2 {
		t.Errorf("two of four: %d", n)
	}
	if n := w.actions(`{"verb":"hold","filter":{"since":"` + all[3].CreatedAt.Format(time.RFC3339Nano) + `"}}`); n != 0 {
		t.Errorf("what is held: %d", n)
	}
	if n := w.actions(`{"verb":"cancel","filter":{"state":"held","reason":"operator_hold"}}`); n != 2 {
		t.Errorf("those held: %d", n)
	}
	if ids, _ := w.list("state=canceled"); ids != "r1 r1" {
		t.Errorf("canceled: %s", ids)
	}
	if n := w.actions(`{"verb":"cancel","filter":{}}`); n != 2 {
		t.Errorf("all the rest: %d", n)
	}
}

func TestOptOut(t *testing.T) {
	w := open(t)
	tell := func(method, path string) (o client.OptOut) {
		t.Helper()
		a := w.do(method, path, nil)
		if a.status != 200 {
			t.Fatalf("%s %s: HTTP %d: %s", method, path, a.status, a.body)
		}
		decode(t, a.body, &o)
		return o
	}
	if o := tell("PUT", "/v1/numbers/"+url.PathEscape("(416) 555-0199")+"/opt-out"); o.Account != "acme" || o.Number != to || o.From != "" || !o.OptedOut || time.Since(o.At) > time.Minute {
		t.Errorf("%+v", o)
	}
	if p := w.json("/v1/messages", base(`,"text":"hi"`)).problem(t); p.Status != 422 || p.Code != "to_opted_out" || p.Flags[0].Field != "/to/0" {
		t.Errorf("%+v", p)
	}
	if o := tell("PUT", "/v1/numbers/"+to2+"/opt-out?account=acme&from="+via); o.From != via || w.said[1].From != via || w.said[1].Who != w.said[0].Who {
		t.Errorf("%+v", o)
	}
	w.operator = true
	if o := tell("DELETE", "/v1/numbers/"+to+"/opt-out?account=acme&reason=said+START"); o.OptedOut || w.said[2].Note != "said START" {
		t.Errorf("%+v", o)
	}
	w.send(base(`,"text":"hi","account":"acme"`))
	if log := w.log.String(); strings.Count(log, "opt-out") != 3 || strings.Contains(log, to) {
		t.Errorf("logged: %s", log)
	}
	for path, c := range map[string]struct {
		status int
		code   string
	}{
		"PUT /v1/numbers/12/opt-out":                                     {400, "field_invalid"},
		"PUT /v1/numbers/" + to + "/opt-out?from=" + to:                  {400, "field_invalid"},
		"PUT /v1/numbers/" + to + "/opt-out?from=x":                      {400, "field_invalid"},
		"PUT /v1/numbers/" + to + "/opt-out?reason=x":                    {400, "unknown_field"},
		"PUT /v1/numbers/" + to + "/opt-out?account=none":                {404, "not_found"},
		"DELETE /v1/numbers/" + to + "/opt-out":                          {400, "field_invalid"},
		"DELETE /v1/numbers/" + to + "/opt-out?reason=" + long('r', 256): {400, "field_invalid"},
		"DELETE /v1/numbers/" + to + "/opt-out?reason=%0a":               {400, "field_invalid"},
		"GET /v1/numbers/" + to + "/opt-out":                             {405, "method_not_allowed"},
	} {
		method, path, _ := strings.Cut(path, " ")
		if p := w.do(method, path, nil).problem(t); p.Status != c.status || p.Code != c.code {
			t.Errorf("%s %s: %+v", method, path, p)
		}
	}
	for _, method := range []string{"PUT", "DELETE"} { // what is said in a body is not dropped
		path := "/v1/numbers/" + to2 + "/opt-out?account=acme" + map[string]string{"DELETE": "&reason=x"}[method]
		if p := w.do(method, path, strings.NewReader(`{"from":"`+via+`"}`), "Content-Type", "application/json").problem(t); p.Status != 400 || p.Code != "unknown_field" {
			t.Errorf("%s with a body: %+v", method, p)
		}
	}
	if len(w.said) != 3 {
		t.Errorf("said: %+v", w.said)
	}
	w.accounts = []string{"acme", "other"}
	if p := w.do("PUT", "/v1/numbers/"+to+"/opt-out", nil).problem(t); p.Status != 422 || p.Code != "account_required" {
		t.Errorf("%+v", p)
	}
	w.set(func() { w.fail = gateway.ErrStorage })
	for _, path := range []string{"/v1/messages/check", "/v1/messages"} {
		if p := w.json(path, base(`,"text":"hi","account":"acme"`)).problem(t); p.Status != http.StatusServiceUnavailable || p.Code != "storage_unavailable" {
			t.Errorf("%s, consent can't be read: %+v", path, p)
		}
	}
}
