package api

import "net"

// ServePipes serves connections that are no sockets, for tests in fake time:
// each is said to come from the peer.
func (s *Server) ServePipes(conns chan net.Conn, peer Peer) error {
	return s.http.Serve(&pipes{conns: conns, peer: peer, done: make(chan struct{})})
}

type pipes struct {
	conns chan net.Conn
	peer  Peer
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return &conn{Conn: c, peer: p.peer, known: true, leave: func() {}}, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// What fuzz targets read and judge.
var (
	AppendCursor = appendCursor
	ParseCursor  = parseCursor
)
