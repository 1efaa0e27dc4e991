package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"mmsgw/gateway"
)

// Limits of the listener (see also body.go).
const (
	maxConns      = 1024 // at once, per listener
	maxHeader     = 16 << 10
	headerTimeout = 10 * time.Second
	idleTimeout   = time.Minute
	// requestTimeout covers the longest wait for events; send renews it.
	requestTimeout = 2 * time.Minute
)

func (s *Server) server() *http.Server {
	return &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTimeout,
		WriteTimeout:      requestTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnContext:       connContext,
		ErrorLog:          log.New(logWriter{s.Log}, "", 0),
	}
}

// logWriter passes on what net/http has to say.
type logWriter struct{ log *slog.Logger }

func (w logWriter) Write(b []byte) (int, error) {
	w.log.Warn("api: HTTP server", gateway.KeyError, string(b))
	return len(b), nil
}

// Listen opens a Unix socket of mode 0660. A socket file left behind by a
// daemon that died is replaced; one that answers is not.
func Listen(path string) (net.Listener, error) {
	if err := clearStale(path); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("open the API socket: %w", err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, fmt.Errorf("open the API socket: %w", err)
	}
	return l, nil
}

// clearStale removes a socket nobody answers on.
func clearStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("open the API socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("open the API socket: %s is there and is no socket; move it away", path)
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
		return fmt.Errorf("open the API socket: another process answers on %s; stop it, or name another socket", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("open the API socket: whether somebody answers on %s can't be told: %w", path, err)
	}
	return os.Remove(path)
}

// Serve answers on a listener until Shutdown or an error. It returns
// http.ErrServerClosed after Shutdown.
func (s *Server) Serve(l net.Listener) error {
	return s.http.Serve(&limited{Listener: l, free: make(chan struct{}, maxConns)})
}

// Shutdown stops listening, lets requests under way finish, sends waiting
// readers of events home, and closes what is left when ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		s.http.Close()
	}
	return err
}

// limited accepts at most so many connections at once; who comes then waits in
// the kernel's queue.
type limited struct {
	net.Listener
	free chan struct{}
}

func (l *limited) Accept() (net.Conn, error) {
	l.free <- struct{}{}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.free
		return nil, err
	}
	peer, known := peerOf(c)
	return &conn{Conn: c, peer: peer, known: known, leave: func() { <-l.free }}, nil
}

// conn is a connection with its peer, and its place among the limited.
type conn struct {
	net.Conn
	peer  Peer
	known bool
	leave func()
	once  sync.Once
}

func (c *conn) Close() error {
	defer c.once.Do(c.leave)
	return c.Conn.Close()
}

// CloseWrite lets net/http say its last word to a peer that still sends: it
// looks for this method.
func (c *conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}
