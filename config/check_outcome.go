package config

import (
	"fmt"
	"strings"
	"time"
)

var (
	thens   = []string{"accepted", "retry", "busy", "reject", "reject_size", "split", "stop_sender", "stop_lane", "unknown"}
	reasons = []string{
		"carrier_refused_request", "carrier_refused_content", "carrier_refused_address", "carrier_refused_sender",
		"carrier_filtered", "handset_unsupported", "recipient_rejected",
	}
)

const (
	maxOutcomes    = 256 // each is held against all before it
	maxOutcomeText = 200
)

func (r *reader) checkOutcomes(path string, c *Carrier) {
	if len(c.Outcomes) > maxOutcomes {
		r.fault(path, "has more than %d entries, more than any carrier has answers of its own", maxOutcomes)
		return
	}
	for i := range c.Outcomes {
		o, at := &c.Outcomes[i], fmt.Sprintf("%s[%d]", path, i)
		if r.faulty[at] {
			continue
		}
		r.checkAnswer(at, o)
		r.checkThen(at, o)
		if o.Then == "split" && c.Limits.MaxRecipients == 1 {
			r.warn(at+".then", "has nothing to split while limits.max_recipients is 1")
		}
		if r.legible(at) {
			r.checkReached(path, c.Outcomes[:i], *o)
		}
	}
}

// checkAnswer checks what an answer has to have.
func (r *reader) checkAnswer(path string, o *Outcome) {
	switch {
	case o.Text == "" && o.Code == "" && r.legible(path):
		r.fault(path, "fits every answer; name a code, as in code: 4030, or a text")
	case o.Text != "" && strings.TrimSpace(o.Text) == "":
		r.fault(path+".text", "is blank; write words of the carrier's StatusText or Details")
	case len(o.Text) > maxOutcomeText:
		r.fault(path+".text", "has %d bytes; the part looked for has at most %d", len(o.Text), maxOutcomeText)
	}
}

// checkThen checks what follows, and fills in the reason of a reject.
func (r *reader) checkThen(path string, o *Outcome) {
	if !r.faulty[path+".then"] && r.need(path+".then", o.Then, "what the answer means: "+orList(thens)) {
		r.oneOf(path+".then", o.Then, thens...)
	}
	if r.faulty[path+".then"] {
		return
	}
	switch {
	case o.Then == "reject" && o.Reason == "":
		o.Reason = reasons[0]
	case o.Then == "reject":
		r.oneOf(path+".reason", o.Reason, reasons...)
	case r.has(path + ".reason"):
		r.fault(path+".reason", "goes with then: reject only; remove it")
	}
	switch waits := o.Then == "retry" || o.Then == "busy"; {
	case !r.has(path + ".after"):
	case !waits:
		r.fault(path+".after", "goes with then: retry or busy only; remove it")
	default:
		r.between(path+".after", o.After, time.Second, time.Hour)
	}
}

// legible tells that it is known which answers fit the entry at path.
func (r *reader) legible(path string) bool {
	return !r.faulty[path] && !r.faulty[path+".code"] && !r.faulty[path+".text"]
}

// checkReached refuses an entry all whose answers fit one before it.
func (r *reader) checkReached(path string, before []Outcome, o Outcome) {
	for i, b := range before {
		first := fmt.Sprintf("%s[%d]", path, i)
		if r.legible(first) && b.covers(o) {
			r.fault(fmt.Sprintf("%s[%d]", path, len(before)), "is never reached: whatever fits it fits %s on line %d before it; remove one, or put this first", first, r.place(first).line)
			return
		}
	}
}

// covers tells that every answer that fits other fits o.
func (o Outcome) covers(other Outcome) bool {
	return (o.Code == "" || o.Code == other.Code) && strings.Contains(strings.ToLower(other.Text), strings.ToLower(o.Text))
}
