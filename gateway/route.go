package gateway

import (
	"slices"
	"strings"
)

// Route sends what fits it to a carrier. The first route that fits decides.
type Route struct {
	Kind     Channel  // of message
	To       []string // prefixes of the recipient, "+1"; empty: any
	Carriers []string // in order; the first that hosts the sender is used
}

// route chooses the carrier for a pair of numbers, or "" where none takes it.
// hosts are the carriers that host the sender; empty means any.
func route(routes []Route, kind Channel, to Number, hosts []string) string {
	for _, r := range routes {
		if r.Kind != kind || !r.fits(to) {
			continue
		}
		for _, c := range r.Carriers {
			if len(hosts) == 0 || slices.Contains(hosts, c) {
				return c
			}
		}
		return ""
	}
	return ""
}

func (r Route) fits(to Number) bool {
	return len(r.To) == 0 || slices.ContainsFunc(r.To, func(p string) bool { return strings.HasPrefix(to.E164(), p) })
}
