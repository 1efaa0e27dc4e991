package simulator_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"mmsgw/simulator"
)

// TestPlanWhileServing: a change holds from the next request on.
func TestPlanWhileServing(t *testing.T) {
	m := open(t, nil, simulator.Options{Fault: "reject-2004"})
	next := func(want string) {
		t.Helper()
		if got := submit(m, posted(t, mustPreset(), message("tx-1")), nil).String(); got != want {
			t.Errorf("answered %s, want %s", got, want)
		}
	}
	set := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	next("status 2004")
	set(m.SetFault(""))
	next("status 1000")
	set(m.SetFault("forbidden-403"))
	set(m.SetScenario(map[string]string{"0199": "auth-401", "1234": "lost"}))
	next("HTTP 401")
	set(m.SetScenario(map[string]string{"0199": ""}))
	next("status 1000")
	set(m.SetScenario(nil))
	next("HTTP 403")
	for want, err := range map[string]error{
		`no fault "slowly"`: m.SetFault("slowly"),
		"open it anew":      m.SetFault("refuse"),
		"end in 0199":       m.SetScenario(map[string]string{"+14165550199": "slowly"}),
		"set it as Fault":   m.SetScenario(map[string]string{"0199": "refuse"}),
	} {
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), recipient) {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
	next("HTTP 403") // what is wrong changes nothing
}

// TestPlanChangesAtOnce: whoever changes and submits at the same time, nothing breaks
// and no change is lost.
func TestPlanChangesAtOnce(t *testing.T) {
	m := open(t, nil, simulator.Options{})
	control := m.Control()
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() {
			ask(t, control, http.MethodPost, fmt.Sprintf("/scenario?number=%04d&name=reject-2004", i))
			submit(m, posted(t, mustPreset(), message(fmt.Sprint("tx-", i))), nil)
		})
	}
	group.Wait()
	for i := range 50 {
		r := message("tx")
		r.Recipients.To[0].Value = fmt.Sprintf("+1416555%04d", i)
		if got := submit(m, posted(t, mustPreset(), r), nil).String(); got != "status 2004" {
			t.Fatalf("to %04d: %s", i, got)
		}
	}
}

func ask(t *testing.T, h http.Handler, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

func TestControlCommands(t *testing.T) {
	m := open(t, nil, simulator.Options{})
	for _, c := range []struct {
		method, path string
		code         int
		says         string // in the answer
		then         string // what the next submission is answered
	}{
		{"POST", "/fault?name=forbidden-403", 204, "", "HTTP 403"},
		{"POST", "/scenario?number=0199&name=reject-2004", 204, "", "status 2004"},
		{"POST", "/scenario?number=99&name=auth-401", 204, "", "status 2004"},
		{"POST", "/scenario?number=0199&name=", 204, "", "HTTP 401"},
		{"POST", "/scenario?number=99", 204, "", "HTTP 403"},
		{"POST", "/scenario?number=%2B14165550199&name=address-2002", 204, "", "fault 2002"},
		{"POST", "/fault?name=slowly", 400, `no fault "slowly"; there are refuse, slow`, "fault 2002"},
		{"POST", "/fault?name=refuse", 400, "open it anew", "fault 2002"},
		{"POST", "/scenario?name=lost", 400, "number is missing", "fault 2002"},
		{"POST", "/scenario?number=0199&name=slowly", 400, "end in 0199", "fault 2002"},
		{"GET", "/fault?name=lost", 405, "", "fault 2002"},
		{"POST", "/totals", 405, "", "fault 2002"},
		{"GET", "/", 404, "", "fault 2002"},
		{"POST", "/scenario?number=%2B14165550199", 204, "", "HTTP 403"},
		{"POST", "/fault", 204, "", "status 1000"},
	} {
		w := ask(t, m.Control(), c.method, c.path)
		if w.Code != c.code || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s %s: HTTP %d, %s", c.method, c.path, w.Code, w.Body)
		}
		if got := submit(m, posted(t, mustPreset(), message("tx-1")), nil).String(); got != c.then {
			t.Errorf("after %s %s: %s, want %s", c.method, c.path, got, c.then)
		}
	}
}

func TestControlTells(t *testing.T) {
	m := open(t, nil, simulator.Options{Rate: simulator.Rate{PerSecond: 1, Burst: 2}})
	for _, path := range []string{"/seen", "/reports", "/cancels"} {
		if w := ask(t, m.Control(), "GET", path); w.Body.String() != "[]\n" || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s at first: %s", path, w.Body)
		}
	}
	for i := range 3 {
		submit(m, posted(t, mustPreset(), message(fmt.Sprint("tx-", i))), nil)
	}
	submit(m, cancel(mustPreset(), m.Seen()[0].MessageID), nil)
	var totals simulator.Totals
	var seen []simulator.Submission
	var cancels []simulator.Cancel
	var rates struct {
		PerSecond float64            `json:"per_second"`
		Burst     int                `json:"burst"`
		Count     string             `json:"count"`
		Limit     int                `json:"limit"`
		Total     int                `json:"rate_exceeded"`
		Exceeded  []simulator.Excess `json:"exceeded"`
	}
	for path, into := range map[string]any{"/totals": &totals, "/seen": &seen, "/cancels": &cancels, "/rates": &rates} {
		if err := json.NewDecoder(ask(t, m.Control(), "GET", path).Body).Decode(into); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	if totals != m.Totals() || totals.Canceled != 1 {
		t.Errorf("totals %+v", totals)
	}
	if len(seen) != 3 || seen[0].To[0] != recipient || len(cancels) != 1 || cancels[0].MessageID != seen[0].MessageID {
		t.Errorf("seen %+v, cancels %+v", seen, cancels)
	}
	if rates.PerSecond != 1 || rates.Burst != 2 || rates.Count != "requests" || rates.Limit != 2 || rates.Total != 2 || len(rates.Exceeded) != 2 || rates.Exceeded[1].Count != 4 {
		t.Errorf("rates %+v", rates)
	}
}

// TestControlFromAPage: a browser that was told to by a page of another origin.
func TestControlFromAPage(t *testing.T) {
	m := open(t, nil, simulator.Options{})
	r := httptest.NewRequest(http.MethodPost, "/fault?name=lost", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	if m.Control().ServeHTTP(w, r); w.Code != http.StatusForbidden {
		t.Errorf("HTTP %d", w.Code)
	}
}
