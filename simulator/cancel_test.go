package simulator_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mmsgw/mm7"
	"mmsgw/simulator"
)

// cancel is a CancelReq as a sound gateway posts it.
func cancel(d mm7.Dialect, messageID string) *post {
	r := &mm7.CancelReq{
		Head:   mm7.Head{TransactionID: "tx-c"},
		VASPID: "acme", VASID: "picture", SenderAddress: mm7.Address{Value: sender}, MessageID: messageID,
	}
	body := string(r.Encode(d))
	return &post{
		method: http.MethodPost,
		header: http.Header{"Content-Type": {`text/xml; charset="utf-8"`}, "Soapaction": {d.SOAPAction}},
		body:   body,
		length: int64(len(body)),
	}
}

// TestCancel calls a message back before its report: there is none, and the record
// has it.
func TestCancel(t *testing.T) {
	for name, lax := range map[string]bool{"strict": false, "lax": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, journal := &gateway{}, &lines{}
				m := open(t, g, simulator.Options{ReportDelay: time.Minute, VASPID: "acme", Journal: journal, Lax: lax})
				id := submit(m, posted(t, mustPreset(), message("tx-1")), nil).rsp.MessageID
				for range 2 { // the first answer may be lost
					o := submit(m, cancel(mustPreset(), id), nil)
					if o.String() != "status 1000" || o.rsp.Operation != mm7.OpCancelRsp || o.rsp.TransactionID != "tx-c" || o.code != 200 {
						t.Fatalf("answered %s: %s", o, o.body)
					}
				}
				<-time.After(time.Hour)
				synctest.Wait()
				if got := g.story(); got != "" {
					t.Errorf("reported all the same: %s", got)
				}
				c := m.Cancels()[0]
				if c.MessageID != id || c.TransactionID != "tx-c" || c.VASPID != "acme" || c.VASID != "picture" || c.From != sender || c.Code != 1000 || c.At.IsZero() || len(c.Problems) > 0 {
					t.Errorf("recorded %+v", c)
				}
				if got := m.Totals(); got != (simulator.Totals{Requests: 3, Accepted: 1, Cancels: 2, Canceled: 2}) {
					t.Errorf("totals %+v", got)
				}
				last := journal.String()[strings.Index(journal.String(), "\n"):]
				var line map[string]any
				if err := json.NewDecoder(strings.NewReader(last)).Decode(&line); err != nil || line["kind"] != "cancel" || line["message_id"] != id {
					t.Errorf("journal: %v\n%s", err, last)
				}
			})
		})
	}
}

// TestCancelAnswers: what can be canceled is what nobody was told of finally.
func TestCancelAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		fault   string
		delay   time.Duration
		after   time.Duration // from the submission to the CancelReq
		want    string
		reports string // after all
	}{
		"before its report":         {"", time.Minute, time.Second, "status 1000", ""},
		"after it":                  {"", 0, time.Second, "status 3001", "report Retrieved"},
		"after a refusal":           {"rejected", 0, time.Second, "status 3001", "report Rejected"},
		"it expired":                {"expired", 0, time.Second, "status 3001", "report Expired"},
		"never reported on":         {"no-report", 0, time.Hour, "status 1000", ""},
		"late":                      {"late-report", 0, 9 * time.Second, "status 1000", ""},
		"too late":                  {"late-report", 0, 11 * time.Second, "status 3001", "report Retrieved"},
		"out of order":              {"out-of-order", 0, time.Second, "status 3001", "report Retrieved, report Forwarded"},
		"read":                      {"read", 0, time.Second, "status 3001", "report Retrieved, read Read"},
		"no-cancel":                 {"no-cancel", time.Minute, time.Second, "fault 4003", "report Retrieved"},
		"cancel-lost":               {"cancel-lost", time.Minute, time.Second, "hung up", ""},
		"cancel-lost, and too late": {"cancel-lost", 0, time.Second, "hung up", "report Retrieved"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &gateway{}
				m := open(t, g, simulator.Options{ReportDelay: c.delay, Scenario: map[string]string{"0199": c.fault}})
				submit(m, posted(t, mustPreset(), message("tx-1")), nil)
				<-time.After(c.after)
				synctest.Wait()
				if got := submit(m, cancel(mustPreset(), m.Seen()[0].MessageID), nil).String(); got != c.want {
					t.Errorf("answered %s, want %s", got, c.want)
				}
				<-time.After(time.Hour)
				synctest.Wait()
				if got := g.story(); got != c.reports {
					t.Errorf("reported %q, want %q", got, c.reports)
				}
			})
		})
	}
}

// TestCancelBetweenReports: Forwarded is not the end; what comes after it can be called
// back, even while it is being repeated.
func TestCancelBetweenReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gateway{instead: func(int, *http.Request) (*http.Response, error) { return answered(503, "") }}
		m := open(t, g, simulator.Options{Fault: "forwarded-then-retrieved"})
		id := submit(m, posted(t, mustPreset(), message("tx-1")), nil).rsp.MessageID
		<-time.After(time.Second)
		synctest.Wait()
		posts := g.posts
		if got := submit(m, cancel(mustPreset(), id), nil).String(); got != "status 1000" || posts < 2 {
			t.Errorf("answered %s after %d reports", got, posts)
		}
		<-time.After(time.Hour)
		synctest.Wait()
		if g.posts != posts {
			t.Errorf("%d reports afterwards", g.posts-posts)
		}
	})
}

// TestCancelForSome: of two recipients one has the message; the other is spared.
func TestCancelForSome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gateway{}
		m := open(t, g, simulator.Options{Scenario: map[string]string{"0198": "late-report"}})
		r := message("tx-1")
		r.Recipients.Bcc = []mm7.Address{{Value: "+14165550198"}}
		id := submit(m, posted(t, mustPreset(), r), nil).rsp.MessageID
		synctest.Wait()
		if got := submit(m, cancel(mustPreset(), id), nil).String(); got != "status 1000" {
			t.Errorf("answered %s", got)
		}
		<-time.After(time.Hour)
		synctest.Wait()
		if got := g.story(); got != "report Retrieved" {
			t.Errorf("reported %s", got)
		}
	})
}

// TestCancelChecked breaks a CancelReq in one way at a time.
func TestCancelChecked(t *testing.T) {
	for name, c := range map[string]struct {
		break_ func(*post)
		want   string
		where  string // of the one problem
	}{
		"nothing":           {func(*post) {}, "status 1000", ""},
		"unknown MessageID": {func(p *post) { p.replace("MessageID>", "MessageID>x") }, "status 2005", ""},
		"no MessageID":      {func(p *post) { cutElement(p, "MessageID") }, "fault 2007", "CancelReq/MessageID"},
		"no TransactionID":  {func(p *post) { cutElement(p, "TransactionID") }, "fault 2000", "Header"},
		"no length":         {func(p *post) { p.length = -1 }, "fault 2007", "HTTP Content-Length"},
		"no SOAPAction":     {func(p *post) { p.header.Del("SOAPAction") }, "fault 2007", "HTTP SOAPAction"},
		"of another type":   {func(p *post) { p.header.Set("Content-Type", "application/xml") }, "fault 2007", "HTTP Content-Type"},
		"another version":   {func(p *post) { p.replace(">6.8.0<", ">6.6.0<") }, "fault 2007", "CancelReq/MM7Version"},
		"another namespace": {func(p *post) { p.replace("<CancelReq xmlns=\"http", "<CancelReq xmlns=\"urn") }, "fault 2007", "CancelReq"},
		"no sender":         {func(p *post) { cutElement(p, "SenderAddress") }, "fault 2007", "CancelReq/SenderAddress"},
		"sender without +":  {func(p *post) { p.replace(sender, sender[1:]) }, "fault 2007", "CancelReq/SenderAddress"},
		"another VASPID":    {func(p *post) { p.replace(">acme<", ">acmes<") }, "fault 4001", "CancelReq/SenderIdentification/VASPID"},
		"broken XML":        {func(p *post) { p.replace("</CancelReq>", "") }, "fault 4004", ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := open(t, nil, simulator.Options{VASPID: "acme", VASID: "picture"})
			id := submit(m, posted(t, mustPreset(), message("tx-1")), nil).rsp.MessageID
			p := cancel(mustPreset(), id)
			c.break_(p)
			if got := submit(m, p, nil); got.String() != c.want {
				t.Errorf("answered %s, want %s\n%s", got, c.want, got.body)
			}
			if c.where == "" {
				return
			}
			got := m.Cancels()[0]
			if len(got.Problems) != 1 || got.Problems[0].Where != c.where || got.Code == 1000 || m.Totals().Canceled != 0 {
				t.Errorf("recorded %+v, want one problem of %s", got, c.where)
			}
		})
	}
}

func TestCancelEachDialect(t *testing.T) {
	for _, name := range mm7.Presets() {
		for _, style := range []mm7.XMLStyle{mm7.StyleDefaultNamespace, mm7.StylePrefix, mm7.StyleRootPrefixOnly} {
			d := preset(t, name)
			d.XMLStyle, d.OmitSenderAddress = style, true
			m := open(t, nil, simulator.Options{Dialect: d})
			id := submit(m, posted(t, d, message("tx-1")), nil).rsp.MessageID
			if got := submit(m, cancel(d, id), nil); got.String() != "status 1000" {
				t.Errorf("%s %s: %s\n%s", name, style, got, got.body)
			}
		}
	}
}

// TestCancelForgotten: as many messages are kept as submissions.
func TestCancelForgotten(t *testing.T) {
	m := open(t, nil, simulator.Options{Keep: 2})
	var got []string
	for i := range 3 {
		submit(m, posted(t, mustPreset(), message(fmt.Sprint("tx-", i))), nil)
	}
	ids := []string{"first"}
	for _, s := range m.Seen() {
		ids = append(ids, s.MessageID)
	}
	for _, id := range ids {
		got = append(got, submit(m, cancel(mustPreset(), id), nil).String())
	}
	if want := []string{"status 2005", "status 1000", "status 1000"}; !slices.Equal(got, want) {
		t.Errorf("answered %s", got)
	}
	if n := len(m.Cancels()); n != 2 {
		t.Errorf("%d cancels are kept", n)
	}
}
