package client_test

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"mmsgw/client"
)

// Each call asks for what it should, and reads what it is answered.
func TestCallsAsked(t *testing.T) {
	at := time.Date(2026, 12, 1, 15, 0, 0, 0, time.FixedZone("", 3600))
	yes := false
	for name, c := range map[string]struct {
		want   string // method, address, body
		answer string
		call   func(*client.Client) (string, error)
	}{
		"list": {"GET /v1/messages?account=acme&cursor=c&from=f&limit=7&reason=r&since=2026-12-01T14%3A00%3A00Z&state=held&to=%2B14165550199 ", `{"items":[{"id":"msg_1"}],"next_cursor":"n"}`, func(c *client.Client) (string, error) {
			p, err := c.List(t.Context(), client.ListQuery{Filter: client.Filter{Account: "acme", From: "f", To: "+14165550199", State: "held", Reason: "r", Since: at}, Cursor: "c", Limit: 7})
			return p.Items[0].ID + *p.NextCursor, err
		}},
		"cancel": {"POST /v1/messages/msg_1/cancel ", `{"id":"x"}`, func(c *client.Client) (string, error) {
			m, err := c.Cancel(t.Context(), "msg_1")
			return m.ID, err
		}},
		"retry": {`POST /v1/messages/a%2Fb/retry {"to":["1","2"]}`, `{"id":"x"}`, func(c *client.Client) (string, error) {
			m, err := c.Retry(t.Context(), "a/b", "1", "2")
			return m.ID, err
		}},
		"hold": {"POST /v1/messages/m/hold ", `{"id":"x"}`, func(c *client.Client) (string, error) {
			m, err := c.Hold(t.Context(), "m")
			return m.ID, err
		}},
		"release": {"POST /v1/messages/m/release ", `{"id":"x"}`, func(c *client.Client) (string, error) {
			m, err := c.Release(t.Context(), "m")
			return m.ID, err
		}},
		"act": {`POST /v1/actions {"verb":"cancel","filter":{"carrier":"north","until":"2026-12-01T15:00:00+01:00"},"dry_run":true}`, `{"count":1}`, func(c *client.Client) (string, error) {
			n, err := c.Act(t.Context(), client.Action{Verb: client.ToCancel, Filter: client.Filter{Carrier: "north", Until: at}, DryRun: true})
			return map[int]string{1: "one"}[n], err
		}},
		"act on all": {`POST /v1/actions {"verb":"hold","filter":{}}`, `{"count":1}`, func(c *client.Client) (string, error) {
			n, err := c.Act(t.Context(), client.Action{Verb: client.ToHold})
			return map[int]string{1: "one"}[n], err
		}},
		"opt out": {"PUT /v1/numbers/+14165550199/opt-out?account=acme ", `{"number":"n","opted_out":true}`, func(c *client.Client) (string, error) {
			o, err := c.OptOut(t.Context(), "+14165550199", "acme", "")
			return o.Number, err
		}},
		"opt in": {"DELETE /v1/numbers/%28416%29%20555-0199/opt-out?from=f&reason=START ", `{"number":"n"}`, func(c *client.Client) (string, error) {
			o, err := c.OptIn(t.Context(), "(416) 555-0199", "", "f", "START")
			return o.Number, err
		}},
		"carriers": {"GET /v1/carriers?limit=500 ", `{"items":[{"name":"north","limits":{"per_second":5},"backlog":[{"count":2}]}],"next_cursor":null}`, func(c *client.Client) (string, error) {
			all, err := c.Carriers(t.Context())
			return all[0].Name, err
		}},
		"pause": {"POST /v1/carriers/north/pause ", `{"name":"x"}`, func(c *client.Client) (string, error) {
			k, err := c.Pause(t.Context(), "north")
			return k.Name, err
		}},
		"resume": {"POST /v1/carriers/north/resume ", `{"name":"x"}`, func(c *client.Client) (string, error) {
			k, err := c.Resume(t.Context(), "north")
			return k.Name, err
		}},
		"reports": {"GET /v1/reports?carrier=north&limit=3&matched=false&to=n ", `{"items":[{"id":"x"}],"next_cursor":null}`, func(c *client.Client) (string, error) {
			p, err := c.Reports(t.Context(), client.ReportQuery{Matched: &yes, Carrier: "north", To: "n", Limit: 3})
			return p.Items[0].ID, err
		}},
		"link": {`POST /v1/reports/r/link {"message":"msg_1","to":"n"}`, `{"id":"x"}`, func(c *client.Client) (string, error) {
			m, err := c.Link(t.Context(), "r", "msg_1", "n")
			return m.ID, err
		}},
		"reload": {"POST /v1/reload ", `{"changed":["x"]}`, func(c *client.Client) (string, error) {
			changed, err := c.Reload(t.Context())
			return changed[0], err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			asked := ""
			k := daemon(t, func(w http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				asked = r.Method + " " + r.RequestURI + " " + string(b)
				if (r.Header.Get("Content-Type") == "application/json") != (len(b) > 0) {
					t.Errorf("content type %q of %q", r.Header.Get("Content-Type"), b)
				}
				tell(w, 200, "application/json", c.answer)
			})
			if got, err := c.call(k); err != nil || got == "" || asked != c.want {
				t.Errorf("%q, %v; asked %q\nwant %q", got, err, asked, c.want)
			}
		})
	}
}

func TestCarriersOfSeveralPages(t *testing.T) {
	c := daemon(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("cursor") == "" {
			tell(w, 200, "application/json", `{"items":[{"name":"a"}],"next_cursor":"n"}`)
			return
		}
		tell(w, 200, "application/json", `{"items":[{"name":"b"}],"next_cursor":null}`)
	})
	if all, err := c.Carriers(t.Context()); err != nil || len(all) != 2 || all[1].Name != "b" {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestCallsRefused(t *testing.T) {
	c := daemon(t, func(w http.ResponseWriter, _ *http.Request) {
		tell(w, 409, "application/problem+json", `{"code":"not_held","detail":"d"}`)
	})
	var p *client.Problem
	if m, err := c.Release(t.Context(), "msg_1"); !errors.As(err, &p) || p.Code != "not_held" || p.Status != 409 || m != nil {
		t.Errorf("%+v, %v", m, err)
	}
	if n, err := c.Act(t.Context(), client.Action{}); !errors.As(err, &p) || n != 0 {
		t.Errorf("%d, %v", n, err)
	}
}
