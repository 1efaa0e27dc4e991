package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"mmsgw/simulator"
)

// simulation are the flags of simulate mmsc.
type simulation struct {
	listen   string
	control  string
	options  simulator.Options
	faults   []string
	password string // file of the password of submissions
	reports  string // file of the password of reports
	journal  string
}

func simulateCommand() *command {
	c := newCommand("simulate", "mmsc", "Runs a simulated carrier to test against")
	c.about = simulateAbout
	for _, f := range simulator.Faults() {
		c.about += fmt.Sprintf("\n  %-25s %s", f.Name, f.About)
	}
	c.examples = []string{
		"mmsgw simulate mmsc --listen 127.0.0.1:9091 --report-to http://127.0.0.1:8081/mm7/north",
		"mmsgw simulate mmsc --listen 127.0.0.1:9091 --report-to http://127.0.0.1:8081/mm7/north --report-user north --report-password-file north-in.pass",
		"mmsgw simulate mmsc --listen 127.0.0.1:9091 --fault slow --fault 0199=reject-2004",
		"mmsgw simulate mmsc --rate 10 --burst 5 --count recipients",
		"mmsgw simulate mmsc --control 127.0.0.1:9092",
		"curl -X POST 'http://127.0.0.1:9092/fault?name=http-503'",
	}
	c.words = []string{"mmsc"}
	s := &simulation{}
	f := c.flags
	f.StringVar(&s.listen, "listen", "127.0.0.1:9091", "the `ADDRESS` messages come to, host:port")
	f.StringVar(&s.options.ReportTo, "report-to", "", "the `URL` reports go to; left out, there are none")
	f.StringVar(&s.options.ReportAuth.Username, "report-user", "", "the `NAME` that reports log in with")
	f.StringVar(&s.reports, "report-password-file", "", "the `FILE` whose first line is the password of reports")
	f.StringVar(&s.options.Auth.Username, "user", "", "the `NAME` that messages must log in with")
	f.StringVar(&s.password, "password-file", "", "the `FILE` whose first line is the password of messages")
	f.DurationVar(&s.options.ReportDelay, "report-delay", 0, "the `TIME` between an answer and its report")
	f.StringVar(&s.options.Preset, "dialect", dialects[0], "the `DIALECT` spoken: "+strings.Join(dialects, " or "))
	f.StringArrayVar(&s.faults, "fault", nil, "a `FAULT` for all messages, or DIGITS=FAULT for recipients that end so; several times")
	f.Float64Var(&s.options.Rate.PerSecond, "rate", 0, "the agreed rate, `N` a second: what exceeds it is told, and taken; 0: nobody looks")
	f.IntVar(&s.options.Rate.Burst, "burst", 1, "`N` may come at once before the rate holds")
	f.StringVar(&s.options.Rate.Count, "count", simulator.ByRequests, "`WHAT` the rate counts: "+simulator.ByRequests+" or "+simulator.ByRecipients)
	f.StringVar(&s.control, "control", "", "the loopback `ADDRESS` that commands come to, host:port; left out, there are none")
	f.StringVar(&s.journal, "journal", "", "append what is seen to this `FILE`, numbers and text in clear, a line of JSON each")
	c.prints()
	c.run = func(ctx context.Context, t *terminal, args []string) error {
		if len(args) != 1 || args[0] != "mmsc" {
			return usage("say what to simulate: mmsc")
		}
		return s.run(ctx, t)
	}
	return c
}

const simulateAbout = `An MMSC that takes messages as strictly as the strictest, says what is wrong with
them, reports, cancels, and misbehaves on demand. With --control it is commanded and
asked while it runs, by whoever can reach that address:

  POST /fault?name=NAME                      for all messages; empty: none
  POST /scenario?number=DIGITS&name=NAME     for recipients that end so; empty: none
  GET  /totals /seen /reports /cancels       what came, as JSON, numbers in clear
  GET  /rates                                the agreed rate and what exceeded it

Faults:
`

func (s *simulation) run(ctx context.Context, t *terminal) error {
	if err := s.complete(); err != nil {
		return err
	}
	s.options.Log, _ = newLog(t, "info")
	if s.journal != "" {
		f, err := os.OpenFile(s.journal, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return usage("open the journal: %v", err)
		}
		defer f.Close()
		s.options.Journal = f
	}
	server, err := simulator.Open(s.listen, s.options)
	if err != nil {
		return usage("%v", err)
	}
	stop, err := s.command(t, server)
	if err != nil {
		server.Close()
		return err
	}
	<-ctx.Done()
	stop()
	server.Close()
	totals := server.MMSC.Totals()
	if t.json {
		return t.value(struct {
			Totals simulator.Totals `json:"totals"`
		}{totals})
	}
	t.line("requests %d: accepted %d (resends %d), refused %d, failed %d, cancels %d; reports taken %d, given up %d",
		totals.Requests, totals.Accepted, totals.Resends, totals.Refused, totals.Failed, totals.Cancels, totals.ReportsAnswered, totals.ReportsGivenUp)
	if s.options.Rate.PerSecond > 0 {
		t.line("the agreed rate was exceeded %s", count(totals.RateExceeded, "time"))
	}
	return nil
}

// command tells where the MMSC listens, and listens for commands where that is wanted.
func (s *simulation) command(t *terminal, server *simulator.Server) (stop func(), err error) {
	if err := s.listening(t, "mmsc", server.URL()); err != nil || s.control == "" {
		return func() {}, err
	}
	l, err := net.Listen("tcp", s.control)
	if err != nil {
		return nil, usage("--control: %v; is another listening there?", err)
	}
	h := &http.Server{
		Handler:     server.MMSC.Control(),
		ReadTimeout: 10 * time.Second,
		IdleTimeout: time.Minute,
		ErrorLog:    slog.NewLogLogger(s.options.Log.Handler(), slog.LevelDebug),
	}
	go func() { _ = h.Serve(l) }() // until it is closed
	return func() { _ = h.Close() }, s.listening(t, "control", "http://"+l.Addr().String())
}

func (s *simulation) listening(t *terminal, name, address string) error {
	if t.json {
		return t.value(map[string]string{"listener": name, "address": address})
	}
	t.line("%-8s listens on %s", name, address)
	return nil
}

// isLoopback tells of host:port whether nobody from outside can reach it.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip, parseErr := netip.ParseAddr(host)
	return err == nil && (host == "localhost" || parseErr == nil && ip.Unmap().IsLoopback())
}

// complete reads the passwords and sorts the faults.
func (s *simulation) complete() error {
	if s.control != "" && !isLoopback(s.control) {
		return usage("--control is %s; it must be a loopback address, such as 127.0.0.1:9092: there is no login, and numbers are told in clear", s.control)
	}
	for _, fault := range s.faults {
		digits, name, one := strings.Cut(fault, "=")
		switch {
		case !one && s.options.Fault != "":
			return usage("there are two faults for all messages, %s and %s; give one, and others as DIGITS=FAULT", s.options.Fault, fault)
		case !one:
			s.options.Fault = fault
		default:
			if s.options.Scenario == nil {
				s.options.Scenario = map[string]string{}
			}
			s.options.Scenario[digits] = name
		}
	}
	for _, p := range []struct {
		login    *simulator.Basic
		file     string
		flag     string
		fileFlag string
	}{
		{&s.options.ReportAuth, s.reports, "--report-user", "--report-password-file"},
		{&s.options.Auth, s.password, "--user", "--password-file"},
	} {
		if (p.login.Username == "") != (p.file == "") {
			return usage("%s and %s go together; give both or none", p.flag, p.fileFlag)
		}
		if p.file == "" {
			continue
		}
		var err error
		if p.login.Password, err = firstLine(p.file); err != nil {
			return usage("%s: %v", p.fileFlag, err)
		}
	}
	return nil
}

func firstLine(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 4<<10))
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return strings.TrimSuffix(string(line), "\r"), err
}
