package simulator

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
)

// takeOver takes the connection from net/http. Where there is none, as in a test
// without sockets, it panics as net/http defines for an answer that is broken off.
func takeOver(w http.ResponseWriter) net.Conn {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return conn
}

// hangUp closes the connection as it is.
func (m *MMSC) hangUp(w http.ResponseWriter, _ *arrival) {
	_ = takeOver(w).Close() // nothing is left to be said on it
}

// reset closes the connection with RST, where it is one of TCP: what the gateway
// wrote last may be lost with it.
func (m *MMSC) reset(w http.ResponseWriter, _ *arrival) { abort(takeOver(w)) }

func abort(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a connection that is gone needs no reset
	}
	_ = conn.Close() // nothing is left to be said on it
}

// mute answers nothing until the gateway has gone.
func (m *MMSC) mute(w http.ResponseWriter, s *arrival) {
	select {
	case <-s.http.Context().Done():
	case <-m.patience.Done():
	}
	m.hangUp(w, s)
}

// stall sends a part of the header and nothing more until the gateway has gone.
func (m *MMSC) stall(w http.ResponseWriter, _ *arrival) {
	conn := takeOver(w)
	if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/x"); err == nil {
		m.untilMore(conn, io.Discard)
	}
	_ = conn.Close() // nothing is left to be said on it
}

// untilMore reads from the connection into a writer, until there is no more or that
// fails or the MMSC closes.
func (m *MMSC) untilMore(conn net.Conn, into io.Writer) {
	stop := context.AfterFunc(m.patience, func() { _ = conn.Close() }) // which is what ends the reading
	defer stop()
	_, _ = io.Copy(into, conn) // whatever ends it
}

// stale answers well and closes the connection behind its back: a header that says so
// is missing.
func (m *MMSC) stale(w http.ResponseWriter, s *arrival) { _ = m.answerOn(w, s).Close() }

// staleLater answers well and resets the connection when the next request comes on it.
func (m *MMSC) staleLater(w http.ResponseWriter, s *arrival) {
	conn := m.answerOn(w, s)
	m.group.Go(func() {
		m.untilMore(conn, full{})
		abort(conn)
	})
}

// answerOn writes a sound answer to a connection that it takes over.
func (m *MMSC) answerOn(w http.ResponseWriter, s *arrival) net.Conn {
	conn, body := takeOver(w), m.success(s)
	// A gateway that is gone needs no answer.
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=\"utf-8\"\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	return conn
}

// full takes nothing: the first byte is one too many.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
