package simulator_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mmsgw/mm7"
	"mmsgw/simulator"
)

// listen opens a Server that reports into a channel, and a client for it.
func listen(t *testing.T, o simulator.Options) (*simulator.Server, *mm7.Client, <-chan string) {
	t.Helper()
	reports := make(chan string, 8)
	gw := httptest.NewServer(&mm7.Handler{Dialect: mustPreset(), DeliveryReport: func(_ context.Context, r *mm7.DeliveryReportReq) (mm7.Status, error) {
		reports <- r.MMStatus
		return mm7.Status{}, nil
	}})
	t.Cleanup(gw.Close)
	o.ReportTo = gw.URL
	s, err := simulator.Open("127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	c, err := mm7.NewClient(mm7.ClientOptions{URL: s.URL(), Dialect: mustPreset(), Redial: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return s, c, reports
}

// TestServer: the gateway's own client over a socket, strictly checked; both small
// bodies and streamed ones.
func TestServer(t *testing.T) {
	s, c, reports := listen(t, simulator.Options{})
	<-s.Ready()
	r := message("tx-1")
	for _, size := range []int{0, 300 << 10} {
		r.Parts[1].Data = append([]byte(gif), make([]byte, size)...)
		rsp, err := c.Submit(t.Context(), r)
		if err != nil || rsp.Status.Code != 1000 || rsp.MessageID == "" {
			t.Fatalf("answered %+v, %v", rsp, err)
		}
		if got := <-reports; got != "Retrieved" {
			t.Errorf("reported %s", got)
		}
	}
	if got := m(s)[1]; !got.Accepted || got.Images[0].Size != len(gif)+300<<10 {
		t.Errorf("saw %+v", got)
	}
	s.Close() // and once more when the test is over
}

func m(s *simulator.Server) []simulator.Submission { return s.MMSC.Seen() }

// TestConnectionCut: the client cannot know what became of the message.
func TestConnectionCut(t *testing.T) {
	for fault, accepted := range map[string]bool{"drop-after-request": true, "half-answer": true, "lost": false} {
		t.Run(fault, func(t *testing.T) {
			s, c, reports := listen(t, simulator.Options{Fault: fault})
			rsp, err := c.Submit(t.Context(), message("tx-1"))
			if _, unknown := errors.AsType[*mm7.NoAnswerError](err); !unknown {
				t.Errorf("answered %+v, %v", rsp, err)
			}
			if accepted {
				if got := <-reports; got != "Retrieved" {
					t.Errorf("reported %s", got)
				}
			}
			if got := m(s); len(got) != 1 || got[0].Accepted != accepted {
				t.Errorf("saw %+v", got)
			}
		})
	}
}

// TestRefuse: no connection at first, then all is well on the same port.
func TestRefuse(t *testing.T) {
	s, c, reports := listen(t, simulator.Options{Fault: "refuse", RefuseFor: 300 * time.Millisecond})
	_, err := c.Submit(t.Context(), message("tx-1"))
	if _, unsent := errors.AsType[*mm7.NotSentError](err); !unsent {
		t.Fatalf("at first: %v", err)
	}
	<-s.Ready()
	rsp, err := c.Submit(t.Context(), message("tx-1"))
	if err != nil || rsp.Status.Code != 1000 {
		t.Fatalf("later: %+v, %v", rsp, err)
	}
	<-reports
}

// TestCloseWhileRefusing: it does not open after it was closed.
func TestCloseWhileRefusing(t *testing.T) {
	s, err := simulator.Open("127.0.0.1:0", simulator.Options{Fault: "refuse", RefuseFor: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	select {
	case <-s.Ready():
		t.Error("it opened")
	default:
	}
}

func TestAddressTaken(t *testing.T) {
	s, _, _ := listen(t, simulator.Options{})
	addr := strings.TrimSuffix(strings.TrimPrefix(s.URL(), "http://"), "/mm7")
	if _, err := simulator.Open(addr, simulator.Options{}); err == nil || !strings.Contains(err.Error(), addr) {
		t.Errorf("error %v", err)
	}
	if _, err := simulator.Open(addr, simulator.Options{Fault: "?"}); err == nil || !strings.Contains(err.Error(), "no fault") {
		t.Errorf("error %v", err)
	}
}

// TestChunked: net/http takes a body without a length; this MMSC does not.
func TestChunked(t *testing.T) {
	s, _, _ := listen(t, simulator.Options{})
	p := posted(t, mustPreset(), message("tx-1"))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL(), struct{ *strings.Reader }{strings.NewReader(p.body)})
	if err != nil {
		t.Fatal(err)
	}
	r.Header = p.header
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	where := ""
	for _, p := range m(s)[0].Problems {
		where += p.Where + ". "
	}
	if resp.StatusCode != 500 || where != "HTTP Content-Length. HTTP Transfer-Encoding. " {
		t.Errorf("HTTP %d, problems %s", resp.StatusCode, where)
	}
}

// TestBodyCut: a request that ends before its length is recorded as refused.
func TestBodyCut(t *testing.T) {
	for name, o := range map[string]simulator.Options{"strict": {}, "lax": {Lax: true}} {
		s, err := simulator.Open("127.0.0.1:0", o)
		if err != nil {
			t.Fatal(err)
		}
		p := posted(t, mustPreset(), message("tx-1"))
		conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(s.URL(), "http://"), "/mm7"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST /mm7 HTTP/1.1\r\nHost: mmsc\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
			p.header.Get("Content-Type"), p.length, p.body[:p.length-1])
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Error(err)
		}
		conn.Close()
		s.Close() // waits for the handler
		if got := m(s); len(got) != 1 || got[0].Accepted || got[0].Problems[0].Where != "HTTP body" {
			t.Errorf("%s: saw %+v", name, got)
		}
	}
}
