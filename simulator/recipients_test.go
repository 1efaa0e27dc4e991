package simulator_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mmsgw/mm7"
	"mmsgw/simulator"
)

// several is a message to the recipient and to others, who do not see each other.
func several(transactionID string, more ...string) *mm7.SubmitReq {
	r := message(transactionID)
	r.Recipients.Bcc = append(r.Recipients.Bcc, r.Recipients.To...)
	r.Recipients.To = nil
	for _, n := range more {
		r.Recipients.Bcc = append(r.Recipients.Bcc, mm7.Address{Value: n})
	}
	return r
}

// reported are the statuses by the end of the number, in order of time.
func (g *gateway) reported() map[string]string {
	g.mu.Lock()
	defer g.mu.Unlock()
	got := map[string]string{}
	for _, r := range g.reports {
		end := r.Recipient.Value[len(r.Recipient.Value)-4:]
		got[end] = strings.TrimPrefix(got[end]+" "+r.MMStatus, " ")
	}
	return got
}

// TestSeveralRecipients: the first one's fault is how all is answered; the reports are
// each one's own.
func TestSeveralRecipients(t *testing.T) {
	const fine = "Retrieved"
	all := map[string]string{"0199": fine, "0198": fine, "0197": fine}
	for name, c := range map[string]struct {
		fault    string // of all
		scenario map[string]string
		want     string // answer
		reports  map[string]string
	}{
		"nothing":          {"", nil, "status 1000", all},
		"partial-1100":     {"partial-1100", nil, "status 1100", map[string]string{"0198": fine, "0197": fine}},
		"partial-unnamed":  {"partial-unnamed", nil, "status 1100", map[string]string{"0198": fine, "0197": fine}},
		"refuse-many-3003": {"refuse-many-3003", nil, "status 3003", map[string]string{}},
		"refuse-many-2503": {"refuse-many-2503", nil, "status 2503", map[string]string{}},
		"of the first":     {"", map[string]string{"0199": "reject-2004"}, "status 2004", map[string]string{}},
		"of another":       {"", map[string]string{"0198": "reject-2004"}, "status 1000", all},
		"each its own": {"", map[string]string{"0199": "expired", "0198": "forwarded-then-retrieved", "0197": "no-report"}, "status 1000",
			map[string]string{"0199": "Expired", "0198": "Forwarded Retrieved"}},
		"some their own": {"expired", map[string]string{"0197": "rejected"}, "status 1000",
			map[string]string{"0199": "Expired", "0198": "Expired", "0197": "Rejected"}},
		"without one, as the first": {"", map[string]string{"0199": "unreachable", "0197": "late-report"}, "status 1000",
			map[string]string{"0199": "Unreachable", "0198": "Unreachable", "0197": fine}},
		"sound against all": {"expired", map[string]string{"0198": ""}, "status 1000",
			map[string]string{"0199": "Expired", "0198": fine, "0197": "Expired"}},
		"partial of another": {"", map[string]string{"0197": "partial-1100"}, "status 1000", all},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &gateway{}
				m := open(t, g, simulator.Options{Fault: c.fault, Scenario: c.scenario})
				o := submit(m, posted(t, mustPreset(), several("tx-1", "+14165550198", "+14165550197")), nil)
				if o.String() != c.want {
					t.Errorf("answered %s, want %s", o, c.want)
				}
				<-time.After(time.Minute)
				synctest.Wait()
				if got := g.reported(); !maps.Equal(got, c.reports) {
					t.Errorf("reported %v, want %v", got, c.reports)
				}
			})
		})
	}
}

// TestPartialNames: who is not served stands in Details, and nobody else; no MessageID
// is kept back.
func TestPartialNames(t *testing.T) {
	for fault, names := range map[string]bool{"partial-1100": true, "partial-unnamed": false} {
		for _, r := range []*mm7.SubmitReq{message("tx-1"), several("tx-1", "+14165550198")} {
			o := submit(open(t, nil, simulator.Options{Fault: fault}), posted(t, mustPreset(), r), nil)
			if o.rsp == nil || strings.Contains(o.rsp.Status.Details, recipient) != names || strings.Contains(string(o.body), "0198") || o.rsp.MessageID == "" {
				t.Errorf("%s: %s", fault, o.body)
			}
		}
	}
}

// TestRefuseManyTakesOne: what is refused to many is taken one by one.
func TestRefuseManyTakesOne(t *testing.T) {
	for _, fault := range []string{"refuse-many-3003", "refuse-many-2503"} {
		m := open(t, nil, simulator.Options{Fault: fault})
		got := []string{submit(m, posted(t, mustPreset(), several("tx-1", "+14165550198")), nil).String()}
		for _, n := range []string{recipient, "+14165550198"} {
			r := message("tx-" + n)
			r.Recipients.To[0].Value = n
			got = append(got, submit(m, posted(t, mustPreset(), r), nil).String())
		}
		if want := []string{"status " + fault[len(fault)-4:], "status 1000", "status 1000"}; !slices.Equal(got, want) {
			t.Errorf("%s: answered %s", fault, got)
		}
	}
}

// TestReportFirstOfOne: of two recipients one has its report before the answer.
func TestReportFirstOfOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gateway{}
		m := open(t, g, simulator.Options{Scenario: map[string]string{"0198": "report-first"}})
		submit(m, posted(t, mustPreset(), several("tx-1", "+14165550198")), g.told)
		synctest.Wait()
		if got := g.story(); got != "report Retrieved, answer, report Retrieved" || g.reports[0].Recipient.Value != "+14165550198" {
			t.Errorf("what happened: %s; %+v", got, g.reports)
		}
	})
}
