package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mmsgw/client"
	"mmsgw/gateway"
)

func showCommand() *command {
	c := newCommand("show", "ID", "Says where a message is, what holds it and what happens next")
	c.about = "The first paragraph says it in words; then come its deliveries and its history."
	c.examples = []string{"mmsgw show msg_0199d2c5a1b27c3d8e4f5a6b7c8d9e0f", "mmsgw show msg_… --output json"}
	r := c.reaches()
	c.prints()
	c.run = func(ctx context.Context, t *terminal, args []string) error {
		if len(args) != 1 || args[0] == "" {
			return usage("name one message by its id, which begins with msg_")
		}
		return show(ctx, t, r, args[0])
	}
	return c
}

func show(ctx context.Context, t *terminal, r *reach, id string) error {
	c, err := r.client(t)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	m, err := c.Message(ctx, id)
	var events []client.Event
	if err == nil {
		events, err = c.Timeline(ctx, id)
	}
	var problem *client.Problem
	var unreached *client.NotReachedError
	switch {
	case err == nil:
	case errors.As(err, &problem), errors.As(err, &unreached):
		return failure(t, err, "")
	default: // the connection broke, or the daemon took a minute
		return failure(t, &client.NotReachedError{Target: "its socket", Err: err}, "")
	}
	if t.json {
		return t.value(struct {
			*client.Message
			Events []client.Event `json:"events"`
		}{m, events})
	}
	sayMessage(t, m)
	t.line("\nHistory")
	story := &narrator{t: t, begin: m.CreatedAt, recipients: len(m.To)}
	for _, e := range events {
		story.tell(e)
	}
	t.settle()
	return nil
}

// sayMessage prints a message: the paragraph, then what it holds and each
// delivery.
func sayMessage(t *terminal, m *client.Message) {
	t.line("%s", paragraph(m))
	t.line("\nMessage")
	t.line("  state      %s", t.paint(colorOf(m.State), m.State))
	t.line("  account    %s", m.Account)
	if m.Reference != "" {
		t.line("  reference  %s", m.Reference)
	}
	t.line("  accepted   %s, valid until %s", clock(m.CreatedAt), clock(m.ExpiresAt))
	if m.SendAt != nil {
		t.line("  to leave   %s", clock(*m.SendAt))
	}
	t.line("  content    %s, %s, %s of %s", strings.ToUpper(m.Channel), count(len([]rune(m.Text)), "character"), count(len(m.Media), "picture"), size(m.Size.Bytes))
	for _, f := range m.Flags {
		t.line("  note       %s: %s", f.Code, f.Message)
	}
	t.line("\nDeliveries")
	for i := range m.Deliveries {
		sayDelivery(t, &m.Deliveries[i])
	}
}

func sayDelivery(t *terminal, d *client.Delivery) {
	reason := ""
	if d.Reason != nil {
		reason = "  " + d.Reason.Code
	}
	twice := ""
	if d.PossibleDuplicate {
		twice = "  perhaps twice"
	}
	t.line("  %s  %s  by %s%s  (says the %s)%s", d.To, t.state(d.State, 11), d.Carrier, reason, d.ClaimedBy, twice)
	for _, a := range d.AttemptLog {
		outcome := a.Outcome
		if outcome == "" {
			outcome = "under way"
		}
		text := fmt.Sprintf("    attempt %d  %s  %s  transaction %s", a.Number, clock(a.At), outcome, a.TransactionID)
		if a.CarrierMessageID != "" {
			text += "  carrier's id " + a.CarrierMessageID
		}
		t.line("%s", text)
	}
}

func clock(at time.Time) string { return at.Local().Format("2006-01-02 15:04:05 MST") }

// maxTold is how many deliveries the paragraph speaks of one by one.
const maxTold = 3

// paragraph says where a message is, what holds it, what happens next and when.
func paragraph(m *client.Message) string {
	text := fmt.Sprintf("%s from %s to %d recipients", m.ID, m.From, len(m.To))
	several := len(m.To) > 1
	if !several {
		text = fmt.Sprintf("%s from %s to %s%s", m.ID, m.From, m.To[0], by(&m.Deliveries[0]))
	}
	if m.Final {
		text += " has ended: " + m.State + "."
	} else {
		text += " is on its way: " + m.State + "."
	}
	if several {
		text += " " + tally(m.Counts) + "."
	}
	told := 0
	for i := range m.Deliveries {
		d := &m.Deliveries[i]
		if len(m.Deliveries) > maxTold && (d.State == "delivered" || told == maxTold) {
			continue
		}
		told++
		if several {
			text += fmt.Sprintf(" %s%s: %s.", d.To, by(d), d.State)
		}
		text += " " + sentence(d)
	}
	if end := validity(m); end != "" {
		text += " " + end
	}
	return text
}

// by names the carrier of a delivery.
func by(d *client.Delivery) string {
	if d.Carrier == "" {
		return ""
	}
	return " by carrier " + d.Carrier
}

// validity says what the end of its validity means for what has not left.
func validity(m *client.Message) string {
	waits, doubtful := false, false
	for i := range m.Deliveries {
		switch d := &m.Deliveries[i]; d.State {
		case "scheduled", "queued", "held":
			doubt := d.Reason != nil && d.Reason.Code == string(gateway.AmbiguousOutcome)
			waits, doubtful = waits || !doubt, doubtful || doubt
		}
	}
	switch {
	case waits:
		return fmt.Sprintf("What has not left by %s is dropped.", clock(m.ExpiresAt))
	case doubtful:
		return fmt.Sprintf("Its validity ends at %s.", clock(m.ExpiresAt))
	}
	return ""
}

// tally lists how many deliveries are in which state.
func tally(counts map[string]int) string {
	var states, parts []string
	for s := range counts {
		states = append(states, s)
	}
	slices.Sort(states)
	for _, s := range states {
		parts = append(parts, fmt.Sprintf("%d %s", counts[s], s))
	}
	return strings.Join(parts, ", ")
}

// sentence says of one delivery what its reason says, when it goes on, and of an
// end who says so.
func sentence(d *client.Delivery) string {
	var parts []string
	switch {
	case d.Reason != nil:
		parts = append(parts, d.Reason.Message)
	case d.State == "sending":
		parts = append(parts, "The carrier is being asked to take it; its answer is awaited.")
	}
	switch next := d.NextAttemptAt; {
	case next != nil && (d.State == "scheduled" || d.Reason != nil && d.Reason.Code == string(gateway.DailyCap)):
		parts = append(parts, fmt.Sprintf("That is at %s.", clock(*next)))
	case next != nil:
		parts = append(parts, fmt.Sprintf("The next try is at %s.", clock(*next)))
	case d.DeliveredAt != nil:
		parts = append(parts, fmt.Sprintf("That was at %s.", clock(*d.DeliveredAt)))
	}
	if who := witness[d.ClaimedBy]; who != "" && ended[d.State] {
		parts = append(parts, "The "+who+" says so.")
	}
	if d.PossibleDuplicate {
		parts = append(parts, "It may have been taken twice: it was sent again when no answer had come.")
	}
	return strings.Join(parts, " ")
}

// witness is who is believed for an end that is not our own.
var witness = map[string]string{"carrier": "carrier", "network": "network", "handset": "phone"}

// ended are the states whose witness matters: what we see ourselves has none.
var ended = map[string]bool{"delivered": true, "undelivered": true, "expired": true, "failed": true, "canceled": true, "unknown": true}
