// Command backlog shows what a million waiting deliveries do to a gateway: to
// its memory, to its restart, to the carrier they wait for when it is back, and
// to small lanes beside it. It builds and starts the daemon itself, with carriers
// on loopback, prints what it measures and ends with one line of JSON.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mmsgw/client"
	"mmsgw/simulator"
)

// result is the last line.
type result struct {
	Deliveries   int     `json:"deliveries"`
	EmptyMiB     float64 `json:"rss_empty_mib"`     // of the daemon, one message through
	WaitingMiB   float64 `json:"rss_waiting_mib"`   // with all of them waiting
	DrainingMiB  float64 `json:"rss_draining_mib"`  // the most while they leave
	AcceptSec    float64 `json:"accept_per_second"` // deliveries
	ReadySec     float64 `json:"ready_seconds"`     // after a kill -9
	FreshPerSec  float64 `json:"sent_per_second_fresh"`
	DrainPerSec  float64 `json:"sent_per_second_draining"`
	IdleP99      float64 `json:"small_p99_ms_idle"`
	WaitingP99   float64 `json:"small_p99_ms_waiting"`
	DrainingP99  float64 `json:"small_p99_ms_draining"`
	BackToSentMS float64 `json:"carrier_back_to_first_sent_ms"`
}

func main() {
	n := flag.Int("n", 1_000_000, "deliveries that wait")
	drain := flag.Duration("drain", 30*time.Second, "how long they are watched leaving; all of them with 0")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	if err := run(ctx, *n, *drain); err != nil {
		fmt.Fprintln(os.Stderr, "backlog:", err)
		os.Exit(1)
	}
}

const (
	bigFrom   = "+12125550123"
	smallFrom = "+12125550124"
	each      = 1000 // recipients of a message
)

var areas = []string{"416", "647", "905", "514", "604", "718", "917", "415", "312", "206"}

func number(i int) string { return fmt.Sprintf("+1%s555%04d", areas[i/100%len(areas)], 100+i%100) }

// place is a gateway with its carriers.
type place struct {
	dir    string
	daemon *exec.Cmd
	over   chan error
	api    *client.Client
	small  *simulator.Server
	big    *simulator.Server
	bigAt  string // where the big carrier listens when it does
	out    result
}

func run(ctx context.Context, n int, drain time.Duration) error {
	p, err := build(ctx)
	if err != nil {
		return err
	}
	defer p.clear()
	steps := []struct {
		name string
		do   func(context.Context) error
	}{
		{"an empty gateway", p.empty},
		{"the big carrier's pace without a backlog", p.fresh},
		{fmt.Sprintf("%d deliveries wait for a carrier that is down", n), func(ctx context.Context) error { return p.fill(ctx, n) }},
		{"a restart after kill -9", p.again},
		{"the carrier is back", func(ctx context.Context) error { return p.drain(ctx, drain) }},
	}
	for _, s := range steps {
		fmt.Printf("== %s\n", s.name)
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	line, err := json.Marshal(p.out)
	fmt.Println(string(line))
	return err
}

// build makes the program, its configuration and its carriers.
func build(ctx context.Context) (p *place, err error) {
	p = &place{}
	if p.dir, err = os.MkdirTemp("", "mmsgw-backlog-"); err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(p.dir, "mmsgw"), "./cmd/mmsgw").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w\n%s", err, out)
	}
	if p.small, err = simulator.Open("127.0.0.1:0", simulator.Options{Lax: true, Keep: 1}); err != nil {
		return nil, err
	}
	if err := p.open("127.0.0.1:0"); err != nil {
		return nil, err
	}
	p.bigAt = strings.TrimSuffix(strings.TrimPrefix(p.big.URL(), "http://"), "/mm7")
	return p, errors.Join(p.configure(), p.start(ctx))
}

// open lets the big carrier listen.
func (p *place) open(addr string) (err error) {
	p.big, err = simulator.Open(addr, simulator.Options{Lax: true, Keep: 1})
	return err
}

func (p *place) configure() error {
	var b strings.Builder
	fmt.Fprintf(&b, "state_dir: state\nmedia_reserve: 8MiB\nlisten: {api: [\"unix:gw.sock\"], carriers: \"tcp:127.0.0.1:0\", admin: \"tcp:127.0.0.1:0\"}\nlog: {level: warn}\n")
	fmt.Fprintf(&b, "accounts:\n  - {id: big, numbers: [\"%s\"]}\n  - {id: small, numbers: [\"%s\"]}\n", bigFrom, smallFrom)
	fmt.Fprintf(&b, "capability: {file: numbers.csv}\ncarriers:\n")
	carrier := func(name, url string) {
		fmt.Fprintf(&b, "  - {name: %s, protocol: mm7, url: \"%s\", reports: {open: true}, limits: {per_second: 100000, burst: 1000, window: 32}, retry: {first: 1s, max: 10s}}\n", name, url)
	}
	carrier("big", p.big.URL())
	for i := range areas {
		carrier(fmt.Sprintf("small-%d", i), p.small.URL())
	}
	fmt.Fprintf(&b, "routes:\n  - {from: [\"%s\"], carriers: [big]}\n", bigFrom)
	for i, area := range areas {
		fmt.Fprintf(&b, "  - {from: [\"%s\"], to: [\"+1%s\"], carriers: [small-%d]}\n", smallFrom, area, i)
	}
	return errors.Join(os.WriteFile(filepath.Join(p.dir, "mmsgw.yaml"), []byte(b.String()), 0o600),
		os.WriteFile(filepath.Join(p.dir, "numbers.csv"), []byte("number_or_prefix,mms,network,class\n+1,yes,,\n"), 0o600))
}

// start starts the daemon and waits until it answers.
func (p *place) start(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(p.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	p.daemon = exec.Command(filepath.Join(p.dir, "mmsgw"), "serve", "--config", filepath.Join(p.dir, "mmsgw.yaml"))
	p.daemon.Stderr = log
	if err := p.daemon.Start(); err != nil {
		return err
	}
	over := make(chan error, 1)
	daemon := p.daemon
	go func() { over <- daemon.Wait() }()
	p.over = over
	if p.api, err = client.New("unix:" + filepath.Join(p.dir, "gw.sock")); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if _, err := p.api.Carriers(ctx); err == nil {
			return nil
		}
		select {
		case err := <-over:
			return fmt.Errorf("the daemon ended: %w; its log is in %s", err, p.dir)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return ctx.Err()
}

func (p *place) clear() {
	if p.daemon != nil {
		_ = p.daemon.Process.Kill()
		<-p.over
	}
	p.small.Close()
	if p.big != nil {
		p.big.Close()
	}
	_ = os.RemoveAll(p.dir)
}

// rss is the daemon's resident memory.
func (p *place) rss() float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.daemon.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.Atoi(strings.Fields(rest)[0])
			return float64(kb) / 1024
		}
	}
	return 0
}

func (p *place) empty(ctx context.Context) (err error) {
	if p.out.IdleP99, err = p.small99(ctx, 300); err != nil {
		return err
	}
	p.out.EmptyMiB = p.rss()
	fmt.Printf("memory %.0f MiB, small lanes' p99 %.1f ms\n", p.out.EmptyMiB, p.out.IdleP99)
	return nil
}

// small99 sends messages through the small lanes one by one, and gives the 99th
// percentile of the time from the submission to the carrier's yes, in ms.
func (p *place) small99(ctx context.Context, n int) (float64, error) {
	var took []float64
	for i := range n {
		began := time.Now()
		done, err := p.api.Submit(ctx, client.Submission{Account: "small", From: smallFrom, To: []string{number(i * 7)}, Channel: "mms", Text: "x"})
		if err != nil {
			return 0, err
		}
		for {
			m, err := p.api.Message(ctx, done.Message.ID)
			if err != nil {
				return 0, err
			}
			if at := m.Deliveries[0].SentAt; at != nil {
				took = append(took, float64(at.Sub(m.CreatedAt).Microseconds())/1000)
				break
			}
			if time.Since(began) > time.Minute {
				return 0, fmt.Errorf("%s is %s after a minute", m.ID, m.State)
			}
			time.Sleep(time.Millisecond)
		}
	}
	slices.Sort(took)
	return took[len(took)*99/100], nil
}

// submit has messages of many recipients accepted for the big carrier.
func (p *place) submit(ctx context.Context, deliveries int) error {
	to := make([]string, each)
	for i := range to {
		to[i] = number(i)
	}
	for deliveries > 0 {
		k := min(deliveries, each)
		if _, err := p.api.Submit(ctx, client.Submission{Account: "big", From: bigFrom, To: to[:k], Channel: "mms", Text: "Thanks for coming by!"}); err != nil {
			return err
		}
		deliveries -= k
	}
	return nil
}

// fresh is the big lane's pace with little waiting.
func (p *place) fresh(ctx context.Context) error {
	before, began := p.big.MMSC.Totals().Accepted, time.Now()
	if err := p.submit(ctx, 20*each); err != nil {
		return err
	}
	for p.big.MMSC.Totals().Accepted-before < 20*each && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	p.out.FreshPerSec = 20 * each / time.Since(began).Seconds()
	fmt.Printf("%.0f deliveries a second, accepting them included\n", p.out.FreshPerSec)
	return ctx.Err()
}

func (p *place) fill(ctx context.Context, n int) error {
	p.big.Close()
	p.big = nil
	began := time.Now()
	if err := p.submit(ctx, n); err != nil {
		return err
	}
	p.out.Deliveries, p.out.AcceptSec = n, float64(n)/time.Since(began).Seconds()
	var err error
	if p.out.WaitingP99, err = p.small99(ctx, 300); err != nil {
		return err
	}
	p.out.WaitingMiB = p.rss()
	fmt.Printf("accepted %.0f a second; memory %.0f MiB, %.0f more than empty; small lanes' p99 %.1f ms\n",
		p.out.AcceptSec, p.out.WaitingMiB, p.out.WaitingMiB-p.out.EmptyMiB, p.out.WaitingP99)
	return nil
}

func (p *place) again(ctx context.Context) error {
	if err := p.daemon.Process.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.over
	began := time.Now()
	if err := p.start(ctx); err != nil {
		return err
	}
	p.out.ReadySec = time.Since(began).Seconds()
	carriers, err := p.api.Carriers(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("ready after %.2f s; memory %.0f MiB\n", p.out.ReadySec, p.rss())
	for _, c := range carriers {
		if c.Name == "big" {
			fmt.Printf("the big lane: %s, %d waiting\n", c.State, c.Waiting)
		}
	}
	return nil
}

func (p *place) drain(ctx context.Context, watch time.Duration) error {
	if err := p.open(p.bigAt); err != nil {
		return err
	}
	began := time.Now()
	for p.big.MMSC.Totals().Accepted == 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	p.out.BackToSentMS = float64(time.Since(began).Milliseconds())
	for p.big.MMSC.Totals().Accepted < 2*each && ctx.Err() == nil { // the canary, then the flood
		time.Sleep(time.Millisecond)
	}
	first, at := p.big.MMSC.Totals().Accepted, time.Now()
	for (watch == 0 || time.Since(at) < watch) && p.big.MMSC.Totals().Accepted < p.out.Deliveries && ctx.Err() == nil {
		p.out.DrainingMiB = max(p.out.DrainingMiB, p.rss())
		time.Sleep(50 * time.Millisecond)
	}
	p.out.DrainPerSec = float64(p.big.MMSC.Totals().Accepted-first) / time.Since(at).Seconds()
	var err error
	if p.big.MMSC.Totals().Accepted < p.out.Deliveries { // beside it, while it goes on
		p.out.DrainingP99, err = p.small99(ctx, 300)
	}
	fmt.Printf("first one %.0f ms after it was back; %.0f a second; memory at most %.0f MiB; small lanes' p99 %.1f ms\n",
		p.out.BackToSentMS, p.out.DrainPerSec, p.out.DrainingMiB, p.out.DrainingP99)
	return errors.Join(err, ctx.Err())
}
