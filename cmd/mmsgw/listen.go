package main

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Bounds of the TCP listeners. What comes in there is small: a report, a probe.
const (
	maxConns      = 512 // of one listener at a time
	maxHeader     = 16 << 10
	headerTimeout = 10 * time.Second
	wholeTimeout  = 30 * time.Second // of a request, and of its answer
	idleTimeout   = 2 * time.Minute
)

func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: wholeTimeout, WriteTimeout: wholeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// admin answers what an orchestrator asks: is it alive, may work be sent to it,
// how does it do.
// What the carriers do plays no part.
func (d *daemon) admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { tell(w, true, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		switch {
		case d.draining.Load():
			tell(w, false, "draining")
		case !d.ready.Load():
			tell(w, false, "not ready")
		default:
			tell(w, true, "ready")
		}
	})
	mux.Handle("GET /metrics", d.meters.handler())
	return mux
}

func tell(w http.ResponseWriter, well bool, word string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if !well {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = io.WriteString(w, word+"\n") // whoever asked has gone otherwise
}

// crowd lets at most n connections in at once; who comes then waits in the
// kernel's queue.
func crowd(l net.Listener, n int) net.Listener {
	return &crowded{Listener: l, places: make(chan struct{}, n)}
}

type crowded struct {
	net.Listener
	places chan struct{}
}

func (l *crowded) Accept() (net.Conn, error) {
	l.places <- struct{}{}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &guest{Conn: c, leave: sync.OnceFunc(func() { <-l.places })}, nil
}

type guest struct {
	net.Conn
	leave func()
}

func (g *guest) Close() error {
	defer g.leave()
	return g.Conn.Close()
}
