package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mmsgw/client"
	"mmsgw/mm7"
	"mmsgw/simulator"
)

// The cases of cases_test.go once more, where a restart, several carriers, each
// policy or a flood is part of them.

// The clock is a day off at the next start, which is to say that all times in the
// rows are: nothing storms, what is overdue goes once at the agreed rate, what has
// lost its validity expires once, ids stay apart. Set back, what waited for a time
// waits till that time comes, or for a person.
func TestCase19TheClockWasSetBetweenRuns(t *testing.T) {
	t.Parallel()
	for _, by := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			t.Parallel()
			const each = 15
			rate := simulator.Rate{PerSecond: 20, Burst: 1, Count: simulator.ByRecipients}
			w := found(t, simulator.Options{Fault: "http-503", Rate: rate}, "first: 10m, max: 20m")
			w.edit("per_second: 10000, burst: 1000", "per_second: 20, burst: 1")
			p := w.serve(binary)
			var lasting, stale []string
			for i := range each {
				lasting = append(lasting, w.postAs(client.Submission{ExpiresIn: "3d"}, number("416", i)))
				stale = append(stale, w.postAs(client.Submission{ExpiresIn: "2h"}, number("416", each+i)))
			}
			w.becomes(lasting[0], "queued", "backing_off")
			until(t, "nothing is under way", func() bool { return w.metricsOf(`mmsgw_requests_in_flight{carrier="north"} 0`) })
			p.kill()
			requests := w.mmsc.MMSC.Totals().Requests
			w.setClock(by)
			if err := w.mmsc.MMSC.SetFault(""); err != nil {
				t.Fatal(err)
			}
			w.serve(binary)
			if by < 0 {
				lasting, stale = append(lasting, stale...), nil
				tried := w.endUntried(lasting)
				w.do("hold", "--reason", "backing_off").want(t, exitDone, tried, "")
				w.do("release", "--reason", "operator_hold").want(t, exitDone, tried, "")
			}
			for _, id := range lasting {
				w.endsOnce(id, "delivered")
			}
			for _, id := range stale {
				w.endsOnce(id, "expired")
			}
			if more := w.mmsc.MMSC.Totals().Requests - requests; more > 2*each+5 {
				t.Errorf("%d requests after the clock was set", more)
			}
			if e := w.mmsc.MMSC.Exceeded(); len(e) > 0 {
				t.Errorf("the agreed rate was exceeded: %+v", e)
			}
			if n := w.mmsc.MMSC.Totals().Resends; n > 0 {
				t.Errorf("%d TransactionIDs came twice", n)
			}
		})
	}
}

// setClock has all times of the rows be earlier, or later, by a time: to the next
// run that is a clock which was set.
func (w *town) setClock(by time.Duration) {
	w.t.Helper()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(w.dir, "state", "mmsgw.db"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	shift := func(table string, columns ...string) {
		for _, c := range columns {
			if _, err := db.Exec(fmt.Sprintf("UPDATE %s SET %s = %s - ? WHERE %s > 0", table, c, c, c), by.Microseconds()); err != nil {
				w.t.Fatalf("%s.%s: %v", table, c, err)
			}
		}
	}
	shift("messages", "created_at", "valid_until")
	shift("deliveries", "wake_at", "valid_until", "updated_at", "sent_at", "delivered_at")
	shift("attempts", "opened_at", "closed_at")
	shift("events", "at")
	shift("leases", "until_at")
	shift("lanes", "paused_at", "since_at", "until_at")
}

// endUntried waits for the end of what was never tried, whose turn depends on no
// time, and tells how many deliveries wait for theirs.
func (w *town) endUntried(ids []string) string {
	w.t.Helper()
	n := 0
	for _, id := range ids {
		if slices.Contains(w.story(id), "queued") {
			n++
			continue
		}
		w.endsOnce(id, "delivered")
	}
	return deliveries(n)
}

// endsOnce waits for the end of a message, and for it to be told once.
func (w *town) endsOnce(id, state string) {
	w.t.Helper()
	until(w.t, id+" ends", func() bool { return w.message(id).Final })
	n := 0
	for _, word := range w.story(id) {
		if word == state {
			n++
		}
	}
	if got := w.message(id).State; got != state || n != 1 {
		w.t.Errorf("%s ended %s, told %d times; want %s, once", id, got, n, state)
	}
}

// SIGTERM under load, with requests under way at a carrier that is slow or never
// answers: the daemon ends in good order within its time. What it accepted is not
// lost, what had no answer is uncertain, and nothing is dialled twice.
func TestCase20SigtermUnderLoad(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{Scenario: map[string]string{"150": "never-answers", "151": "never-answers", "152": "never-answers", "153": "never-answers", "0160": "slow"}},
		"first: 50ms, max: 200ms, unknown: wait_for_report, unknown_wait: 30s")
	w.edit("state_dir: ./state", "state_dir: ./state\ndrain: 5s")
	w.edit("response: 10s", "response: 60s")
	p := w.serve(binary)
	var mu sync.Mutex
	accepted := map[string]string{} // text → id
	begun := make(chan struct{}, 1000)
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := 0; ; i++ {
				to := number("416", 0)
				switch i { // eight requests stay under way at once
				case 0:
					to = number("416", 50+worker)
				case 1:
					to = number("416", 60)
				}
				text := fmt.Sprintf("load %d %d", worker, i)
				done, err := w.client.Submit(context.WithoutCancel(t.Context()), client.Submission{From: demoSender, To: []string{to}, Subject: "s", Text: text})
				if err != nil {
					var problem *client.Problem
					var gone *client.NotReachedError
					if !errors.As(err, &gone) && !(errors.As(err, &problem) && problem.Code == "draining") {
						t.Errorf("a submission was answered %v", err)
					}
					return
				}
				mu.Lock()
				accepted[text] = done.Message.ID
				mu.Unlock()
				begun <- struct{}{}
			}
		})
	}
	for range 200 {
		<-begun
	}
	go func() {
		for range begun {
		}
	}()
	asked := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.over
	if took := time.Since(asked); p.cmd.ProcessState.ExitCode() != exitDone || took > 5*time.Second {
		t.Errorf("it ended after %v with exit code %d; want 0 within 5 s", took, p.cmd.ProcessState.ExitCode())
	}
	group.Wait()
	close(begun)
	w.serve(binary)
	w.drained(accepted)
}

// drained holds what a terminated gateway had accepted against what the carrier saw.
func (w *town) drained(accepted map[string]string) {
	t := w.t
	uncertain := 0
	for text, id := range accepted {
		until(t, text+" is delivered", func() bool { return w.message(id).State == "delivered" })
		doubt := slices.Contains(w.story(id), "uncertain")
		if mute := strings.Contains(w.message(id).To[0], "555015"); mute != doubt {
			t.Errorf("%s to %s: uncertain is %v", text, w.message(id).To[0], doubt)
		}
		if doubt {
			uncertain++
		}
	}
	came := map[string]int{}
	for _, s := range w.mmsc.MMSC.Seen() {
		if came[s.Text]++; came[s.Text] > 1 {
			t.Errorf("%q came %d times", s.Text, came[s.Text])
		}
		if accepted[s.Text] == "" {
			t.Errorf("%q came, but was not accepted", s.Text)
		}
	}
	if uncertain != 4 {
		t.Errorf("%d were uncertain, want the 4 that the carrier never answered", uncertain)
	}
	t.Logf("%d accepted", len(accepted))
}

// What follows where a request left and no answer came is the carrier's policy:
// wait for the report, send again under the same TransactionID and say so, or hold.
func lostAnswer(t *testing.T, fault string) {
	t.Parallel()
	w := found(t, simulator.Options{Fault: fault, ReportDelay: 300 * time.Millisecond}, "first: 200ms, max: 200ms, unknown: wait_for_report, unknown_wait: 20s")
	w.edit("response: 10s", "response: 500ms")
	again := w.join("again", "647", simulator.Options{Fault: fault, ReportDelay: time.Second}, "timeouts: {connect: 2s, response: 500ms}",
		"retry: {first: 200ms, max: 200ms, unknown: resend, resend_max: 100}")
	w.join("holds", "905", simulator.Options{Fault: fault, ReportDelay: 700 * time.Millisecond}, "timeouts: {connect: 2s, response: 500ms}",
		"retry: {first: 200ms, max: 200ms, unknown: hold}")
	w.serve(binary)
	waits, resent, held := w.post(number("416", 0)), w.post(number("647", 0)), w.post(number("905", 0))
	until(t, "the carrier got it", func() bool { return len(again.Seen()) > 0 })
	if err := again.SetFault(""); err != nil {
		t.Fatal(err)
	}

	w.becomes(held, "held", "ambiguous_outcome")
	for id, want := range map[string]string{waits: "accepted attempted uncertain delivered completed", held: "accepted attempted held delivered completed"} {
		d := w.becomes(id, "delivered", "retrieved")
		w.went(id, want)
		if d.PossibleDuplicate || len(d.AttemptLog) != 1 || d.AttemptLog[0].Outcome != "unknown" || d.Attempts != 1 {
			t.Errorf("%s: %+v", id, d)
		}
	}
	if n := w.mmsc.MMSC.Totals().Requests; n != 1 {
		t.Errorf("what waits for a report was sent %d times", n)
	}

	d := w.becomes(resent, "delivered", "retrieved")
	seen := again.Seen()
	if !d.PossibleDuplicate || len(d.AttemptLog) != 1 || len(seen) < 2 {
		t.Errorf("sent again it is %+v, after %d requests", d, len(seen))
	}
	for i, s := range seen {
		if s.TransactionID != d.TransactionID || s.Request != i+1 {
			t.Errorf("request %d has the TransactionID %s, told is %s", i+1, s.TransactionID, d.TransactionID)
		}
	}
}

func TestCase23EachPolicyAfterAReset(t *testing.T) { lostAnswer(t, "reset-after-request") }

func TestCase24EachPolicyAfterHalfAnAnswer(t *testing.T) { lostAnswer(t, "half-answer") }

func TestCase25EachPolicyWithoutAnAnswer(t *testing.T) { lostAnswer(t, "never-answers") }

func TestCase25EachPolicyAfterHalfAHeader(t *testing.T) { lostAnswer(t, "stall-headers") }

// While one carrier answers nothing, with as many requests under way as it may
// have, the others go on.
func TestCase25OtherCarriersAreUnaffected(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{Fault: "never-answers"}, "first: 50ms, max: 200ms")
	south := w.join("south", "647", simulator.Options{}, "limits: {per_second: 1000, burst: 100}")
	w.serve(binary)
	var stuck []string
	for i := range 40 {
		stuck = append(stuck, w.post(number("416", i)))
	}
	until(t, "the window is full", func() bool { return w.metricsOf(`mmsgw_requests_in_flight{carrier="north"} 16`) })
	for i := range 20 {
		begin := time.Now()
		w.becomes(w.post(number("647", i)), "delivered", "retrieved")
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("beside a carrier that does not answer it took %v", took)
		}
	}
	if n := len(south.Seen()); n != 20 {
		t.Errorf("the other carrier got %d requests, want 20", n)
	}
	if d := w.message(stuck[0]).Deliveries[0]; d.State != "sending" {
		t.Errorf("what has no answer is %s", d.State)
	}
}

func (w *town) metricsOf(line string) bool { return strings.Contains(w.metrics(), line) }

// Nobody listens, or the name does not exist: it is known that nothing left, so it
// is tried again after a while, without that counting as an attempt.
func TestCase26NobodyListens(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{Fault: "refuse", RefuseFor: 1500 * time.Millisecond}, "first: 100ms, max: 400ms, attempts: 2")
	// A name that no resolver is asked for: a label has 63 letters at most.
	w.add("nowhere", "http://"+strings.Repeat("n", 64)+".example/mm7", areaRoute("647"), "retry: {first: 100ms, max: 400ms, attempts: 2}")
	w.serve(binary)
	id, lost := w.post(number("416", 0)), w.post(number("647", 0))
	d := w.becomes(id, "delivered", "retrieved")
	if d.Attempts != 1 || d.PossibleDuplicate || len(d.AttemptLog) < 3 {
		t.Errorf("%d attempts count, %d were made: %+v", d.Attempts, len(d.AttemptLog), d)
	}
	var pauses []time.Duration
	for i, a := range d.AttemptLog {
		if i > 0 {
			pauses = append(pauses, a.At.Sub(d.AttemptLog[i-1].At))
		}
	}
	slices.Sort(pauses)
	if len(slices.Compact(pauses)) < 2 {
		t.Errorf("it was tried evenly, after %v", pauses)
	}
	if n := w.mmsc.MMSC.Totals(); n.Requests != 1 || slices.Contains(w.story(id), "uncertain") {
		t.Errorf("the carrier got %d requests; it went %v", n.Requests, w.story(id))
	}
	until(t, "the carrier that does not exist is told by its breaker", func() bool {
		all, err := w.client.Carriers(t.Context())
		return err == nil && slices.ContainsFunc(all, func(c client.Carrier) bool {
			return c.Name == "nowhere" && c.State == "breaker_open" && c.Code == "dns"
		})
	})
	if d := w.message(lost).Deliveries[0]; d.Attempts != 0 || d.State != "queued" && d.State != "held" && d.State != "sending" || slices.Contains(w.story(lost), "uncertain") {
		t.Errorf("what goes nowhere is %+v", d)
	}
}

// A certificate that nobody vouches for, or of another name, stops the lane with an
// alarm: nothing is sent in clear instead, no message is burnt. When it is put
// right all goes on.
func TestCase26WrongCertificate(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{}, "first: 100ms, max: 400ms, attempts: 1")
	var asked atomic.Int64
	secure := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.mmsc.MMSC.ServeHTTP(rw, r)
	}))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	authority := filepath.Join(w.dir, "ca.pem")
	writePEM(t, authority, secure.Certificate().Raw)
	w.edit(w.mmsc.URL(), secure.URL+"/mm7")
	p := w.serve(binary) // which does not know the authority
	id := w.post(number("416", 0))
	if d := w.becomes(id, "held", "lane_stopped"); d.Attempts != 0 || d.CarrierStatus != "tls" || d.NextAttemptAt == nil {
		t.Errorf("with a certificate of nobody's it is %+v", d)
	}
	w.await("the alarm", func(e client.Event) bool { return e.Type == "carrier.stopped" && e.Carrier == "north" })
	if log := p.ending(); !strings.Contains(log, `"level":"ERROR","msg":"the carrier takes nothing from us`) || !strings.Contains(log, "x509") {
		t.Errorf("the log does not tell of the certificate: %s", log)
	}

	other := strings.Replace(secure.URL, "127.0.0.1", "localhost", 1) // it is of 127.0.0.1 and example.com
	w.edit(secure.URL, other)
	w.serve(binary, "SSL_CERT_FILE="+authority, "SSL_CERT_DIR=/nonexistent")
	second := w.post(number("416", 1))
	w.becomes(second, "held", "lane_stopped")
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests were made before the certificate was right", n)
	}
	w.edit(other, secure.URL)
	w.do("reload").want(t, exitDone, "carriers[north].url", "")
	w.becomes(id, "delivered", "retrieved")
	w.becomes(second, "delivered", "retrieved")
	if n := asked.Load(); n != 2 {
		t.Errorf("%d requests, want one for each message", n)
	}
}

// The status code of MM7 counts, not that of HTTP: what is permanent fails once,
// what is temporary is tried again.
func TestCase28StatusCodesCount(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{Scenario: map[string]string{
		"0100": "fault-3000", "0101": "status-in-200", "0102": "address-2002", "0103": "service-4005", "0104": "reject-2004", "0105": "http-500",
	}}, "first: 50ms, max: 200ms, attempts: 3")
	w.serve(binary)
	for i, c := range []struct {
		state, reason, status string
		requests, counted     int
	}{
		{"delivered", "retrieved", "Retrieved", 3, 3}, // two answers of the class 3000, and the one that took it
		{"failed", "carrier_refused_address", "2002", 1, 1},
		{"failed", "carrier_refused_address", "2002", 1, 1},
		{"failed", "carrier_refused_request", "4005", 1, 1},
		{"failed", "carrier_refused_content", "2004", 1, 1},
		{"delivered", "retrieved", "Retrieved", 3, 1}, // HTTP 500 alone is the server's trouble
	} {
		to := number("416", i)
		d := w.becomes(w.post(to), c.state, c.reason)
		seen := requestsOf(w.mmsc.MMSC, to)
		if len(seen) != c.requests || d.Attempts != c.counted || d.CarrierStatus != c.status {
			t.Errorf("%d: %d requests, %d counted, status %s; want %+v", i, len(seen), d.Attempts, d.CarrierStatus, c)
		}
	}
}

// What Retry-After asks for, an hour at most, is not forgotten by a restart.
func TestCase29RetryAfterOutlivesARestart(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{Fault: "retry-after-hour"}, "first: 50ms, max: 200ms")
	years := w.join("years", "647", simulator.Options{Fault: "retry-after-years"}, "retry: {first: 50ms, max: 200ms}")
	w.join("garbage", "905", simulator.Options{Fault: "retry-after-garbage"}, "retry: {first: 50ms, max: 200ms}")
	p := w.serve(binary)
	hour, ever, soon := w.post(number("416", 0)), w.post(number("647", 0)), w.post(number("905", 0))
	if d := w.becomes(soon, "delivered", "retrieved"); len(d.AttemptLog) != 3 {
		t.Errorf("a Retry-After that is none: %d attempts, want 3", len(d.AttemptLog))
	}
	due := map[string]time.Time{}
	for _, id := range []string{hour, ever} {
		d := w.becomes(id, "queued", "backing_off")
		if d.NextAttemptAt == nil || time.Until(*d.NextAttemptAt).Round(time.Minute) != time.Hour {
			t.Fatalf("it is tried again at %v, want in an hour", d.NextAttemptAt)
		}
		due[id] = *d.NextAttemptAt
	}
	p.ending()
	w.serve(binary)
	for id, at := range due {
		if d := w.becomes(id, "queued", "backing_off"); !d.NextAttemptAt.Equal(at) {
			t.Errorf("after a restart it is tried again at %v, not at %v", d.NextAttemptAt, at)
		}
	}
	for name, n := range map[string]int{"north": w.mmsc.MMSC.Totals().Requests, "years": years.Totals().Requests} {
		if n != 1 {
			t.Errorf("%s got %d requests, want 1", name, n)
		}
	}
}

// A redirect is a fault of configuration: not followed, neither to another path nor
// to another host, no body sent again, the lane stopped.
func TestCase30RedirectToAnotherHost(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{Fault: "redirect-307"}, "first: 50ms, max: 200ms")
	var asked, followed atomic.Int64
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	t.Cleanup(target.Close)
	away := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, target.URL+"/mm7", []int{301, 302, 303, 307, 308}[asked.Add(1)%5])
	}))
	t.Cleanup(away.Close)
	w.add("away", away.URL, areaRoute("647"), "retry: {first: 50ms, max: 200ms}")
	p := w.serve(binary)
	var ids []string
	for i := range 3 {
		ids = append(ids, w.post(number("416", i)), w.post(number("647", i)))
	}
	for _, id := range ids {
		if d := w.becomes(id, "held", "lane_stopped"); d.Attempts != 0 || d.NextAttemptAt == nil {
			t.Errorf("it is %+v", d)
		}
	}
	if n := w.mmsc.MMSC.Totals(); n.Followed != 0 || n.Requests > 3 || n.Resends != 0 || n.Accepted != 0 {
		t.Errorf("totals %+v", n)
	}
	if asked.Load() > 3 || followed.Load() != 0 {
		t.Errorf("%d requests, %d followed", asked.Load(), followed.Load())
	}
	if log := p.ending(); !strings.Contains(log, `"code":"http-307"`) || strings.Count(log, `"event":"carrier.stopped"`) != 2 {
		t.Errorf("the log must tell of each lane once: %s", log)
	}
}

// A carrier's limit for the day that was raised, or is gone, counts from the next
// start on, as it does from a reload on.
func TestDayCapRaisedByARestart(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{}, "first: 50ms, max: 200ms")
	w.edit("burst: 1000,", "burst: 1000, per_day: 1,")
	p := w.serve(binary)
	w.becomes(w.post(number("416", 0)), "delivered", "retrieved")
	second, third := w.post(number("416", 1)), w.post(number("416", 2))
	w.becomes(second, "held", "daily_cap")
	for _, limit := range []string{"per_day: 2,", "per_day: 0,"} {
		p.ending()
		was := "per_day: 1,"
		if limit == "per_day: 0," {
			was = "per_day: 2,"
		}
		w.edit(was, limit)
		p = w.serve(binary)
		w.becomes(second, "delivered", "retrieved")
		if limit == "per_day: 2," {
			w.becomes(third, "held", "daily_cap")
		}
	}
	w.becomes(third, "delivered", "retrieved")
}

func writePEM(t *testing.T, path string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// An answer that says it has a gigabyte: of it no more is taken than an answer may
// have, and what the sockets hold on the way.
func TestCase31AnswerOfAGigabyte(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{}, "first: 50ms, max: 200ms, unknown: hold")
	var given atomic.Int64
	giant := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		rw.Header().Set("Content-Type", "text/xml")
		rw.Header().Set("Content-Length", fmt.Sprint(1<<30))
		piece := bytes.Repeat([]byte("a"), 64<<10)
		for range 1 << 14 {
			n, err := rw.Write(piece)
			if given.Add(int64(n)); err != nil {
				return
			}
		}
	}))
	t.Cleanup(giant.Close)
	w.edit(w.mmsc.URL(), giant.URL)
	p := w.serve(binary)
	before := p.peak()
	for i := range 8 {
		w.becomes(w.post(number("416", i)), "held", "ambiguous_outcome")
	}
	if grew := p.peak() - before; grew > 24 && !raced || given.Load() > 8*16<<20 {
		t.Errorf("of 8 answers of 1 GiB %d MiB were taken; memory grew by %.1f MiB at most", given.Load()>>20, grew)
	}
}

// An answer whose document type and entities lie elsewhere: nobody goes there.
func TestCase32EntitiesElsewhere(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{}, "first: 50ms, max: 200ms, unknown: hold")
	var fetched atomic.Int64
	var evil *httptest.Server
	evil = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			fetched.Add(1)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		rw.Header().Set("Content-Type", "text/xml")
		fmt.Fprintf(rw, `<?xml version="1.0"?><!DOCTYPE e SYSTEM "%[1]s/dtd" [<!ENTITY %% p SYSTEM "%[1]s/p">%%p;<!ENTITY x SYSTEM "%[1]s/x">]><e>&x;</e>`, evil.URL)
	}))
	t.Cleanup(evil.Close)
	w.edit(w.mmsc.URL(), evil.URL)
	w.serve(binary)
	w.becomes(w.post(number("416", 0)), "held", "ambiguous_outcome")
	if n := fetched.Load(); n != 0 {
		t.Errorf("%d of them were fetched", n)
	}
}

// A report with the right MessageID and the wrong password: refused, nothing changes,
// and however many come, neither the log nor the reports of others suffer.
func TestCase34AFloodOfForgedReports(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{Scenario: map[string]string{"0100": "no-report", "0101": "forged-report"}}, "first: 50ms, max: 200ms")
	p := w.serve(binary)
	id := w.post(number("416", 0))
	d := w.becomes(id, "sent", "awaiting_report")
	dialect, _ := mm7.Preset("rel-6-mm7-1-4")
	forged := (&mm7.DeliveryReportReq{
		Head: mm7.Head{TransactionID: "forged"}, MessageID: d.CarrierMessageID, MMStatus: "Rejected", Date: mm7.DateTime(time.Now()),
		Recipient: mm7.Address{Value: d.To}, Sender: mm7.Address{Value: demoSender},
	}).Encode(dialect)
	const many = 400
	logins := []simulator.Basic{{Username: "north", Password: demoPassword + "?"}, {Username: "gw", Password: demoPassword}, {}, {Username: "north", Password: strings.Repeat("x", 4000)}}
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range many / 8 {
				if code := w.report("north", forged, logins[(worker+i)%len(logins)]); code != http.StatusUnauthorized {
					t.Errorf("a forged report is answered %d, want 401", code)
				}
			}
		})
	}
	group.Wait()
	honest := w.post(number("416", 1)) // whose carrier forges one first
	w.becomes(honest, "delivered", "retrieved")
	w.went(honest, "accepted attempted sent delivered completed")
	if now := w.becomes(id, "sent", "awaiting_report"); now.CarrierStatus != d.CarrierStatus {
		t.Errorf("the forged reports changed %+v", now)
	}
	w.went(id, "accepted attempted sent")
	page, err := w.client.Reports(t.Context(), client.ReportQuery{})
	if err != nil || len(page.Items) != 0 {
		t.Errorf("kept are %+v, %v", page, err)
	}
	if got := w.report("north", forged, simulator.Basic{Username: "north", Password: demoPassword}); got != http.StatusOK {
		t.Errorf("with the right password it is answered %d", got)
	}
	w.becomes(id, "undelivered", "recipient_rejected")
	text := p.ending()
	if n := strings.Count(text, "a report was refused"); n == 0 || n > 3 {
		t.Errorf("%d forged reports are %d lines of the log, want one and perhaps a sum", many+1, n)
	}
	if strings.Contains(text, demoPassword) {
		t.Error("the log shows a password")
	}
}

// report posts a report as a carrier, or as somebody who says so.
func (w *town) report(carrier string, body []byte, as simulator.Basic) int {
	r, err := http.NewRequest(http.MethodPost, "http://"+w.reports+"/mm7/"+carrier, bytes.NewReader(body))
	if err != nil {
		w.t.Error(err)
		return 0
	}
	r.Header.Set("Content-Type", "text/xml")
	if as.Username != "" {
		r.SetBasicAuth(as.Username, as.Password)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Error(err)
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}
