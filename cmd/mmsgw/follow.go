package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mmsgw/client"
)

const (
	lostAfter  = 10 * time.Second // a daemon that is gone this long ends the wait
	watchEvery = time.Second
)

var errLost = fmt.Errorf("the daemon has not answered for %v", lostAfter)

// follow tells what happens to a message until its end, and gives it as it
// stands then. The error has the exit code that the end earns.
func follow(ctx context.Context, t *terminal, c *client.Client, m *client.Message) (*client.Message, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go watch(ctx, cancel, c, m.ID)
	story := &narrator{t: t, begin: m.CreatedAt, recipients: len(m.To)}
	err := tellAll(ctx, c, m.ID, story.tell)
	t.settle()
	var last *client.Message
	if err == nil {
		last, err = c.Message(ctx, m.ID)
	}
	switch {
	case context.Cause(ctx) != nil && errors.Is(context.Cause(ctx), errLost):
		err = errLost
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = errors.New("the time given by --timeout is over")
	case ctx.Err() != nil:
		err = errors.New("interrupted")
	}
	if err != nil {
		return nil, &exit{exitUnknown, fmt.Errorf("%s was accepted, its end is not known: %w. Look again with: mmsgw show %s", m.ID, err, m.ID)}
	}
	if !t.json {
		t.line("%s%s", t.state("ended", 10), t.paint(colorOf(last.State), last.State))
	}
	if last.State != "delivered" {
		return last, quiet(exitOtherwise)
	}
	return last, nil
}

// tellAll tells a message's events, those that were and those that come, until
// tell has heard enough.
func tellAll(ctx context.Context, c *client.Client, id string, tell func(client.Event) (enough bool)) error {
	past, err := c.Timeline(ctx, id)
	for err != nil && ctx.Err() == nil { // just accepted: the daemon was there a moment ago
		pause(ctx, watchEvery/4)
		past, err = c.Timeline(ctx, id)
	}
	cursor := ""
	for _, e := range past {
		cursor = e.ID
		if tell(e) {
			return nil
		}
	}
	for ctx.Err() == nil {
		for e, err := range c.Events(ctx, client.EventQuery{Message: id, After: cursor}) {
			if err != nil {
				break
			}
			cursor = e.ID
			if tell(e) {
				return nil
			}
		}
		pause(ctx, watchEvery/4)
	}
	return ctx.Err()
}

// watch ends the wait for a daemon that does not come back.
func watch(ctx context.Context, lost context.CancelCauseFunc, c *client.Client, id string) {
	seen := time.Now()
	for pause(ctx, watchEvery) {
		asking, cancel := context.WithTimeout(ctx, lostAfter)
		_, err := c.Message(asking, id)
		cancel()
		if err == nil {
			seen = time.Now()
		} else if time.Since(seen) > lostAfter {
			lost(errLost)
			return
		}
	}
}

// pause waits; false when ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
