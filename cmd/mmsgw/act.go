package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"mmsgw/client"
)

// acting are the flags of cancel, retry, hold and release.
type acting struct {
	*reach
	verb   string
	done   string // what has become of a delivery then
	filter filterFlags
	dry    bool
}

// filterFlags are what messages are chosen by.
type filterFlags struct {
	client.Filter
	to           []string
	since, until string
	given        *pflag.FlagSet
}

func (f *filterFlags) on(flags *pflag.FlagSet) {
	f.given = flags
	flags.StringSliceVar(&f.to, "to", nil, "a recipient's `NUMBER`; with an ID several times, or with commas, for several")
	flags.StringVar(&f.Account, "account", "", "those of the account with this `ID`")
	flags.StringVar(&f.From, "from", "", "those from this `NUMBER`")
	flags.StringVar(&f.State, "state", "", "deliveries in this `STATE`, such as held or failed")
	flags.StringVar(&f.Reason, "reason", "", "deliveries that stand there for this `CODE`, such as operator_hold")
	flags.StringVar(&f.Carrier, "carrier", "", "deliveries at the carrier with this `NAME`")
	flags.StringVar(&f.Reference, "reference", "", "messages with this `TEXT` as their reference")
	flags.StringVar(&f.since, "since", "", "messages accepted at this `TIME` or later: 2026-12-01T15:00:00Z, or 2h for two hours ago")
	flags.StringVar(&f.until, "until", "", "messages accepted before this `TIME`")
}

// only tells whether nothing but recipients was named.
func (f *filterFlags) only() bool {
	return f.Filter == client.Filter{} && f.since == "" && f.until == ""
}

// filled refuses a flag without a value: it is more often a script's unset variable
// than the wish to choose all.
func (f *filterFlags) filled() (err error) {
	f.given.Visit(func(flag *pflag.Flag) {
		empty := flag.Value.String() == ""
		if flag.Name == "to" {
			empty = len(f.to) == 0
		}
		if err == nil && empty && slices.Contains(choosing, flag.Name) {
			err = usage("--%s is empty; leave it out where it is not to choose", flag.Name)
		}
	})
	return err
}

// choosing are the flags that choose deliveries.
var choosing = []string{"to", "account", "from", "state", "reason", "carrier", "reference", "since", "until"}

// read makes a filter of the flags.
func (f *filterFlags) read(now time.Time) (filter client.Filter, err error) {
	filter = f.Filter
	switch {
	case f.only() && len(f.to) == 0:
		return filter, usage("name one message by its id, or choose deliveries with --account, --from, --to, --state, --reason, --carrier, --reference, --since or --until")
	case len(f.to) > 1:
		return filter, usage("without an ID, --to takes one number; do it once for each")
	case len(f.to) == 1:
		filter.To = f.to[0]
	}
	if filter.Since, err = moment("--since", f.since, now, -1); err == nil {
		filter.Until, err = moment("--until", f.until, now, -1)
	}
	return filter, err
}

// moment reads a time that a flag gives: as RFC 3339 has it, or as a distance
// from now in the direction that the flag looks.
func moment(flag, text string, now time.Time, direction time.Duration) (t time.Time, err error) {
	if text == "" {
		return t, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(direction * d), nil
	}
	if err := t.UnmarshalText([]byte(text)); err != nil {
		return t, usage("%s is %q; write a time with its zone, such as 2026-12-01T15:00:00Z, or a distance from now, such as 90m", flag, text)
	}
	return t, nil
}

func cancelCommand() *command {
	return actCommand(client.ToCancel, "canceled", "Stops what has not left", `
What has left is the carrier's to stop: where it takes cancel requests, it is asked.
What may have left, and nobody knows, is only not sent again.`,
		"mmsgw cancel msg_0199d2c5a1b27c3d8e4f5a6b7c8d9e0f",
		"mmsgw cancel msg_… --to +14165550199",
		"mmsgw cancel --reference order-42 --dry-run")
}

func retryCommand() *command {
	return actCommand(client.ToRetry, "tried anew", "Tries anew what failed, expired before it left, or is in doubt", `
It takes deliveries that failed, expired before they left, are uncertain, or are held
by an operator or as ambiguous. Opt-outs and the account's standing are asked again;
rates, caps and pauses hold. What is in doubt may then arrive twice.`,
		"mmsgw retry msg_0199d2c5a1b27c3d8e4f5a6b7c8d9e0f",
		"mmsgw retry --state failed --reason retries_exhausted --since 2h --dry-run",
		"mmsgw retry --state failed --reason retries_exhausted --since 2h")
}

func holdCommand() *command {
	return actCommand(client.ToHold, "held", "Holds back what waits, until it is released", `
It takes deliveries that wait here: scheduled, queued, or held for another reason. For
operators. Their validity goes on; to stop a whole carrier, use: mmsgw carriers pause`,
		"mmsgw hold msg_0199d2c5a1b27c3d8e4f5a6b7c8d9e0f",
		"mmsgw hold --account acme --dry-run",
		"mmsgw hold --from +12125550123")
}

func releaseCommand() *command {
	return actCommand(client.ToRelease, "released", "Lets go on what an operator held", "For operators.",
		"mmsgw release msg_0199d2c5a1b27c3d8e4f5a6b7c8d9e0f",
		"mmsgw release --reason operator_hold --account acme")
}

func actCommand(verb, done, summary, about string, examples ...string) *command {
	c := newCommand(verb, "[ID]", summary)
	c.about, c.examples = about+`

With an ID it is for that message, or those of its recipients that --to names. Without
one it is for every delivery that all of the flags fit, which operators may do.

Exit codes: 0 done; 1 refused, nothing changed; 2 usage; 3 daemon not reached; 5 not
known whether it was done: look, then repeat it.`, examples
	a := &acting{verb: verb, done: done}
	a.filter.on(c.flags)
	c.flags.BoolVar(&a.dry, "dry-run", false, "without an ID: only count, change nothing")
	a.reach = c.reaches()
	c.prints()
	c.run = func(ctx context.Context, t *terminal, args []string) error { return a.run(ctx, t, args) }
	return c
}

func (a *acting) run(ctx context.Context, t *terminal, args []string) error {
	var filter client.Filter
	if err := a.filter.filled(); err != nil {
		return err
	}
	switch {
	case len(args) > 1:
		return usage("takes one message's id; %q is one too many", args[1])
	case len(args) == 1 && args[0] == "":
		return usage("the id is empty; a message's begins with msg_")
	case len(args) == 1 && !a.filter.only():
		return usage("an ID names the message; beside it only --to chooses")
	case len(args) == 1 && a.dry:
		return usage("--dry-run counts what flags choose; leave it out with an ID")
	case len(args) == 0:
		var err error
		if filter, err = a.filter.read(time.Now()); err != nil {
			return err
		}
	}
	c, err := a.client(t)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	if len(args) == 0 {
		return a.many(ctx, t, c, filter)
	}
	do := map[string]func(context.Context, string, ...string) (*client.Message, error){
		client.ToCancel: c.Cancel, client.ToRetry: c.Retry, client.ToHold: c.Hold, client.ToRelease: c.Release}[a.verb]
	m, err := do(ctx, args[0], a.filter.to...)
	switch {
	case err != nil:
		return unsure(t, err)
	case t.json:
		return t.value(m)
	}
	t.line("%s", paragraph(m))
	return nil
}

func (a *acting) many(ctx context.Context, t *terminal, c *client.Client, filter client.Filter) error {
	n, err := c.Act(ctx, client.Action{Verb: a.verb, Filter: filter, DryRun: a.dry})
	switch {
	case err != nil:
		return unsure(t, err)
	case t.json:
		return t.value(struct {
			Count  int  `json:"count"`
			DryRun bool `json:"dry_run"`
		}{n, a.dry})
	case a.dry:
		t.line("%s would be %s; nothing was changed", deliveries(n), a.done)
	default:
		t.line("%s %s", deliveries(n), a.done)
	}
	return nil
}

func deliveries(n int) string {
	if n == 1 {
		return "1 delivery"
	}
	return fmt.Sprintf("%d deliveries", n)
}

// askTime bounds a call that asks for something to be done, or to be told.
const askTime = time.Minute

// unsure is the failure of a call that changes something: where no answer says
// that it was not done, it may have been.
func unsure(t *terminal, err error) error {
	var p *client.Problem
	var unreached *client.NotReachedError
	if errors.As(err, &unreached) || errors.As(err, &p) && p.Status < 500 {
		return failure(t, err, "")
	}
	err = fmt.Errorf("whether it was done is not known: %w; look, then repeat it", err)
	if !t.json {
		return &exit{exitUnknown, err}
	}
	p = &client.Problem{Type: "about:blank", Title: "mmsgw outcome unknown", Detail: err.Error(), Code: "outcome_unknown"}
	return errors.Join(t.value(p), quiet(exitUnknown))
}
