package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mmsgw/client"
	"mmsgw/gateway"
	"mmsgw/gateway/api"
	"mmsgw/simulator"
)

const canary = "canary-7391-in-the-text"

// message is one to send by the client.
func message(i int) client.Submission {
	return client.Submission{From: demoSender, To: []string{demoRecipient(i)}, Subject: "s", Text: fmt.Sprintf("%s %d", canary, i), Reference: fmt.Sprint(i)}
}

func (w *town) send(args ...string) ran {
	return mmsgw(w.t, []string{"MMSGW_SOCKET=" + w.socket}, append([]string{"send", "--from", demoSender}, args...)...)
}

// A message goes through real processes: the daemon, the simulated carrier,
// the command line.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{Scenario: map[string]string{"0198": "no-report", "0197": "reject-2004"}}, "first: 50ms, max: 200ms")
	p := w.serve(binary)
	picture := filepath.Join(w.dir, "a.png")
	b, err := drawPNG(1)
	if err == nil {
		err = os.WriteFile(picture, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}

	r := w.send("--to", demoRecipient(0), "--text", canary, "--image", picture, "--reference", "r-1", "--idempotency-key", "k-1", "--wait")
	r.want(t, exitDone, "ended     delivered", "")
	r.want(t, exitDone, "key       k-1", "")
	again := decode[client.Message](t, w.send("--to", demoRecipient(0), "--text", canary, "--image", picture, "--reference", "r-1", "--idempotency-key", "k-1", "--output", "json").out)
	if again.State != "delivered" || len(again.Media) != 1 || again.Media[0].Size != int64(len(b)) {
		t.Errorf("repeated with its key it is %+v", again)
	}
	w.send("--to", demoRecipient(0), "--text", "other", "--subject", "s", "--idempotency-key", "k-1").want(t, exitRefused, "", "idempotency_conflict")
	if seen := w.mmsc.MMSC.Seen(); len(seen) != 1 || !seen[0].Accepted || seen[0].Text != canary || seen[0].Images[0].Size != len(b) {
		t.Errorf("the carrier saw %+v", seen)
	}

	show := mmsgw(t, nil, "show", again.ID, "--socket", w.socket)
	if !strings.HasPrefix(show.out, again.ID+" from +12125550123 to +14165550199 has ended: delivered. ") {
		t.Errorf("show begins %q", show.out)
	}
	for _, want := range []string{"r-1", "History", "delivered"} {
		show.want(t, exitDone, want, "")
	}
	as := decode[struct {
		client.Message
		Events []client.Event `json:"events"`
	}](t, mmsgw(t, nil, "show", again.ID, "--config", w.config, "--output", "json").out)
	if as.State != "delivered" || as.Events[0].Type != "message.accepted" || as.Events[len(as.Events)-1].Type != "message.completed" {
		t.Errorf("show as JSON: %+v", as)
	}

	w.send("--to", demoRecipient(0), "--subject", "s", "--check", "--text", "x").want(t, exitDone, "can be sent", "")
	w.send("--to", "+19025550100", "--subject", "s", "--check", "--text", "x").want(t, exitRefused, "to_not_mms_capable", "")
	w.send("--to", "+19025550100", "--subject", "s", "--text", "x").want(t, exitRefused, "", "to_not_mms_capable")
	w.send("--to", demoRecipient(2), "--subject", "s", "--text", canary, "--wait").want(t, exitOtherwise, "ended     failed", "")
	w.send("--to", demoRecipient(1), "--subject", "s", "--text", canary, "--wait", "--timeout", "500ms").want(t, exitUnknown, "sent", "its end is not known")
	mmsgw(t, nil, "show", "msg_"+strings.Repeat("0", 32), "--socket", w.socket).want(t, exitRefused, "", "not_found")
	mmsgw(t, nil, "tail", "--after", "nonsense", "--socket", w.socket).want(t, exitRefused, "", "bad_cursor")
	refused := decode[client.Problem](t, w.send("--to", "911", "--text", "x", "--output", "json").out)
	if refused.Code != "to_not_messageable" || len(refused.Flags) == 0 {
		t.Errorf("a refusal as JSON: %+v", refused)
	}

	if code := p.terminate(); code != exitDone {
		t.Errorf("SIGTERM: exit code %d; %s", code, p.log)
	}
	w.send("--to", demoRecipient(0), "--subject", "s", "--text", "x").want(t, exitUnreached, "", "was not reached")
	for _, secret := range []string{canary, "4165550199", "2125550123", demoPassword, "r-1"} {
		if strings.Contains(p.log.String(), secret) {
			t.Errorf("the log shows %q:\n%s", secret, p.log)
		}
	}
	if !strings.Contains(p.log.String(), again.ID) {
		t.Errorf("the log does not name the message:\n%s", p.log)
	}
}

// edit changes the configuration on the disk.
func (w *town) edit(from, to string) {
	w.t.Helper()
	text, err := os.ReadFile(w.config)
	if err != nil || !strings.Contains(string(text), from) {
		w.t.Fatalf("the configuration has no %q (%v)", from, err)
	}
	if err := os.WriteFile(w.config, []byte(strings.Replace(string(text), from, to, 1)), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// A hang-up has the configuration read again: all of it is taken over, or
// nothing, and what differs is in the log and in the feed.
func TestReload(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{}, "first: 50ms, max: 200ms")
	p := w.serve(binary)
	hangup := func() {
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	reloads := func() (n int) {
		for e, err := range w.client.Events(t.Context(), client.EventQuery{}) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Type == "config.reloaded" {
				n++
			}
			if e.Type == "delivery.delivered" { // the one below
				return n
			}
		}
		return n
	}
	w.edit("numbers: [\"+12125550123\"]", "numbers: [\"+12125550123\", \"+12125550124\"]")
	w.edit("window: 16", "window: 17")
	hangup()
	e := w.await("the configuration was reloaded", func(e client.Event) bool { return e.Type == "config.reloaded" })
	if text := string(e.Data); !strings.Contains(text, "accounts[acme].numbers[…0124]") || !strings.Contains(text, "carriers[north].limits.window") || strings.Contains(text, "2125550124") {
		t.Errorf("told as %s", text)
	}
	w.send("--from", "+12125550124", "--to", demoRecipient(0), "--subject", "s", "--text", "x", "--check").want(t, exitDone, "can be sent", "")

	w.edit("window: 17", "window: -1")
	hangup()
	w.edit("window: -1", "window: 17")
	w.edit("state_dir: ./state", "state_dir: ./elsewhere")
	hangup()
	w.send("--from", "+12125550124", "--to", demoRecipient(0), "--subject", "s", "--text", "x", "--wait").want(t, exitDone, "ended     delivered", "")
	if n := reloads(); n != 1 {
		t.Errorf("%d reloads are told, want the first alone", n)
	}
	if code := p.terminate(); code != exitDone {
		t.Errorf("exit code %d: %s", code, p.log)
	}
	log := p.log.String()
	for _, want := range []string{`"key":"carriers[north].limits.window","old":"16","new":"17"`, `"count":2,"who":"SIGHUP"`, `was not reloaded`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s:\n%s", want, log)
		}
	}
}

// metrics is what the admin listener tells Prometheus.
func (w *town) metrics() string {
	w.t.Helper()
	resp, err := http.Get("http://" + w.admin + "/metrics")
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(body)
}

// What is counted can be read, and shows nobody.
func TestMetrics(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{ReportDelay: 50 * time.Millisecond}, "first: 50ms, max: 200ms")
	w.serve(binary)
	w.send("--to", demoRecipient(0), "--subject", "s", "--text", "x", "--wait").want(t, exitDone, "ended     delivered", "")
	w.send("--to", "+19025550100", "--subject", "s", "--text", "x").want(t, exitRefused, "", "to_not_mms_capable")
	text := ""
	for _, want := range []string{
		"mmsgw_messages_accepted_total 1\n", `mmsgw_messages_refused_total{code="to_not_mms_capable"} 1`,
		`mmsgw_attempts_total{carrier="north",kind="submit",outcome="accepted"} 1`, `mmsgw_reports_total{carrier="north",status="retrieved"} 1`,
		`mmsgw_accepted_to_sent_seconds_count{carrier="north"} 1`, `mmsgw_sent_to_report_seconds_count{carrier="north"} 1`,
		"mmsgw_commit_changes_count ", "mmsgw_store_bytes ", "mmsgw_media_bytes ", "mmsgw_uploads_in_flight_bytes 0\n", `mmsgw_requests_in_flight{carrier="north"} 0`,
	} {
		// The feed may tell what the meters count a moment later.
		until(t, want, func() bool { text = w.metrics(); return strings.Contains(text, want) })
	}
	if strings.Contains(text, "0199") || strings.Contains(text, "acme") {
		t.Error("the metrics show a number or an account")
	}
}

// A daemon that goes away and stays away ends the wait.
func TestWaitLosesTheDaemon(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{Fault: "no-report"}, "first: 50ms, max: 200ms")
	p := w.serve(binary)
	waited := make(chan ran, 1)
	go func() { waited <- w.send("--to", demoRecipient(0), "--subject", "s", "--text", "x", "--wait") }()
	w.await("the carrier has it", func(e client.Event) bool { return e.Type == "delivery.sent" })
	p.kill()
	(<-waited).want(t, exitUnknown, "accepted", "its end is not known: the daemon has not answered")
}

// What left and was not answered may be accepted: the key is told, to repeat it.
func TestSendWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_, _ = io.Copy(io.Discard, r.Body)
			}
			_ = c.Close()
		}
	}()
	args := []string{"send", "--socket", socket, "--from", demoSender, "--to", demoRecipient(0), "--text", "x", "--idempotency-key", "k-7"}
	mmsgw(t, nil, args...).want(t, exitUnknown, "", "idempotency key k-7")
	answer := mmsgw(t, nil, append(args, "--output", "json")...)
	answer.want(t, exitUnknown, `"idempotency_key":"k-7"`, "")
	answer.want(t, exitUnknown, `"code":"outcome_unknown"`, "")
}

// A node that ends gives its lanes back: the next one need not wait for the
// lease to run out.
func TestLanesAreGivenBack(t *testing.T) {
	t.Parallel()
	w := foundOn(t, postgres(t), simulator.Options{}, "first: 50ms, max: 200ms")
	for i := range 2 {
		p := w.serve(binary)
		done, err := w.client.Submit(t.Context(), message(i))
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		w.await("its end", func(e client.Event) bool { return e.Type == "delivery.delivered" && e.Message == done.Message.ID })
		if took := time.Since(begin); took > 7*time.Second {
			t.Errorf("run %d: it took %v", i, took)
		}
		if code := p.terminate(); code != exitDone {
			t.Errorf("run %d: exit code %d: %s", i, code, p.log)
		}
	}
}

func TestTailFollows(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{}, "first: 50ms, max: 200ms")
	w.serve(binary)
	tail := exec.Command(binary, "tail", "--after", "oldest", "--type", "message.completed", "--output", "json", "--socket", w.socket)
	out, err := tail.StdoutPipe()
	if err == nil {
		err = tail.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	done, err := w.client.Submit(t.Context(), message(3))
	if err != nil {
		t.Fatal(err)
	}
	line := make(chan string, 1)
	go func() {
		b := make([]byte, 4096)
		n, _ := out.Read(b)
		line <- string(b[:n])
		_, _ = io.Copy(io.Discard, out)
	}()
	select {
	case got := <-line:
		e := decode[client.Event](t, got)
		if end, err := e.Details(); err != nil || e.Message != done.Message.ID || e.Type != "message.completed" || end.State != "delivered" {
			t.Errorf("the first event is %s", got)
		}
	case <-time.After(30 * time.Second):
		t.Error("tail shows nothing within 30 s")
	}
	_ = tail.Process.Signal(os.Interrupt)
	if err := tail.Wait(); err != nil {
		t.Errorf("interrupted it ends with %v, want exit code 0", err)
	}
}

func TestSimulateCommand(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{}, "first: 50ms, max: 200ms")
	addr := strings.TrimSuffix(strings.TrimPrefix(w.mmsc.URL(), "http://"), "/mm7")
	w.mmsc.Close() // the command takes its place
	journal := filepath.Join(w.dir, "journal")
	pass := filepath.Join(w.dir, "north.pass")
	sim := exec.Command(binary, "simulate", "mmsc", "--listen", addr, "--report-to", "http://"+w.reports+"/mm7/north", "--report-user", "north", "--report-password-file", pass,
		"--user", "gw", "--password-file", pass, "--fault", "drop-after-request", "--fault", "0198=slow", "--journal", journal, "--output", "json")
	var out, errs strings.Builder
	sim.Stdout, sim.Stderr = &out, &errs
	if err := sim.Start(); err != nil {
		t.Fatal(err)
	}
	w.serve(binary)
	w.send("--to", demoRecipient(0), "--subject", "s", "--text", canary, "--wait", "--timeout", "30s").want(t, exitDone, "uncertain", "")
	_ = sim.Process.Signal(syscall.SIGTERM)
	if err := sim.Wait(); err != nil {
		t.Errorf("%v: %s", err, errs.String())
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	last := decode[struct {
		Totals simulator.Totals `json:"totals"`
	}](t, lines[len(lines)-1])
	if last.Totals.Accepted != 1 || last.Totals.Resends != 0 {
		t.Errorf("totals %+v", last)
	}
	seen, err := os.ReadFile(journal)
	if err != nil || !strings.Contains(string(seen), canary) {
		t.Errorf("the journal holds %q, %v", seen, err)
	}
	if strings.Contains(errs.String(), canary) || strings.Contains(errs.String(), "4165550199") {
		t.Errorf("its log shows number or text: %s", errs.String())
	}
}

// SIGTERM: what is under way finishes, nothing new is taken, nothing is sent
// twice afterwards.
func TestSigtermDrains(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{Fault: "slow"}, "first: 50ms, max: 200ms")
	p := w.serve(binary)
	if got := w.status("/readyz"); got != http.StatusOK {
		t.Errorf("/readyz is %d before, want 200", got)
	}
	done, err := w.client.Submit(t.Context(), message(0))
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the carrier has the request", func() bool { return len(w.mmsc.MMSC.Seen()) > 0 })
	ended := make(chan int, 1)
	go func() { ended <- p.terminate() }()
	until(t, "/readyz is 503", func() bool { return w.status("/readyz") == http.StatusServiceUnavailable })
	if got := w.status("/healthz"); got != http.StatusOK {
		t.Errorf("/healthz is %d while draining, want 200", got)
	}
	var problem *client.Problem
	if _, err := w.client.Submit(t.Context(), message(1)); !errors.As(err, &problem) || problem.Code != "draining" || problem.RetryAfter == 0 {
		t.Errorf("a submission while draining: %v, want the problem draining with Retry-After", err)
	}
	if code := <-ended; code != exitDone {
		t.Errorf("exit code %d: %s", code, p.log)
	}
	if _, err := os.Stat(w.socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
	w.serve(binary)
	w.await("the message's end", func(e client.Event) bool { return e.Type == "delivery.delivered" && e.Message == done.Message.ID })
	if n := w.mmsc.MMSC.Totals().Requests; n != 1 {
		t.Errorf("the carrier got %d requests, want 1", n)
	}
}

func TestListeners(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{}, "first: 50ms, max: 200ms")
	p := w.serve(binary)
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/": 404, "/metrics": 200, "/healthz/": 404} {
		if got := w.status(path); got != want {
			t.Errorf("admin %s: %d, want %d", path, got, want)
		}
	}
	ask := func(method, path, user, password string) int {
		r, err := http.NewRequest(method, "http://"+w.reports+path, strings.NewReader("<broken"))
		if err != nil {
			t.Fatal(err)
		}
		if user != "" {
			r.SetBasicAuth(user, password)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	for _, c := range []struct {
		method, path, user, password string
		want                         int
	}{
		{"GET", "/mm7/north", "", "", 405}, {"GET", "/mm7/south", "", "", 404}, {"POST", "/mm7/south", "north", demoPassword, 404},
		{"POST", "/mm7/north", "", "", 401}, {"POST", "/mm7/north", "north", "wrong", 401}, {"POST", "/mm7/north", "gw", demoPassword, 401},
		{"POST", "/v1/messages", "north", demoPassword, 404},
	} {
		if got := ask(c.method, c.path, c.user, c.password); got != c.want {
			t.Errorf("carriers %s %s as %q: %d, want %d", c.method, c.path, c.user, got, c.want)
		}
	}

	// A second daemon on the same directory goes at once; the first is unharmed.
	mmsgw(t, nil, "serve", "--config", w.config).want(t, exitRefused, "", "another mmsgw runs on")
	if got := w.status("/readyz"); got != http.StatusOK {
		t.Errorf("/readyz of the first is %d, want 200", got)
	}
	for _, name := range []string{"state", "mmsgw.sock", "state/mmsgw.db"} {
		info, err := os.Stat(filepath.Join(w.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if want := map[string]os.FileMode{"state": 0o750, "mmsgw.sock": 0o660, "state/mmsgw.db": 0o600}[name]; info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", name, info.Mode().Perm(), want)
		}
	}
	if code := p.terminate(); code != exitDone || strings.Contains(p.log.String(), demoPassword) {
		t.Errorf("exit code %d; the log, which must show no password: %s", code, p.log)
	}
}

// What can't be trusted any more ends the daemon at once, with its cause.
func TestFailureEndsTheDaemon(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{Fault: "slow"}, "first: 50ms, max: 200ms")
	s, err := loadSetup(w.config, os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	d, err := newDaemon(t.Context(), daemonOptions{Setup: s, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() { ended <- d.run(ctx) }()
	until(t, "/readyz is 200", func() bool { return w.status("/readyz") == http.StatusOK })
	cause := errors.New("the disk is gone")
	d.fail(cause)
	select {
	case err := <-ended:
		if !errors.Is(err, cause) {
			t.Errorf("run says %v, want %v", err, cause)
		}
	case <-time.After(10 * time.Second):
		t.Error("run goes on")
	}
	if got := w.status("/readyz"); got == http.StatusOK {
		t.Error("/readyz is still 200")
	}
	stop()
	_ = d.close()
}

func TestPeople(t *testing.T) {
	w := found(t, simulator.Options{}, "first: 50ms")
	s, err := loadSetup(w.config, os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	c := *s.config
	c.Accounts[0].Users = []string{"4711", "root", "4711"}
	c.Operators.Users, c.Operators.Groups = []string{"4712"}, []string{"4713"}
	var faults []string
	p := findPeople(&c, func(key string, err error) { faults = append(faults, key) })
	if len(faults) > 0 || len(p.of(4711)) != 1 || p.of(4711)[0] != "acme" || len(p.of(0)) != 1 || p.of(4712) != nil {
		t.Errorf("faults %q, accounts %v", faults, p.accounts)
	}
	for peer, want := range map[api.Peer]bool{
		{UID: 0}: true, {UID: uint32(os.Geteuid()), GID: 1}: true, {UID: 4712, GID: 1}: true, {UID: 4714, GID: 4713}: true,
		{UID: 4711, GID: 4711}: false, {UID: 4714, GID: 4714}: false,
	} {
		if got := p.operates(peer); got != want {
			t.Errorf("%+v operates: %v, want %v", peer, got, want)
		}
	}
	c.Accounts[0].Users, c.Operators.Groups = []string{"no-such-user-here"}, []string{"no-such-group-here"}
	findPeople(&c, func(key string, err error) { faults = append(faults, key) })
	if strings.Join(faults, " ") != "accounts[0].users[0] operators.groups[0]" {
		t.Errorf("faults %q", faults)
	}
}

// Bytes that are there already are not written again, and what is no picture
// has its flag.
func TestPictures(t *testing.T) {
	w := found(t, simulator.Options{}, "first: 50ms")
	s, err := loadSetup(w.config, os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	if err := makeStateDir(s.config.StateDir); err != nil {
		t.Fatal(err)
	}
	r, err := openRooms(t.Context(), s, slog.New(slog.DiscardHandler), func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	b, err := drawPNG(1)
	if err != nil {
		t.Fatal(err)
	}
	first, twin := r.pictures.Receive(b), r.pictures.Receive(b)
	if err := r.pictures.Keep(t.Context(), []*gateway.Upload{first, twin}); err != nil {
		t.Fatal(err)
	}
	if first.ID != twin.ID || first.Place == "" || first.Place != twin.Place || first.Type != "image/png" || first.Fault != "" {
		t.Errorf("kept as %+v and %+v", first.Picture, twin.Picture)
	}
	if err := r.store.AddPicture(t.Context(), "acme", first.Picture); err != nil {
		t.Fatal(err)
	}
	written := r.blobs.Stat().Appended
	later := r.pictures.Receive(b)
	if err := r.pictures.Keep(t.Context(), []*gateway.Upload{later}); err != nil || later.Place != first.Place || r.blobs.Stat().Appended != written {
		t.Errorf("kept again at %q, %v; %d bytes more", later.Place, err, r.blobs.Stat().Appended-written)
	}
	if got, err := r.pictures.Bytes(t.Context(), first.Picture); err != nil || string(got) != string(b) {
		t.Errorf("read back %d bytes, %v", len(got), err)
	}
	for fault, b := range map[string][]byte{"media_empty": nil, "unsupported_media_type": []byte("GIF? no"), "media_corrupt": b[:20]} {
		if u := r.pictures.Receive(b); u.Fault != fault {
			t.Errorf("%d bytes: fault %q, want %q", len(b), u.Fault, fault)
		}
	}
	gone := first.Picture
	gone.Place = "99:0:40"
	if _, err := r.pictures.Bytes(t.Context(), gone); !errors.Is(err, gateway.ErrMediaCorrupt) {
		t.Errorf("a picture that is gone: %v", err)
	}
}
