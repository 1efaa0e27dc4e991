package simulator

import (
	"encoding/json"
	"net/http"
)

// Control is a handler to command and to ask an MMSC by while it serves:
//
//	POST /fault?name=NAME                    the fault of all messages; empty: none
//	POST /scenario?number=ENDING&name=NAME   that of recipients that end so; empty: none
//	GET  /totals  /seen  /reports  /cancels  what came, as JSON
//	GET  /rates                              the agreed rate and what exceeded it
//
// A command is answered by 204, or by 400 and why. What came holds numbers and content
// in clear, and there is no login: listen on loopback.
func (m *MMSC) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /fault", func(w http.ResponseWriter, r *http.Request) {
		obey(w, m.SetFault(r.FormValue("name")))
	})
	mux.HandleFunc("POST /scenario", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("number") == "" {
			http.Error(w, "number is missing: the last digits of recipients, or a whole number", http.StatusBadRequest)
			return
		}
		obey(w, m.setOne(r.FormValue("number"), r.FormValue("name")))
	})
	for path, value := range map[string]func() any{
		"GET /totals":  func() any { return m.Totals() },
		"GET /seen":    func() any { return present(m.Seen()) },
		"GET /reports": func() any { return present(m.Reports()) },
		"GET /cancels": func() any { return present(m.Cancels()) },
		"GET /rates":   func() any { return m.rates() },
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(value()) // who asked has gone
		})
	}
	// A page in a browser of this machine is not to command it.
	return http.NewCrossOriginProtection().Handler(mux)
}

func obey(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// present makes of none an empty list, which JSON tells from null.
func present[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// rates is what /rates tells.
type rates struct {
	PerSecond float64  `json:"per_second"` // 0: nobody looks
	Burst     int      `json:"burst"`
	Count     string   `json:"count"`
	Limit     int      `json:"limit"` // within a second
	Total     int      `json:"rate_exceeded"`
	Exceeded  []Excess `json:"exceeded"` // the newest
}

func (m *MMSC) rates() rates {
	r := m.o.Rate
	return rates{r.PerSecond, r.Burst, r.Count, r.limit(), m.Totals().RateExceeded, present(m.Exceeded())}
}
