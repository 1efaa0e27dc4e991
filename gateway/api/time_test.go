package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mmsgw/client"
	"mmsgw/gateway"
)

// raw sends the beginning of a request, then lets the caller write on.
func (w *world) raw(head string) (io.Writer, func() answer) {
	w.t.Helper()
	c := w.dial()
	w.t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, head); err != nil {
		w.t.Fatal(err)
	}
	return c, func() answer {
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			w.t.Errorf("no answer: %v", err)
			return answer{}
		}
		b, _ := io.ReadAll(res.Body)
		c.Close()
		return answer{status: res.StatusCode, header: res.Header, body: b}
	}
}

func TestBodyWithoutEnd(t *testing.T) {
	for name, body := range map[string]string{
		"told length": "Content-Length: 1000\r\n\r\n{\"from\":",
		"chunked":     "Transfer-Encoding: chunked\r\n\r\n8\r\n{\"from\":\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				began := time.Now()
				_, read := w.raw("POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + body)
				a := read()
				if p := a.problem(t); a.status != 408 || p.Code != "request_timeout" {
					t.Errorf("HTTP %d: %s", a.status, a.body)
				}
				if d := time.Since(began); d != 30*time.Second {
					t.Errorf("after %v", d)
				}
			})
		})
	}
}

// A body that always brings another byte in time still ends.
func TestBodyThatDrips(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		began := time.Now()
		c, read := w.raw("POST /v1/media HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
		hungUp := make(chan struct{})
		go func() {
			defer close(hungUp)
			for {
				<-time.After(20 * time.Second)
				if _, err := io.WriteString(c, "x"); err != nil {
					return
				}
			}
		}()
		if p := read().problem(t); p.Code != "request_timeout" {
			t.Errorf("%+v", p)
		}
		if d := time.Since(began); d != 5*time.Minute {
			t.Errorf("after %v", d)
		}
		<-hungUp
	})
}

// A slow body that flows is taken, and its connection serves on.
func TestSlowBody(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		text := base(`,"text":"hi"`)
		r, in := io.Pipe()
		go func() {
			for i := range len(text) {
				<-time.After(2 * time.Second)
				io.WriteString(in, text[i:i+1])
			}
			in.Close()
		}()
		if a := w.do("POST", "/v1/messages", r, "Content-Type", "application/json"); a.status != 202 {
			t.Errorf("HTTP %d: %s", a.status, a.body)
		}
		if a := w.get("/v1/events?wait=60"); a.status != 200 {
			t.Errorf("HTTP %d: %s", a.status, a.body)
		}
	})
}

// A refused request is answered though its body does not come.
func TestRefusedBeforeItsBody(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.accounts = nil
		began := time.Now()
		_, read := w.raw("POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n")
		if p := read().problem(t); p.Code != "forbidden" || time.Since(began) > 30*time.Second {
			t.Errorf("%+v after %v", p, time.Since(began))
		}
	})
}

// A reader of the feed that goes away while it waits is no error of ours.
func TestReaderThatLeaves(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		c, _ := w.raw("GET /v1/events?wait=60 HTTP/1.1\r\nHost: x\r\n\r\n")
		<-w.entered
		c.(io.Closer).Close()
		synctest.Wait()
		if got := w.log.String(); got != "" {
			t.Errorf("logged: %s", got)
		}
	})
}

func TestBudgetOfUploads(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		gate := make(chan struct{})
		w.gate = gate
		large := base(`,"text":"hi"`) + strings.Repeat(" ", 15<<20) // two of these leave two of 32 MiB
		answers := make(chan answer)
		for range 2 {
			go func() { answers <- w.json("/v1/messages", large) }()
			<-w.entered
		}
		if n := w.server.InFlight(); n != 2*int64(len(large)) {
			t.Errorf("%d bytes are in flight, want %d", n, 2*len(large))
		}
		began := time.Now()
		a := w.json("/v1/messages", large)
		if p := a.problem(t); a.status != 429 || p.Code != "rate_limited" || a.header.Get("Retry-After") == "" {
			t.Errorf("HTTP %d %s", a.status, p.Code)
		}
		if d := time.Since(began); d < 5*time.Second || d > 6*time.Second {
			t.Errorf("after %v", d)
		}
		if a := w.json("/v1/messages/check", base(`,"text":"a small one finds room"`)); a.status != 200 {
			t.Errorf("HTTP %d: %s", a.status, a.body)
		}
		close(gate)
		for range 2 {
			if a := <-answers; a.status != 202 {
				t.Errorf("HTTP %d: %s", a.status, a.body)
			}
		}
		w.send(large)
	})
}

func TestLongPoll(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.send(base(`,"text":"hi"`))
		var page client.Page
		decode(t, w.get("/v1/events").body, &page)
		last := *page.NextCursor

		began := time.Now()
		a := w.get("/v1/events?wait=60&after=" + last)
		if d := time.Since(began); d != time.Minute || string(a.body) != `{"items":[],"next_cursor":"`+last+"\"}\n" {
			t.Errorf("after %v: %s", d, a.body)
		}
		began = time.Now()
		if a = w.get("/v1/events?after=" + last); time.Since(began) != 0 || len(a.body) == 0 {
			t.Errorf("without wait: after %v", time.Since(began))
		}

		// What does not fit the filter does not end the wait, but moves the cursor.
		go func() {
			<-time.After(10 * time.Second)
			w.set(func() { w.tell(gateway.Event{Type: "carrier.paused", Carrier: "north", N: -1}) })
			<-time.After(10 * time.Second)
			w.set(func() { w.tell(gateway.Event{Type: "delivery.sent", Account: "acme", Carrier: "north"}) })
		}()
		began = time.Now()
		page = client.Page{}
		decode(t, w.get("/v1/events?wait=60&after="+last).body, &page)
		if d := time.Since(began); d != 20*time.Second || len(page.Items) != 1 || page.Items[0].Type != "delivery.sent" || *page.NextCursor != page.Items[0].ID {
			t.Errorf("after %v: %+v", d, page)
		}
	})
}

// A server that stops sends waiting readers home.
func TestShutdownEndsTheWait(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		got := make(chan answer)
		go func() { got <- w.get("/v1/events?wait=60") }()
		<-w.entered
		began := time.Now()
		go w.server.Shutdown(t.Context())
		if a := <-got; a.status != 200 || time.Since(began) > time.Second {
			t.Errorf("HTTP %d after %v", a.status, time.Since(began))
		}
	})
}

// While the first submission of a key is under way the second waits, and gives
// up in the end.
func TestIdempotencyInProgress(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		gate := make(chan struct{})
		w.gate = gate
		got := make(chan answer)
		post := func() answer {
			return w.json("/v1/messages", base(`,"text":"hi"`), "Idempotency-Key", "k")
		}
		go func() { got <- post() }()
		<-w.entered
		began := time.Now()
		if p := post().problem(t); p.Status != 409 || p.Code != "idempotency_in_progress" || time.Since(began) != 30*time.Second {
			t.Errorf("%+v after %v", p, time.Since(began))
		}
		go func() { got <- post() }()
		synctest.Wait()
		close(gate)
		replayed := 0
		for range 2 {
			a := <-got
			if a.status != 202 {
				t.Errorf("HTTP %d: %s", a.status, a.body)
			}
			if a.header.Get("Idempotent-Replayed") == "true" {
				replayed++
			}
		}
		if replayed != 1 || w.stored() != 1 {
			t.Errorf("%d replayed, %d stored", replayed, w.stored())
		}
	})
}

func TestConnectionsThatSayNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		c := w.dial()
		began := time.Now()
		io.ReadAll(c)
		if d := time.Since(began); d != 10*time.Second {
			t.Errorf("closed after %v", d)
		}
		c = w.dial()
		go fmt.Fprintf(c, "GET /v1/events HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", strings.Repeat("x", 32<<10))
		if b, _ := io.ReadAll(c); !strings.HasPrefix(string(b), "HTTP/1.1 431") {
			t.Errorf("a huge header: %.100s", b)
		}
	})
}
