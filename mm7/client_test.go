package mm7

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func client(t *testing.T, o ClientOptions) *Client {
	t.Helper()
	if o.Dialect == (Dialect{}) {
		o.Dialect = preset(t, "rel-6-mm7-1-4")
	}
	if o.Redial == 0 {
		o.Redial = time.Millisecond
	}
	c, err := NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// mmsc is a server that keeps what it was sent and answers with answer.
type mmsc struct {
	*httptest.Server
	requests atomic.Int64
	last     *http.Request
	body     []byte
	answer   func(w http.ResponseWriter)
}

// quiet takes what net/http's server says of failures made on purpose.
var quiet = log.New(io.Discard, "", 0)

func newMMSC(t *testing.T, answer func(w http.ResponseWriter)) *mmsc {
	m := &mmsc{answer: answer}
	m.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.requests.Add(1)
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("the request broke off: %v", err)
		}
		m.last, m.body = r, body
		m.answer(w)
	}))
	m.Config.ErrorLog = quiet
	m.Start()
	t.Cleanup(m.Close)
	return m
}

func accepted(w http.ResponseWriter) {
	d, _ := Preset("rel-6-mm7-1-4")
	_, _ = w.Write(EncodeResponse(d, &Response{Head: Head{TransactionID: "tx-1"}, Operation: OpSubmitRsp, Status: Status{Code: 1000}, MessageID: "m-1"}))
}

func TestSubmit(t *testing.T) {
	m := newMMSC(t, accepted)
	for name, size := range map[string]int{"one buffer": 1000, "streamed": 300_000} {
		t.Run(name, func(t *testing.T) {
			r := fullSubmit()
			r.Parts = append(r.Parts, opened("image/png", bytes.Repeat([]byte{0}, size)))
			c := client(t, ClientOptions{URL: m.URL + "/mm7?k=v", Basic: &Basic{"gw", "päss"}})
			rsp, err := c.Submit(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if rsp.Status.Code != 1000 || rsp.MessageID != "m-1" || rsp.TransactionID != "tx-1" || rsp.HTTPStatus != 200 {
				t.Errorf("got %+v", rsp)
			}
			length, _ := Measure(c.dialect, r)
			h := m.last.Header
			if m.last.ContentLength != length || int64(len(m.body)) != length || len(m.last.TransferEncoding) > 0 {
				t.Errorf("Content-Length %d, body %d, measured %d, %v", m.last.ContentLength, len(m.body), length, m.last.TransferEncoding)
			}
			if user, pass, ok := m.last.BasicAuth(); !ok || user != "gw" || pass != "päss" {
				t.Errorf("login %q %q", user, pass)
			}
			if h.Get("Expect") != "" || h.Get("Accept-Encoding") != "" || h.Get("Idempotency-Key") != "" || h.Get("SOAPAction") != `""` {
				t.Errorf("header %v", h)
			}
			h.Set("Content-Length", itoa(len(m.body)))
			if _, problems, err := ParseSubmit(h, bytes.NewReader(m.body), true); err != nil || len(problems) > 0 {
				t.Errorf("%v, %v", problems, err)
			}
		})
	}
}

// TestSOAPActionOnTheWire looks at the very bytes: the header's case is not Go's.
func TestSOAPActionOnTheWire(t *testing.T) {
	for _, action := range []string{`""`, "", "http://example.com/x"} {
		l, got := recordOne(t)
		d := preset(t, "rel-6-mm7-1-4")
		d.SOAPAction = action
		_, _ = client(t, ClientOptions{URL: "http://" + l.Addr().String(), Dialect: d}).Submit(t.Context(), minimalSubmit())
		if text := <-got; !strings.Contains(text, "\r\nSOAPAction: "+action+"\r\n") {
			t.Errorf("%q: %s", action, text)
		}
	}
}

// recordOne listens, reads one request, gives it, and closes without an answer.
func recordOne(t *testing.T) (net.Listener, <-chan string) {
	t.Helper()
	l := listen(t)
	got := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		got <- readRequest(conn)
	}()
	return l, got
}

// readRequest reads one request from the wire.
func readRequest(conn net.Conn) string {
	var seen bytes.Buffer
	req, err := http.ReadRequest(bufio.NewReader(io.TeeReader(conn, &seen)))
	if err == nil {
		_, _ = io.Copy(io.Discard, req.Body)
	}
	return seen.String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestSubmitAnswers(t *testing.T) {
	reply := func(status int, body string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, tc := range map[string]struct {
		answer   func(http.ResponseWriter)
		code     int
		http     int
		noAnswer bool
	}{
		"fault with 500":        {reply(500, string(sample(t, "canonical/fault-rserror-2007.xml"))), 2007, 500, false},
		"fault with 200":        {reply(200, string(sample(t, "canonical/fault-rserror-4006.xml"))), 4006, 200, false},
		"503 and HTML":          {reply(503, "<html>"), 0, 503, false},
		"redirect":              {func(w http.ResponseWriter) { w.Header().Set("Location", "/other"); w.WriteHeader(307) }, 0, 307, false},
		"empty 200":             {reply(200, ""), 0, 200, true},
		"204":                   {reply(204, ""), 0, 204, true},
		"truncated":             {reply(200, string(sample(t, "canonical/submit-rsp.xml")[:400])), 0, 200, true},
		"longer than the bound": {reply(200, strings.Repeat(" ", 10<<20)), 0, 200, true},
		"breaks off":            {func(w http.ResponseWriter) { w.Header().Set("Content-Length", "700"); _, _ = io.WriteString(w, "<a>") }, 0, 200, true},
		"another success":       {reply(200, string(sample(t, "canonical/delivery-report-rsp.xml"))), 0, 200, true},
		"compressed bomb": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, "\x1f\x8b")
		}, 0, 200, true},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMMSC(t, tc.answer)
			rsp, err := client(t, ClientOptions{URL: m.URL}).Submit(t.Context(), minimalSubmit())
			var none *NoAnswerError
			if tc.noAnswer {
				if !errors.As(err, &none) || none.HTTPStatus != tc.http {
					t.Errorf("error %v", err)
				}
			} else if err != nil || rsp.Status.Code != tc.code || rsp.HTTPStatus != tc.http {
				t.Errorf("got %+v, %v", rsp, err)
			}
			if n := m.requests.Load(); n != 1 {
				t.Errorf("sent %d times", n)
			}
		})
	}
}

// TestNotSent are failures of which it is sure that nothing left.
func TestNotSent(t *testing.T) {
	closed := listen(t)
	closed.Close()
	m := newMMSC(t, accepted)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	plain := newMMSC(t, accepted)
	for name, tc := range map[string]struct {
		ctx     context.Context
		url     string
		request *SubmitReq
	}{
		"refused":          {t.Context(), "http://" + closed.Addr().String(), minimalSubmit()},
		"no TLS there":     {t.Context(), strings.Replace(plain.URL, "http:", "https:", 1), minimalSubmit()},
		"canceled before":  {canceled, m.URL, minimalSubmit()},
		"no recipient":     {t.Context(), m.URL, &SubmitReq{}},
		"media gone":       {t.Context(), m.URL, withPart(10, io.ErrClosedPipe)},
		"large media gone": {t.Context(), m.URL, withPart(Contiguous, io.ErrClosedPipe)},
	} {
		t.Run(name, func(t *testing.T) {
			rsp, err := client(t, ClientOptions{URL: tc.url}).Submit(tc.ctx, tc.request)
			var not *NotSentError
			if !errors.As(err, &not) {
				t.Errorf("got %+v, %v", rsp, err)
			}
		})
	}
	if n := m.requests.Load(); n != 0 {
		t.Errorf("%d requests arrived", n)
	}
}

func withPart(size int64, err error) *SubmitReq {
	r := minimalSubmit()
	r.Parts = []Part{{ContentType: "image/gif", Size: size, Open: func() (io.ReadCloser, error) { return nil, err }}}
	return r
}

// TestMaybeSent are failures after which the MMSC may have the message.
func TestMaybeSent(t *testing.T) {
	for name, behave := range map[string]func(conn net.Conn){
		"reads all, closes":     func(conn net.Conn) { readRequest(conn) },
		"closes at once":        func(net.Conn) {},
		"answers half a header": func(conn net.Conn) { readRequest(conn); _, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-") },
		"answers no HTTP":       func(conn net.Conn) { readRequest(conn); _, _ = io.WriteString(conn, "220 smtp\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			l := listen(t)
			var conns atomic.Int64
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					conns.Add(1)
					behave(conn)
					conn.Close()
				}
			}()
			rsp, err := client(t, ClientOptions{URL: "http://" + l.Addr().String()}).Submit(t.Context(), minimalSubmit())
			var none *NoAnswerError
			var not *NotSentError
			sure := name != "closes at once"
			if !errors.As(err, &none) && (sure || !errors.As(err, &not)) {
				t.Errorf("got %+v, %v", rsp, err)
			}
			if n := conns.Load(); sure && n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// TestStaleConnection lets a kept-alive connection be closed by the MMSC after it read
// the second request whole: that one must not be sent again by anybody.
func TestStaleConnection(t *testing.T) {
	l := listen(t)
	var requests atomic.Int64
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			r := bufio.NewReader(conn)
			for i := range 2 {
				req, err := http.ReadRequest(r)
				if err != nil {
					break
				}
				_, _ = io.Copy(io.Discard, req.Body)
				requests.Add(1)
				if i == 0 {
					body := sample(t, "canonical/submit-rsp.xml")
					fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
				}
			}
			conn.Close()
		}
	}()
	c := client(t, ClientOptions{URL: "http://" + l.Addr().String()})
	if _, err := c.Submit(t.Context(), minimalSubmit()); err != nil {
		t.Fatal(err)
	}
	_, err := c.Submit(t.Context(), minimalSubmit())
	var none *NoAnswerError
	if !errors.As(err, &none) || requests.Load() != 2 {
		t.Errorf("%v after %d requests", err, requests.Load())
	}
}

// TestTimeouts has an MMSC that takes the request and keeps silent, in fake time.
func TestTimeouts(t *testing.T) {
	for name, tc := range map[string]struct{ response, patience, want time.Duration }{
		"the option":  {time.Minute, time.Hour, time.Minute},
		"the default": {0, time.Hour, 2 * time.Minute},
		"the context": {time.Hour, time.Minute, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				requests := 0
				tr := NewTransport(TransportOptions{})
				tr.DialContext = func(context.Context, string, string) (net.Conn, error) {
					here, there := net.Pipe()
					go func() {
						readRequest(there)
						requests++
						_, _ = io.Copy(io.Discard, there)
					}()
					return &trackedConn{Conn: here}, nil
				}
				ctx, cancel := context.WithTimeout(t.Context(), tc.patience)
				defer cancel()
				began := time.Now()
				_, err := client(t, ClientOptions{URL: "http://mmsc", Transport: tr, Response: tc.response}).Submit(ctx, minimalSubmit())
				var none *NoAnswerError
				if took := time.Since(began); !errors.As(err, &none) || took != tc.want {
					t.Errorf("after %v: %v", took, err)
				}
				if synctest.Wait(); requests != 1 {
					t.Errorf("%d requests", requests)
				}
			})
		})
	}
}

// TestRedial refuses the first connection and takes the second.
func TestRedial(t *testing.T) {
	m := newMMSC(t, accepted)
	tr := NewTransport(TransportOptions{})
	dial, tries := tr.DialContext, 0
	tr.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if tries++; tries == 1 {
			return nil, &net.OpError{Op: "dial", Err: errors.New("refused")}
		}
		return dial(ctx, network, address)
	}
	rsp, err := client(t, ClientOptions{URL: m.URL, Transport: tr}).Submit(t.Context(), minimalSubmit())
	if err != nil || rsp.Status.Code != 1000 || m.requests.Load() != 1 || tries != 2 {
		t.Errorf("%+v, %v, %d tries", rsp, err, tries)
	}

	// Who paces the requests is asked when there is a connection, and may say no.
	asked, left := 0, 0
	for _, no := range []bool{false, true} {
		tr.CloseIdleConnections()
		tries = 0
		ctx, cancel := context.WithCancel(t.Context())
		ctx = WithLeave(ctx, func(ctx context.Context) error {
			if asked++; no {
				cancel()
			}
			return ctx.Err()
		}, func() { left++ })
		_, err := client(t, ClientOptions{URL: m.URL, Transport: tr}).Submit(ctx, minimalSubmit())
		cancel()
		var unsent *NotSentError
		if (err == nil) == no || no && (!errors.As(err, &unsent) || !errors.Is(err, context.Canceled)) {
			t.Errorf("told no, %v: %v", no, err)
		}
	}
	if asked != 2 || left != 1 || m.requests.Load() != 2 {
		t.Errorf("asked %d times, told %d times, %d requests", asked, left, m.requests.Load())
	}
}

// failing is a transport of somebody else's.
type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

func TestForeignTransport(t *testing.T) {
	_, err := client(t, ClientOptions{URL: "http://x", Transport: failing{errors.New("who knows")}}).Submit(t.Context(), minimalSubmit())
	var none *NoAnswerError
	if !errors.As(err, &none) {
		t.Errorf("unknown: %v", err)
	}
	_, err = client(t, ClientOptions{URL: "http://x", Transport: failing{&net.OpError{Op: "dial", Err: errors.New("refused")}}}).Submit(t.Context(), minimalSubmit())
	var not *NotSentError
	if !errors.As(err, &not) {
		t.Errorf("dial: %v", err)
	}
}

func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { accepted(w) }))
	server.Config.ErrorLog = quiet
	server.StartTLS()
	defer server.Close()
	trusting := NewTransport(TransportOptions{TLS: server.Client().Transport.(*http.Transport).TLSClientConfig})
	for range 2 {
		rsp, err := client(t, ClientOptions{URL: server.URL, Transport: trusting}).Submit(t.Context(), minimalSubmit())
		if err != nil || rsp.Status.Code != 1000 {
			t.Errorf("%+v, %v", rsp, err)
		}
	}
	_, err := client(t, ClientOptions{URL: server.URL}).Submit(t.Context(), minimalSubmit())
	var not *NotSentError
	var cert *tls.CertificateVerificationError
	if !errors.As(err, &not) || !errors.As(err, &cert) {
		t.Errorf("unknown authority: %v", err)
	}
}

func TestSealedConn(t *testing.T) {
	here, there := net.Pipe()
	defer there.Close()
	go func() { _, _ = io.Copy(io.Discard, there) }()
	c := &trackedConn{Conn: here}
	if _, err := c.Write([]byte("abc")); err != nil || c.count() != 3 {
		t.Fatal(err)
	}
	if c.seal(3) {
		t.Error("something left after the count")
	}
	if _, err := c.Write([]byte("d")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("written after the seal: %v", err)
	}
	if !c.seal(2) {
		t.Error("what left before is not seen")
	}
}

func TestErrorsKeepSecrets(t *testing.T) {
	l := listen(t)
	l.Close()
	addr := l.Addr().String()
	_, err := client(t, ClientOptions{URL: "http://user:secret1@" + addr + "/secret2?secret3"}).Submit(t.Context(), minimalSubmit())
	if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), addr) {
		t.Errorf("got %v", err)
	}
	for _, url := range []string{"", "mmsc", "ftp://x", "http://", "http://\x00secret"} {
		if _, err := NewClient(ClientOptions{URL: url, Dialect: preset(t, "rel-6-mm7-1-4")}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
	}
	if _, err := NewClient(ClientOptions{URL: "http://x"}); err == nil {
		t.Error("a client without a dialect")
	}
}
