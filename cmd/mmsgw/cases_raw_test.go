package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mmsgw/client"
	"mmsgw/mm7"
	"mmsgw/simulator"
)

// The cases for which a carrier must be worse than HTTP lets a server be, or a
// process that can be stopped.

// raw is a carrier that answers each request by what say writes to the connection;
// the connection is kept until say tells that it is over.
func raw(t *testing.T, say func(c net.Conn, transactionID string) (goOn bool)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(time.Minute))
				in := bufio.NewReader(c)
				for {
					r, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					body, err := io.ReadAll(r.Body)
					if err != nil {
						return
					}
					_, rest, _ := strings.Cut(string(body), "TransactionID")
					_, rest, _ = strings.Cut(rest, ">")
					id, _, _ := strings.Cut(rest, "<")
					if !say(c, id) {
						return
					}
				}
			}()
		}
	}()
	return "http://" + l.Addr().String() + "/mm7"
}

// yes is a sound answer as it stands on the wire.
func yes(transactionID string) string {
	d, _ := mm7.Preset(mm7.Presets()[0])
	body := mm7.EncodeResponse(d, &mm7.Response{Head: mm7.Head{TransactionID: transactionID}, Operation: mm7.OpSubmitRsp, Status: mm7.Status{Code: 1000}, MessageID: "m-" + transactionID})
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// Case 31, before the answer's first byte: a header without end, informational
// answers without end. No more is read of either than an answer may have.
func TestCase31HeaderWithoutEnd(t *testing.T) {
	t.Parallel()
	line := "X-Fill: " + strings.Repeat("f", 32<<10) + "\r\n"
	for name, k := range map[string]struct{ begin, more string }{
		"header":        {"HTTP/1.1 200 OK\r\n", line},
		"informational": {"", "HTTP/1.1 103 Early Hints\r\n" + line + "\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := raw(t, func(c net.Conn, _ string) bool {
				_, err := io.WriteString(c, k.begin)
				for sent := 0; err == nil && sent < 256<<20; sent += len(k.more) {
					_, err = io.WriteString(c, k.more)
				}
				return false
			})
			w := found(t, simulator.Options{}, "first: 50ms, max: 200ms, unknown: hold")
			w.edit(w.mmsc.URL(), url)
			p := w.serve(binary)
			before := p.peak()
			var ids []string
			for i := range 16 { // a window full of them, at once
				ids = append(ids, w.post(number("416", i)))
			}
			for _, id := range ids {
				d := w.becomes(id, "held", "ambiguous_outcome")
				if len(d.AttemptLog) != 1 || d.AttemptLog[0].Outcome != "unknown" {
					t.Errorf("%+v", d)
				}
			}
			if grew := p.peak() - before; grew > 24 && !raced {
				t.Errorf("memory grew by %.1f MiB", grew)
			}
		})
	}
}

// A carrier that goes on talking after its answer: what it says belongs to no
// request. The message is sent, the next one goes by another connection, and none of
// the words gets into the log.
func TestCase31WordsAfterTheAnswer(t *testing.T) {
	t.Parallel()
	const words = "HTTP/1.1 500 Oops\r\nContent-Length: 11\r\n\r\n+4165550199"
	url := raw(t, func(c net.Conn, id string) bool {
		_, err := io.WriteString(c, yes(id)+words)
		return err == nil
	})
	w := found(t, simulator.Options{}, quick)
	w.edit(w.mmsc.URL(), url)
	p := w.serve(binary)
	for i := range 4 {
		if d := w.becomes(w.post(number("416", i)), "sent", "awaiting_report"); len(d.AttemptLog) != 1 || d.AttemptLog[0].Outcome != "accepted" {
			t.Errorf("%+v", d)
		}
	}
	text := p.ending()
	if strings.Contains(text, "4165550199") || strings.Contains(text, "Oops") || strings.Contains(text, "nsolicited") {
		t.Errorf("the log shows a carrier's words: %s", text)
	}
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "{") {
			t.Errorf("the log has a line that is no JSON: %s", line)
		}
	}
}

// Case 31, where what comes is no HTTP at all: unknown, and none of it in the log.
func TestCase31AnswerIsNoHTTP(t *testing.T) {
	t.Parallel()
	for _, words := range []string{"+4165550199 was here\r\n\r\n", "HTTP/1.1 200 OK\r\n+4165550199 was here\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: +4165550199 was here\r\n\r\n", "HTTP/1.1 4165550199 was here\r\n\r\n", "\x00\xff\x16\x03 was here"} {
		t.Run(fmt.Sprintf("%.20q", words), func(t *testing.T) {
			t.Parallel()
			url := raw(t, func(c net.Conn, _ string) bool {
				_, _ = io.WriteString(c, words) // the peer's loss
				return false
			})
			w := found(t, simulator.Options{}, "first: 50ms, max: 200ms, unknown: hold")
			w.edit(w.mmsc.URL(), url)
			p := w.serve(binary)
			d := w.becomes(w.post(number("416", 0)), "held", "ambiguous_outcome")
			if len(d.AttemptLog) != 1 || d.AttemptLog[0].Outcome != "unknown" {
				t.Errorf("%+v", d)
			}
			if text := p.ending(); strings.Contains(text, "4165550199") || strings.Contains(text, "was here") {
				t.Errorf("the log shows a carrier's words: %s", text)
			}
		})
	}
}

// Case 25, at a carrier that answers, but so that nothing ever ends: another protocol,
// a byte now and then, a piece that never comes. Each is unknown at the limit, and its
// place in the window is free again.
func TestCase25AnswersThatNeverEnd(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]string{
		"another protocol": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: example\r\n\r\n",
		"until it closes":  "HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\n\r\n<",
		"in pieces":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n<\r\n1000\r\n",
		"long":             "HTTP/1.1 500 Oops\r\nContent-Length: 60000\r\n\r\n<",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := raw(t, func(c net.Conn, _ string) bool {
				_, err := io.WriteString(c, begin)
				for err == nil {
					pause(t.Context(), 100*time.Millisecond)
					_, err = io.WriteString(c, " ")
				}
				return false
			})
			w := found(t, simulator.Options{}, "first: 50ms, max: 200ms, unknown: hold")
			w.edit(w.mmsc.URL(), url)
			w.edit("response: 10s", "response: 1s")
			w.edit("window: 16", "window: 1")
			w.serve(binary)
			for i := range 2 {
				begin := time.Now()
				id := w.post(number("416", i))
				until(t, "its request has ended", func() bool {
					s := w.message(id).State
					return s != "queued" && s != "sending" || strings.HasSuffix(strings.Join(w.story(id), " "), "queued")
				})
				if took := time.Since(begin); took > 4*time.Second {
					t.Errorf("it took %v", took)
				}
				if d := w.message(id).Deliveries[0]; name == "long" && d.CarrierStatus != "http-500" || name != "long" && d.State != "held" {
					t.Errorf("it is %+v", d)
				}
			}
		})
	}
}

// Case 25, to the letter: the carrier's process is stopped. The kernel takes the
// requests, nobody answers: each is uncertain at the limit, the other carrier's go on.
// When it is let go it finds them, and its reports settle them; none was sent twice.
func TestCase25CarrierStopped(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{}, quick)
	at, pass := freePort(t), filepath.Join(w.dir, "north.pass")
	w.add("south", "http://"+at+"/mm7", areaRoute("647"), "timeouts: {connect: 1s, response: 1s}", "limits: {per_second: 1000, burst: 100, window: 4}", "retry: {first: 50ms, max: 200ms, unknown_wait: 60s}")
	sim := exec.Command(binary, "simulate", "mmsc", "--listen", at, "--report-to", "http://"+w.reports+"/mm7/south", "--report-user", "north", "--report-password-file", pass,
		"--user", "gw", "--password-file", pass, "--output", "json")
	var out strings.Builder
	sim.Stdout = &out
	if err := sim.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- sim.Wait() }()
	t.Cleanup(func() { _ = sim.Process.Kill() })
	until(t, "the carrier listens", func() bool {
		c, err := net.Dial("tcp", at)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	w.serve(binary)
	w.becomes(w.post(number("647", 0)), "delivered", "retrieved")
	if err := sim.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var stuck []string
	for i := range 4 {
		stuck = append(stuck, w.post(number("647", 1+i)))
	}
	for i := range 10 {
		begin := time.Now()
		w.becomes(w.post(number("416", i)), "delivered", "retrieved")
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("beside a carrier that is stopped it took %v", took)
		}
	}
	for _, id := range stuck {
		w.becomes(id, "uncertain", "awaiting_report")
	}
	if err := sim.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for _, id := range stuck {
		d := w.becomes(id, "delivered", "retrieved")
		if len(d.AttemptLog) != 1 || d.PossibleDuplicate {
			t.Errorf("%+v", d)
		}
		w.went(id, "accepted attempted uncertain delivered completed")
	}
	_ = sim.Process.Signal(syscall.SIGTERM)
	if err := <-over; err != nil {
		t.Error(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	last := decode[struct {
		Totals simulator.Totals `json:"totals"`
	}](t, lines[len(lines)-1])
	if last.Totals.Accepted != 5 || last.Totals.Resends != 0 {
		t.Errorf("totals %+v", last)
	}
}

// Case 27, with pictures, whose request is streamed: a kept connection that is closed
// or reset under it is met, and still nothing is sent again by itself.
func TestCase27StaleWithPictures(t *testing.T) {
	t.Parallel()
	picture, err := drawJPEG(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range []string{"stale-keepalive", "stale-reset"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			w := found(t, simulator.Options{Fault: fault}, quick)
			w.serve(binary)
			doubts := 0
			for i := range 16 {
				id := w.postAs(client.Submission{Files: []client.File{client.FileOf("a.jpg", picture)}}, number("416", i))
				until(t, "it has an end or none", func() bool { s := w.message(id).State; return s == "delivered" || s == "uncertain" })
				d := w.message(id).Deliveries[0]
				if len(d.AttemptLog) != 1 || d.PossibleDuplicate {
					t.Errorf("%+v", d)
				}
				if d.State == "uncertain" {
					doubts++
				}
			}
			if fault == "stale-reset" && doubts == 0 {
				t.Error("no kept connection was reset under a request: nothing is shown")
			}
			seen := map[string]int{}
			for _, s := range w.mmsc.MMSC.Seen() {
				if seen[s.To[0]]++; seen[s.To[0]] > 1 || s.Request > 1 {
					t.Errorf("%s came %d times", s.To[0][len(s.To[0])-4:], seen[s.To[0]])
				}
			}
			if len(seen)+doubts < 16 {
				t.Errorf("%d arrived, %d are in doubt", len(seen), doubts)
			}
		})
	}
}
