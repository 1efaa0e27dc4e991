package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Filter chooses messages, and of their deliveries those of its State, Reason,
// Carrier and To. Empty fields match everything.
type Filter struct {
	Account   string    `json:"account,omitempty"`
	From      string    `json:"from,omitempty"`
	To        string    `json:"to,omitempty"`
	State     string    `json:"state,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	Carrier   string    `json:"carrier,omitempty"`
	Reference string    `json:"reference,omitempty"`
	Since     time.Time `json:"since,omitzero"` // accepted at or after
	Until     time.Time `json:"until,omitzero"` // accepted before
}

// ListQuery asks for a page of messages.
type ListQuery struct {
	Filter
	Cursor string // the NextCursor of the page before; empty: from the newest
	Limit  int    // 1 to 500; 0: 50
}

// MessagePage is one stretch of a list of messages, newest first. The messages
// come without their deliveries.
type MessagePage struct {
	Items      []Message `json:"items"`
	NextCursor *string   `json:"next_cursor"` // nil: there is no more
}

// List reads a page of the messages that fit.
func (c *Client) List(ctx context.Context, q ListQuery) (*MessagePage, error) {
	f := q.Filter
	v := paged(map[string]string{"account": f.Account, "from": f.From, "to": f.To, "state": f.State, "reason": f.Reason, "carrier": f.Carrier,
		"reference": f.Reference, "since": stamp(f.Since), "until": stamp(f.Until)}, q.Cursor, q.Limit)
	var page MessagePage
	if err := c.get(ctx, "/v1/messages", v, &page); err != nil {
		return nil, err
	}
	return &page, nil
}

// paged is the query of a list.
func paged(pairs map[string]string, cursor string, limit int) url.Values {
	pairs["cursor"] = cursor
	if limit != 0 {
		pairs["limit"] = strconv.Itoa(limit)
	}
	return values(pairs)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// The verbs of an Action.
const (
	ToCancel  = "cancel"
	ToRetry   = "retry"
	ToHold    = "hold"
	ToRelease = "release"
)

// Cancel stops what has not left of a message, for all its recipients or those
// named, and has the carrier asked for what has. It answers the message as it
// stands then, as the next three do.
func (c *Client) Cancel(ctx context.Context, id string, to ...string) (*Message, error) {
	return c.act(ctx, ToCancel, id, to)
}

// Retry begins a new round for what has failed, expired before it left, or is
// in doubt.
func (c *Client) Retry(ctx context.Context, id string, to ...string) (*Message, error) {
	return c.act(ctx, ToRetry, id, to)
}

// Hold keeps back what waits. It is for operators.
func (c *Client) Hold(ctx context.Context, id string, to ...string) (*Message, error) {
	return c.act(ctx, ToHold, id, to)
}

// Release lets go on what an operator held. It is for operators.
func (c *Client) Release(ctx context.Context, id string, to ...string) (*Message, error) {
	return c.act(ctx, ToRelease, id, to)
}

func (c *Client) act(ctx context.Context, verb, id string, to []string) (*Message, error) {
	var body any
	if len(to) > 0 {
		body = map[string][]string{"to": to}
	}
	var m Message
	if err := c.call(ctx, http.MethodPost, "/v1/messages/"+url.PathEscape(id)+"/"+verb, nil, body, &m); err != nil {
		return nil, err
	}
	return &m, nil
}

// Action is a verb for every delivery that a filter chooses.
type Action struct {
	Verb   string `json:"verb"`
	Filter Filter `json:"filter"`
	DryRun bool   `json:"dry_run,omitempty"` // only count
}

// Act carries an action out and tells how many deliveries it changed, or with
// DryRun would change. It is for operators.
func (c *Client) Act(ctx context.Context, a Action) (int, error) {
	var done struct {
		Count int `json:"count"`
	}
	err := c.call(ctx, http.MethodPost, "/v1/actions", nil, a, &done)
	return done.Count, err
}

// OptOut is a number's word that an account must not write to it.
type OptOut struct {
	Account  string    `json:"account"`
	Number   string    `json:"number"`
	From     string    `json:"from"` // the one sender it is of; empty: all of the account's numbers
	OptedOut bool      `json:"opted_out"`
	At       time.Time `json:"at"`
}

// OptOut records that a number wants nothing from an account, or from one of
// its numbers. The account may be empty where the caller has one.
func (c *Client) OptOut(ctx context.Context, number, account, from string) (*OptOut, error) {
	return c.consent(ctx, http.MethodPut, number, map[string]string{"account": account, "from": from})
}

// OptIn lifts an opt-out, for a reason that is kept. It is for operators.
func (c *Client) OptIn(ctx context.Context, number, account, from, reason string) (*OptOut, error) {
	return c.consent(ctx, http.MethodDelete, number, map[string]string{"account": account, "from": from, "reason": reason})
}

func (c *Client) consent(ctx context.Context, method, number string, q map[string]string) (*OptOut, error) {
	var o OptOut
	if err := c.call(ctx, method, "/v1/numbers/"+url.PathEscape(number)+"/opt-out", values(q), nil, &o); err != nil {
		return nil, err
	}
	return &o, nil
}
