package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mmsgw/client"
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

// maxTold is how many fates of deliveries the paragraph tells, and how many
// numbers of each.
const maxTold = 3

// paragraph says where a message is, what holds it, what happens next and when.
func paragraph(m *client.Message) string {
	text := fmt.Sprintf("%s from %s to %s", m.ID, m.From, m.To[0])
	if n := len(m.To); n > 1 {
		text = fmt.Sprintf("%s from %s to %d recipients", m.ID, m.From, n)
	}
	if m.Final {
		text += " has ended: " + m.State + "."
	} else {
		text += " has not ended: " + m.State + "."
	}
	if len(m.Counts) > 1 {
		text += " " + tally(m.Counts) + "."
	}
	text += fates(m)
	if waits(m) {
		text += fmt.Sprintf(" It is valid until %s and is not sent any more after that.", clock(m.ExpiresAt))
	}
	return text
}

// fate is what deliveries have in common that are told together.
type fate struct {
	state, reason, carrier, status, claim string
	twice                                 bool
}

// fates tells of each delivery; those that have the same fate are told together.
// Where there are many, the delivered ones go without saying.
func fates(m *client.Message) string {
	if len(m.Deliveries) == 1 {
		return " " + sentence(&m.Deliveries[0])
	}
	var order []fate
	of := map[fate][]*client.Delivery{}
	for i := range m.Deliveries {
		d := &m.Deliveries[i]
		if len(m.Deliveries) > maxTold && d.State == "delivered" {
			continue
		}
		f := fate{d.State, code(d), d.Carrier, d.CarrierStatus, d.ClaimedBy, d.PossibleDuplicate}
		if of[f] == nil {
			order = append(order, f)
		}
		of[f] = append(of[f], d)
	}
	text := ""
	for _, f := range order[:min(len(order), maxTold)] {
		text += fmt.Sprintf(" %s: %s. %s", some(of[f]), f.state, sentence(first(of[f])))
	}
	if len(order) > maxTold {
		text += " mmsgw show tells of the others one by one."
	}
	return text
}

// first is the delivery that goes on first, or where none does the first to end.
func first(deliveries []*client.Delivery) *client.Delivery {
	at := func(d *client.Delivery) (at time.Time) {
		for _, t := range []*time.Time{d.NextAttemptAt, d.DeliveredAt, d.SentAt} {
			if t != nil {
				return *t
			}
		}
		return at
	}
	return slices.MinFunc(deliveries, func(a, b *client.Delivery) int { return at(a).Compare(at(b)) })
}

func code(d *client.Delivery) string {
	if d.Reason == nil {
		return ""
	}
	return d.Reason.Code
}

// some names a few numbers and counts the rest.
func some(deliveries []*client.Delivery) string {
	var numbers []string
	for _, d := range deliveries[:min(len(deliveries), maxTold)] {
		numbers = append(numbers, d.To)
	}
	text := strings.Join(numbers, ", ")
	if n := len(deliveries) - maxTold; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// waits tells whether anything of a message has not left.
func waits(m *client.Message) bool {
	return m.Counts["scheduled"]+m.Counts["queued"]+m.Counts["held"] > 0
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

// where says where a delivery is that has not ended, by its state. The carrier's
// name stands for %s.
var where = map[string]string{
	"scheduled": "It is here, for the carrier %s.",
	"queued":    "It is here, for the carrier %s.",
	"held":      "It is here, for the carrier %s.",
	"sending":   "It is on its way to the carrier %s, whose answer is awaited. Without an answer it becomes uncertain.",
	"uncertain": "It left for the carrier %s.",
	"sent":      "The carrier %s has it.",
}

// next says when a delivery goes on, by its reason; of the others: the next try.
var next = map[string]string{
	"scheduled":        "That is at %s.",
	"daily_cap":        "That is at %s.",
	"standing_changed": "It looks next at %s.",
}

// sentence says of one delivery where it is, what its reason says, when it goes
// on, and of an end who says so.
func sentence(d *client.Delivery) string {
	reason := code(d)
	open := where[d.State] != "" && reason != "accepted_by_carrier"
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch {
	case reason == "ambiguous_outcome":
		add(where["uncertain"], d.Carrier)
	case d.State == "sent" && open && d.SentAt != nil:
		add("The carrier %s has had it since %s.", d.Carrier, clock(*d.SentAt))
	case open:
		add(where[d.State], d.Carrier)
	}
	if d.Reason != nil {
		add("%s", d.Reason.Message)
	}
	switch failed := open && d.State != "uncertain" && slices.Contains(tried, reason); {
	case failed && d.CarrierStatus != "":
		add("The code of the last try is %s.", d.CarrierStatus)
	case failed:
		add("mmsgw carriers tells the code of the last try.")
	}
	switch at := d.NextAttemptAt; {
	case at == nil:
	case at.Before(time.Now()):
		add("That is due now.")
	default:
		add(cmp.Or(next[reason], "The next try is at %s."), clock(*at))
	}
	if d.DeliveredAt != nil {
		add("It was delivered at %s.", clock(*d.DeliveredAt))
	}
	if d.ReadAt != nil {
		add("It was read at %s.", clock(*d.ReadAt))
	}
	if by := source(d); !open && by != "" {
		add("%s", by)
	}
	switch {
	case d.PossibleDuplicate && open:
		add("It may arrive twice: it was sent again after a request without an answer.")
	case d.PossibleDuplicate:
		add("It may have arrived twice: it was sent again after a request without an answer.")
	}
	return strings.Join(parts, " ")
}

// tried are the reasons for which a try was in vain.
var tried = []string{"backing_off", "breaker_open", "lane_stopped", "sender_paused"}

// source says who tells of an end, and in which words of the carrier's.
func source(d *client.Delivery) string {
	carrier := "the carrier " + d.Carrier
	said := carrier
	if d.CarrierStatus != "" {
		said += " (" + d.CarrierStatus + ")"
	}
	switch {
	case d.ClaimedBy == "carrier":
		return "So says " + said + "."
	case d.ClaimedBy == "network", d.ClaimedBy == "handset":
		return "So says a report of " + said + "."
	case d.ClaimedBy == "operator":
		return "An operator did that."
	case d.State == "failed":
		return "It was last tried with " + said + "."
	case d.State == "expired":
		return "It was for " + carrier + "."
	case d.State == "unknown" && d.SentAt != nil:
		return "It was sent to " + carrier + " at " + clock(*d.SentAt) + "."
	case d.State == "unknown":
		return "It left for " + carrier + "."
	}
	return ""
}
