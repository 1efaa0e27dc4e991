package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"mmsgw/client"
	"mmsgw/gateway"
	"mmsgw/simulator"
)

// The tests start the program itself. binary is it as users have it;
// crashBinary is built with the crash points, when a test asks for it.
var (
	binary      string
	buildDir    string
	crashBinary = sync.OnceValues(func() (string, error) { return build("mmsgw-crash", "crashpoints") })
)

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if buildDir, err = os.MkdirTemp("", "mmsgw-test-"); err == nil {
			defer os.RemoveAll(buildDir)
			binary, err = build("mmsgw", "")
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

func build(name, tags string) (string, error) {
	path := filepath.Join(buildDir, name)
	args := []string{"build", "-o", path, "-tags", tags}
	if raced {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, ".")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return path, nil
}

// ran is what a finished command came to.
type ran struct {
	code        int
	out, errors string
}

// mmsgw runs a command to its end.
func mmsgw(t *testing.T, env []string, args ...string) ran {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) || ctx.Err() != nil {
		t.Fatalf("mmsgw %s: %v, %v", strings.Join(args, " "), err, ctx.Err())
	}
	return ran{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// want fails the test unless the command ended with a code, and its two
// outputs hold what they must.
func (r ran) want(t *testing.T, code int, out, errs string) {
	t.Helper()
	if r.code != code || !strings.Contains(r.out, out) || !strings.Contains(r.errors, errs) {
		t.Errorf("exit code %d, want %d; want %q in its output and %q in its errors\noutput: %s\nerrors: %s", r.code, code, out, errs, r.out, r.errors)
	}
}

// decode reads output that is one JSON value.
func decode[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return v
}

// town is a carrier, run by the test, and what a gateway needs to reach it. The
// gateway's processes come and go.
type town struct {
	t       *testing.T
	dir     string
	config  string
	socket  string
	reports string // address of the listener for carriers
	admin   string
	mmsc    *simulator.Server
	client  *client.Client
}

const townConfig = `state_dir: ./state
database: "%s"
media_reserve: 8MiB
listen: {api: ["unix:mmsgw.sock"], carriers: "tcp:%s", admin: "tcp:%s"}
log: {level: debug}
accounts:
  - {id: acme, numbers: ["+12125550123"]}
capability: {file: numbers.csv}
carriers:
  - name: north
    protocol: mm7
    url: "%s"
    vasp_id: acme
    vas_id: picture
    auth: {basic: {username: gw, password_file: north.pass}}
    reports: {basic: {username: north, password_file: north.pass}}
    timeouts: {connect: 2s, response: 10s}
    limits: {per_second: 10000, burst: 1000, window: 16}
    retry: {%s}
routes:
  - {to: ["+1"], carriers: [north]}
`

// found sets up a town. retry is the carrier's, as the configuration has it.
func found(t *testing.T, o simulator.Options, retry string) *town {
	t.Helper()
	return foundOn(t, "", o, retry)
}

// foundOn is found with a database of its own.
func foundOn(t *testing.T, database string, o simulator.Options, retry string) *town {
	t.Helper()
	dir, err := os.MkdirTemp("", "mmsgw-t-") // short, for the socket's sake
	if err != nil {
		t.Fatal(err)
	}
	w := &town{t: t, dir: dir, config: filepath.Join(dir, "mmsgw.yaml"), socket: filepath.Join(dir, "mmsgw.sock"), reports: freePort(t), admin: freePort(t)}
	o.ReportTo, o.ReportAuth = "http://"+w.reports+"/mm7/north", simulator.Basic{Username: "north", Password: demoPassword}
	o.Auth, o.VASPID, o.VASID, o.Keep = simulator.Basic{Username: "gw", Password: demoPassword}, "acme", "picture", 100_000
	if w.mmsc, err = simulator.Open("127.0.0.1:0", o); err != nil {
		t.Fatal(err)
	}
	if w.client, err = client.New("unix:" + w.socket); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.client.Close()
		w.mmsc.Close()
		os.RemoveAll(dir)
	})
	for name, text := range map[string]string{
		"mmsgw.yaml":  fmt.Sprintf(townConfig, database, w.reports, w.admin, w.mmsc.URL(), retry),
		"numbers.csv": "number_or_prefix,mms,network,class\n+1,yes,,\n+1902555010,no,,\n",
		"north.pass":  demoPassword + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// postgres makes a database on the server that make test runs beside us.
func postgres(t *testing.T) string {
	t.Helper()
	admin := os.Getenv("MMSGW_TEST_POSTGRES")
	if admin == "" {
		if os.Getenv("MMSGW_TEST_ALL") == "1" {
			t.Fatal("MMSGW_TEST_POSTGRES is not set: run the tests by `make test`")
		}
		t.Skip("MMSGW_TEST_POSTGRES is not set: PostgreSQL is not tested; `make test` does")
	}
	u, err := url.Parse(admin)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), admin)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	name := "mmsgw_cmd_" + gateway.NewID().Hex()
	if _, err := conn.Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// freePort is an address on loopback that was free a moment ago: a gateway
// must be found where it was before it was killed.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// process is a running gateway.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	log  *bytes.Buffer // to be read when it is over
	over chan struct{}
}

// serve starts a gateway and returns when it listens.
func (w *town) serve(program string, env ...string) *process {
	w.t.Helper()
	p := &process{t: w.t, cmd: exec.Command(program, "serve", "--config", w.config, "--output", "json"), log: &bytes.Buffer{}, over: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = p.log
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	listening := make(chan int, 1)
	go func() {
		lines := bufio.NewScanner(out)
		n := 0
		for n < 3 && lines.Scan() {
			n++
		}
		listening <- n
		_, _ = io.Copy(io.Discard, out)
		_ = p.cmd.Wait()
		close(p.over)
	}()
	w.t.Cleanup(func() { p.kill() })
	select {
	case n := <-listening:
		if n == 3 {
			return p
		}
		<-p.over
		w.t.Fatalf("the gateway ended before it listened: %s", p.log)
	case <-time.After(time.Minute):
		w.t.Fatalf("the gateway does not listen after a minute")
	}
	return nil
}

// kill is kill -9.
func (p *process) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGKILL) // it may be over
	<-p.over
}

// terminate asks the gateway to end, and waits for it.
func (p *process) terminate() (code int) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case <-p.over:
	case <-time.After(40 * time.Second):
		p.t.Fatal("the gateway does not end within 40 s of SIGTERM")
	}
	return p.cmd.ProcessState.ExitCode()
}

// status asks the admin listener.
func (w *town) status(path string) int {
	resp, err := http.Get("http://" + w.admin + path)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// until asks again and again, for half a minute.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	untilWithin(t, 30*time.Second, what, done)
}

func untilWithin(t *testing.T, most time.Duration, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(most)
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("after %s still not: %s", most, what)
		}
	}
}

// await follows the feed from its beginning until an event is the one.
func (w *town) await(what string, is func(client.Event) bool) client.Event {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	for e, err := range w.client.Events(ctx, client.EventQuery{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		if is(e) {
			return e
		}
	}
	w.t.Fatalf("within 30 s there was no event: %s", what)
	return client.Event{}
}
