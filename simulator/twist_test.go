package simulator_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"mmsgw/mm7"
	"mmsgw/simulator"
)

// TestTwistedReports: each is as its About says, and otherwise as a sound one.
func TestTwistedReports(t *testing.T) {
	number := func(n string) mm7.Address { return mm7.Address{Value: n} }
	mail := func(n string) mm7.Address {
		return mm7.Address{Kind: mm7.RFC2822, Value: n + "/TYPE=PLMN@mms.example"}
	}
	for fault, c := range map[string]struct {
		from, to mm7.Address
		id       func(told, reported string) bool
		status   string // and extension
	}{
		"":                  {number(sender), number(recipient), equal, "Retrieved"},
		"number-plmn":       {number(sender + "/TYPE=PLMN"), number(recipient + "/TYPE=PLMN"), equal, "Retrieved"},
		"number-bare":       {number(sender[1:]), number(recipient[1:]), equal, "Retrieved"},
		"number-mail":       {mail(sender), mail(recipient), equal, "Retrieved"},
		"swapped":           {number(recipient), number(sender), equal, "Retrieved"},
		"report-unknown-id": {number(sender), number(recipient), func(told, reported string) bool { return !strings.EqualFold(told, reported) }, "Retrieved"},
		"id-upper-case": {number(sender), number(recipient), func(told, reported string) bool {
			return told != reported && told == strings.ToLower(told) && reported == strings.ToUpper(told)
		}, "Retrieved"},
		"id-leading-zero": {number(sender), number(recipient), func(told, reported string) bool {
			return told == "0"+reported && strings.Trim(told, "0123456789") == ""
		}, "Retrieved"},
		"filtered":    {number(sender), number(recipient), equal, "Rejected RejectionByOtherRS"},
		"rejected":    {number(sender), number(recipient), equal, "Rejected RejectionByMMSRecipient"},
		"unreachable": {number(sender), number(recipient), equal, "Unreachable"},
	} {
		t.Run(fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &gateway{}
				m := open(t, g, simulator.Options{Fault: fault})
				o := submit(m, posted(t, mustPreset(), message("tx-1")), nil)
				synctest.Wait()
				r := g.reports[0]
				if r.Sender != c.from || r.Recipient != c.to || !c.id(o.rsp.MessageID, r.MessageID) || strings.TrimSpace(r.MMStatus+" "+r.MMStatusExtension) != c.status {
					t.Errorf("told %s, reported %+v", o.rsp.MessageID, r)
				}
				if s := m.Seen()[0]; s.MessageID != o.rsp.MessageID {
					t.Errorf("told %s, recorded %s", o.rsp.MessageID, s.MessageID)
				}
			})
		})
	}
}

func equal(a, b string) bool { return a == b }

// TestTwistLeavesShortCodes: only numbers are rewritten.
func TestTwistLeavesShortCodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gateway{}
		m := open(t, g, simulator.Options{Fault: "number-plmn"})
		r := message("tx-1")
		r.SenderAddress = mm7.Address{Kind: mm7.ShortCode, Value: "77700"}
		submit(m, posted(t, mustPreset(), r), nil)
		synctest.Wait()
		if got := g.reports[0]; got.Sender != r.SenderAddress || got.Recipient.Value != recipient+"/TYPE=PLMN" {
			t.Errorf("reported %+v", got)
		}
	})
}

// TestRead: the read reply comes whatever was asked for, the report only if it was.
func TestRead(t *testing.T) {
	for _, c := range []struct {
		report, read bool
		want         string
	}{
		{true, true, "report Retrieved, read Read"},
		{true, false, "report Retrieved, read Read"},
		{false, true, "read Read"},
		{false, false, "read Read"},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := &gateway{}
			m := open(t, g, simulator.Options{Fault: "read"})
			r := message("tx-1")
			r.DeliveryReport, r.ReadReply = c.report, c.read
			submit(m, posted(t, mustPreset(), r), nil)
			synctest.Wait()
			if got := g.story(); got != c.want {
				t.Errorf("%+v: %s", c, got)
			}
			last := m.Reports()[len(m.Reports())-1]
			if last.Status != "Read" || !last.Answered || last.MessageID != m.Seen()[0].MessageID || last.To != recipient {
				t.Errorf("recorded %+v", last)
			}
		})
	}
}

// TestForgedReport: it has the right id and a wrong password, and comes once.
func TestForgedReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gateway{}
		m := open(t, g, simulator.Options{Fault: "forged-report"})
		submit(m, posted(t, mustPreset(), message("tx-1")), nil)
		synctest.Wait()
		got := m.Reports()
		if g.forged != 1 || len(got) != 2 || got[0].Status != "Rejected" || got[0].Answered || !strings.Contains(got[0].Error, "401") ||
			got[0].MessageID != m.Seen()[0].MessageID || got[1].Status != "Retrieved" || !got[1].Answered {
			t.Errorf("%d forged, reports %+v", g.forged, got)
		}
	})
}

// TestRefusalsInDetail: headers and texts that a gateway may look at.
func TestRefusalsInDetail(t *testing.T) {
	for fault, want := range map[string]struct {
		code       int
		retryAfter string
		fault      string // its code
		text       string // in the StatusText
	}{
		"http-429":             {429, "2", "", ""},
		"http-500":             {500, "", "", ""},
		"http-503":             {503, "1", "", ""},
		"retry-after-hour":     {503, "3600", "", ""},
		"retry-after-years":    {503, "315360000", "", ""},
		"retry-after-garbage":  {503, "in a while, or -1e9", "", ""},
		"fault-3000":           {500, "", "Server", "Server Error"},
		"soap-4006":            {500, "", "Server", "Service unavailable"},
		"denied-4001":          {500, "", "Server", "Improper identification"},
		"denied-4007":          {500, "", "Server", "Service denied"},
		"service-4005":         {500, "", "Server", "Service error"},
		"address-2002":         {500, "", "Client", "Address Error"},
		"size-2004":            {500, "", "Client", "size"},
		"status-in-200":        {200, "", "", "Address Error"},
		"fault-transaction-id": {500, "", "Client.TransactionID", ""},
	} {
		m := open(t, nil, simulator.Options{Fault: fault})
		o := submit(m, posted(t, mustPreset(), message("tx-1")), nil)
		got := ""
		if o.rsp != nil && o.rsp.Fault != nil {
			got = o.rsp.Fault.Code
		}
		if o.code != want.code || o.header.Get("Retry-After") != want.retryAfter || got != want.fault || !strings.Contains(string(o.body), want.text) {
			t.Errorf("%s: HTTP %d, %v\n%s", fault, o.code, o.header, o.body)
		}
	}
}

// TestOddAnswers: each is what its About says, and long or short enough to be that.
func TestOddAnswers(t *testing.T) {
	for fault, is := range map[string]func(o *outcome) bool{
		"binary-answer": func(o *outcome) bool { return len(o.body) == 4<<10 && !bytes.Contains(o.body, []byte("<?xml")) },
		"gzip-bomb":     func(o *outcome) bool { return o.header.Get("Content-Encoding") == "gzip" && len(o.body) < 160<<10 },
		"endless-answer": func(o *outcome) bool {
			return len(o.body) > mm7.MaxEnvelope && !bytes.Contains(o.body, []byte("1000"))
		},
		"doctype-answer": func(o *outcome) bool {
			return bytes.Contains(o.body, []byte("<!DOCTYPE env:Envelope [<!ENTITY code")) && bytes.Contains(o.body, []byte(">&code;<"))
		},
		"deep-answer": func(o *outcome) bool {
			return bytes.Count(o.body, []byte("<d>")) == 5000 && len(o.body) < mm7.MaxEnvelope
		},
		"two-roots-answer": func(o *outcome) bool { return bytes.Count(o.body, []byte("<env:Envelope")) == 2 },
		"wrong-namespace":  func(o *outcome) bool { return o.rsp.Namespace == "urn:example:mm7" && o.rsp.MessageID != "" },
		"other-transaction": func(o *outcome) bool {
			return o.rsp.TransactionID != "tx-1" && o.rsp.TransactionID != "" && o.rsp.MessageID != ""
		},
	} {
		for _, style := range []mm7.XMLStyle{mm7.StyleDefaultNamespace, mm7.StylePrefix, mm7.StyleRootPrefixOnly} {
			d := mustPreset()
			d.XMLStyle = style
			m := open(t, nil, simulator.Options{Fault: fault, Dialect: d})
			if o := submit(m, posted(t, d, message("tx-1")), nil); o.code != http.StatusOK || !is(o) {
				t.Errorf("%s in the style %s: HTTP %d, %v\n%.1000s", fault, style, o.code, o.header, o.body)
			}
			if s := m.Seen()[0]; !s.Accepted || s.Fault != fault {
				t.Errorf("%s: saw %+v", fault, s)
			}
		}
	}
}

// TestBomb: it is a sound gzip stream, and large.
func TestBomb(t *testing.T) {
	o := submit(open(t, nil, simulator.Options{Fault: "gzip-bomb"}), posted(t, mustPreset(), message("tx-1")), nil)
	z, err := gzip.NewReader(bytes.NewReader(o.body))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, z); err != nil || n != 128<<20 {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// TestRedirectFollowed: who follows is counted, by whatever method and login.
func TestRedirectFollowed(t *testing.T) {
	m := open(t, nil, simulator.Options{Fault: "redirect-307", Auth: simulator.Basic{Username: "gw", Password: "right"}})
	p := posted(t, mustPreset(), message("tx-1"))
	p.request().SetBasicAuth("gw", "right")
	o := submit(m, p, nil)
	to := o.header.Get("Location")
	if o.code != 307 || !strings.HasPrefix(to, "http://") || strings.HasSuffix(to, "/mm7") || m.Totals().Followed != 0 {
		t.Fatalf("HTTP %d to %q, totals %+v", o.code, to, m.Totals())
	}
	for i, method := range []string{http.MethodPost, http.MethodGet} {
		q := &post{method: method, header: http.Header{}, body: p.body, length: p.length, path: to}
		if o := submit(m, q, nil); o.code != 404 || m.Totals().Followed != i+1 {
			t.Errorf("%s: HTTP %d, totals %+v", method, o.code, m.Totals())
		}
	}
	if got := m.Totals(); got.Requests != 3 || got.Accepted != 0 || got.Refused != 0 || len(m.Seen()) != 1 {
		t.Errorf("totals %+v", got)
	}
}
