package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Carrier is one of our links to a carrier, and what waits for it.
type Carrier struct {
	Name       string     `json:"name"`
	Protocol   string     `json:"protocol"`
	Configured bool       `json:"configured"`  // false: it was, and something of it is left
	State      string     `json:"state"`       // going, paused, stopped, breaker_open or daily_cap
	Reason     *Reason    `json:"reason"`      // nil where it goes
	Code       string     `json:"code"`        // the carrier's, or a word of ours, that stopped it
	Since      *time.Time `json:"since"`       // when that was
	NextTryAt  *time.Time `json:"next_try_at"` // when one message is tried, or the day ends
	PausedAt   *time.Time `json:"paused_at"`
	PausedBy   string     `json:"paused_by"`
	Limits     *Limits    `json:"limits"`    // nil where it is not configured
	InFlight   int        `json:"in_flight"` // requests under way from this node
	Waiting    int64      `json:"waiting"`   // deliveries, all of Backlog
	OldestAt   *time.Time `json:"oldest_at"` // when the oldest of them was accepted
	NextAt     *time.Time `json:"next_at"`   // when the first of them goes on by itself
	Backlog    []Backlog  `json:"backlog"`
}

// Limits are what was agreed with a carrier. A PerDay of 0 is no limit.
type Limits struct {
	PerSecond     float64 `json:"per_second"`
	Burst         int     `json:"burst"`
	Count         string  `json:"count"` // what is counted: recipients or requests
	PerDay        int     `json:"per_day"`
	DayZone       string  `json:"day_zone"`
	Window        int     `json:"window"`      // requests at once
	MaxMessage    int64   `json:"max_message"` // bytes of a whole request
	MaxRecipients int     `json:"max_recipients"`
}

// Backlog is what waits at a carrier in one state for one reason.
type Backlog struct {
	State    string     `json:"state"`
	Reason   *Reason    `json:"reason"`
	Count    int64      `json:"count"`
	OldestAt *time.Time `json:"oldest_at"`
	NextAt   *time.Time `json:"next_at"`
}

// Carriers reads all carriers with what waits for each. It is for operators, as
// all that follows here.
func (c *Client) Carriers(ctx context.Context) ([]Carrier, error) {
	var all []Carrier
	for cursor := ""; ; {
		var page struct {
			Items      []Carrier `json:"items"`
			NextCursor *string   `json:"next_cursor"`
		}
		if err := c.get(ctx, "/v1/carriers", paged(map[string]string{}, cursor, 500), &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.NextCursor == nil {
			return all, nil
		}
		cursor = *page.NextCursor
	}
}

// Pause stops sending to a carrier until Resume, and answers the carrier as it
// stands then.
func (c *Client) Pause(ctx context.Context, name string) (*Carrier, error) {
	return c.pause(ctx, name, "pause")
}

// Resume ends a pause.
func (c *Client) Resume(ctx context.Context, name string) (*Carrier, error) {
	return c.pause(ctx, name, "resume")
}

func (c *Client) pause(ctx context.Context, name, verb string) (*Carrier, error) {
	var k Carrier
	if err := c.call(ctx, http.MethodPost, "/v1/carriers/"+url.PathEscape(name)+"/"+verb, nil, nil, &k); err != nil {
		return nil, err
	}
	return &k, nil
}

// Report is a report of a carrier that came before anything it matched.
type Report struct {
	ID               string     `json:"id"`
	Carrier          string     `json:"carrier"`
	CarrierMessageID string     `json:"carrier_message_id"` // that it names
	TransactionID    string     `json:"transaction_id"`
	From             string     `json:"from"`
	To               string     `json:"to"`
	Status           string     `json:"status"`
	CarrierStatus    string     `json:"carrier_status"` // the carrier's own word for it
	At               time.Time  `json:"at"`             // as the carrier says
	ReceivedAt       time.Time  `json:"received_at"`
	Matched          bool       `json:"matched"`
	Message          string     `json:"message"`     // id of the one it was matched with; else empty
	LinkedBy         string     `json:"linked_by"`   // who linked it by hand; empty: it was matched
	NextTryAt        *time.Time `json:"next_try_at"` // when it is matched again; nil: not any more
}

// ReportQuery chooses reports. Empty fields match everything.
type ReportQuery struct {
	Matched *bool
	Carrier string
	To      string
	Cursor  string // the NextCursor of the page before; empty: from the newest
	Limit   int    // 1 to 500; 0: 50
}

// ReportPage is one stretch of a list of reports, newest first.
type ReportPage struct {
	Items      []Report `json:"items"`
	NextCursor *string  `json:"next_cursor"` // nil: there is no more
}

// Reports reads a page of the reports that are kept.
func (c *Client) Reports(ctx context.Context, q ReportQuery) (*ReportPage, error) {
	pairs := map[string]string{"carrier": q.Carrier, "to": q.To}
	if q.Matched != nil {
		pairs["matched"] = strconv.FormatBool(*q.Matched)
	}
	var page ReportPage
	if err := c.get(ctx, "/v1/reports", paged(pairs, q.Cursor, q.Limit), &page); err != nil {
		return nil, err
	}
	return &page, nil
}

// Link gives a report that matched nothing to a delivery, as if it had named
// it, and answers the message as it stands then.
func (c *Client) Link(ctx context.Context, report, message, to string) (*Message, error) {
	body := map[string]string{"message": message, "to": to}
	var m Message
	if err := c.call(ctx, http.MethodPost, "/v1/reports/"+url.PathEscape(report)+"/link", nil, body, &m); err != nil {
		return nil, err
	}
	return &m, nil
}

// Reload has the daemon read its configuration again and tells the keys that
// changed. A configuration with faults is a *Problem, and changes nothing.
func (c *Client) Reload(ctx context.Context) (changed []string, err error) {
	var done struct {
		Changed []string `json:"changed"`
	}
	err = c.call(ctx, http.MethodPost, "/v1/reload", nil, nil, &done)
	return done.Changed, err
}
