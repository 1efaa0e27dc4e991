package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	_ "time/tzdata" // a carrier's midnight must not depend on what the machine has installed

	"mmsgw/capability"
	"mmsgw/config"
	"mmsgw/gateway"
	"mmsgw/gateway/api"
	"mmsgw/gateway/carrier"
	"mmsgw/gateway/relay"
)

// live is the configuration a daemon runs by: the one thing that a reload puts
// another in place of. Whoever asks it gets the answer of now.
type live struct {
	atomic.Pointer[setup]
	mu  sync.Mutex // one reload at a time
	env func(string) (string, bool)
}

func (l *live) Lookup(ctx context.Context, numbers []string) []capability.Result {
	return l.Load().numbers.Lookup(ctx, numbers)
}

func (l *live) accounts(uid uint32) []string { return l.Load().people.of(uid) }
func (l *live) operates(peer api.Peer) bool  { return l.Load().people.operates(peer) }
func (l *live) drain() time.Duration         { return l.Load().config.Drain.D() }
func (l *live) standing(account string, from gateway.Number, ch gateway.Channel) bool {
	return l.Load().rules.Standing(account, from, ch)
}

// steady is a clock that goes on evenly whatever is done to the machine's: the
// time of its making, and what has passed since. Times in rows are its times, so
// that nothing becomes due, or expires, because somebody set a clock.
func steady() func() time.Time {
	start := time.Now()
	return func() time.Time { return start.Add(time.Since(start)) }
}

// errRestart marks changes that a running daemon can't take over.
var errRestart = errors.New("only a restart can change this")

// reload reads the configuration again and takes it over: all of it or nothing.
// Where it is refused the one before stays. It tells the keys that changed.
func (r *rooms) reload(ctx context.Context, log *slog.Logger, who string) ([]string, error) {
	r.live.mu.Lock()
	defer r.live.mu.Unlock()
	before := r.live.Load()
	after, err := loadSetup(before.file, r.live.env)
	if err == nil {
		err = r.refuseRestart(before, after)
	}
	var links []*carrier.Link
	if err == nil {
		links, err = r.relink(before, after, log)
	}
	if err != nil {
		log.Error("the configuration was not reloaded; the one before stays", gateway.KeyWho, who, gateway.KeyError, err)
		return nil, err
	}
	changes := config.Diff(before.config, after.config)
	if err := r.take(after, links); err != nil {
		return nil, err
	}
	keys := make([]string, len(changes))
	for i, c := range changes {
		keys[i] = c.Key
		log.Info("configuration changed", gateway.KeyKey, c.Key, gateway.KeyOld, c.Old, gateway.KeyNew, c.New)
	}
	for _, w := range after.config.Warnings {
		log.Warn("configuration: "+w.Message, gateway.KeyKey, w.Key)
	}
	log.Info("configuration reloaded", gateway.KeyCount, len(changes), gateway.KeyWho, who)
	r.warnGone(ctx, before, after, log)
	data := gateway.EventData{By: who, Changes: keys}
	return keys, r.store.Tell(ctx, gateway.Event{At: r.now(), Type: "config.reloaded", N: -1, Data: data.JSON()})
}

// warnGone tells of carriers that a reload took away while messages wait for
// them. Those that have another carrier may be about to leave.
func (r *rooms) warnGone(ctx context.Context, before, after *setup, log *slog.Logger) {
	var backlog []gateway.Backlog
	for i := range before.config.Carriers {
		name := before.config.Carriers[i].Name
		if carrierNamed(after, name) != nil {
			continue
		}
		if backlog == nil {
			var err error
			if backlog, err = r.store.Backlog(ctx); err != nil {
				log.Warn("what waits for carriers that are gone could not be counted", gateway.KeyError, err)
				return
			}
		}
		var n int64
		for _, b := range backlog {
			if b.Lane == name {
				n += b.Count
			}
		}
		if n > 0 {
			log.Warn("messages wait for a carrier that is not configured any more; those without another expire unless it is configured again", gateway.KeyCarrier, name, gateway.KeyCount, n)
		}
	}
}

// refuseRestart tells which changes a reload can't make.
func (r *rooms) refuseRestart(before, after *setup) error {
	var problems config.Problems
	for _, c := range config.Diff(before.config, after.config) {
		if c.NeedsRestart() {
			problems = append(problems, config.Problem{File: after.file, Key: c.Key, Message: fmt.Sprintf("%v: it is %s, the file says %s", errRestart, c.Old, c.New)})
		}
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// relink makes the links of a configuration. One whose carrier did not change is
// kept, with the connections it has.
func (r *rooms) relink(before, after *setup, log *slog.Logger) ([]*carrier.Link, error) {
	links := make([]*carrier.Link, len(after.config.Carriers))
	for i := range after.config.Carriers {
		c := &after.config.Carriers[i]
		if old := carrierNamed(before, c.Name); old != nil && reflect.DeepEqual(linkOptions(old), linkOptions(c)) {
			if links[i] = r.carriers.Link(c.Name); links[i] != nil {
				continue
			}
		}
		link, err := r.link(c, log)
		if err != nil {
			return nil, err
		}
		links[i] = link
	}
	return links, nil
}

func carrierNamed(s *setup, name string) *config.Carrier {
	for i := range s.config.Carriers {
		if s.config.Carriers[i].Name == name {
			return &s.config.Carriers[i]
		}
	}
	return nil
}

// take puts a configuration to work: its links first, for the rules name them,
// its lanes last, for they may have to send what the rules let in meanwhile.
func (r *rooms) take(after *setup, links []*carrier.Link) error {
	if err := r.carriers.Replace(links...); err != nil {
		return err
	}
	old := r.links
	r.links = links
	r.live.Store(after)
	r.gateway.Rules.Store(after.rules)
	r.relay.Change(lanesOf(after, links))
	kept := map[*carrier.Link]bool{}
	for _, l := range links {
		kept[l] = true
	}
	for _, l := range old {
		if !kept[l] {
			l.Close() // what it has under way ends as it began
		}
	}
	return nil
}

// lanesOf are the lanes of a configuration.
func lanesOf(s *setup, links []*carrier.Link) []relay.Lane {
	lanes := make([]relay.Lane, len(links))
	for i, l := range links {
		lanes[i] = relay.Lane{Name: l.Name(), Link: l, Policy: policyOf(&s.config.Carriers[i])}
	}
	return lanes
}
