package main

import (
	"fmt"
	"strings"
	"time"

	"mmsgw/client"
)

// narrator tells the events of one message, each with its time since the
// beginning. As JSON it is silent, unless events are what is asked for.
type narrator struct {
	t          *terminal
	begin      time.Time
	recipients int
	events     bool                      // as JSON, one event a line
	more       func(client.Event) string // what else is known of an event
}

// tell tells one event, and whether it was the last.
func (n *narrator) tell(e client.Event) (last bool) {
	last = e.Type == "message.completed"
	if n.t.json {
		if n.events {
			_ = n.t.value(e) // a reader that went away is told by the next write
		}
		return last
	}
	if e.Type == "message.accepted" || last {
		return last
	}
	_, word, _ := strings.Cut(e.Type, ".")
	text := details(e)
	if n.recipients > 1 {
		text = e.To + "  " + text
	}
	if n.more != nil {
		text += n.more(e)
	}
	n.t.line("%s%s  %s", n.t.state(word, 10), n.t.paint(faint, since(e.At.Sub(n.begin))), text)
	n.t.progress("%s", waiting[word])
	return false
}

// waiting says what is waited for after an event.
var waiting = map[string]string{
	"accepted": "waiting for its turn…", "attempted": "waiting for the carrier's answer…", "sent": "waiting for the report…",
	"queued": "waiting for the next try…", "uncertain": "waiting for a report…", "held": "waiting…", "scheduled": "waiting for its time…",
}

// since is a time since the beginning: to the tenth of a millisecond where that can be
// read, and as an age where hours would be.
func since(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%9.1f ms", float64(d.Microseconds())/1000)
	case d < time.Minute:
		return fmt.Sprintf("%10.1f s", d.Seconds())
	}
	return fmt.Sprintf("%12s", age(d))
}

// details are an event's data in words.
func details(e client.Event) string {
	d, err := e.Details()
	if err != nil {
		return ""
	}
	var parts []string
	add := func(text, value string) {
		if value != "" {
			parts = append(parts, text+value)
		}
	}
	add("", d.Reason)
	if d.Dial > 1 {
		add("", fmt.Sprintf("dial %d", d.Dial))
	}
	switch e.Type {
	case "delivery.attempted":
		add("transaction ", d.TransactionID)
	case "delivery.sent", "report.unmatched":
		add("carrier's id ", d.CarrierMessageID)
	}
	switch person := d.By != "" && (e.Type == "delivery.held" || e.Type == "delivery.queued"); {
	case person, e.Type == "delivery.attempted": // there it is of the attempt before
	default:
		add("", answered(d.CarrierStatus))
	}
	if d.ClaimedBy != "" && d.ClaimedBy != "gateway" && d.By == "" {
		add("claimed by ", d.ClaimedBy)
	}
	if d.NextAttemptAt != nil {
		form := "15:04:05.000"
		if d.NextAttemptAt.Sub(e.At) > 12*time.Hour { // of which day?
			form = "2006-01-02 15:04:05"
		}
		add("next ", d.NextAttemptAt.Local().Format(form))
	}
	if d.Late {
		add("", "changes nothing")
	}
	if d.OptedOut != nil {
		add("", map[bool]string{true: "opted out", false: "opted in"}[*d.OptedOut])
		add("of ", d.From)
	}
	add("report ", d.Report)
	add("", strings.Join(d.Changes, " "))
	add("reference ", d.Reference)
	add("by ", d.By)
	add("", d.Note)
	return strings.Join(parts, ", ")
}

// unanswered are the codes that are the gateway's own, for what is no answer.
var unanswered = map[string]string{
	"unreadable": "the carrier's answer can't be read", "no-answer": "the connection ended without an answer", "timeout": "no answer in time",
	"canceled": "given up before an answer came", "owner_gone": "the node ended before an answer came", "refused": "the carrier refuses connections",
	"connect-timeout": "the carrier could not be reached in time", "dns": "the carrier's name could not be found", "not-sent": "nothing could be sent",
	"tls": "the carrier's TLS failed", "media-corrupt": "a stored picture is damaged", "media-unread": "a stored picture could not be read",
}

// answered tells what a code says, and does not have the carrier say what is ours.
func answered(code string) string {
	if code == "" {
		return ""
	}
	if text, ok := unanswered[code]; ok {
		return text + " (" + code + ")"
	}
	return "carrier says " + code
}
