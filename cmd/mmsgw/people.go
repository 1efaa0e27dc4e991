package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"sync"

	"mmsgw/config"
	"mmsgw/gateway/api"
)

// people are the local users that the configuration names, found once at start.
type people struct {
	accounts  map[uint32][]string // by uid
	operators map[uint32]bool     // by uid
	groups    []string            // gids of the operators' groups
	members   sync.Map            // uid → whether one of its groups is an operators'
}

// findPeople looks up users and groups, each by name or by number. What there
// is none of is a fault: who may operate must not depend on a typing error.
func findPeople(c *config.Config, fault func(key string, err error)) *people {
	p := &people{accounts: map[uint32][]string{}, operators: map[uint32]bool{0: true, uint32(os.Geteuid()): true}}
	for i := range c.Accounts {
		eachUser(c.Accounts[i].Users, fmt.Sprintf("accounts[%d].users", i), fault, func(uid uint32) {
			if id := c.Accounts[i].ID; !slices.Contains(p.accounts[uid], id) {
				p.accounts[uid] = append(p.accounts[uid], id)
			}
		})
	}
	eachUser(c.Operators.Users, "operators.users", fault, func(uid uint32) { p.operators[uid] = true })
	for i, name := range c.Operators.Groups {
		gid, err := groupID(name)
		if err != nil {
			fault(fmt.Sprintf("operators.groups[%d]", i), err)
			continue
		}
		p.groups = append(p.groups, gid)
	}
	return p
}

func eachUser(list []string, key string, fault func(string, error), found func(uid uint32)) {
	for i, name := range list {
		uid, err := userID(name)
		if err != nil {
			fault(fmt.Sprintf("%s[%d]", key, i), err)
			continue
		}
		found(uid)
	}
}

func userID(name string) (uint32, error) {
	id := name
	if _, err := strconv.ParseUint(name, 10, 32); err != nil {
		u, err := user.Lookup(name)
		if errors.As(err, new(user.UnknownUserError)) {
			return 0, errors.New("no user of this machine has this name; write a name that exists, or a uid")
		}
		if err != nil {
			return 0, fmt.Errorf("the user can't be looked up: %w", err)
		}
		id = u.Uid
	}
	uid, err := strconv.ParseUint(id, 10, 32)
	return uint32(uid), err
}

func groupID(name string) (string, error) {
	if _, err := strconv.ParseUint(name, 10, 32); err == nil {
		return name, nil
	}
	g, err := user.LookupGroup(name)
	if errors.As(err, new(user.UnknownGroupError)) {
		return "", errors.New("no group of this machine has this name; write a name that exists, or a gid")
	}
	if err != nil {
		return "", fmt.Errorf("the group can't be looked up: %w", err)
	}
	return g.Gid, nil
}

// of are the accounts a user may submit for.
func (p *people) of(uid uint32) []string { return p.accounts[uid] }

// operates tells whether a peer is an operator: by uid, by the group it runs
// as, or by another of its user's groups, which the socket does not tell.
func (p *people) operates(peer api.Peer) bool {
	if p.operators[peer.UID] || slices.Contains(p.groups, strconv.FormatUint(uint64(peer.GID), 10)) {
		return true
	}
	if len(p.groups) == 0 {
		return false
	}
	if known, ok := p.members.Load(peer.UID); ok {
		return known.(bool)
	}
	member := p.member(peer.UID)
	p.members.Store(peer.UID, member)
	return member
}

func (p *people) member(uid uint32) bool {
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return false
	}
	groups, err := u.GroupIds()
	return err == nil && slices.ContainsFunc(groups, func(g string) bool { return slices.Contains(p.groups, g) })
}
