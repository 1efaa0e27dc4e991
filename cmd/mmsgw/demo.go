package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mmsgw/client"
	"mmsgw/gateway"
	"mmsgw/simulator"
)

// demoTime is how long a demo may take to its end.
const demoTime = 25 * time.Second

// demoFault is a misbehaviour of the carrier and the end it must lead to.
type demoFault struct {
	name, state, reason string
	several             bool // it needs three recipients, of which one ends otherwise
}

var demoFaults = []demoFault{
	{name: "refuse", state: "delivered"},
	{name: "slow", state: "delivered"},
	{name: "http-503", state: "delivered"},
	{name: "soap-4006", state: "delivered"},
	{name: "report-first", state: "delivered"},
	{name: "duplicate-report", state: "delivered"},
	{name: "drop-after-request", state: "delivered"},
	{name: "reject-2004", state: "failed"},
	{name: "partial-1100", state: "mixed", several: true},
	{name: "no-report", state: "unknown"},
	{name: "auth-401", state: "held", reason: "lane_stopped"},
}

// demo is one demonstration.
type demo struct {
	images, recipients int
	fault              string
	keep               bool
	end                demoFault
}

func demoCommand() *command {
	var shown []string
	for _, f := range demoFaults {
		shown = append(shown, f.name)
	}
	c := newCommand("demo", "", "Shows a picture message go from a local socket to a carrier, and its report come back")
	c.about = `
It needs nothing: a gateway on an embedded store in a temporary directory, and a
simulated carrier, on free ports of this machine. With --fault the carrier
misbehaves; exit code 0 means that the message ended as it must then.
Faults: ` + strings.Join(shown, ", ") + "."
	c.examples = []string{"mmsgw demo", "mmsgw demo --images 3 --recipients 2", "mmsgw demo --fault drop-after-request", "mmsgw demo --keep", "mmsgw demo --output json"}
	d := &demo{}
	c.flags.IntVar(&d.images, "images", 1, "how many pictures, 0 to 10: a `N`umber")
	c.flags.IntVar(&d.recipients, "recipients", 1, "how many recipients, 1 to 1000: a `N`umber")
	c.flags.StringVar(&d.fault, "fault", "", "how the carrier misbehaves, a `NAME`")
	c.flags.BoolVar(&d.keep, "keep", false, "leave it running afterwards")
	c.prints()
	c.run = func(ctx context.Context, t *terminal, _ []string) error {
		if err := d.complete(shown); err != nil {
			return err
		}
		return d.run(ctx, t)
	}
	return c
}

func (d *demo) complete(shown []string) error {
	d.end = demoFault{state: "delivered"}
	if d.fault != "" {
		i := slices.IndexFunc(demoFaults, func(f demoFault) bool { return f.name == d.fault })
		if i < 0 {
			return usage("there is no fault %q; there are %s", d.fault, strings.Join(shown, ", "))
		}
		d.end = demoFaults[i]
	}
	if d.end.several {
		d.recipients = max(d.recipients, 3)
	}
	switch {
	case d.images < 0 || d.images > gateway.MaxImages:
		return usage("--images is %d; it must be 0 to %d", d.images, gateway.MaxImages)
	case d.recipients < 1 || d.recipients > gateway.MaxRecipients:
		return usage("--recipients is %d; it must be 1 to %d", d.recipients, gateway.MaxRecipients)
	}
	return nil
}

// stage is where a demo plays: a running gateway and its carrier.
type stage struct {
	dir, config string
	mmsc        *simulator.Server
	daemon      *daemon
	client      *client.Client
	stop        func()
	over        chan error // what the daemon's run came to
}

func (d *demo) run(ctx context.Context, t *terminal) error {
	begin := time.Now()
	s, err := d.build(ctx, t)
	if err != nil {
		return err
	}
	playing, cancel := context.WithTimeout(ctx, demoTime)
	code, err := d.play(playing, t, s, begin)
	cancel()
	if err == nil && d.keep && ctx.Err() == nil {
		err = d.leave(ctx, t, s)
	}
	return errors.Join(err, s.clear(), quiet(code))
}

// play sends the message and tells what happens to it.
func (d *demo) play(ctx context.Context, t *terminal, s *stage, begin time.Time) (int, error) {
	m, err := d.message()
	if err != nil {
		return exitRefused, err
	}
	if !t.json {
		d.introduce(t, s)
	}
	checked, err := s.client.Check(ctx, m)
	if err != nil {
		return exitRefused, failure(t, err, "")
	}
	if !t.json {
		sayCheck(t, checked)
	}
	asked := time.Now()
	done, err := s.client.Submit(ctx, m)
	if err != nil {
		return exitRefused, failure(t, err, done.Key)
	}
	if !t.json {
		t.line("%s%s  %s, durable before this answer", t.state("accepted", 10), t.paint(faint, since(time.Since(asked))), t.paint(bold, done.Message.ID))
		t.progress("%s", waiting["accepted"])
	}
	story := &narrator{t: t, begin: asked, recipients: d.recipients, events: true, more: s.bytes}
	err = tellAll(ctx, s.client, done.Message.ID, func(e client.Event) bool { return story.tell(e) || d.ended(e) })
	t.settle()
	if err != nil && context.Cause(ctx) != context.DeadlineExceeded {
		return exitUnknown, errors.New("interrupted before its end")
	}
	last, err := s.client.Message(context.WithoutCancel(ctx), done.Message.ID)
	if err != nil {
		return exitUnknown, failure(t, err, "")
	}
	return d.sum(t, s, last, time.Since(begin))
}

// ended tells whether an event is the end where no delivery becomes final.
func (d *demo) ended(e client.Event) bool {
	data, err := e.Details()
	return err == nil && d.end.reason != "" && data.State == d.end.state && data.Reason == d.end.reason
}

func (d *demo) introduce(t *terminal, s *stage) {
	t.line("%s %s to %s, carrier %q at %s", t.paint(bold, "demo"), count(d.images, "picture"), count(d.recipients, "recipient"), "north", s.mmsc.URL())
	if d.fault != "" {
		all := simulator.Faults()
		i := slices.IndexFunc(all, func(f simulator.Fault) bool { return f.Name == d.fault })
		t.line("%s%s: the carrier %s", t.paint(yellow, "fault     "), d.fault, all[i].About)
	}
}

// bytes tells how large the request was that a carrier has answered.
func (s *stage) bytes(e client.Event) string {
	d, err := e.Details()
	if err != nil || d.TransactionID == "" || e.Type == "delivery.attempted" {
		return ""
	}
	if n := s.sizes()[d.TransactionID]; n > 0 {
		return ", SubmitReq of " + size(n)
	}
	return ""
}

// sizes are those of the requests that the carrier read, by TransactionID.
func (s *stage) sizes() map[string]int64 {
	sizes := map[string]int64{}
	for _, r := range s.mmsc.MMSC.Seen() {
		sizes[r.TransactionID] = r.Size
	}
	return sizes
}

// demoSummary is the end of a demo as JSON.
type demoSummary struct {
	Message     string   `json:"message"`
	Fault       string   `json:"fault,omitempty"`
	State       string   `json:"state"`
	Reason      string   `json:"reason,omitempty"` // of the first delivery
	Expected    string   `json:"expected"`
	AsExpected  bool     `json:"as_expected"`
	Images      int      `json:"images"`
	Recipients  int      `json:"recipients"`
	MediaBytes  int64    `json:"media_bytes"`
	Submit      int64    `json:"submit_req_bytes"` // of the first delivery's request, 0 where none was read
	Attempts    int      `json:"attempts"`         // requests made, resends not counted
	Duplicate   bool     `json:"possible_duplicate"`
	SentMS      *float64 `json:"sent_ms"`          // since acceptance, of the first delivery
	DeliveredMS *float64 `json:"delivered_ms"`     // likewise
	TotalMS     float64  `json:"total_ms"`         // building the stage included
	Requests    int      `json:"carrier_requests"` // that the carrier saw
}

func (d *demo) sum(t *terminal, s *stage, m *client.Message, took time.Duration) (int, error) {
	first := &m.Deliveries[0]
	sum := demoSummary{
		Message: m.ID, Fault: d.fault, State: m.State, Expected: d.end.state, Images: len(m.Media), Recipients: len(m.To), MediaBytes: m.Size.Bytes,
		Submit: s.sizes()[first.TransactionID], Duplicate: first.PossibleDuplicate, SentMS: between(m.CreatedAt, first.SentAt),
		DeliveredMS: between(m.CreatedAt, first.DeliveredAt), TotalMS: float64(took.Milliseconds()), Requests: s.mmsc.MMSC.Totals().Requests,
	}
	held := false                 // a stopped lane holds one and leaves the others in their queue
	requests := map[string]bool{} // one may have several recipients
	for _, delivery := range m.Deliveries {
		for _, a := range delivery.AttemptLog {
			requests[a.TransactionID] = true
		}
		held = held || delivery.Reason != nil && delivery.Reason.Code == d.end.reason
	}
	sum.Attempts = len(requests)
	if first.Reason != nil {
		sum.Reason = first.Reason.Code
	}
	sum.AsExpected = m.State == d.end.state || d.end.reason != "" && held
	if d.end.several { // one is refused, the others arrive
		sum.AsExpected = m.Counts["failed"] == 1 && m.Counts["delivered"] == len(m.To)-1
	}
	code := exitDone
	if !sum.AsExpected {
		code = exitOtherwise
	}
	if t.json {
		return code, t.value(map[string]demoSummary{"summary": sum})
	}
	sum.print(t)
	return code, nil
}

func between(from time.Time, to *time.Time) *float64 {
	if to == nil {
		return nil
	}
	ms := float64(to.Sub(from).Microseconds()) / 1000
	return &ms
}

func (s *demoSummary) print(t *terminal) {
	t.line("%s%s after %.1f s in all: %s, %s, %s at the carrier", t.state("ended", 10), t.paint(colorOf(s.State), s.State),
		s.TotalMS/1000, count(s.Images, "picture"), count(s.Attempts, "attempt"), count(s.Requests, "request"))
	if s.AsExpected {
		t.line("%s", t.paint(green, "This is the end it must come to."))
		return
	}
	t.line("%s", t.paint(red, fmt.Sprintf("It should have ended %s.", s.Expected)))
}

// leave keeps the stage until the demo is interrupted.
func (d *demo) leave(ctx context.Context, t *terminal, s *stage) error {
	socket := s.daemon.listeners[0].address
	path := strings.TrimPrefix(socket, "unix:")
	if t.json {
		if err := t.value(map[string]any{"kept": map[string]string{"socket": path, "config": s.config, "carrier": s.mmsc.URL()}}); err != nil {
			return err
		}
	} else {
		t.line("\nIt keeps running until interrupted. In another terminal:\n")
		t.line("  export MMSGW_SOCKET=%s", path)
		t.line("  mmsgw tail")
		t.line("  mmsgw send --from %s --to %s --channel mms --text Hello --wait", demoSender, demoRecipient(0))
		t.line("  mmsgw send --from %s --to %s --image %s --check", demoSender, demoRecipient(1), filepath.Join(s.dir, "1.jpg"))
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.over:
		s.over <- err
		return err
	}
}

// build sets the stage up: the listener for reports comes first, for the
// carrier must know it, then the carrier, for the configuration must name it.
func (d *demo) build(ctx context.Context, t *terminal) (s *stage, err error) {
	s = &stage{stop: func() {}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.clear())
		}
	}()
	if s.dir, err = demoDir(); err != nil {
		return s, err
	}
	reports, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return s, err
	}
	s.mmsc, err = simulator.Open("127.0.0.1:0", simulator.Options{
		ReportTo: "http://" + reports.Addr().String() + "/mm7/north", ReportAuth: simulator.Basic{Username: "north", Password: demoPassword},
		Auth: simulator.Basic{Username: "gw", Password: demoPassword}, VASPID: "acme", VASID: "picture", Fault: d.fault,
	})
	if err == nil {
		err = d.write(s, reports.Addr().String())
	}
	if err != nil {
		return s, errors.Join(err, reports.Close())
	}
	return s, s.start(ctx, t, reports)
}

func (s *stage) start(ctx context.Context, t *terminal, reports net.Listener) error {
	setup, err := loadSetup(s.config, t.env)
	if err != nil {
		return errors.Join(err, reports.Close())
	}
	log := slog.New(slog.DiscardHandler)
	if level, _ := t.env("MMSGW_LOG"); level != "" {
		log, _ = newLog(t, level)
	}
	if s.daemon, err = newDaemon(ctx, daemonOptions{Setup: setup, Log: log, Carriers: reports}); err != nil {
		return errors.Join(err, reports.Close())
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop, s.over = stop, make(chan error, 1)
	go func() { s.over <- s.daemon.run(running) }()
	s.client, err = client.New(s.daemon.listeners[0].address)
	return err
}

// clear takes the stage down.
func (s *stage) clear() error {
	s.stop()
	var errs []error
	if s.over != nil {
		errs = append(errs, <-s.over)
	}
	if s.client != nil {
		s.client.Close()
	}
	if s.daemon != nil {
		errs = append(errs, s.daemon.close())
	}
	if s.mmsc != nil {
		s.mmsc.Close()
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}
