package api_test

import (
	"bytes"
	"context"
	"slices"
	"time"

	"mmsgw/gateway"
	"mmsgw/gateway/api"
)

// Messages lists what fits, newest first.
func (m *memory) Messages(_ context.Context, l gateway.Listing) ([]*gateway.Message, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []*gateway.Message
	for _, msg := range m.messages {
		before := l.Before.IsZero() || bytes.Compare(msg.ID[:], l.Before[:]) < 0
		if before && slices.ContainsFunc(msg.Deliveries, func(d gateway.Delivery) bool { return fits(&l.Filter, msg, &d) }) {
			found = append(found, msg)
		}
	}
	slices.SortFunc(found, func(a, b *gateway.Message) int { return bytes.Compare(b.ID[:], a.ID[:]) })
	return found[:min(l.Limit, len(found))], nil
}

// fits tells whether a filter chooses a delivery.
func fits(f *gateway.Filter, m *gateway.Message, d *gateway.Delivery) bool {
	return (f.Accounts == nil || slices.Contains(f.Accounts, m.Account)) && (f.From == "" || f.From == m.From) &&
		(f.To == "" || f.To == d.Recipient) && (f.State == "" || f.State == d.State) && (f.Reason == "" || f.Reason == d.Reason) &&
		(f.Carrier == "" || f.Carrier == d.Lane) && (f.Reference == "" || f.Reference == m.Reference) &&
		!m.CreatedAt.Before(f.Since) && (f.Until.IsZero() || m.CreatedAt.Before(f.Until))
}

// Act lets the domain judge every delivery that is meant.
func (m *memory) Act(_ context.Context, a gateway.Judged) (n int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return 0, m.fail
	}
	for id, msg := range m.messages {
		if !a.Message.IsZero() && a.Message != id {
			continue
		}
		changed := *msg
		changed.Deliveries = slices.Clone(msg.Deliveries)
		for i := range changed.Deliveries {
			d := &changed.Deliveries[i]
			if a.Message.IsZero() && !fits(&a.Filter, msg, d) {
				continue
			}
			if e, acts := a.Judge(d, msg, m.out[d.Recipient], time.Now().Truncate(time.Microsecond)); acts {
				n++
				if !a.DryRun {
					m.tell(e)
				}
			}
		}
		if !a.DryRun {
			m.messages[id] = &changed
		}
	}
	return n, nil
}

// desk stands in for what the store does for operators.
type desk struct {
	m       *memory
	links   []api.Link
	lanes   []gateway.LaneStatus
	backlog []gateway.Backlog
	reports []gateway.KeptReport
	said    []gateway.OptOut // as recorded or lifted
	linked  []string
	changes []string
	broken  error // of the configuration
}

func newDesk(m *memory) *desk {
	return &desk{m: m, links: []api.Link{{Name: "north", Protocol: "mm7", PerSecond: 50, Burst: 5, Count: "recipients", PerDay: 1000,
		DayZone: "America/Los_Angeles", Window: 8, MaxMessage: 1 << 20, MaxRecipients: 10, InFlight: 3}, {Name: "texts", Protocol: "smpp"}}}
}

func (d *desk) OptOut(_ context.Context, o gateway.OptOut) (bool, error) {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	d.said = append(d.said, o)
	news := !d.m.out[o.Number]
	d.m.out[o.Number] = true
	return news, nil
}

func (d *desk) OptIn(_ context.Context, o gateway.OptOut) (bool, error) {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	d.said = append(d.said, o)
	was := d.m.out[o.Number]
	delete(d.m.out, o.Number)
	return was, nil
}

func (d *desk) OptedOut(_ context.Context, _ string, _ gateway.Number, numbers []gateway.Number) ([]bool, error) {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if d.m.fail != nil {
		return nil, d.m.fail
	}
	out := make([]bool, len(numbers))
	for i, n := range numbers {
		out[i] = d.m.out[n]
	}
	return out, nil
}

func (d *desk) Lanes(context.Context) ([]gateway.LaneStatus, error) { return d.lanes, nil }
func (d *desk) Backlog(context.Context) ([]gateway.Backlog, error)  { return d.backlog, nil }
func (d *desk) Tell(context.Context, gateway.Event) error           { return nil }

func (d *desk) Pause(_ context.Context, lane string, pause bool, who string) (bool, error) {
	i := slices.IndexFunc(d.lanes, func(s gateway.LaneStatus) bool { return s.Lane == lane })
	if i < 0 {
		d.lanes, i = append(d.lanes, gateway.LaneStatus{Lane: lane}), len(d.lanes)
	}
	s := &d.lanes[i]
	if s.Paused == pause {
		return false, nil
	}
	s.Paused, s.PausedAt, s.PausedBy = pause, time.Now(), who
	return true, nil
}

func (d *desk) Reports(_ context.Context, q gateway.ReportQuery) ([]gateway.KeptReport, error) {
	var found []gateway.KeptReport
	for _, r := range d.reports {
		if (q.Matched == nil || *q.Matched == !r.MessageID.IsZero()) && (q.Carrier == "" || q.Carrier == r.Lane) && (q.To == "" || q.To == r.Recipient) &&
			(q.Before.IsZero() || bytes.Compare(r.ID[:], q.Before[:]) < 0) && len(found) < q.Limit {
			found = append(found, r)
		}
	}
	return found, nil
}

func (d *desk) Link(_ context.Context, report, message gateway.ID, to gateway.Number, who string) error {
	i := slices.IndexFunc(d.reports, func(r gateway.KeptReport) bool { return r.ID == report })
	switch {
	case i < 0:
		return gateway.ErrNotFound
	case !d.reports[i].MessageID.IsZero():
		return gateway.ErrLinked
	}
	d.reports[i].MessageID = message
	d.linked = append(d.linked, to.E164()+" by "+who)
	return nil
}

func (d *desk) reload(string) ([]string, error) { return d.changes, d.broken }
