package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"mmsgw/simulator"
)

// The simulated carrier does as it is told while it runs, and tells what it saw.
func TestSimulateIsCommanded(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(binary, "simulate", "mmsc", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0",
		"--rate", "1", "--burst", "2", "--count", "requests", "--output", "json")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	lines := bufio.NewScanner(out)
	address := func(name string) string {
		t.Helper()
		lines.Scan()
		got := decode[map[string]string](t, lines.Text())
		if got["listener"] != name || !strings.HasPrefix(got["address"], "http://127.0.0.1:") {
			t.Fatalf("told %v, want the address of %s", got, name)
		}
		return got["address"]
	}
	mmsc, control := address("mmsc"), address("control")
	if code := posted(t, control+"/fault?name=forbidden-403"); code != http.StatusNoContent {
		t.Errorf("POST /fault: HTTP %d", code)
	}
	for range 4 {
		posted(t, mmsc)
	}
	resp, err := http.Get(control + "/rates")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var rates struct {
		Limit int `json:"limit"`
		Total int `json:"rate_exceeded"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&rates); err != nil || rates.Limit != 2 || rates.Total == 0 {
		t.Errorf("rates %+v, %v", rates, err)
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	last := ""
	for lines.Scan() {
		last = lines.Text()
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, errs.String())
	}
	totals := decode[struct {
		Totals simulator.Totals `json:"totals"`
	}](t, last).Totals
	if totals.Requests != 4 || totals.RateExceeded != rates.Total || !strings.Contains(errs.String(), "agreed rate is exceeded") {
		t.Errorf("totals %+v, log %s", totals, errs.String())
	}
}

func posted(t *testing.T, url string) int {
	t.Helper()
	resp, err := http.Post(url, "text/xml", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

func TestSimulateRefuses(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"loopback address":         {"--control", "0.0.0.0:0"},
		"loopback address, such":   {"--control", ":9092"},
		"must be a loopback":       {"--control", "example.com:9092"},
		"--control: listen":        {"--control", "127.0.0.1:1000000"},
		"burst of the rate is -1":  {"--rate", "1", "--burst", "-1"},
		`the rate counts "bytes"`:  {"--rate", "1", "--count", "bytes"},
		"the rate is -1":           {"--rate", "-1"},
		"end in 0199: there is no": {"--fault", "0199=bored"},
	} {
		mmsgw(t, nil, append([]string{"simulate", "mmsc", "--listen", "127.0.0.1:0"}, args...)...).want(t, exitUsage, "", want)
	}
}

// What it can do wrong, it tells.
func TestSimulateHelpHasEveryFault(t *testing.T) {
	var b bytes.Buffer
	simulateCommand().help(&b)
	for _, f := range simulator.Faults() {
		if !strings.Contains(b.String(), fmt.Sprintf("\n  %-25s %s", f.Name, f.About)) {
			t.Errorf("no %s in\n%s", f.Name, b.String())
		}
	}
}
