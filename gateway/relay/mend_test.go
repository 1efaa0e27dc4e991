package relay

import (
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
