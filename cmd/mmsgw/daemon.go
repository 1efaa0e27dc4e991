package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"mmsgw/gateway"
	"mmsgw/gateway/api"
)

// daemonOptions are what a daemon is made of beside its configuration.
type daemonOptions struct {
	Setup    *setup
	Log      *slog.Logger
	Level    *slog.LevelVar // of Log; nil: it stays as it is
	Carriers net.Listener   // where it had to be open before; nil: as configured
}

// daemon is the gateway: every room, joined, and its listeners. serve and demo
// run the same.
type daemon struct {
	rooms
	log       *slog.Logger
	level     *slog.LevelVar
	listeners []*listener
	ready     atomic.Bool // every listener accepts, submissions are taken
	draining  atomic.Bool
	broken    chan error // the first thing it can't go on without
}

// listener is one place where requests come in.
type listener struct {
	name    string // api, carriers, admin
	address string // as the configuration writes one
	net     net.Listener
	serve   func(net.Listener) error
	stop    func(context.Context) error
}

// newDaemon opens everything, the listeners too, and serves nothing yet.
func newDaemon(ctx context.Context, o daemonOptions) (*daemon, error) {
	d := &daemon{log: o.Log, broken: make(chan error, 1)}
	if err := makeStateDir(o.Setup.config.StateDir); err != nil {
		return nil, fmt.Errorf("make the state directory: %w", err)
	}
	rooms, err := openRooms(ctx, o.Setup, o.Log, d.fail)
	if err != nil {
		return nil, err
	}
	d.rooms, d.level = *rooms, o.Level
	if err := d.listen(o); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// makeStateDir makes the directory where it is missing, so that the group can
// reach the socket in it; what is in one that is there is its owner's to say.
func makeStateDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	return os.Chmod(dir, 0o750) // whatever the umask
}

// fail notes why the daemon can't go on; the first cause is the one told.
func (d *daemon) fail(err error) {
	d.ready.Store(false)
	select {
	case d.broken <- err:
	default:
	}
}

// listen opens every listener.
func (d *daemon) listen(o daemonOptions) error {
	c := o.Setup.config.Listen
	front := api.New(api.Options{
		Gateway: d.gateway, Media: d.pictures, Pictures: d.store, Feed: d.store, Accounts: d.live.accounts, Operator: d.live.operates,
		Operations: d.store, Links: d.linkFacts, Reload: d.reload, Draining: d.draining.Load, Log: o.Log,
	})
	d.meters.watch(d, front)
	for _, a := range c.API {
		l, err := api.Listen(a.Addr)
		if err != nil {
			return err
		}
		d.listeners = append(d.listeners, &listener{name: "api", address: a.String(), net: l, serve: front.Serve, stop: front.Shutdown})
	}
	if err := d.listenTCP("carriers", c.Carriers.Addr, o.Carriers, d.carriers); err != nil {
		return err
	}
	return d.listenTCP("admin", c.Admin.Addr, nil, d.admin())
}

func (d *daemon) listenTCP(name, addr string, open net.Listener, h http.Handler) error {
	var err error
	if open == nil {
		if open, err = net.Listen("tcp", addr); err != nil {
			return fmt.Errorf("open the listener for %s: %w; is another process listening there?", name, err)
		}
	}
	server := newServer(h, d.log)
	d.listeners = append(d.listeners, &listener{name: name, address: "tcp:" + open.Addr().String(), net: crowd(open, maxConns), serve: server.Serve,
		stop: func(ctx context.Context) error { return errors.Join(server.Shutdown(ctx), server.Close()) }})
	return nil
}

// run serves until ctx is done, then drains. An error says why it could not go
// on; what is durable then stays so, and the process should end at once.
func (d *daemon) run(ctx context.Context) error {
	for _, l := range d.listeners {
		go func() {
			if err := l.serve(l.net); !errors.Is(err, http.ErrServerClosed) {
				d.fail(fmt.Errorf("the listener %s %s stopped: %w", l.name, l.address, err))
			}
		}()
	}
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		d.relay.Run(sending)
	}()
	d.ready.Store(true)
	d.log.Info("ready")
	select {
	case err := <-d.broken:
		return err
	case <-ctx.Done():
	}
	return d.drain(stop, sent)
}

// reload is the API's and SIGHUP's: refused where the configuration is wrong.
func (d *daemon) reload(ctx context.Context, who string) ([]string, error) {
	keys, err := d.rooms.reload(ctx, d.log, who)
	if err == nil && d.level != nil {
		setLevel(d.level, d.live.Load().config.Log.Level)
	}
	return keys, err
}

// linkFacts are what is told of each carrier beside what its lane does.
func (d *daemon) linkFacts() []api.Link {
	carriers := d.live.Load().config.Carriers
	links := make([]api.Link, len(carriers))
	for i := range carriers {
		c, l := &carriers[i], &carriers[i].Limits
		links[i] = api.Link{
			Name: c.Name, Protocol: c.Protocol, PerSecond: l.PerSecond, Burst: l.Burst, Count: l.Count, PerDay: l.PerDay, DayZone: l.DayZone,
			Window: l.Window, MaxMessage: int64(l.MaxMessage), MaxRecipients: l.MaxRecipients, InFlight: d.relay.InFlight(c.Name),
		}
	}
	return links
}

// drain ends in good order: nothing new is taken, what is under way finishes,
// then the listeners close. Reports are taken till then, since answers on their
// way may be followed by some.
func (d *daemon) drain(stop func(), sent <-chan struct{}) error {
	within := d.live.drain()
	d.log.Info("stopping: nothing new is taken, what is under way finishes", gateway.KeyWithin, within.String())
	deadline := time.Now().Add(within)
	d.draining.Store(true)
	d.ready.Store(false)
	stop()
	select {
	case err := <-d.broken:
		return err
	case <-sent:
	}
	// Whoever uploads still has a moment, however long the carriers took.
	ctx, cancel := context.WithTimeout(context.Background(), max(time.Until(deadline)-time.Second, time.Second))
	defer cancel()
	for _, l := range d.listeners {
		if err := l.stop(ctx); err != nil && !errors.Is(err, net.ErrClosed) {
			d.log.Warn("a listener was closed with requests under way", gateway.KeyListener, l.name, gateway.KeyError, err)
		}
	}
	return nil
}

// close lets go of everything. Run has returned.
func (d *daemon) close() error {
	for _, l := range d.listeners {
		_ = l.net.Close() // closed already, unless it never served
	}
	return d.rooms.close()
}
