package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// peer is the process under test.
type peer struct {
	cmd     *exec.Cmd
	socket  string
	path    string // of the request line
	reports string // address and path that reports go to; empty: none come
	log     bytes.Buffer
}

func (p *peer) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.cmd.Wait()
}

// cpu is the process's user and system time so far.
func cpu(pid int) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// startNull starts the null relay: this program again.
func startNull(dir string, c *carrier) (*peer, error) {
	p := &peer{socket: filepath.Join(dir, "null.sock"), path: "/"}
	os.Remove(p.socket)
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p.cmd = exec.Command(self, "-role", "null-relay", "-socket", p.socket, "-target", "http://"+c.addr()+"/null")
	return p, p.start()
}

func (p *peer) start() error {
	p.cmd.Stderr = &p.log
	if err := p.cmd.Start(); err != nil {
		return err
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("unix", p.socket); err == nil {
			conn.Close()
			return nil
		}
	}
	p.stop()
	return fmt.Errorf("it did not listen on %s within 30 s: %s", p.socket, p.log.String())
}

const config = `state_dir: %[1]s
media_reserve: %[4]dMiB
listen: {api: ["unix:%[1]s/mmsgw.sock"], carriers: "tcp:%[2]s", admin: "tcp:127.0.0.1:0"}
log: {level: warn}
accounts: [{id: bench, numbers: ["+12025550100"], users: ["0"]}]
capability: {unknown: warn}
carriers:
  - {name: sink, protocol: mm7, url: "http://%[3]s/mm7", dialect: rel-6-mm7-1-4, vasp_id: b, vas_id: b, reports: {open: true},
     limits: {per_second: 1000000, burst: 100000, window: 64, max_message: 16MiB}}
routes: [{to: ["+1"], carriers: [sink]}]
`

// startGateway starts mmsgw on an empty state directory. Its media space is
// made ready first, as it is in a gateway that has been up for a while.
func startGateway(state, binary string, c *carrier, w work, d time.Duration) (*peer, error) {
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	reports := listener.Addr().String()
	listener.Close()
	reserve := int(d.Seconds() * float64(w.reserve))
	file := filepath.Join(state, "mmsgw.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, config, state, reports, c.addr(), reserve), 0o600); err != nil {
		return nil, err
	}
	p := &peer{socket: filepath.Join(state, "mmsgw.sock"), path: "/v1/messages", reports: reports}
	p.cmd = exec.Command(binary, "serve", "--config", file)
	if err := p.start(); err != nil {
		return nil, err
	}
	return p, ready(state, reserve)
}

// ready waits until the media space is laid out.
func ready(state string, reserve int) error {
	size := func() (n int64) {
		filepath.Walk(state, func(_ string, i os.FileInfo, err error) error {
			if err == nil && strings.HasSuffix(i.Name(), ".seg") {
				n += i.Size()
			}
			return nil
		})
		return n
	}
	for deadline := time.Now().Add(30 * time.Second); size() < int64(reserve)<<20; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("only %d MiB of media space were ready within 30 s", size()>>20)
		}
	}
	return nil
}

// run drives one process for d and lets it drain.
func run(w work, d time.Duration, start func(*carrier) (*peer, error)) (outcome, error) {
	c, err := newCarrier()
	if err != nil {
		return outcome{}, err
	}
	defer c.close()
	p, err := start(c)
	if err != nil {
		return outcome{}, err
	}
	defer p.stop()
	if p.reports != "" {
		c.reportTo(p.reports)
	}
	requests := newRequests(w, p.path)
	if _, err := drive(p, requests, w.clients, 300*time.Millisecond); err != nil { // warm up
		return outcome{}, err
	}
	if err := c.drained(30 * time.Second); err != nil {
		return outcome{}, fmt.Errorf("%w\n%s", err, p.log.String())
	}
	gateway, harness, begin := cpu(p.cmd.Process.Pid), cpu(os.Getpid()), time.Now()
	latencies, err := drive(p, requests, w.clients, d)
	if err == nil {
		err = c.drained(60 * time.Second)
	}
	if err != nil {
		return outcome{}, fmt.Errorf("%w\n%s", err, p.log.String())
	}
	took, n := time.Since(begin), len(latencies)
	slices.Sort(latencies)
	return outcome{messages: n, rate: float64(n) / took.Seconds(), p50: latencies[n/2], p99: latencies[n*99/100],
		gateway: (cpu(p.cmd.Process.Pid) - gateway) / time.Duration(n), harness: (cpu(os.Getpid()) - harness) / time.Duration(n)}, nil
}

// drive has clients submit one after another for d.
func drive(p *peer, r *requests, clients int, d time.Duration) ([]time.Duration, error) {
	var mu sync.Mutex
	var all []time.Duration
	var failed atomic.Value
	var wg sync.WaitGroup
	end := time.Now().Add(d)
	for range clients {
		wg.Go(func() {
			took, err := client(p.socket, r, end)
			if err != nil {
				failed.Store(err)
			}
			mu.Lock()
			all = append(all, took...)
			mu.Unlock()
		})
	}
	wg.Wait()
	if err, ok := failed.Load().(error); ok {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no message went through within %s", d)
	}
	return all, nil
}

// client submits on one connection until the end.
func client(socket string, r *requests, end time.Time) ([]time.Duration, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 16<<10)
	request := slices.Clone(r.template)
	var took []time.Duration
	for time.Now().Before(end) {
		r.stamp(request)
		begin := time.Now()
		if _, err := conn.Write(request); err != nil {
			return nil, err
		}
		status, body, err := response(in)
		if err != nil {
			return nil, fmt.Errorf("after %d answers on a connection: %w", len(took), err)
		}
		if status != 200 && status != 202 {
			return nil, fmt.Errorf("answered %d: %s", status, body)
		}
		took = append(took, time.Since(begin))
	}
	return took, nil
}

// nullRelay is the baseline: an ordinary Go relay that stores nothing.
func nullRelay(socket, target string) error {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	out := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		resp, err := out.Post(target, r.Header.Get("Content-Type"), bytes.NewReader(body))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		io.Copy(w, resp.Body)
	}))
}
