package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"mmsgw/gateway"
)

// owning is the change that takes or renews a lane's lease.
type owning struct {
	result
	lease   gateway.Lease
	orphans []gateway.Dispatch
}

// Own takes a lane's lease for owner, or renews it, and gives the attempts
// that were left open under an older epoch: nobody is going to hear their
// answers, so their outcome is unknown. gateway.ErrNotOwner while another node
// holds it. Where this process is the only one there is nothing to wait for: a
// former owner is dead.
func (s *Store) Own(ctx context.Context, lane, owner string) (gateway.Lease, []gateway.Dispatch, error) {
	s.lanes.Store(lane, true)
	c := &owning{result: result{make(chan error, 1)}, lease: gateway.Lease{Lane: lane, Owner: owner}}
	s.in.hand(c, true)
	select {
	case err := <-c.ch:
		return c.lease, c.orphans, plain(err)
	case <-ctx.Done(): // taken or not, it is renewed or runs out
		return gateway.Lease{}, nil, ctx.Err()
	}
}

func (c *owning) rows() int { return 1 }

func (c *owning) apply(b *batch) error {
	held, err := b.lease(c.lease.Lane, b.s.engine.forUpdate)
	if err != nil {
		return err
	}
	switch {
	case held.Owner == c.lease.Owner:
		c.lease.Epoch = held.Epoch
	case held.Owner != "" && !b.s.engine.sole && held.Until.After(b.now):
		return refusal{fmt.Errorf("lane %s is held by node %s until %s: %w", c.lease.Lane, held.Owner, held.Until.Format(time.RFC3339), gateway.ErrNotOwner)}
	default:
		c.lease.Epoch = held.Epoch + 1
	}
	c.lease.Until = b.now.Add(b.s.opt.LeaseTTL)
	err = b.query("INSERT INTO leases (name, owner, epoch, until_at) VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, epoch = excluded.epoch, until_at = excluded.until_at",
		nil, c.lease.Lane, c.lease.Owner, c.lease.Epoch, micros(c.lease.Until))
	if err != nil {
		return err
	}
	b.leases[c.lease.Lane] = c.lease
	if c.lease.Status, err = b.lane(c.lease.Lane); err != nil {
		return err
	}
	c.orphans, err = b.orphans(c.lease)
	return err
}

func (b *batch) lease(lane, lock string) (l gateway.Lease, err error) {
	if known, ok := b.leases[lane]; ok {
		return known, nil
	}
	l.Lane = lane
	err = b.query("SELECT owner, epoch, until_at FROM leases WHERE name = $1"+lock, func(rows *sql.Rows) error {
		var until int64
		err := rows.Scan(&l.Owner, &l.Epoch, &until)
		l.Until = time.UnixMicro(until)
		return err
	}, lane)
	b.leases[lane] = l
	return l, err
}

// owns tells whether a lease is still the current one: new attempts need it.
func (b *batch) owns(l gateway.Lease) (bool, error) {
	held, err := b.lease(l.Lane, b.s.engine.forShare)
	return held.Owner == l.Owner && held.Epoch == l.Epoch && l.Epoch > 0, err
}

func (b *batch) orphans(l gateway.Lease) ([]gateway.Dispatch, error) {
	open, err := b.attemptsWhere("lane = $1 AND closed_at IS NULL AND epoch < $2", l.Lane, l.Epoch)
	if err != nil {
		return nil, err
	}
	var orphans []gateway.Dispatch
	for _, a := range open {
		if !a.Open() || a.Epoch >= l.Epoch {
			continue // settled or dialled again in this very batch
		}
		d := gateway.Dispatch{Attempt: *a}
		for _, n := range a.Covers {
			row, err := b.delivery(rowKey{a.MessageID, n})
			if err != nil {
				return nil, err
			}
			if row != nil {
				d.Deliveries = append(d.Deliveries, *row)
			}
		}
		orphans = append(orphans, d)
	}
	return orphans, nil
}

// Release lets go of every lease of an owner, so that another node need not
// wait for them to run out.
func (s *Store) Release(_ context.Context, owner string) error {
	err := s.run(func(b *batch) error { return b.query("UPDATE leases SET until_at = 0 WHERE owner = $1", nil, owner) })
	if err != nil {
		return fmt.Errorf("let go of the leases: %w", err)
	}
	return nil
}
