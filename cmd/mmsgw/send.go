package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mmsgw/client"
)

// submitTime bounds a submission that --timeout does not: the daemon answers
// sooner, even where its storage is in trouble.
const submitTime = 2 * time.Minute

// sending are the flags of send.
type sending struct {
	*reach
	message client.Submission
	images  []string
	sendAt  string
	wait    bool
	check   bool
	timeout time.Duration
}

func sendCommand() *command {
	c := newCommand("send", "", "Sends a message, or checks whether it can be sent")
	c.about = `
It always sends an idempotency key and prints it: repeated with the same key, a
message is never sent twice. Pictures are shown in the order given, under the text.

Exit codes: 0 accepted (with --wait: delivered; with --check: can be sent);
1 refused; 2 usage; 3 daemon not reached; 4 ended otherwise than delivered;
5 accepted or perhaps accepted, end not known.`
	c.examples = []string{
		`mmsgw send --from +12125550123 --to +14165550199 --text "Thanks!" --image receipt.png`,
		`mmsgw send --from +12125550123 --to +14165550199 --text Hello --image a.jpg --wait --timeout 10m`,
		`mmsgw send --from +12125550123 --to +14165550199 --text Reminder --send-at 2026-12-01T15:00:00Z --expires-in 2h`,
		`mmsgw send --from +12125550123 --to +14165550199 --image a.jpg --check`,
	}
	s := &sending{}
	f := c.flags
	f.StringVar(&s.message.From, "from", "", "the `NUMBER` it is sent from")
	f.StringSliceVar(&s.message.To, "to", nil, "a recipient's `NUMBER`; several times, or with commas, for several")
	f.StringVar(&s.message.Channel, "channel", "", "the `CHANNEL`: auto, mms or sms; auto sends pictures or a subject as MMS, text alone as SMS")
	f.StringVar(&s.message.Text, "text", "", "the `TEXT`")
	f.StringVar(&s.message.Subject, "subject", "", "the subject, a `TEXT`")
	f.StringArrayVar(&s.images, "image", nil, "a picture's `FILE` (GIF, PNG or JPEG); several times for several")
	f.StringVar(&s.sendAt, "send-at", "", "the `TIME` to send it, up to 30 days ahead: 2026-12-01T15:00:00Z, or 90m for in 90 minutes")
	f.StringVar(&s.message.ExpiresIn, "expires-in", "", "how long it is worth sending, a `TIME` such as 90m, 24h or 7d; left out, the account's")
	f.BoolVar(&s.wait, "wait", false, "follow it to its end")
	f.BoolVar(&s.check, "check", false, "only check; nothing is sent")
	f.DurationVar(&s.timeout, "timeout", 0, "give up waiting after this `TIME`, such as 90s or 10m; 0: never")
	f.StringVar(&s.message.Reference, "reference", "", "a `TEXT` of your own, kept with the message")
	f.StringVar(&s.message.Key, "idempotency-key", "", "the `KEY`; left out, one is made")
	f.StringVar(&s.message.Account, "account", "", "the account's `ID`, where you may use several")
	s.reach = c.reaches()
	c.prints()
	c.run = func(ctx context.Context, t *terminal, _ []string) error { return s.run(ctx, t) }
	return c
}

// complete checks what the daemon need not be asked for.
func (s *sending) complete() error {
	switch {
	case s.message.From == "":
		return usage("say which number it is sent from: --from NUMBER")
	case len(s.message.To) == 0:
		return usage("name a recipient: --to NUMBER")
	case s.check && s.wait:
		return usage("--check sends nothing, so there is nothing to --wait for; leave one out")
	case s.timeout < 0:
		return usage("--timeout is less than nothing; write a time such as 90s")
	}
	var err error
	if s.message.SendAt, err = moment("--send-at", s.sendAt, time.Now(), +1); err != nil {
		return err
	}
	for _, path := range s.images {
		f, err := client.FileAt(path)
		if err != nil {
			return usage("%v", err)
		}
		s.message.Files = append(s.message.Files, f)
	}
	if s.message.Key == "" {
		s.message.Key = client.NewKey()
	}
	return nil
}

func (s *sending) run(ctx context.Context, t *terminal) error {
	if err := s.complete(); err != nil {
		return err
	}
	c, err := s.client(t)
	if err != nil {
		return err
	}
	defer c.Close()
	if s.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.timeout)
		defer cancel()
	}
	if s.check {
		return s.ask(ctx, t, c)
	}
	t.progress("sending…")
	submitting, cancel := context.WithTimeout(ctx, submitTime)
	done, err := c.Submit(submitting, s.message)
	cancel()
	if err != nil {
		return failure(t, err, done.Key)
	}
	if !t.json {
		s.accepted(t, done)
	}
	if !s.wait {
		return s.answer(t, done)
	}
	last, err := follow(ctx, t, c, done.Message)
	if last != nil {
		done.Message = last
	}
	return errors.Join(s.answer(t, done), err)
}

func (s *sending) accepted(t *terminal, done client.Submitted) {
	again := ""
	if done.Replayed {
		again = " (earlier, with the same key)"
	}
	t.line("%s%s", t.state("accepted", 10), t.paint(bold, done.Message.ID)+again)
	t.line("%-10s%s", "key", done.Key)
	for _, f := range done.Message.Flags {
		t.line("%s%s: %s", t.paint(yellow, "note      "), f.Code, f.Message)
	}
	if !s.wait {
		t.line("%-10smmsgw show %s", "follow by", done.Message.ID)
	}
}

// answer is the message as JSON; as text all has been said.
func (s *sending) answer(t *terminal, done client.Submitted) error {
	if !t.json {
		return nil
	}
	return t.value(struct {
		*client.Message
		Key      string `json:"idempotency_key"`
		Replayed bool   `json:"replayed"`
	}{done.Message, done.Key, done.Replayed})
}

// ask is --check.
func (s *sending) ask(ctx context.Context, t *terminal, c *client.Client) error {
	r, err := c.Check(ctx, s.message)
	if err != nil {
		return failure(t, err, "")
	}
	code := exitDone
	if !r.Sendable {
		code = exitRefused
	}
	if t.json {
		return errors.Join(t.value(r), quiet(code))
	}
	sayCheck(t, r)
	return quiet(code)
}

// sayCheck tells what a check found.
func sayCheck(t *terminal, r *client.CheckResult) {
	verdict := t.paint(green, "can be sent")
	if !r.Sendable {
		verdict = t.paint(red, "can't be sent")
	}
	via := ""
	for _, p := range r.To[:min(len(r.To), 1)] {
		if p.Carrier != "" {
			via = ", by carrier " + p.Carrier
		}
		if p.Cap != nil {
			via += fmt.Sprintf(" which takes up to %s", size(*p.Cap))
		}
	}
	t.line("%s%s: %s to %s, %s of %s%s", t.state("checked", 10), verdict, r.From.Number, count(len(r.To), "recipient"),
		count(r.Size.Images, "picture"), size(r.Size.Bytes), via)
	for _, f := range r.Flags {
		color := red
		if f.Severity == client.Warn {
			color = yellow
		}
		t.line("  %s %s %s: %s", t.paint(color, fmt.Sprintf("%-5s", f.Severity)), f.Field, f.Code, f.Message)
	}
}
