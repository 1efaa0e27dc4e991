package gateway

import (
	"slices"
	"strings"
)

// Route sends what fits it to a carrier. The first route that fits decides.
type Route struct {
	Kind     Channel  // of message
	From     []string // prefixes of the sender; empty: any
	To       []string // prefixes of the recipient, "+1"; empty: any
	Network  []string // names of the recipient's network, any letter case; empty: any
	Carriers []string // in order; those behind the first are for failover
}

// leg is what a route is chosen by.
type leg struct {
	kind     Channel
	from, to Number
	network  string
	hosts    []string // the carriers that host the sender; empty: any
}

// route chooses the carriers for a leg, in order; none where nobody takes it.
func route(routes []Route, l leg) []string {
	for _, r := range routes {
		if r.fits(l) {
			return slices.DeleteFunc(slices.Clone(r.Carriers), func(c string) bool { return len(l.hosts) > 0 && !slices.Contains(l.hosts, c) })
		}
	}
	return nil
}

func (r *Route) fits(l leg) bool {
	named := func(name string) bool { return strings.EqualFold(name, l.network) }
	return r.Kind == l.kind && begins(l.from, r.From) && begins(l.to, r.To) && (len(r.Network) == 0 || slices.ContainsFunc(r.Network, named))
}

func begins(n Number, prefixes []string) bool {
	return len(prefixes) == 0 || slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(n.E164(), p) })
}

// Carriers are those that take a delivery now, in order.
func (r *Rules) Carriers(m *Message, d *Delivery) []string {
	var hosts []string
	if a := r.Accounts[m.Account]; a != nil {
		hosts = a.Numbers[m.From].Carriers
	}
	return route(r.Routes, leg{m.Channel, m.From, d.Recipient, d.Network, hosts})
}

// CarrierList are names of carriers in order, joined by commas, as a row holds
// them.
type CarrierList string

// ListOf joins names.
func ListOf(names []string) CarrierList { return CarrierList(strings.Join(names, ",")) }

// All are the names.
func (l CarrierList) All() []string {
	if l == "" {
		return nil
	}
	return strings.Split(string(l), ",")
}

// Rotate is the list without its i-th name, and with the one that is left behind
// at its end; back is empty where nobody comes back to it.
func (l CarrierList) Rotate(i int, back string) CarrierList {
	names := slices.Delete(l.All(), i, i+1)
	if back != "" {
		names = append(names, back)
	}
	return ListOf(names)
}
