package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"mmsgw/client"
	"mmsgw/simulator"
)

// do runs a command against the town's gateway.
func (w *town) do(args ...string) ran {
	w.t.Helper()
	return mmsgw(w.t, []string{"MMSGW_SOCKET=" + w.socket}, args...)
}

// What an operator does to a carrier and to messages, from the command line.
func TestOperate(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{}, "first: 50ms, max: 200ms")
	w.serve(binary)
	w.do("carriers", "pause", "north").want(t, exitDone, "north  paused  (MM7)", "")
	w.do("carriers", "pause", "south").want(t, exitRefused, "", "not_found")
	first := decode[client.Message](t, w.send("--to", demoRecipient(0)+","+demoRecipient(1), "--text", "a", "--subject", "s", "--reference", "r1", "--output", "json").out)
	second := decode[client.Message](t, w.send("--to", demoRecipient(2), "--text", "b", "--subject", "s", "--send-at", "90m", "--expires-in", "2h", "--output", "json").out)
	if second.State != "scheduled" || second.SendAt == nil || second.ExpiresIn != "2h" {
		t.Errorf("%+v", second)
	}

	q := w.do("queue")
	q.want(t, exitDone, "CARRIER", "")
	for _, line := range strings.Split(strings.TrimSpace(q.out), "\n")[1:] {
		if f := strings.Fields(line); f[0] != "north" || f[1] != "paused" || !(f[2] == "2" && f[3] == "held" && f[4] == "carrier_paused" || f[2] == "1" && f[3] == "scheduled" && f[4] == "scheduled") {
			t.Errorf("the queue has the line %q", line)
		}
	}
	w.do("queue", "--output", "json").want(t, exitDone, `{"carrier":"north","state":"`, "")
	w.do("carriers").want(t, exitDone, "waiting    3 deliveries", "")
	for _, want := range []string{"has not ended: held.", demoRecipient(0) + ", " + demoRecipient(1) + ": held.", "An operator paused sending to this carrier.", "It is valid until"} {
		w.do("show", first.ID).want(t, exitDone, want, "")
	}
	w.do("show", second.ID).want(t, exitDone, "It is sent when that time comes. That is at "+clock(*second.SendAt), "")

	w.do("hold", "--reference", "r1", "--dry-run").want(t, exitDone, "2 deliveries would be held; nothing was changed", "")
	w.do("hold", first.ID, "--to", demoRecipient(1)).want(t, exitDone, "An operator holds it back.", "")
	w.do("hold", first.ID, "--to", demoRecipient(1)).want(t, exitRefused, "", "not_holdable")
	w.do("hold", first.ID, "--to", demoRecipient(3)).want(t, exitRefused, "", "/to/0 field_invalid")
	w.do("release", "--reason", "operator_hold", "--since", "1h", "--output", "json").want(t, exitDone, `{"count":1,"dry_run":false}`, "")
	w.do("release", first.ID).want(t, exitRefused, "", "not_held")
	w.do("cancel", first.ID, "--to", demoRecipient(1)).want(t, exitDone, "1 canceled", "")
	w.do("retry", second.ID, "--output", "json").want(t, exitRefused, `"code":"not_retryable"`, "")
	if m := decode[client.Message](t, w.do("cancel", second.ID, "--output", "json").out); m.State != "canceled" || m.Deliveries[0].ClaimedBy == "" {
		t.Errorf("%+v", m)
	}
	w.do("cancel", "--state", "lost").want(t, exitRefused, "", "/filter/state")
	w.do("cancel", "msg_"+strings.Repeat("0", 32)).want(t, exitRefused, "", "not_found")

	w.do("carriers", "resume", "north", "--output", "json").want(t, exitDone, `"state":"going"`, "")
	w.await("the first is delivered", func(e client.Event) bool { return e.Type == "delivery.delivered" && e.To == demoRecipient(0) })
	if seen := w.mmsc.MMSC.Seen(); len(seen) != 1 {
		t.Errorf("the carrier saw %d messages, want the one that was not canceled", len(seen))
	}
	w.do("show", first.ID).want(t, exitDone, "by uid ", "")
	w.do("queue").want(t, exitDone, "north    going  0        -", "")
}

// A reload takes all of a configuration or nothing.
func TestReloadByCommand(t *testing.T) {
	t.Parallel()
	w := found(t, simulator.Options{}, "first: 50ms, max: 200ms")
	w.serve(binary)
	w.do("reload").want(t, exitDone, "reloaded: nothing changed", "")
	text, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	write := func(old, new string) {
		if err := os.WriteFile(w.config, []byte(strings.Replace(string(text), old, new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("window: 16", "window: 17")
	w.do("reload").want(t, exitDone, "limits.window", "")
	w.do("carriers").want(t, exitDone, "at most 17 requests under way", "")
	write("window: 16", "windows: 18")
	w.do("reload").want(t, exitUsage, "", "the configuration was refused; the one before stays")
	w.do("reload").want(t, exitUsage, "", "mmsgw.yaml:")
	w.do("reload", "--output", "json").want(t, exitUsage, `"code":"configuration_refused"`, "")
	w.do("carriers").want(t, exitDone, "at most 17 requests under way", "")
	e := w.await("the reload is told", func(e client.Event) bool { return e.Type == "config.reloaded" })
	if d, err := e.Details(); err != nil || !strings.HasPrefix(d.By, "uid ") {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestMoment(t *testing.T) {
	now := time.Date(2026, 12, 1, 15, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		text      string
		direction time.Duration
		want      time.Time
	}{
		{"", 1, time.Time{}}, {"90m", 1, now.Add(90 * time.Minute)}, {"2h", -1, now.Add(-2 * time.Hour)},
		{"2026-12-01T10:00:00-05:00", -1, now}, {"2026-12-01T15:00:00Z", 1, now},
	} {
		if got, err := moment("--x", c.text, now, c.direction); err != nil || !got.Equal(c.want) {
			t.Errorf("%q: %v, %v; want %v", c.text, got, err, c.want)
		}
	}
	for _, bad := range []string{"-5m", "2026-12-01", "2026-12-01T15:00:00", "soon"} {
		if got, err := moment("--x", bad, now, 1); err == nil {
			t.Errorf("%q is read as %v", bad, got)
		}
	}
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{-time.Second: "0s", 59 * time.Second: "59s", 61 * time.Second: "1m01s", 26*time.Hour + time.Minute: "26h01m", 50 * time.Hour: "2d"} {
		if got := age(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

// Every event is told in words.
func TestDetails(t *testing.T) {
	at := time.Date(2026, 12, 1, 15, 0, 0, 0, time.UTC)
	soon, later := at.Add(time.Minute), at.AddDate(0, 0, 20)
	for want, e := range map[string]client.Event{
		"opted in, of +12125550123, by uid 7, said START":                {Type: "optout.changed", Data: []byte(`{"opted_out":false,"from":"+12125550123","by":"uid 7","note":"said START"}`)},
		"opted out, by a phone":                                          {Type: "optout.changed", Data: []byte(`{"opted_out":true,"by":"a phone"}`)},
		"by uid 0":                                                       {Type: "carrier.paused", Data: []byte(`{"claimed_by":"operator","by":"uid 0"}`)},
		"carriers[north].limits.window log.level, by uid 0":              {Type: "config.reloaded", Data: []byte(`{"changes":["carriers[north].limits.window","log.level"],"by":"uid 0"}`)},
		"awaiting_report, no answer in time (timeout)":                   {Type: "delivery.uncertain", Data: []byte(`{"reason":"awaiting_report","carrier_status":"timeout"}`)},
		"sender_paused, carrier says 4007":                               {Type: "delivery.held", Data: []byte(`{"reason":"sender_paused","carrier_status":"4007"}`)},
		"operator_hold, by uid 0":                                        {Type: "delivery.held", Data: []byte(`{"reason":"operator_hold","carrier_status":"4007","by":"uid 0"}`)},
		"backing_off, next " + soon.Local().Format("15:04:05.000"):       {At: at, Type: "delivery.queued", Data: []byte(`{"reason":"backing_off","next_attempt_at":"2026-12-01T15:01:00Z"}`)},
		"scheduled, next " + later.Local().Format("2006-01-02 15:04:05"): {At: at, Type: "delivery.scheduled", Data: []byte(`{"reason":"scheduled","next_attempt_at":"2026-12-21T15:00:00Z"}`)},
		"awaiting_report, by uid 0, the carrier is asked to cancel it":   {Type: "delivery.reported", Data: []byte(`{"state":"sent","reason":"awaiting_report","by":"uid 0","note":"the carrier is asked to cancel it"}`)},
	} {
		if got := details(e); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// What is hours old is not told in milliseconds.
func TestSince(t *testing.T) {
	for d, want := range map[time.Duration]string{1250 * time.Microsecond: "      1.2 ms", 9 * time.Second: "   9000.0 ms", 16 * time.Second: "      16.0 s", 2*time.Hour + 3*time.Minute: "       2h03m", 80 * time.Hour: "          3d"} {
		if got := since(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

// Where no answer says that something was not done, it may have been.
func TestUnsure(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		want string
	}{
		{&client.Problem{Status: 409, Code: "not_held"}, exitRefused, `"code":"not_held"`},
		{&client.NotReachedError{Target: "x", Err: os.ErrNotExist}, exitUnreached, `"code":"not_reached"`},
		{&client.Problem{Status: 503, Code: "storage_unavailable"}, exitUnknown, `"code":"outcome_unknown"`},
		{os.ErrDeadlineExceeded, exitUnknown, `"code":"outcome_unknown"`},
	} {
		for _, asJSON := range []bool{false, true} {
			var out, errs bytes.Buffer
			term := &terminal{out: &out, err: &errs, json: asJSON}
			if code := term.conclude(cancelCommand(), unsure(term, c.err)); code != c.code {
				t.Errorf("%v: exit code %d, want %d", c.err, code, c.code)
			}
			if asJSON && !strings.Contains(out.String(), c.want) || !asJSON && errs.Len() == 0 {
				t.Errorf("%v, as JSON %v: %q, %q", c.err, asJSON, out.String(), errs.String())
			}
		}
	}
}

func TestNearest(t *testing.T) {
	for word, want := range map[string]string{"opreator_hold": "operator_hold", "to_opt_out": "to_opted_out", "breaker": "breaker_open"} {
		if got := nearest(word, []string{"waiting_turn", "to_opted_out", "operator_hold", "breaker_open", "no_report"}); got[0] != want || len(got) != maxNearest {
			t.Errorf("%s: %q, want %s first", word, got, want)
		}
	}
}

// A probe that is due waits for something to try with: its time is no promise.
func TestSayCarrier(t *testing.T) {
	now := time.Date(2026, 12, 1, 15, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		next       time.Time
		configured bool
		waiting    int64
		want       string
	}{
		{now.Add(time.Minute), true, 1, "next try   " + clock(now.Add(time.Minute))}, {now.Add(-time.Minute), true, 0, "next try   with the next message"},
		{now.Add(-time.Second), true, 1, "next try   is due now"}, {now, false, 1, "north  gone  ("},
	} {
		var out bytes.Buffer
		sayCarrier(&terminal{out: &out}, &client.Carrier{Name: "north", State: "stopped", Configured: c.configured, Waiting: c.waiting, NextTryAt: &c.next}, now)
		if !strings.Contains(out.String(), c.want) {
			t.Errorf("%s\nlacks %q", out.String(), c.want)
		}
	}
}
