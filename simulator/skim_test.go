package simulator_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"mmsgw/mm7"
	"mmsgw/simulator"
)

// TestLax: ids and addresses are read right from whatever a gateway may write.
func TestLax(t *testing.T) {
	big := message("tx-1")
	for range 10 {
		big.Parts = append(big.Parts, mm7.Part{ContentType: "image/png", Data: make([]byte, 300<<10)})
	}
	two := message("tx-1")
	two.Recipients.Bcc = []mm7.Address{{Value: "+14165550198"}}
	short := message("tx-1")
	short.SenderAddress = mm7.Address{Kind: mm7.ShortCode, Value: "77700"}
	odd := message("tx-1 & <co>")
	bare := message("tx-1")
	bare.Parts = nil
	tricky := message("tx-1")
	tricky.ServiceCode = "Recipients>DeliveryReport>false<Number>1</Number>"
	for name, r := range map[string]*mm7.SubmitReq{
		"small": message("tx-1"), "big": big, "two recipients": two, "short code": short,
		"references": odd, "envelope alone": bare, "markup in a text": tricky,
	} {
		for _, style := range []mm7.XMLStyle{mm7.StyleDefaultNamespace, mm7.StylePrefix, mm7.StyleRootPrefixOnly} {
			t.Run(fmt.Sprint(name, " ", style), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					g := &gateway{}
					m := open(t, g, simulator.Options{Lax: true, VASPID: "other"})
					d := mustPreset()
					d.XMLStyle = style
					p := posted(t, d, r)
					o := submit(m, p, g.told)
					synctest.Wait()
					if o.String() != "status 1000" || o.rsp.TransactionID != r.TransactionID {
						t.Fatalf("answered %s: %s", o, o.body)
					}
					s := m.Seen()[0]
					if s.TransactionID != r.TransactionID || s.From != r.SenderAddress.Value || s.To[0] != recipient ||
						!s.Report || s.Size != p.length || s.MessageID != o.rsp.MessageID || len(s.Images) != 0 {
						t.Errorf("saw %+v", s)
					}
					if len(g.reports) != len(s.To) || g.reports[0].Sender != r.SenderAddress {
						t.Errorf("reported %+v", g.reports)
					}
				})
			})
		}
	}
}

func TestLaxRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		body func(string) string
		want string
	}{
		"nothing":          {func(string) string { return "" }, "fault 4004"},
		"half an envelope": {func(s string) string { return s[:600] }, "fault 4004"},
		"no TransactionID": {func(s string) string { return strings.Replace(s, ">tx-1<", "><", 1) }, "fault 2000"},
		"another operation": {func(s string) string {
			return strings.ReplaceAll(strings.ReplaceAll(s, "<SubmitReq", "<ReplaceReq"), "</SubmitReq", "</ReplaceReq")
		}, "fault 4003"},
	} {
		m := open(t, nil, simulator.Options{Lax: true})
		p := posted(t, mustPreset(), message("tx-1"))
		p.body = c.body(p.body)
		p.length = int64(len(p.body))
		if got := submit(m, p, nil); got.String() != c.want || m.Totals().Refused != 1 {
			t.Errorf("%s: %s, want %s; %+v", name, got, c.want, m.Totals())
		}
	}
}

// FuzzMMSC: whatever comes is answered, and by a strict MMSC taken only when a lax
// one takes it too, with the same ids.
func FuzzMMSC(f *testing.F) {
	p := posted(f, mustPreset(), message("tx-1"))
	f.Add(p.header.Get("Content-Type"), p.body)
	alone := message("tx-1")
	alone.Parts = nil
	p = posted(f, mustPreset(), alone)
	f.Add("text/xml", p.body)
	p = sample(f, "../testdata/mm7/canonical/submit-req-binary.http")
	f.Add(p.header.Get("Content-Type"), p.body)
	p = sample(f, "../testdata/mm7/canonical/cancel-req.http")
	f.Add(p.header.Get("Content-Type"), p.body)
	f.Fuzz(func(t *testing.T, contentType, body string) {
		var took [2]simulator.Submission
		for i, lax := range []bool{false, true} {
			m := open(t, nil, simulator.Options{Lax: lax})
			o := submit(m, &post{
				method: http.MethodPost,
				header: http.Header{"Content-Type": {contentType}, "Soapaction": {`""`}},
				body:   body, length: int64(len(body)),
			}, nil)
			if o.rsp == nil {
				t.Fatalf("answered %s: %s", o, o.body)
			}
			if len(m.Cancels()) > 0 {
				continue
			}
			took[i] = m.Seen()[0]
		}
		if s, l := took[0], took[1]; s.Accepted && (!l.Accepted || s.TransactionID != l.TransactionID || s.From != l.From || strings.Join(s.To, ",") != strings.Join(l.To, ",")) {
			t.Errorf("strictly %+v\nlaxly %+v", s, l)
		}
	})
}

func BenchmarkLax(b *testing.B) {
	r := message("tx-1")
	r.Parts[1].Data = append([]byte(gif), make([]byte, 20<<10)...)
	p := posted(b, mustPreset(), r)
	m := open(b, nil, simulator.Options{Lax: true})
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		if m.ServeHTTP(w, p.request()); w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}
