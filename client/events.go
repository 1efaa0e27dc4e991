package client

import (
	"context"
	"iter"
	"strconv"
	"time"
)

// EventQuery chooses events of the feed. Empty fields match everything.
type EventQuery struct {
	After   string // a cursor; "latest": from now; empty: the oldest kept
	Account string
	Message string
	Carrier string
	Type    string
}

// poll is how long one request waits for events; the daemon allows 60 s.
const poll = 50 * time.Second

// Events follows the feed, oldest first, until ctx ends or the caller stops.
// Once the daemon has answered, a broken connection is mended quietly and the
// feed goes on behind the last event seen; before that, and where the daemon
// refuses the query, the error is yielded last.
func (c *Client) Events(ctx context.Context, q EventQuery) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		reached, pause := false, minPause
		for ctx.Err() == nil {
			page, err := c.page(ctx, q)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil && (!reached || !temporary(err)):
				yield(Event{}, err)
				return
			case err != nil:
				rest(ctx, pause)
				pause = min(2*pause, maxPause)
				continue
			}
			reached, pause = true, minPause
			for _, e := range page.Items {
				if !yield(e, nil) {
					return
				}
			}
			if page.NextCursor != nil {
				q.After = *page.NextCursor
			}
			if len(page.Items) == 0 {
				rest(ctx, minPause) // a daemon that is stopping answers at once
			}
		}
	}
}

// Between tries to reach the daemon again.
const (
	minPause = 50 * time.Millisecond
	maxPause = 2 * time.Second
)

func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (c *Client) page(ctx context.Context, q EventQuery) (*Page, error) {
	ctx, cancel := context.WithTimeout(ctx, poll+30*time.Second)
	defer cancel()
	v := values(map[string]string{"after": q.After, "account": q.Account, "message": q.Message, "carrier": q.Carrier, "type": q.Type,
		"wait": strconv.Itoa(int(poll / time.Second)), "limit": "500"})
	var page Page
	if err := c.get(ctx, "/v1/events", v, &page); err != nil {
		return nil, err
	}
	return &page, nil
}
