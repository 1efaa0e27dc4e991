package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"mmsgw/simulator"
)

// gone is a carrier's front that is away for a moment, again and again: nobody
// listens, and the connections that were kept are closed. It ends with the test.
func gone(t *testing.T, behind http.Handler, up, down time.Duration) (url string) {
	t.Helper()
	at := freePort(t)
	ctx, stop := context.WithCancel(t.Context())
	over := make(chan struct{})
	listening := make(chan struct{}, 1)
	go func() {
		defer close(over)
		for ctx.Err() == nil {
			l, err := net.Listen("tcp", at)
			if err != nil {
				t.Error(err)
				return
			}
			s := &http.Server{Handler: behind, ReadHeaderTimeout: time.Minute}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_ = s.Serve(l) // until it is shut down
			}()
			select {
			case listening <- struct{}{}:
			default:
			}
			pause(ctx, up)
			_ = s.Shutdown(context.WithoutCancel(ctx)) // what is under way is answered
			<-ended
			pause(ctx, down)
		}
	}()
	t.Cleanup(func() { stop(); <-over })
	<-listening
	return "http://" + at + "/mm7"
}

// A carrier that is away for a moment gets what was refused meanwhile when it is
// back, and that is held to the agreed rate like all else.
func TestRateOverACarrierThatComesAndGoes(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{Rate: simulator.Rate{PerSecond: 40, Burst: 1, Count: simulator.ByRecipients}}, "first: 20ms, max: 50ms, unknown: resend, resend_max: 100")
	w.edit("per_second: 10000, burst: 1000", "per_second: 40, burst: 1")
	w.edit(w.mmsc.URL(), gone(t, w.mmsc.MMSC, 700*time.Millisecond, 150*time.Millisecond))
	w.serve(binary)
	for i := range 150 {
		w.post(number("416", i%100))
	}
	until(t, "all has arrived", func() bool { return settled(t, w.client) == 0 })
	if over := w.mmsc.MMSC.Exceeded(); len(over) > 0 {
		t.Errorf("%d times over the agreed rate, first %+v", len(over), over[0])
	}
}

// slowly makes the first read on a connection late, which is the client's greeting.
type slowly struct {
	net.Listener
	by time.Duration
}

func (l slowly) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &lateConn{Conn: c, at: time.Now().Add(l.by)}, nil
}

type lateConn struct {
	net.Conn
	at time.Time
}

func (c *lateConn) Read(p []byte) (int, error) {
	pause(context.Background(), time.Until(c.at))
	return c.Conn.Read(p)
}

// Where it takes long to connect, as to a carrier far away by TLS, what had to connect
// comes late, and what follows on a connection that is there does not: together they
// are held to the agreed rate.
func TestRateWhereConnectingIsSlow(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{Rate: simulator.Rate{PerSecond: 40, Burst: 4, Count: simulator.ByRequests}}, quick)
	w.edit("per_second: 10000, burst: 1000", "per_second: 40, burst: 4, count: requests")
	far := httptest.NewUnstartedServer(w.mmsc.MMSC)
	far.Listener = slowly{far.Listener, 300 * time.Millisecond}
	far.StartTLS()
	t.Cleanup(far.Close)
	authority := filepath.Join(w.dir, "ca.pem")
	writePEM(t, authority, far.Certificate().Raw)
	w.edit(w.mmsc.URL(), far.URL+"/mm7")
	w.serve(binary, "SSL_CERT_FILE="+authority, "SSL_CERT_DIR=/nonexistent")
	for i := range 100 {
		w.post(number("416", i))
	}
	until(t, "all has arrived", func() bool { return w.mmsc.MMSC.Totals().Accepted == 100 })
	if over := w.mmsc.MMSC.Exceeded(); len(over) > 0 {
		t.Errorf("%d times over the agreed rate, first %+v", len(over), over[0])
	}
}

// What waits for its place in the rate when the daemon is told to end has not left:
// it waits on in its queue, and is in no doubt.
func TestCase20WhatWaitsForItsSlotIsInNoDoubt(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{}, quick)
	w.edit("state_dir: ./state", "state_dir: ./state\ndrain: 5s")
	w.edit("per_second: 10000, burst: 1000", "per_second: 0.5, burst: 8, max_recipients: 8")
	p := w.serve(binary)
	var all []string
	for i := range 8 {
		all = append(all, number("416", i))
	}
	id := w.post(all...)
	until(t, "it has its slot", func() bool { return w.message(id).State == "sending" })
	begin := time.Now()
	if text := p.ending(); len(text) == 0 || time.Since(begin) > 5*time.Second {
		t.Errorf("it ended after %v: %s", time.Since(begin), text)
	}
	w.edit("per_second: 0.5", "per_second: 1000")
	w.serve(binary)
	until(t, "it has left", func() bool { return w.message(id).State == "delivered" })
	for _, e := range w.events(id) {
		if e.Type == "delivery.uncertain" {
			t.Fatalf("it is told as uncertain, and never left before: %s", e.Data)
		}
	}
	if n := len(w.mmsc.MMSC.Seen()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// Idle, then a rush; then every message refused twice for the moment, each time tried
// again at once: whatever there is to send, it leaves at the agreed rate, by what the
// carrier counts.
func TestRateIdleRushAndStorm(t *testing.T) {
	t.Parallel()
	for _, k := range []struct {
		count    string
		together int
	}{{simulator.ByRequests, 1}, {simulator.ByRecipients, 6}} {
		t.Run(k.count, func(t *testing.T) {
			t.Parallel()
			w := found(t, simulator.Options{Rate: simulator.Rate{PerSecond: 30, Burst: 12, Count: k.count}}, "first: 1ms, max: 2ms")
			w.edit("per_second: 10000, burst: 1000", fmt.Sprintf("per_second: 30, burst: 12, count: %s, max_recipients: %d", k.count, k.together))
			p := w.serve(binary)
			sent := 0
			rush := func(messages int) {
				for i := range messages {
					var to []string
					for n := range 1 + i%k.together {
						to = append(to, number("416", n))
					}
					w.post(to...)
					sent += len(to)
				}
			}
			arrived := func() bool {
				n := 0
				for _, s := range w.mmsc.MMSC.Seen() {
					if s.Accepted {
						n += len(s.To)
					}
				}
				return n == sent
			}
			idle := func() {
				begin := time.Now()
				until(t, "it was idle", func() bool { return time.Since(begin) > 1200*time.Millisecond })
			}
			idle()
			rush(24)
			until(t, "the rush has arrived", arrived)
			idle()
			if err := w.mmsc.MMSC.SetFault("fault-3000"); err != nil {
				t.Fatal(err)
			}
			rush(18)
			until(t, "the storm is over", arrived)
			p.kill() // with a burst's worth of credit gone
			w.serve(binary)
			rush(12)
			until(t, "all has arrived", arrived)
			if over := w.mmsc.MMSC.Exceeded(); len(over) > 0 {
				t.Errorf("%d times over the agreed rate, first %+v", len(over), over[0])
			}
		})
	}
}

// A process that the machine stops again and again, as a busy one does, keeps the rate:
// what counts is when a request was written, not when it was let go.
func TestRateOfAProcessHeldUp(t *testing.T) {
	t.Parallel()
	for _, count := range []string{simulator.ByRequests, simulator.ByRecipients} {
		t.Run(count, func(t *testing.T) {
			t.Parallel()
			const many = 600
			w := found(t, simulator.Options{Rate: simulator.Rate{PerSecond: 100, Burst: 10, Count: count}}, quick)
			w.edit("per_second: 10000, burst: 1000", "per_second: 100, burst: 10, count: "+count)
			p := w.serve(binary)
			if _, err := w.client.Pause(t.Context(), "north"); err != nil {
				t.Fatal(err)
			}
			for i := range many {
				w.post(number("416", i%100))
			}
			if _, err := w.client.Resume(t.Context(), "north"); err != nil {
				t.Fatal(err)
			}
			until(t, "all has arrived", func() bool {
				pause(t.Context(), rand.N(150*time.Millisecond))
				_ = p.cmd.Process.Signal(syscall.SIGSTOP)
				pause(t.Context(), 20*time.Millisecond+rand.N(200*time.Millisecond))
				_ = p.cmd.Process.Signal(syscall.SIGCONT)
				return w.mmsc.MMSC.Totals().Accepted == many
			})
			if over := w.mmsc.MMSC.Exceeded(); len(over) > 0 {
				t.Errorf("%d times over the agreed rate, first %+v", len(over), over[0])
			}
		})
	}
}

// The second signal does not wait. What was under way is in doubt, as after a kill.
func TestCase20SecondSignal(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{Fault: "never-answers", ReportDelay: time.Hour}, quick)
	p := w.serve(binary)
	id := w.post(number("416", 0))
	until(t, "it is under way", func() bool {
		return len(w.mmsc.MMSC.Seen()) == 0 && w.mmsc.MMSC.Totals().Accepted == 1 || len(w.mmsc.MMSC.Seen()) == 1
	})
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	until(t, "it drains", func() bool { return w.status("/readyz") == http.StatusServiceUnavailable })
	begin := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.over
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("after the second signal it took %v", took)
	}
	w.serve(binary)
	w.becomes(id, "uncertain", "awaiting_report")
	if n := w.mmsc.MMSC.Totals().Requests; n != 1 {
		t.Errorf("%d requests", n)
	}
}
