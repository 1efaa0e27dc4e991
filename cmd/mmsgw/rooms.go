package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"mmsgw/config"
	"mmsgw/gateway"
	"mmsgw/gateway/carrier"
	"mmsgw/gateway/media"
	"mmsgw/gateway/relay"
	"mmsgw/gateway/store"
)

// rooms are what a daemon is built of, joined.
type rooms struct {
	store    *store.Store
	blobs    *media.Store
	pictures *pictures
	carriers *carrier.Set
	links    []*carrier.Link
	relay    *relay.Relay
	gateway  *gateway.Gateway
	owner    string
	live     *live
	now      func() time.Time
	newID    func() gateway.ID
	meters   *meters
}

// seams are where one room calls another across a point at which the process
// may die: what was done before must suffice to go on after.
type seams struct {
	media    gateway.Media
	messages gateway.Messages
	reports  carrier.Reports
	queue    relay.Queue
	lanes    []relay.Lane
}

// openRooms opens the stores and joins the rooms. fatal is told when the
// storage can't be trusted any more.
func openRooms(ctx context.Context, s *setup, log *slog.Logger, fatal func(error)) (*rooms, error) {
	// A run has a name of its own: what an earlier one left open is not its.
	host, _ := os.Hostname()
	r := &rooms{owner: fmt.Sprintf("%s-%d-%s", host, os.Getpid(), gateway.NewID().Hex()), live: &live{env: s.env}, now: steady(), meters: newMeters()}
	r.newID = gateway.IDs(r.now)
	r.live.Store(s)
	var wake waker
	var err error
	if r.store, err = store.Open(ctx, store.Options{
		Path: filepath.Join(s.config.StateDir, "mmsgw.db"), DSN: s.config.Database.Reveal(), Log: log, Now: r.now, NewID: r.newID,
		Wake: wake.lane, WakeDue: wake.timer, Fatal: fatal, Batch: r.meters.batch, Heard: r.meters.heard,
	}); err != nil {
		return nil, err
	}
	if err = r.openMedia(ctx, s.config, fatal); err == nil {
		err = r.join(ctx, s, log)
	}
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	wake.relay.Store(r.relay)
	return r, nil
}

// waker wakes a relay that is made after the store that calls it.
type waker struct{ relay atomic.Pointer[relay.Relay] }

func (w *waker) lane(name string) {
	if r := w.relay.Load(); r != nil {
		r.Wake(name)
	}
}

func (w *waker) timer() {
	if r := w.relay.Load(); r != nil {
		r.WakeTimer()
	}
}

// leastSegment holds the largest picture with room to spare.
const leastSegment = 8 << 20

func (r *rooms) openMedia(ctx context.Context, c *config.Config, fatal func(error)) error {
	key, err := r.store.Secret(ctx, "media")
	if err != nil {
		return err
	}
	o := media.Options{Dir: c.Media, Key: [32]byte(key), Reserve: int64(c.MediaReserve), Fatal: fatal}
	if o.Dir == "" {
		o.Dir = filepath.Join(c.StateDir, "media")
	}
	if o.Reserve < media.DefaultSegmentSize { // little space: small pieces of it
		o.SegmentSize = max(leastSegment, o.Reserve/4096*4096)
		o.Reserve = o.SegmentSize
	}
	r.blobs, err = media.Open(o)
	return err
}

// join makes links, relay and domain, and ties them to the stores.
func (r *rooms) join(ctx context.Context, s *setup, log *slog.Logger) error {
	r.pictures = &pictures{blobs: r.blobs, index: r.store}
	join := seams{media: r.pictures, messages: r.store, reports: r.store, queue: r.store}
	for i := range s.config.Carriers {
		link, err := r.link(&s.config.Carriers[i], log)
		if err != nil {
			return err
		}
		r.links = append(r.links, link)
	}
	join.lanes = lanesOf(s, r.links)
	join = crashing(join)
	var err error
	if r.carriers, err = carrier.NewSet(join.reports, r.links...); err != nil {
		return err
	}
	waiting, err := r.store.ReadyLanes(ctx)
	if err != nil {
		return err
	}
	lost := slices.DeleteFunc(waiting, func(name string) bool { return carrierNamed(s, name) != nil })
	r.relay = relay.New(relay.Options{
		Owner: r.owner, Queue: join.queue, Lanes: join.lanes, Lost: lost, DrainTimeout: r.drainTime, Log: log, Now: r.now,
		Standing: r.live.standing, Observe: r.meters.dialled,
	})
	r.gateway = &gateway.Gateway{
		Numbers: r.live, Carriers: r.carriers, Media: join.media, Messages: join.messages, Consent: r.store, Lanes: r.relay, Now: r.now, NewID: r.newID,
		Judged: r.meters.judged,
	}
	r.gateway.Rules.Store(s.rules)
	return nil
}

// link makes the link of a carrier.
func (r *rooms) link(c *config.Carrier, log *slog.Logger) (*carrier.Link, error) {
	o := linkOptions(c)
	o.Log, o.Now, o.NewID = log, r.now, r.newID
	return carrier.New(o, r.pictures.Bytes)
}

// drainTime is the relay's part of the time that stopping may take: the rest is
// for results that have to become durable, and for who still uploads.
func (r *rooms) drainTime() time.Duration { return r.live.drain() * 7 / 10 }

// close gives the leases back and closes the stores, the database last.
func (r *rooms) close() error {
	for _, l := range r.links {
		l.Close()
	}
	if r.blobs != nil {
		r.blobs.Close()
	}
	err := r.store.Release(context.Background(), r.owner)
	return errors.Join(err, r.store.Close())
}
