package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"mmsgw/client"
	"mmsgw/simulator"
)

const carrierConfig = `  - name: %s
    protocol: mm7
    url: "%s"
    vasp_id: acme
    vas_id: picture
    auth: {basic: {username: gw, password_file: north.pass}}
    reports: {basic: {username: north, password_file: north.pass}}
%sroutes:
  - {%s, carriers: [%s]}
`

// add gives the town's gateway one more carrier, for what its route says. keys
// are further lines of the carrier's.
func (w *town) add(name, url, route string, keys ...string) {
	w.t.Helper()
	lines := ""
	for _, k := range keys {
		lines += "    " + k + "\n"
	}
	w.edit("routes:\n", fmt.Sprintf(carrierConfig, name, url, lines, route, name))
}

// join is add with a simulator of its own, for recipients of an area.
func (w *town) join(name, area string, o simulator.Options, keys ...string) *simulator.MMSC {
	w.t.Helper()
	o.ReportTo, o.ReportAuth = "http://"+w.reports+"/mm7/"+name, simulator.Basic{Username: "north", Password: demoPassword}
	o.Auth, o.VASPID, o.VASID, o.Keep = simulator.Basic{Username: "gw", Password: demoPassword}, "acme", "picture", 100_000
	s, err := simulator.Open("127.0.0.1:0", o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(s.Close)
	w.add(name, s.URL(), areaRoute(area), keys...)
	return s.MMSC
}

func areaRoute(area string) string { return fmt.Sprintf("to: [\"+1%s\"]", area) }

// number is the n-th, from 0 to 99, of an area's numbers for examples.
func number(area string, n int) string { return fmt.Sprintf("+1%s555%04d", area, 100+n) }

// post sends a message of its own to numbers.
func (w *town) post(to ...string) string {
	w.t.Helper()
	return w.postAs(client.Submission{}, to...)
}

func (w *town) postAs(s client.Submission, to ...string) string {
	w.t.Helper()
	s.To, s.Subject, s.Text = to, "s", canary+" "+client.NewKey()
	if s.From == "" {
		s.From = demoSender
	}
	done, err := w.client.Submit(w.t.Context(), s)
	if err != nil {
		w.t.Fatal(err)
	}
	return done.Message.ID
}

func (w *town) message(id string) *client.Message {
	w.t.Helper()
	m, err := w.client.Message(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// story are the types of a message's events, without their first word.
func (w *town) story(id string) (types []string) {
	w.t.Helper()
	for _, e := range w.events(id) {
		_, word, _ := strings.Cut(e.Type, ".")
		types = append(types, word)
	}
	return types
}

func (w *town) events(id string) []client.Event {
	w.t.Helper()
	events, err := w.client.Timeline(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return events
}

// went holds a message's story against what it must be, word by word.
func (w *town) went(id, want string) {
	w.t.Helper()
	if got := strings.Join(w.story(id), " "); got != want {
		w.t.Errorf("%s went %s, want %s", id, got, want)
	}
}

// requestsOf are the submissions that an MMSC got for a number.
func requestsOf(m *simulator.MMSC, to string) (of []simulator.Submission) {
	for _, s := range m.Seen() {
		if slices.Contains(s.To, to) {
			of = append(of, s)
		}
	}
	return of
}

// peak is the most that a process has had in memory, in MiB.
func (p *process) peak() float64 {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	var kib float64
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		p.t.Fatal(err)
	}
	return kib / 1024
}

// ending ends the gateway in good order and gives its log.
func (p *process) ending() string {
	p.t.Helper()
	if code := p.terminate(); code != exitDone {
		p.t.Errorf("SIGTERM: exit code %d: %s", code, p.log)
	}
	return p.log.String()
}
