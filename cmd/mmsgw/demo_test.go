package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mmsgw/client"
)

// demoRows are the contract's table of what a demo shows, word for word; ends are
// the events it must end by, shows is one that tells that the carrier misbehaved.
var demoRows = []struct {
	fault, state, reason string
	ends                 map[string]int
	shows                string
}{
	{"", "delivered", "retrieved", map[string]int{"delivered": 1}, ""},
	{"refuse", "delivered", "retrieved", map[string]int{"delivered": 1}, "delivery.queued"},
	{"slow", "delivered", "retrieved", map[string]int{"delivered": 1}, ""},
	{"http-503", "delivered", "retrieved", map[string]int{"delivered": 1}, "delivery.queued"},
	{"soap-4006", "delivered", "retrieved", map[string]int{"delivered": 1}, "delivery.queued"},
	{"report-first", "delivered", "retrieved", map[string]int{"delivered": 1}, ""},
	{"duplicate-report", "delivered", "retrieved", map[string]int{"delivered": 1}, ""},
	{"drop-after-request", "delivered", "retrieved", map[string]int{"delivered": 1}, "delivery.uncertain"},
	{"reject-2004", "failed", "carrier_refused_content", map[string]int{"failed": 1}, ""},
	{"partial-1100", "mixed", "carrier_refused_address", map[string]int{"failed": 1, "delivered": 2}, ""},
	{"no-report", "unknown", "no_report", map[string]int{"unknown": 1}, "delivery.sent"},
	{"auth-401", "held", "lane_stopped", map[string]int{"held": 1}, ""},
}

// Each fault ends as the contract says, within the time it gives.
func TestDemo(t *testing.T) {
	t.Parallel()
	if len(demoRows) != len(demoFaults)+1 {
		t.Errorf("%d faults can be shown, the contract has %d", len(demoFaults), len(demoRows)-1)
	}
	for _, row := range demoRows {
		t.Run("fault "+row.fault, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			args := []string{"demo", "--output", "json"}
			if row.fault != "" {
				args = append(args, "--fault", row.fault)
			}
			r := mmsgw(t, nil, args...)
			took := time.Since(begin)
			if took > 25*time.Second || row.fault == "slow" && took < 3*time.Second {
				t.Errorf("it took %v", took)
			}
			r.want(t, 0, "", "")
			events, sum := demoLines(t, r.out)
			if sum.State != row.state || sum.Reason != row.reason || !sum.AsExpected || sum.Expected != row.state {
				t.Errorf("ended %+v, want %s %s", sum, row.state, row.reason)
			}
			if len(events) < 3 || events[0].Type != "message.accepted" || events[1].Type != "delivery.attempted" {
				t.Errorf("it began %+v", events)
			}
			told := map[string]int{}
			for _, e := range events {
				told[e.Type]++
			}
			for word, n := range row.ends {
				if told["delivery."+word] != n {
					t.Errorf("%d are told as %s, want %d: %v", told["delivery."+word], word, n, told)
				}
			}
			if row.shows != "" && told[row.shows] == 0 {
				t.Errorf("the fault cannot be seen: %v", told)
			}
			if strings.Contains("drop-after-request report-first duplicate-report", row.fault) && (sum.Requests != 1 || sum.Duplicate) {
				t.Errorf("the carrier got %d requests, want 1", sum.Requests)
			}
		})
	}
}

func demoLines(t *testing.T, out string) (events []client.Event, sum demoSummary) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for _, line := range lines[:len(lines)-1] {
		events = append(events, decode[client.Event](t, line))
	}
	var last struct {
		Summary *demoSummary `json:"summary"`
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Summary == nil {
		t.Fatalf("the last line is no summary: %v in %s", err, lines[len(lines)-1])
	}
	return events, *last.Summary
}

func TestDemoInWords(t *testing.T) {
	t.Parallel()
	r := mmsgw(t, nil, "demo", "--images", "3", "--recipients", "12")
	r.want(t, 0, "This is the end it must come to.", "")
	at := 0
	for _, step := range []string{"demo 3 pictures to 12 recipients", "checked   can be sent", "accepted", "attempted", "sent ", "SubmitReq of ", "ended     delivered", "12 attempts, 12 requests at the carrier"} {
		i := strings.Index(r.out[at:], step)
		if i < 0 {
			t.Fatalf("after %q there is no %q:\n%s", r.out[:at], step, r.out)
		}
		at += i
	}
	if strings.Contains(r.out, "\x1b") || strings.Contains(r.out, "\r") {
		t.Errorf("a pipe gets colour or progress: %q", r.out)
	}
}

// A demo that is kept can be used by the other commands until it is
// interrupted, and leaves nothing behind.
func TestDemoKept(t *testing.T) {
	t.Parallel()
	demo := exec.Command(binary, "demo", "--keep", "--output", "json")
	out, err := demo.StdoutPipe()
	if err == nil {
		err = demo.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var last struct {
		Kept struct{ Socket, Config, Carrier string } `json:"kept"`
	}
	for lines := bufio.NewScanner(out); last.Kept.Socket == "" && lines.Scan(); {
		if err := json.Unmarshal(lines.Bytes(), &last); err != nil {
			t.Fatal(err)
		}
	}
	mmsgw(t, nil, "check-config", "--config", last.Kept.Config).want(t, exitDone, "ok", "")
	mmsgw(t, nil, "send", "--socket", last.Kept.Socket, "--from", demoSender, "--to", demoRecipient(1), "--subject", "s", "--text", "x", "--wait").want(t, exitDone, "ended     delivered", "")
	_ = demo.Process.Signal(os.Interrupt)
	if err := demo.Wait(); err != nil {
		t.Errorf("interrupted it ends with %v, want exit code 0", err)
	}
	if _, err := os.Stat(filepath.Dir(last.Kept.Config)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its directory is left behind: %v", err)
	}
}
