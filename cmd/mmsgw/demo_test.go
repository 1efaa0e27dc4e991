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

// Each fault ends as the contract says, within the time it gives.
func TestDemo(t *testing.T) {
	t.Parallel()
	cases := append([]demoFault{{state: "delivered"}}, demoFaults...)
	for _, f := range cases {
		t.Run("fault "+f.name, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			args := []string{"demo", "--output", "json"}
			if f.name != "" {
				args = append(args, "--fault", f.name)
			}
			r := mmsgw(t, nil, args...)
			if took := time.Since(begin); took > demoTime {
				t.Errorf("it took %v", took)
			}
			r.want(t, 0, "", "")
			events, sum := demoLines(t, r.out)
			if sum.State != f.state || !sum.AsExpected || f.reason != "" && sum.Reason != f.reason {
				t.Errorf("ended %+v, want %s %s", sum, f.state, f.reason)
			}
			if len(events) < 3 || events[0].Type != "message.accepted" || events[1].Type != "delivery.attempted" {
				t.Errorf("it began %+v", events)
			}
			if strings.Contains("drop-after-request report-first duplicate-report", f.name) && sum.Requests != 1 {
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
