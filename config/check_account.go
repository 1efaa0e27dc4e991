package config

import (
	"fmt"
	"regexp"
)

var (
	accountID = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	region    = regexp.MustCompile(`^[A-Z]{2}$`)
)

func (r *reader) checkAccounts(accounts []Account, carriers carrierNames) {
	ids, owners := map[string]string{}, map[Phone]string{}
	for i, a := range accounts {
		path := fmt.Sprintf("accounts[%d]", i)
		if r.faulty[path] {
			continue
		}
		r.checkAccountID(path, a.ID, ids)
		r.oneOf(path+".plan", a.Plan, "paid", "trial")
		if a.DefaultRegion != "" && !region.MatchString(a.DefaultRegion) {
			r.fault(path+".default_region", "must be a region's two capital letters, such as US or CA")
		}
		if f := a.Freshness.D(); f.Minutes() < 1 || f.Hours() > 7*24 {
			r.fault(path+".freshness", "must be 1m to 7d")
		}
		r.checkNames(path+".users", a.Users)
		for j, n := range a.Numbers {
			r.checkNumber(fmt.Sprintf("%s.numbers[%d]", path, j), n, owners, carriers)
		}
	}
}

func (r *reader) checkAccountID(path, id string, seen map[string]string) {
	path += ".id"
	if !r.need(path, id, "every account has an id, such as acme") {
		return
	}
	if !accountID.MatchString(id) {
		r.fault(path, "must be 1 to 64 of A-Z a-z 0-9 _ . -")
	}
	r.unique(path, id, seen)
}

// unique remembers what stands where, and refuses it a second time.
func (r *reader) unique(path, value string, seen map[string]string) {
	if first, again := seen[value]; again {
		r.fault(path, "is that of %s on line %d already; each must be unique", first, r.place(first).line)
		return
	}
	seen[value] = path
}

// checkNumber sees that a number has one owner and that its carriers exist.
// Whether it can exist is for those who know numbering plans.
func (r *reader) checkNumber(path string, n Number, owners map[Phone]string, carriers carrierNames) {
	if n.Kind != "" {
		r.oneOf(path+".kind", n.Kind, "local", "toll_free")
	}
	r.checkCarrierNames(path+".carriers", n.Carriers, carriers)
	at := path
	if r.has(path + ".number") {
		at += ".number"
	}
	switch first, again := owners[n.Number]; {
	case n.Number == "" && !r.faulty[path]:
		r.fault(path+".number", `is missing; write {number: "+12125550100"}, or the number alone`)
	case again:
		r.fault(at, "stands at %s on line %d already; a number has one owner", first, r.place(first).line)
	case n.Number != "":
		owners[n.Number] = at
	}
}
