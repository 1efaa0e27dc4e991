package relay

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"mmsgw/gateway"
)

// commitTime is what the memory's transactions take.
const commitTime = 4 * time.Millisecond

// memory is a Queue in memory: rows changed by the domain's own functions, one
// transaction at a time, durable after commitTime.
type memory struct {
	t          *testing.T
	relay      *Relay
	mu         sync.Mutex
	deliveries []*gateway.Delivery // in order of acceptance
	attempts   map[gateway.ID]*gateway.Attempt
	lease      gateway.Lease
	other      bool  // another node holds the lanes
	spent      bool  // the day's limit is used up
	broken     error // what every change gets
	unsettled  error // what every Settle gets
	settles    int
	notes      []gateway.LaneNote
	takes      []int         // what each Take asked for
	late       time.Duration // how much later than others a Take's callback comes
	known      time.Time
}

func newMemory(t *testing.T) *memory {
	return &memory{t: t, attempts: map[gateway.ID]*gateway.Attempt{}}
}

var errBroken = errors.New("the disk is on fire")

// commit applies a change later, then tells whom it concerns.
func (m *memory) commit(change func(now time.Time) error, done func(error)) {
	time.AfterFunc(commitTime, func() {
		now := time.Now()
		m.mu.Lock()
		err := m.broken
		if err == nil {
			err = change(now)
		}
		ready, sooner := m.tellable()
		relay := m.relay
		m.mu.Unlock()
		for lane := range ready {
			relay.Wake(lane)
		}
		if sooner {
			relay.WakeTimer()
		}
		done(err)
	})
}

// tellable: in which lanes something is ready, and whether something is due
// earlier than known.
func (m *memory) tellable() (ready map[string]bool, sooner bool) {
	ready = map[string]bool{}
	for _, d := range m.deliveries {
		if d.Ready {
			ready[d.Lane] = true
		}
	}
	first := m.first()
	sooner = !first.IsZero() && (m.known.IsZero() || first.Before(m.known))
	if sooner {
		m.known = first
	}
	return ready, sooner
}

func (m *memory) first() (first time.Time) {
	for _, d := range m.deliveries {
		if !d.Due.IsZero() && (first.IsZero() || d.Due.Before(first)) {
			first = d.Due
		}
	}
	return first
}

func (m *memory) Own(_ context.Context, lane, owner string) (gateway.Lease, []gateway.Dispatch, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return gateway.Lease{}, nil, m.broken
	}
	if m.other {
		return gateway.Lease{}, nil, gateway.ErrNotOwner
	}
	if m.lease.Owner != owner {
		m.lease = gateway.Lease{Lane: lane, Owner: owner, Epoch: m.lease.Epoch + 1}
	}
	m.lease.Until = time.Now().Add(10 * time.Second)
	lease := m.lease
	lease.Lane = lane
	var orphans []gateway.Dispatch
	for _, a := range m.attempts {
		if a.Open() && a.Lane == lane && a.Epoch < m.lease.Epoch {
			orphans = append(orphans, gateway.Dispatch{Attempt: *a, Deliveries: []gateway.Delivery{*m.find(a.MessageID, a.Covers[0])}})
		}
	}
	return lease, orphans, nil
}

func (m *memory) Take(o gateway.Order, done func(gateway.Taken, error)) {
	m.mu.Lock()
	m.takes = append(m.takes, o.N)
	m.mu.Unlock()
	var taken []gateway.Dispatch
	m.commit(func(now time.Time) error {
		if m.other || o.Lease.Epoch != m.lease.Epoch {
			return gateway.ErrNotOwner
		}
		for _, d := range m.deliveries {
			if m.spent || !d.Ready || d.Lane != o.Lease.Lane || !now.Before(d.ValidUntil) || len(taken) >= o.N {
				continue
			}
			if next := o.Judge(d, m.message(d), now); next != nil {
				d.Move(*next, now)
				continue
			}
			taken = append(taken, m.depart(d, o, now))
		}
		return nil
	}, func(err error) {
		m.mu.Lock()
		late, spent := m.late, m.spent
		m.mu.Unlock()
		time.AfterFunc(late, func() { done(gateway.Taken{Dispatches: taken, Spent: spent}, err) })
	})
}

func (m *memory) message(d *gateway.Delivery) *gateway.Message {
	return &gateway.Message{ID: d.MessageID, Account: d.Account, From: "+12125550123", CreatedAt: d.MessageID.Time(), ValidUntil: d.ValidUntil}
}

func (m *memory) depart(d *gateway.Delivery, o gateway.Order, now time.Time) gateway.Dispatch {
	a := m.attempts[d.Attempt]
	if a == nil || !o.SameID || a.Outcome != gateway.UnknownSent {
		a = &gateway.Attempt{ID: gateway.NewID(), Kind: gateway.Submits, MessageID: d.MessageID, Covers: []int{d.N}, Lane: d.Lane}
		m.attempts[a.ID] = a
	}
	a.Owner, a.Epoch, a.OpenedAt, a.Outcome, a.ClosedAt = o.Lease.Owner, o.Lease.Epoch, now, "", time.Time{}
	a.Dials++
	d.Depart(a, now)
	return gateway.Dispatch{Attempt: *a, Message: m.message(d), Deliveries: []gateway.Delivery{*d}}
}

// Note frees what was held; the status itself nobody reads here.
func (m *memory) Note(n gateway.LaneNote, done func(error)) {
	m.commit(func(now time.Time) error {
		m.notes = append(m.notes, n)
		for _, d := range m.deliveries {
			if n.Free != "" && d.Lane == n.Status.Lane && d.State == gateway.Held && d.Reason == n.Free {
				d.Move(d.Turn(), now)
			}
		}
		return nil
	}, done)
}

func (m *memory) Settle(s gateway.Settlement, done func(error)) {
	m.commit(func(now time.Time) error {
		m.settles++
		if m.unsettled != nil {
			return m.unsettled
		}
		a := m.attempts[s.Attempt]
		if a == nil {
			m.t.Errorf("attempt %s is settled, but was never stored", s.Attempt.Hex())
			return nil
		}
		if a.Close(s.Result, now) {
			m.find(a.MessageID, a.Covers[0]).Settle(a, &s, now)
		}
		return nil
	}, done)
}

func (m *memory) Due(_ context.Context, now time.Time, limit int) (due []gateway.Delivery, next time.Time, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.deliveries {
		if !d.Due.IsZero() && !d.Due.After(now) && len(due) < limit {
			due = append(due, *d)
		}
	}
	slices.SortStableFunc(due, func(a, b gateway.Delivery) int { return a.Due.Compare(b.Due) })
	m.known = time.Time{}
	for _, d := range m.deliveries {
		if d.Due.After(now) && (m.known.IsZero() || d.Due.Before(m.known)) {
			m.known = d.Due
		}
	}
	return due, m.known, m.broken
}

func (m *memory) Move(moves []gateway.Move, done func(error)) {
	m.commit(func(now time.Time) error {
		for _, move := range moves {
			if d := m.find(move.MessageID, move.N); d.State == move.Seen && d.Due.Equal(move.SeenDue) {
				d.Move(move.Next, now)
			}
		}
		return nil
	}, done)
}

func (m *memory) find(id gateway.ID, n int) *gateway.Delivery {
	for _, d := range m.deliveries {
		if d.MessageID == id && d.N == n {
			return d
		}
	}
	return nil
}

// accept puts messages of one recipient in line and waits until they are.
func (m *memory) accept(lane string, n int) []gateway.ID {
	ids := make([]gateway.ID, n)
	done := make(chan error, 1)
	m.commit(func(now time.Time) error {
		for i := range ids {
			ids[i] = gateway.NewID()
			m.deliveries = append(m.deliveries, fresh(ids[i], lane, now))
		}
		return nil
	}, func(err error) { done <- err })
	if err := <-done; err != nil {
		m.t.Fatal(err)
	}
	return ids
}

func fresh(id gateway.ID, lane string, now time.Time) *gateway.Delivery {
	end := now.Add(24 * time.Hour)
	return &gateway.Delivery{
		MessageID: id, Of: 1, Account: "acme", Recipient: "+14165550199", Lane: lane, State: gateway.Queued,
		Reason: gateway.WaitingTurn, Claim: gateway.ByGateway, Ready: true, Due: end, ValidUntil: end, WantsReport: true, UpdatedAt: now,
	}
}

// submit is what the front door does: it boards the lane if it can.
func (m *memory) submit(lane string) (id gateway.ID, boarded bool) {
	seat, ok := m.relay.Board(lane, "+12125550123", 1)
	id = gateway.NewID()
	done := make(chan error, 1)
	var flying gateway.Dispatch
	m.commit(func(now time.Time) error {
		d := fresh(id, lane, now)
		m.deliveries = append(m.deliveries, d)
		if ok {
			flying = m.depart(d, gateway.Order{Lease: gateway.Lease{Owner: seat.Owner, Epoch: seat.Epoch}}, now)
		}
		return nil
	}, func(err error) { done <- err })
	switch err := <-done; {
	case err != nil && ok:
		seat.Free()
	case ok:
		seat.Go(flying)
	}
	return id, ok
}

// state reads a delivery.
func (m *memory) state(id gateway.ID) gateway.Delivery {
	m.mu.Lock()
	defer m.mu.Unlock()
	return *m.find(id, 0)
}

// count counts deliveries by state.
func (m *memory) count() map[gateway.State]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := map[gateway.State]int{}
	for _, d := range m.deliveries {
		n[d.State]++
	}
	return n
}

func (m *memory) change(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}
