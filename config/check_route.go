package config

import (
	"fmt"
	"strings"
)

// sends is the kind of message that each protocol carries.
var sends = map[string]string{"mm7": "mms", "smpp": "sms"}

const maxNetwork = 64

func (r *reader) checkRoutes(routes []Route, carriers carrierNames) {
	kinds := make([]string, len(routes))
	for i, route := range routes {
		path := fmt.Sprintf("routes[%d]", i)
		if r.faulty[path] {
			continue
		}
		switch route.Kind {
		case "", "mms":
		case "sms":
			r.fault(path+".kind", "SMS needs an smpp carrier, which is not part of this release; write mms")
		default:
			r.fault(path+".kind", "must be mms, or left out for what the carrier's protocol sends")
		}
		r.checkPrefixes(path+".from", route.From)
		r.checkPrefixes(path+".to", route.To)
		for j, name := range route.Network {
			if len(name) > maxNetwork || strings.TrimSpace(name) == "" {
				r.fault(fmt.Sprintf("%s.network[%d]", path, j), "must be the name of a network as the lookup tells it, 1 to %d bytes", maxNetwork)
			}
		}
		if len(route.Carriers) == 0 {
			r.fault(path+".carriers", "is missing; name the carrier that takes these messages: [north]")
		}
		kinds[i] = r.checkRouteCarriers(path, route, carriers)
	}
	r.checkOrder(routes, kinds)
}

func (r *reader) checkPrefixes(path string, prefixes []string) {
	for i, prefix := range prefixes {
		if !validPrefix(prefix) {
			r.fault(fmt.Sprintf("%s[%d]", path, i), `is not the beginning of a number; write + and digits: "+1", "+1416"`)
		}
	}
}

func validPrefix(prefix string) bool {
	digits, plus := strings.CutPrefix(prefix, "+")
	return plus && len(digits) <= 15 && strings.Trim(digits, "0123456789") == ""
}

// checkRouteCarriers sees that the carriers of a route exist, each once, and send
// one kind of message, which it returns.
func (r *reader) checkRouteCarriers(path string, route Route, carriers carrierNames) string {
	r.checkCarrierNames(path+".carriers", route.Carriers, carriers)
	kind, seen := route.Kind, map[string]string{}
	for i, name := range route.Carriers {
		at := fmt.Sprintf("%s.carriers[%d]", path, i)
		r.unique(at, name, seen)
		sent := sends[carriers.known[name]] // empty: told already
		if kind == "" {
			kind = sent
		}
		if sent != "" && sent != kind && !r.faulty[path+".kind"] {
			r.fault(at, "sends %s, as an %s carrier, and the route is for %s; make a route for each", sent, carriers.known[name], kind)
		}
	}
	return kind
}

// maxCompared bounds how long routes are held against each other. What comes
// after that is not warned of.
const maxCompared = 1_000_000

// checkOrder warns of routes that those before them leave nothing for.
func (r *reader) checkOrder(routes []Route, kinds []string) {
	compared := 0
	for i, route := range routes {
		for j, before := range routes[:i] {
			compared += 1 + before.limits()*route.limits()
			if compared > maxCompared || r.warnings.full() {
				return
			}
			if kinds[i] == kinds[j] && before.covers(route) {
				first := fmt.Sprintf("routes[%d]", j)
				r.warn(fmt.Sprintf("routes[%d]", i), "is never reached: whatever fits it fits %s on line %d before it", first, r.place(first).line)
				break
			}
		}
	}
}

// limits is how much there is to compare.
func (t Route) limits() int { return len(t.From) + len(t.To) + len(t.Network) }

// covers tells that every message that fits other, of the same kind, fits t.
func (t Route) covers(other Route) bool {
	same := func(a, b string) bool { return a == b }
	return covered(t.From, other.From, strings.HasPrefix) && covered(t.To, other.To, strings.HasPrefix) && covered(t.Network, other.Network, same)
}

// covered tells that each of the narrow fits one of the wide; an empty list of
// either is everything.
func covered(wide, narrow []string, fits func(narrow, wide string) bool) bool {
	for _, n := range narrow {
		ok := len(wide) == 0
		for _, w := range wide {
			ok = ok || fits(n, w)
		}
		if !ok {
			return false
		}
	}
	return len(wide) == 0 || len(narrow) > 0
}
