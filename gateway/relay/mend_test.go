package relay

import (
	"strings"
	"testing"
	"time"

	"mmsgw/gateway"
)

// TestRelayReloadTriesStoppedLane: what was wrong may have been mended, also
// where every message that waits was tried already and waits for its time.
func TestRelayReloadTriesStoppedLane(t *testing.T) {
	run(t, Policy{}, func(b *bench) {
		b.edge.say(denied)
		b.accept("north", 2)
		b.wait(time.Minute)
		tried := len(b.edge.dialled())
		b.relay.Change([]Lane{{"north", b.edge, Policy{}}})
		b.wait(time.Second)
		if n := len(b.edge.dialled()) - tried; n != 1 {
			b.Errorf("%d tries after a reload that mended nothing, want one", n)
		}
		b.edge.say(yes)
		b.relay.Change([]Lane{{"north", b.edge, Policy{}}})
		b.wait(time.Second)
		b.expect(map[gateway.State]int{gateway.Sent: 2})
	})
}

// TestRelayTellsOfASpentDay: the log says once that nothing is sent before the
// carrier's midnight, and once that it goes on.
func TestRelayTellsOfASpentDay(t *testing.T) {
	run(t, Policy{PerDay: 1}, func(b *bench) {
		b.change(func() { b.memory.spent = true })
		b.accept("north", 2)
		b.wait(time.Minute)
		b.accept("north", 1)
		b.wait(time.Hour)
		if log := b.log.String(); strings.Count(log, "limit for the day is used up") != 1 || !strings.Contains(log, "reason=daily_cap") || strings.Contains(log, "day begins") {
			b.Errorf("logged: %s", log)
		}
		b.change(func() { b.memory.spent = false })
		b.wait(24 * time.Hour)
		if log := b.log.String(); strings.Count(log, "limit for the day is used up") != 1 || strings.Count(log, "the carrier's day begins") != 1 {
			b.Errorf("logged: %s", log)
		}
	})
}
