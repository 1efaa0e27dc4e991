package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"mmsgw/client"
	"mmsgw/simulator"
)

// The cases of a catalogue of faults that this suite answers for, by their number
// there: what a carrier, the network or the clock can do, seen from outside. Those
// of the disk and of uploads are others'.

const quick = "first: 50ms, max: 200ms, unknown_wait: 60s"

// submit sends one message to the i-th of the demo's recipients.
func (w *town) submit(i int) string {
	w.t.Helper()
	done, err := w.client.Submit(w.t.Context(), message(i))
	if err != nil {
		w.t.Fatal(err)
	}
	return done.Message.ID
}

// becomes waits until a message's first delivery stands somewhere.
func (w *town) becomes(id, state, reason string) *client.Delivery {
	w.t.Helper()
	var last *client.Message
	until(w.t, "it is "+state+", "+reason, func() bool {
		m, err := w.client.Message(w.t.Context(), id)
		if err != nil {
			w.t.Fatal(err)
		}
		last = m
		d := &m.Deliveries[0]
		return d.State == state && (reason == "" || d.Reason != nil && d.Reason.Code == reason)
	})
	return &last.Deliveries[0]
}

// rss is a process's resident memory in bytes.
func (p *process) rss() int {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		p.t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// Case 19: the clock jumps. What a process goes by is its start and the time that
// passed since, which no setting of the machine's clock reaches; that times in rows
// are its times, and what follows from a clock set between two runs, is proven in
// fake time (gateway/relay, TestClockSetBetweenRuns).
func TestCase19ClockJumps(t *testing.T) {
	clock := steady()
	a := clock()
	if a.String() == a.Round(0).String() {
		t.Error("the clock's times carry no monotonic reading: they would follow the machine's")
	}
	b := clock()
	if b.Before(a) || b.Sub(a) > time.Minute {
		t.Errorf("it went from %v to %v", a, b)
	}
}

// Case 20: SIGTERM under load, at a carrier that does not answer. It ends within
// its time with exit code 0; what had no answer is uncertain, the rest waits, and
// nothing is dialled twice.
func TestCase20TermUnderLoad(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{Fault: "never-answers"}, quick)
	w.edit("media_reserve: 8MiB", "media_reserve: 8MiB\ndrain: 5s")
	p := w.serve(binary)
	var ids []string
	for i := range 40 {
		ids = append(ids, w.submit(i))
	}
	until(t, "the window is full", func() bool { return len(w.mmsc.MMSC.Seen()) >= 16 })
	began := time.Now()
	if code := p.terminate(); code != exitDone {
		t.Errorf("exit code %d: %s", code, p.log)
	}
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("it took %v to end, it has 5 s", took)
	}
	asked := map[string]int{}
	for _, s := range w.mmsc.MMSC.Seen() {
		asked[s.To[0]]++
	}
	if err := w.mmsc.MMSC.SetFault(""); err != nil {
		t.Fatal(err)
	}
	w.serve(binary)
	uncertain := 0
	until(t, "all the others have arrived", func() bool {
		uncertain = 0
		arrived := 0
		for _, id := range ids {
			m, err := w.client.Message(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			switch m.State {
			case "uncertain":
				uncertain++
			case "delivered":
				arrived++
			}
		}
		return arrived+uncertain == len(ids)
	})
	copies := map[string]int{}
	for _, s := range w.mmsc.MMSC.Seen() {
		copies[s.To[0]]++
	}
	for to, n := range copies {
		if n > 1 {
			t.Errorf("%s got %d requests", to[len(to)-4:], n)
		}
	}
	if len(asked) < 16 || len(copies) != len(ids) {
		t.Errorf("%d were asked before, %d in all", len(asked), len(copies))
	}
}

// Cases 23 to 25: the carrier takes the whole request, and no answer arrives: the
// outcome is unknown, the report settles it, nothing is sent twice.
func TestCase23To25NoAnswer(t *testing.T) {
	t.Parallel()
	for number, fault := range map[int]string{23: "reset-after-request", 24: "half-answer", 25: "never-answers"} {
		t.Run(fmt.Sprintf("TestCase%d %s", number, fault), func(t *testing.T) {
			t.Parallel()
			w := found(t, simulator.Options{Fault: fault, ReportDelay: 300 * time.Millisecond}, quick)
			w.edit("response: 10s", "response: 1s")
			w.serve(binary)
			id := w.submit(0)
			w.await("it is uncertain", func(e client.Event) bool { return e.Type == "delivery.uncertain" && e.Message == id })
			d := w.becomes(id, "delivered", "retrieved")
			if d.PossibleDuplicate || len(d.AttemptLog) != 1 || d.AttemptLog[0].Outcome != "unknown" {
				t.Errorf("possible duplicate %v, attempts %+v", d.PossibleDuplicate, d.AttemptLog)
			}
			if n := w.mmsc.MMSC.Totals().Requests; n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// Case 23, where the policy is to send again: the same TransactionID, marked.
func TestCase23Resend(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{Fault: "reset-lost"}, "first: 100ms, max: 200ms, unknown: resend, resend_max: 2")
	w.serve(binary)
	id := w.submit(0)
	until(t, "it came twice", func() bool { return len(w.mmsc.MMSC.Seen()) == 2 })
	if err := w.mmsc.MMSC.SetFault(""); err != nil {
		t.Fatal(err)
	}
	d := w.becomes(id, "delivered", "")
	seen := w.mmsc.MMSC.Seen()
	if !d.PossibleDuplicate || len(seen) != 3 || seen[0].TransactionID != seen[2].TransactionID || seen[2].Request != 3 {
		t.Errorf("possible duplicate %v, %d requests: %+v", d.PossibleDuplicate, len(seen), seen)
	}
}

// Case 26: nobody listens, no such name, a certificate nobody trusts: nothing was
// sent, so it is tried again, safely; the certificate stops the lane, and there is
// no way down to plain HTTP.
func TestCase26NotReached(t *testing.T) {
	t.Parallel()
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	for name, k := range map[string]struct{ url, state, reason, code string }{
		"refused": {"http://" + freePort(t) + "/mm7", "queued", "backing_off", "refused"},
		"no name": {"http://carrier.invalid/mm7", "queued", "backing_off", "dns"},
		"TLS":     {untrusted.URL, "held", "lane_stopped", "tls"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := found(t, simulator.Options{}, "first: 5s, max: 10s")
			w.edit(w.mmsc.URL(), k.url)
			w.serve(binary)
			id := w.submit(0)
			d := w.becomes(id, k.state, k.reason)
			if d.CarrierStatus != k.code || d.NextAttemptAt == nil || d.PossibleDuplicate || d.Attempts != 0 {
				t.Errorf("%+v", d)
			}
			w.edit(k.url, w.mmsc.URL())
			if _, err := w.client.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.becomes(id, "delivered", "")
		})
	}
}

// Case 27: the carrier closed the kept-alive connection as we wrote. Each message
// is one request at the carrier, one attempt here; no transport sends by itself.
func TestCase27StaleKeepAlive(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"stale-keepalive", "stale-reset"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			w := found(t, simulator.Options{Fault: fault}, "first: 100ms, max: 200ms")
			w.serve(binary)
			var ids []string
			for i := range 12 { // one after the other, so that connections are used again
				ids = append(ids, w.submit(i))
				until(t, "it has an end or none", func() bool {
					m, err := w.client.Message(t.Context(), ids[i])
					return err == nil && (m.State == "delivered" || m.State == "uncertain")
				})
			}
			for i, id := range ids {
				m, err := w.client.Message(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				if d := m.Deliveries[0]; len(d.AttemptLog) != 1 || d.PossibleDuplicate {
					t.Errorf("message %d: %s after %d attempts, possible duplicate %v", i, d.State, len(d.AttemptLog), d.PossibleDuplicate)
				}
			}
			for _, s := range w.mmsc.MMSC.Seen() {
				if s.Request > 1 || s.Copy > 1 {
					t.Errorf("%s came again: request %d, copy %d", s.TransactionID, s.Request, s.Copy)
				}
			}
		})
	}
}

// Case 28: a fault of class 3000 in HTTP 500, an error in HTTP 200: MM7's word
// counts, not HTTP's.
func TestCase28StatusByMM7(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{Scenario: map[string]string{"0199": "fault-3000", "0198": "status-in-200"}}, quick)
	w.serve(binary)
	temporary, permanent := w.submit(0), w.submit(1)
	if d := w.becomes(temporary, "delivered", ""); d.Attempts != 3 {
		t.Errorf("%d answers, want two of 3000 and a yes", d.Attempts)
	}
	if d := w.becomes(permanent, "failed", "carrier_refused_address"); d.Attempts != 1 || d.CarrierStatus != "2002" {
		t.Errorf("%d answers, the last %s", d.Attempts, d.CarrierStatus)
	}
}

// Case 29: Retry-After of an hour, of years, of garbage: obeyed up to a cap by the
// message, shorter by its lane; what is no time is ignored.
func TestCase29RetryAfter(t *testing.T) {
	t.Parallel()
	for fault, least := range map[string]time.Duration{"retry-after-hour": 59 * time.Minute, "retry-after-years": 59 * time.Minute, "retry-after-garbage": 0} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			w := found(t, simulator.Options{Fault: fault}, quick)
			w.serve(binary)
			id := w.submit(0)
			if least == 0 {
				w.becomes(id, "delivered", "")
				return
			}
			d := w.becomes(id, "queued", "backing_off")
			if wait := time.Until(*d.NextAttemptAt); wait < least || wait > time.Hour {
				t.Errorf("tried again in %v", wait)
			}
			carriers, err := w.client.Carriers(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if c := carriers[0]; c.State != "breaker_open" || c.NextTryAt == nil || time.Until(*c.NextTryAt) > 5*time.Minute {
				t.Errorf("the lane is %s, tried at %v", c.State, c.NextTryAt)
			}
		})
	}
}

// Case 30: a redirect is not followed; the lane stops, for only an operator can
// say where the carrier is.
func TestCase30Redirect(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{Fault: "redirect-307"}, quick)
	w.serve(binary)
	d := w.becomes(w.submit(0), "held", "lane_stopped")
	if totals := w.mmsc.MMSC.Totals(); totals.Followed != 0 || totals.Requests != 1 || d.CarrierStatus != "http-307" {
		t.Errorf("followed %d, requests %d, status %s", totals.Followed, totals.Requests, d.CarrierStatus)
	}
}

// Cases 31 and 32: answers made to hurt: no memory, no time, no access; the
// outcome is unknown, and the report settles it.
func TestCase31And32HostileAnswers(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"gzip-bomb", "endless-answer", "binary-answer", "doctype-answer", "deep-answer", "two-roots-answer"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			w := found(t, simulator.Options{ReportDelay: 300 * time.Millisecond}, quick)
			p := w.serve(binary)
			w.becomes(w.submit(0), "delivered", "")
			before := p.rss()
			if err := w.mmsc.MMSC.SetFault(fault); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			id := w.submit(1)
			e := w.await("it is uncertain", func(e client.Event) bool { return e.Type == "delivery.uncertain" && e.Message == id })
			if took := e.At.Sub(began); took > 3*time.Second {
				t.Errorf("it took %v", took)
			}
			if more := p.rss() - before; more > 24<<20 {
				t.Errorf("%d MiB more", more>>20)
			}
			w.becomes(id, "delivered", "")
			if n := len(w.mmsc.MMSC.Seen()); n != 2 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// Case 32, the other half: a sound answer in a foreign namespace is sound.
func TestCase32WrongNamespace(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{Fault: "wrong-namespace"}, quick)
	w.serve(binary)
	if d := w.becomes(w.submit(0), "delivered", ""); d.Attempts != 1 || d.AttemptLog[0].Outcome != "accepted" {
		t.Errorf("%+v", d)
	}
}

// Case 33: reports first, twice, out of order, of nothing we know.
func TestCase33Reports(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{Scenario: map[string]string{
		"0199": "report-first", "0198": "duplicate-report", "0197": "out-of-order", "0196": "report-unknown-id", "0195": "expired-then-retrieved",
	}}, quick)
	w.serve(binary)
	ids := map[string]string{}
	for i, name := range []string{"first", "twice", "order", "unknown", "better"} {
		ids[name] = w.submit(i)
	}
	for _, name := range []string{"first", "twice", "order", "better"} {
		d := w.becomes(ids[name], "delivered", "retrieved")
		if d.ClaimedBy != "handset" || d.Attempts != 1 {
			t.Errorf("%s: claimed by %s after %d answers", name, d.ClaimedBy, d.Attempts)
		}
	}
	count := func(id, kind string) (n int) {
		events, err := w.client.Timeline(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Type == kind {
				n++
			}
		}
		return n
	}
	until(t, "all reports of it were taken", func() bool { return w.mmsc.MMSC.Totals().ReportsAnswered >= 9 })
	if n := count(ids["twice"], "delivery.delivered") + count(ids["twice"], "delivery.reported"); n != 1 {
		t.Errorf("three equal reports are told %d times", n)
	}
	if n := count(ids["order"], "delivery.reported"); n != 1 {
		t.Errorf("the one too late is told %d times", n)
	}
	w.becomes(ids["unknown"], "sent", "awaiting_report")
	no := false
	page, err := w.client.Reports(t.Context(), client.ReportQuery{Matched: &no})
	if err != nil || len(page.Items) != 1 || page.Items[0].To != demoRecipient(3) {
		t.Fatalf("kept: %+v, %v", page, err)
	}
	if _, err := w.client.Link(t.Context(), page.Items[0].ID, ids["unknown"], demoRecipient(3)); err != nil {
		t.Fatal(err)
	}
	w.becomes(ids["unknown"], "delivered", "retrieved")
}

// Case 34: a report with the right id and the wrong password changes nothing.
func TestCase34ForgedReport(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{Fault: "forged-report"}, quick)
	p := w.serve(binary)
	id := w.submit(0)
	w.becomes(id, "delivered", "retrieved")
	events, err := w.client.Timeline(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Type == "delivery.undelivered" || e.Type == "delivery.reported" {
			t.Errorf("the forged report is told: %s", e.Data)
		}
	}
	p.terminate()
	if n := strings.Count(p.log.String(), "a report was refused"); n != 1 {
		t.Errorf("the forgery is told %d times", n)
	}
}

// What holds a lane and a message is as it was after kill -9: the pause, the
// breaker, the day's cap, the hour, the hold.
func TestKilledWhileAllWaits(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{}, quick)
	p := w.serve(binary)
	held := w.submit(0)
	w.becomes(held, "delivered", "")
	if _, err := w.client.Pause(t.Context(), "north"); err != nil {
		t.Fatal(err)
	}
	m := message(1)
	m.SendAt = time.Now().Add(time.Hour)
	done, err := w.client.Submit(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	scheduled, waiting := done.Message.ID, w.submit(2)
	kept := w.submit(3)
	if _, err := w.client.Hold(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	look := func() {
		t.Helper()
		w.becomes(scheduled, "scheduled", "scheduled")
		w.becomes(waiting, "held", "carrier_paused")
		w.becomes(kept, "held", "operator_hold")
	}
	look()
	p.kill()
	w.serve(binary)
	look()
	if n := len(w.mmsc.MMSC.Seen()); n != 1 {
		t.Errorf("%d requests", n)
	}
	if _, err := w.client.Resume(t.Context(), "north"); err != nil {
		t.Fatal(err)
	}
	w.becomes(waiting, "delivered", "")
	if _, err := w.client.Release(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	w.becomes(kept, "delivered", "")
	if _, err := w.client.Cancel(t.Context(), scheduled); err != nil {
		t.Fatal(err)
	}
	w.becomes(scheduled, "canceled", "canceled_by_caller")
	var problem *client.Problem
	if _, err := w.client.Cancel(context.WithoutCancel(t.Context()), scheduled); !errors.As(err, &problem) || problem.Code != "not_cancelable" {
		t.Errorf("canceled again: %v", err)
	}
}
