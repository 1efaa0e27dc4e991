package simulator_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mmsgw/mm7"
	"mmsgw/simulator"
)

// dialled is a connection to the MMSC, on which nothing is done for anybody.
func dialled(t *testing.T, s *simulator.Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(s.URL(), "http://"), "/mm7"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// send writes a submission to a connection as a gateway does.
func send(t *testing.T, conn net.Conn, transactionID string) {
	t.Helper()
	p := posted(t, mustPreset(), message(transactionID))
	if _, err := fmt.Fprintf(conn, "POST /mm7 HTTP/1.1\r\nHost: mmsc\r\nContent-Type: %s\r\nSOAPAction: \"\"\r\nContent-Length: %d\r\n\r\n%s",
		p.header.Get("Content-Type"), p.length, p.body); err != nil {
		t.Fatal(err)
	}
}

// TestSilence: the gateway cannot know what became of the message; the MMSC does.
func TestSilence(t *testing.T) {
	for fault, c := range map[string]struct {
		accepted bool
		first    string // what came before the silence
		reset    bool
		patient  bool // until the gateway goes
	}{
		"reset-after-request": {accepted: true, reset: true},
		"reset-lost":          {reset: true},
		"drop-after-request":  {accepted: true},
		"never-answers":       {accepted: true, patient: true},
		"stall-headers":       {accepted: true, patient: true, first: "HTTP/1.1 200 OK\r\nContent-Type: text/x"},
	} {
		t.Run(fault, func(t *testing.T) {
			ctx, gone := context.WithCancel(t.Context())
			defer gone()
			o := simulator.Options{Fault: fault}
			if c.patient {
				o.NewID = func() string { gone(); return rand.Text() } // it is accepted
			}
			s, client, reports := listen(t, o)
			_, err := client.Submit(ctx, message("tx-1"))
			if _, unknown := errors.AsType[*mm7.NoAnswerError](err); !unknown {
				t.Errorf("error %v", err)
			}
			if c.accepted {
				<-reports
			}
			conn := dialled(t, s)
			send(t, conn, "tx-2")
			first := make([]byte, len(c.first))
			if _, err := io.ReadFull(conn, first); err != nil || string(first) != c.first {
				t.Errorf("began %q, %v", first, err)
			}
			if c.reset {
				if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("ended by %v", err)
				}
			}
			conn.Close()
			if c.accepted {
				<-reports // not before the gateway has gone
			}
			if got := s.MMSC.Totals(); got.Requests != 2 || (got.Accepted == 2) != c.accepted {
				t.Errorf("totals %+v", got)
			}
		})
	}
}

// TestCloseHangsUp: who is not to be answered does not hold up the end.
func TestCloseHangsUp(t *testing.T) {
	for _, fault := range []string{"never-answers", "stall-headers", "stale-reset"} {
		accepted := make(chan bool, 1)
		s, _, reports := listen(t, simulator.Options{Fault: fault, NewID: func() string {
			select {
			case accepted <- true:
			default:
			}
			return rand.Text()
		}})
		conn := dialled(t, s)
		send(t, conn, "tx-1")
		<-accepted
		if fault == "stale-reset" {
			<-reports
		}
		began := time.Now()
		s.Close()
		if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: %v", fault, err)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("%s: closed after %v", fault, took)
		}
	}
}

// TestStaleKeepalive: both answer as if the connection stayed; one closes it at once,
// the other when a request comes on it, which is then not read.
func TestStaleKeepalive(t *testing.T) {
	for fault, atOnce := range map[string]bool{"stale-keepalive": true, "stale-reset": false} {
		t.Run(fault, func(t *testing.T) {
			s, client, reports := listen(t, simulator.Options{Fault: fault})
			conn := dialled(t, s)
			send(t, conn, "tx-1")
			in := bufio.NewReader(conn)
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.Close || !strings.Contains(string(body), ">1000<") {
				t.Errorf("answered %+v, %v, %s", resp.Header, err, body)
			}
			<-reports
			if !atOnce {
				send(t, conn, "tx-2")
			}
			if _, err := in.ReadByte(); atOnce && err != io.EOF || !atOnce && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("ended by %v", err)
			}
			if n := s.MMSC.Totals().Requests; n != 1 {
				t.Errorf("%d requests were read", n)
			}
			// A client whose pool believes that the connection is kept: nothing is sent
			// twice by it, and nothing is lost without an error.
			for i := range 4 {
				_, err := client.Submit(t.Context(), message(fmt.Sprint("tx-", 3+i)))
				if _, unknown := errors.AsType[*mm7.NoAnswerError](err); err != nil && !unknown {
					t.Errorf("request %d: %v", i+1, err)
				}
				if err == nil {
					<-reports
				}
			}
			if got := s.MMSC.Totals(); got.Resends != 0 {
				t.Errorf("totals %+v", got)
			}
		})
	}
}

// TestBadAnswersOverTheWire: the gateway's own client makes of each what it should, in
// little memory and time.
func TestBadAnswersOverTheWire(t *testing.T) {
	for fault, understood := range map[string]bool{
		"gzip-bomb": false, "endless-answer": false, "binary-answer": false, "doctype-answer": false,
		"deep-answer": false, "two-roots-answer": false, "garbage": false, "half-answer": false, "wrong-namespace": true,
	} {
		t.Run(fault, func(t *testing.T) {
			_, client, reports := listen(t, simulator.Options{Fault: fault})
			rsp, err := client.Submit(t.Context(), message("tx-1"))
			_, unknown := errors.AsType[*mm7.NoAnswerError](err)
			if unknown == understood || understood && (rsp.Status.Code != 1000 || rsp.MessageID == "") {
				t.Errorf("answered %+v, %v", rsp, err)
			}
			if got := <-reports; got != "Retrieved" {
				t.Errorf("reported %s", got)
			}
		})
	}
}

// TestRedirectOverTheWire: a client that follows is found out; the gateway's is not one.
func TestRedirectOverTheWire(t *testing.T) {
	s, client, _ := listen(t, simulator.Options{Fault: "redirect-307"})
	rsp, err := client.Submit(t.Context(), message("tx-1"))
	if err != nil || rsp.HTTPStatus != 307 || s.MMSC.Totals().Followed != 0 {
		t.Errorf("%+v, %v; totals %+v", rsp, err, s.MMSC.Totals())
	}
	p := posted(t, mustPreset(), message("tx-2"))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL(), strings.NewReader(p.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = p.header
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if s.MMSC.Totals().Followed != 1 {
		t.Errorf("totals %+v", s.MMSC.Totals())
	}
}

// TestCancelOverTheWire: the gateway's own client, on the connection of submissions.
func TestCancelOverTheWire(t *testing.T) {
	s, client, _ := listen(t, simulator.Options{ReportDelay: time.Hour})
	rsp, err := client.Submit(t.Context(), message("tx-1"))
	if err != nil {
		t.Fatal(err)
	}
	var reused atomic.Bool
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused.Store(i.Reused) }})
	req := &mm7.CancelReq{Head: mm7.Head{TransactionID: "tx-2"}, VASPID: "acme", SenderAddress: mm7.Address{Value: sender}, MessageID: rsp.MessageID}
	rsp, err = client.Cancel(ctx, req)
	if err != nil || rsp.Status.Code != 1000 || rsp.TransactionID != "tx-2" || !reused.Load() {
		t.Errorf("%+v, %v; on a connection in use before: %v", rsp, err, reused.Load())
	}
	req.MessageID = "nobody's"
	if rsp, err = client.Cancel(t.Context(), req); err != nil || rsp.Status.Code != 2005 {
		t.Errorf("%+v, %v", rsp, err)
	}
	if err := s.MMSC.SetFault("cancel-lost"); err != nil {
		t.Fatal(err)
	}
	_, err = client.Cancel(t.Context(), req)
	if _, unknown := errors.AsType[*mm7.NoAnswerError](err); !unknown {
		t.Errorf("error %v", err)
	}
	if got := s.MMSC.Totals(); got.Cancels != 3 || got.Canceled != 1 {
		t.Errorf("totals %+v", got)
	}
}
