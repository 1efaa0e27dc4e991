package config

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// later is a key of the contract whose part is not in this release: it is
// accepted at the value it has there when left alone, and refused otherwise.
type later struct {
	accept string // as canonical gives it; an empty value is always accepted
	say    string // empty: the key is known, and the checks say what is to say
}

const smppKey = "" // said once, at the carrier's protocol

var unbuilt = map[string]later{
	"trusted_proxies":           {"[]", "trusted proxies are not part of this release; leave it out"},
	"accounts[].webhooks":       {"[]", "webhooks are not part of this release; leave it out or empty, and read GET /v1/events"},
	"capability.http":           {"{}", "lookup by HTTP is not part of this release; leave it out, and use capability.file"},
	"capability.enum":           {"{}", "lookup by ENUM is not part of this release; leave it out, and use capability.file"},
	"carriers[].auth.digest":    {"{}", "only auth.basic is part of this release"},
	"carriers[].auth.bearer":    {"{}", "only auth.basic is part of this release"},
	"carriers[].auth.mtls":      {"{}", "only auth.basic is part of this release"},
	"carriers[].reports.digest": {"{}", "only reports.basic is part of this release"},
	"carriers[].reports.bearer": {"{}", "only reports.basic is part of this release"},
	"carriers[].reports.mtls":   {"{}", "only reports.basic is part of this release"},
	"carriers[].address":        {say: smppKey},
	"carriers[].system_id":      {say: smppKey},
	"carriers[].password_file":  {say: smppKey},
	"carriers[].bind":           {say: smppKey},
	"carriers[].binds":          {say: smppKey},
}

// unbuilt judges the value of a key that nothing reads yet.
func (r *reader) unbuilt(u later, node ast.Node, path string) {
	if left(node) {
		return
	}
	r.at[path] = nodePlace(node)
	if u.say != "" && canonical(node) != u.accept {
		r.fault(path, "%s", u.say)
	}
}

// canonical is a scalar's text, or [] or {} for an empty list or map.
func canonical(node ast.Node) string {
	switch n := node.(type) {
	case *ast.SequenceNode:
		if len(n.Values) == 0 {
			return "[]"
		}
	case *ast.MappingNode:
		if len(n.Values) == 0 {
			return "{}"
		}
	default:
		text, _ := textOf(node)
		return text
	}
	return "…"
}

// suggest names the known key nearest to the one written, or all of them.
func suggest(key string, known []string) string {
	slices.Sort(known)
	best, distance := "", 3
	for _, k := range known {
		if d := editDistance(key, k); d < distance && d < len(k) {
			best, distance = k, d
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	return "known here: " + strings.Join(known, ", ")
}
