package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mmsgw/client"
	"mmsgw/simulator"
)

// streets are a town's carriers that stand, by name, with the area each has.
type streets struct {
	*town
	mmsc  map[string]*simulator.MMSC
	areas map[string]string
	ids   []string // messages, in the order of their making
}

// stand brings every lane to a halt in its own way, with a message behind each that
// nobody has tried.
func stand(t *testing.T) *streets {
	t.Helper()
	w := found(t, simulator.Options{}, quick)
	w.edit("burst: 1000,", "burst: 1000, per_day: 1,")
	s := &streets{town: w, mmsc: map[string]*simulator.MMSC{"north": w.mmsc.MMSC}, areas: map[string]string{"north": "416"}}
	patient := "retry: {first: 50ms, max: 200ms, unknown_wait: 1h}"
	for name, k := range map[string]struct{ area, fault string }{
		"paused": {"647", ""}, "broken": {"905", "retry-after-hour"}, "barred": {"514", "auth-401"}, "picky": {"604", "forbidden-403"},
		"mute": {"718", "lost"}, "free": {"917", ""},
	} {
		s.mmsc[name], s.areas[name] = w.join(name, k.area, simulator.Options{Fault: k.fault}, patient, "limits: {per_second: 100, burst: 5}"), k.area
	}
	return s
}

// hold sends what stands, each message waiting for its reason.
func (s *streets) hold() {
	s.t.Helper()
	to := func(carrier string, n int, state, reason string) {
		id := s.post(number(s.areas[carrier], n))
		s.ids = append(s.ids, id)
		s.becomes(id, state, reason)
	}
	if _, err := s.client.Pause(s.t.Context(), "paused"); err != nil {
		s.t.Fatal(err)
	}
	to("north", 0, "delivered", "retrieved")
	to("north", 1, "held", "daily_cap")
	to("paused", 0, "held", "carrier_paused")
	to("broken", 0, "queued", "backing_off")
	to("broken", 1, "held", "breaker_open")
	to("barred", 0, "held", "lane_stopped")
	to("barred", 1, "held", "lane_stopped")
	to("picky", 0, "held", "sender_paused")
	to("mute", 0, "uncertain", "awaiting_report")
	later := s.postAs(client.Submission{SendAt: time.Now().Add(time.Hour)}, number(s.areas["free"], 0))
	kept := s.postAs(client.Submission{SendAt: time.Now().Add(time.Hour)}, number(s.areas["free"], 1))
	if _, err := s.client.Hold(s.t.Context(), kept); err != nil {
		s.t.Fatal(err)
	}
	s.ids = append(s.ids, later, kept)
	s.becomes(later, "scheduled", "")
	s.becomes(kept, "held", "operator_hold")
}

// picture is all that can be seen of messages and carriers from outside.
func (s *streets) picture() string {
	s.t.Helper()
	var b strings.Builder
	at := func(t *time.Time) string {
		if t == nil {
			return "-"
		}
		return t.Format(time.RFC3339Nano)
	}
	for i, id := range s.ids {
		d := s.message(id).Deliveries[0]
		reason := ""
		if d.Reason != nil {
			reason = d.Reason.Code
		}
		fmt.Fprintf(&b, "%d %s %s at %s, next %s, %d answers, %d attempts, status %q, duplicate %v\n", i, d.State, reason, d.Carrier, at(d.NextAttemptAt), d.Attempts, len(d.AttemptLog), d.CarrierStatus, d.PossibleDuplicate)
	}
	all, err := s.client.Carriers(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	slices.SortFunc(all, func(a, b client.Carrier) int { return strings.Compare(a.Name, b.Name) })
	for _, c := range all {
		fmt.Fprintf(&b, "%s %s %s since %s, next try %s, paused %s by %q, %d wait, %d under way\n", c.Name, c.State, c.Code, at(c.Since), at(c.NextTryAt), at(c.PausedAt), c.PausedBy, c.Waiting, c.InFlight)
	}
	for _, name := range []string{"barred", "broken", "free", "mute", "north", "paused", "picky"} {
		fmt.Fprintf(&b, "%s got %d requests\n", name, s.mmsc[name].Totals().Requests)
	}
	return b.String()
}

// What stands when the daemon is killed stands afterwards as it did: a carrier paused,
// stopped, with its breaker open or its day used up, a sender paused, a doubt, an hour
// to come, a person's hold. Nothing is tried for the restart's sake.
func TestKilledWhileLanesStand(t *testing.T) {
	t.Parallel()
	s := stand(t)
	p := s.serve(binary)
	s.hold()
	before := s.picture()
	for range 2 {
		p.kill()
		p = s.serve(binary)
		now := ""
		until(t, "it is all as it was", func() bool { now = s.picture(); return now == before })
		// A lane without a past waits a second after a start; the others have looked by then.
		begin := time.Now()
		until(t, "it has had its time", func() bool { return time.Since(begin) > 1500*time.Millisecond })
		if now = s.picture(); now != before {
			t.Errorf("before the kill:\n%s\nafter it:\n%s", before, now)
		}
	}
	s.free()
}

// free puts right what every lane stands for: all arrives, once.
func (s *streets) free() {
	t := s.t
	t.Helper()
	for name, m := range s.mmsc {
		if err := m.SetFault(""); err != nil {
			t.Fatal(name, err)
		}
	}
	s.edit("per_day: 1,", "per_day: 0,")
	if _, err := s.client.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.client.Resume(t.Context(), "paused"); err != nil {
		t.Fatal(err)
	}
	last := len(s.ids) - 1
	for _, i := range []int{1, 2, 4, 5, 6} {
		s.becomes(s.ids[i], "delivered", "retrieved")
	}
	s.becomes(s.ids[8], "uncertain", "awaiting_report")
	if _, err := s.client.Release(t.Context(), s.ids[last]); err != nil {
		t.Fatal(err)
	}
	s.becomes(s.ids[last], "scheduled", "")
	for name, m := range s.mmsc {
		for _, a := range m.Seen() {
			if a.Accepted && a.Copy > 1 && name != "broken" && name != "barred" {
				t.Errorf("%s got copy %d of a message", name, a.Copy)
			}
		}
		if n := m.Totals().Resends; n != 0 {
			t.Errorf("%s got %d requests again", name, n)
		}
	}
}
