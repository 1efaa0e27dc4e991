package mm7

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// TransportOptions say how an MMSC is reached.
type TransportOptions struct {
	// Connect bounds dialling, and again the TLS handshake; 10 s when zero.
	Connect time.Duration
	// TLS is used for https; nil for Go's defaults.
	TLS *tls.Config
	// Idle is how many connections are kept open between requests; 8 when zero.
	Idle int
}

// Transport is an HTTP/1.1 transport that knows of each connection whether anything
// was written to it. It is what lets a [Client] say that a request never left.
type Transport struct {
	http.Transport
}

// NewTransport makes the transport a [Client] works best with: connections kept
// alive, small bodies in one write, no proxy, no compression, no HTTP/2.
func NewTransport(o TransportOptions) *Transport {
	connect := o.Connect
	if connect == 0 {
		connect = 10 * time.Second
	}
	idle := o.Idle
	if idle == 0 {
		idle = 8
	}
	dialer := &net.Dialer{Timeout: connect, KeepAlive: 30 * time.Second}
	t := &Transport{http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &trackedConn{Conn: conn}, nil
		},
		TLSClientConfig:     o.TLS,
		TLSHandshakeTimeout: connect,
		DisableCompression:  true, // a bounded answer must stay bounded
		MaxIdleConns:        idle,
		MaxIdleConnsPerHost: idle,
		IdleConnTimeout:     time.Minute,
		WriteBufferSize:     Contiguous + 8<<10, // header and a contiguous body in one write
		Protocols:           new(http.Protocols),
		// As much as of a body; Go's own bound is 10 MiB, for each request under way.
		MaxResponseHeaderBytes: MaxEnvelope,
	}}
	t.Protocols.SetHTTP1(true)
	return t
}

// trackedConn counts what is written, and can be sealed against further writing.
type trackedConn struct {
	net.Conn

	mu      sync.Mutex
	written int64
	writing bool
	sealed  bool
	first   func() // told after the next write
}

func (c *trackedConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	if c.sealed {
		c.mu.Unlock()
		return 0, net.ErrClosed
	}
	c.writing = true
	c.mu.Unlock()

	n, err := c.Conn.Write(p)

	c.mu.Lock()
	c.written += int64(n)
	c.writing = false
	first := c.first
	c.first = nil
	c.mu.Unlock()
	if first != nil {
		first()
	}
	return n, err
}

// tell has told called after the next write.
func (c *trackedConn) tell(told func()) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.first = told
}

func (c *trackedConn) count() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.written
}

// seal forbids all writing from now on and tells whether anything was, or is just
// being, written since the count was base.
func (c *trackedConn) seal(base int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sealed = true
	return c.writing || c.written != base
}

// departure follows one request over the connections it was given.
type departure struct {
	tracked bool // the transport is ours, so that a request that got no connection never left

	mu     sync.Mutex
	uses   []connUse
	unsure bool // it was given a connection that is not counted
}

type connUse struct {
	conn *trackedConn
	base int64
}

type leaveKey struct{}

type leave struct {
	wait func(context.Context) error
	left func()
}

// WithLeave has wait asked whenever a request has its connection and is about to be
// written, the second try as well: whoever paces requests need not know how long it
// takes to connect. With an error of it nothing is written. left is told when the
// first of it has been written; it may be nil, and should be quick.
func WithLeave(ctx context.Context, wait func(context.Context) error, left func()) context.Context {
	return context.WithValue(ctx, leaveKey{}, leave{wait, left})
}

func (d *departure) trace(ctx context.Context) context.Context {
	l, paced := ctx.Value(leaveKey{}).(leave)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		conn := d.gotConn(info)
		switch {
		case !paced:
		case l.wait(ctx) == nil:
			conn.tell(l.left)
		case conn != nil:
			conn.seal(0)
		}
	}})
}

// gotConn notes a connection; it gives it where it is one of ours.
func (d *departure) gotConn(info httptrace.GotConnInfo) *trackedConn {
	conn := info.Conn
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	c, ours := conn.(*trackedConn)
	if ours {
		d.uses = append(d.uses, connUse{c, c.count()})
	} else {
		d.unsure = true
	}
	return c
}

// possible tells, after the request failed, whether any byte of it may have left.
// The connections are sealed first, so that nothing can leave after the answer. All
// doubt counts as yes; a TLS alert on closing is such a doubt.
func (d *departure) possible(err error) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	left := d.unsure
	for _, u := range d.uses {
		if u.conn.seal(u.base) {
			left = true
		}
	}
	if left || d.tracked || len(d.uses) > 0 {
		return left
	}
	var op *net.OpError
	return !errors.As(err, &op) || op.Op != "dial"
}
