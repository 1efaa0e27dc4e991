package store

import (
	"context"
	"database/sql"
	"fmt"
	"sync"

	"mmsgw/gateway"
)

// consents counts the opt-outs of each account where this process is the only
// writer, so that an account without any costs its messages nothing.
type consents struct {
	mu    sync.RWMutex
	count map[string]int
}

func (c *consents) of(account string) int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.count[account]
}

func (c *consents) add(account string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count[account] += n
}

// fillConsents counts the opt-outs there are.
func (s *Store) fillConsents(ctx context.Context) error {
	s.consents.count = map[string]int{}
	return s.read(ctx, "SELECT account, COUNT(*) FROM opt_outs GROUP BY account", func(rows *sql.Rows) error {
		var account string
		var n int
		err := rows.Scan(&account, &n)
		s.consents.count[account] = n
		return err
	})
}

const selectOptOut = "SELECT 1 FROM opt_outs WHERE account = $1 AND number = $2 AND sender IN ('', $3)"

// optedOut reads consent in the transaction that stores an attempt.
func (b *batch) optedOut(account string, from, number gateway.Number) (out bool, err error) {
	if b.s.engine.sole && b.s.consents.of(account)+b.consents[account] == 0 {
		return false, nil
	}
	err = b.query(selectOptOut, func(*sql.Rows) error { out = true; return nil }, account, number.E164(), from.E164())
	return out, err
}

// OptedOut tells for each number whether it opted out of this sender.
func (s *Store) OptedOut(ctx context.Context, account string, from gateway.Number, numbers []gateway.Number) ([]bool, error) {
	out := make([]bool, len(numbers))
	if s.engine.sole && s.consents.of(account) == 0 {
		return out, nil
	}
	for i, n := range numbers {
		if n == "" {
			continue
		}
		err := s.read(ctx, selectOptOut, func(*sql.Rows) error { out[i] = true; return nil }, account, n.E164(), from.E164())
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// OptOut records that a number wants nothing from an account, or from one of its
// numbers, and tells whether that is news.
func (s *Store) OptOut(_ context.Context, o gateway.OptOut) (news bool, err error) {
	err = s.run(func(b *batch) error {
		fresh := false
		err := b.query("INSERT INTO opt_outs (account, number, sender, at, who, note) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING 1",
			func(*sql.Rows) error { fresh = true; return nil }, o.Account, o.Number.E164(), o.From.E164(), micros(o.At), o.Who, o.Note)
		if err == nil && fresh {
			news = true // and stays so, if this is committed, its answer lost, and applied again
			b.tellConsent(o, true)
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("record an opt-out: %w", err)
	}
	return news, nil
}

// OptIn lifts an opt-out, and tells whether there was one.
func (s *Store) OptIn(_ context.Context, o gateway.OptOut) (news bool, err error) {
	err = s.run(func(b *batch) error {
		lifted := false
		err := b.query("DELETE FROM opt_outs WHERE account = $1 AND number = $2 AND sender = $3 RETURNING 1",
			func(*sql.Rows) error { lifted = true; return nil }, o.Account, o.Number.E164(), o.From.E164())
		if err == nil && lifted {
			news = true
			b.tellConsent(o, false)
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("lift an opt-out: %w", err)
	}
	return news, nil
}

// tellConsent counts an opt-out and tells of it.
func (b *batch) tellConsent(o gateway.OptOut, out bool) {
	n := -1
	if out {
		n = 1
	}
	b.consents[o.Account] += n
	data := gateway.EventData{From: o.From.E164(), OptedOut: &out, By: o.Who, Note: o.Note}
	b.events = append(b.events, gateway.Event{At: b.now, Type: "optout.changed", Account: o.Account, N: -1, To: o.Number, Data: data.JSON()})
}
