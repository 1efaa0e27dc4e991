package simulator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Server is an MMSC with a listener of its own.
type Server struct {
	// MMSC is what listens.
	MMSC *MMSC

	addr  string
	http  *http.Server
	stop  chan struct{}
	ready chan struct{}
	group sync.WaitGroup
	once  sync.Once
}

// Open makes an MMSC and listens for it on addr, host:port; port 0 is a free one. With
// the fault refuse it takes the port, closes it for Options.RefuseFor and listens then.
func Open(addr string, o Options) (*Server, error) {
	m, err := New(o)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		m.Close()
		return nil, fmt.Errorf("simulated MMSC: listen on %s: %w; is another listening there?", addr, err)
	}
	s := &Server{
		MMSC:  m,
		addr:  l.Addr().String(),
		stop:  make(chan struct{}),
		ready: make(chan struct{}),
		http: &http.Server{
			Handler:           m,
			ReadHeaderTimeout: 10 * time.Second,
			ReadTimeout:       2 * time.Minute,
			IdleTimeout:       2 * time.Minute,
			MaxHeaderBytes:    64 << 10,
			ErrorLog:          slog.NewLogLogger(m.o.Log.Handler(), slog.LevelDebug),
		},
	}
	if !m.plan.Load().fault.refuses {
		s.group.Go(func() { s.serve(l) })
		return s, nil
	}
	if err := l.Close(); err != nil {
		m.Close()
		return nil, fmt.Errorf("simulated MMSC: close %s for a while: %w", s.addr, err)
	}
	s.group.Go(s.serveLater)
	return s, nil
}

// URL is where submissions go.
func (s *Server) URL() string { return "http://" + s.addr + "/mm7" }

// Ready is closed when connections are taken: at once, but for the fault refuse.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Close answers what is under way, within five seconds, hangs up on who is not to be
// answered, and closes the MMSC. Closing again does nothing.
func (s *Server) Close() { s.once.Do(s.close) }

func (s *Server) close() {
	close(s.stop)
	s.MMSC.lose()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		_ = s.http.Close() // a listener that is closed already
	}
	s.group.Wait()
	s.MMSC.Close()
}

func (s *Server) serve(l net.Listener) {
	close(s.ready)
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		s.MMSC.o.Log.Error("the simulated MMSC stopped listening", "address", s.addr, "error", err)
	}
}

func (s *Server) serveLater() {
	select {
	case <-s.stop:
		return
	case <-time.After(s.MMSC.o.RefuseFor):
	}
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.MMSC.o.Log.Error("the simulated MMSC cannot listen", "address", s.addr, "error", err)
		return
	}
	s.serve(l)
}
