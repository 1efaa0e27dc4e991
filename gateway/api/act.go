package api

import (
	"fmt"
	"net/http"
	"strconv"

	"mmsgw/gateway"
)

// maxSmall bounds a body that is no submission: the longest names all
// recipients of a message.
const maxSmall = 128 << 10

// small reads a body that is a small JSON object, or none at all: member is
// called before the value of each of its fields. What is wrong with single
// fields stands in the draft's Faults.
func (s *Server) small(w http.ResponseWriter, r *http.Request, fields []string, member func(d *decoder, key string) error) (*draft, error) {
	if r.ContentLength == 0 {
		return &newDecoder(nil).draft, nil
	}
	kind, params, err := contentType(r.Header)
	if err == nil && kind != "application/json" {
		err = problem(http.StatusUnsupportedMediaType, "unsupported_content_type", "The body is taken as application/json.")
	}
	if err != nil {
		return nil, err
	}
	memory := s.share()
	defer memory.free()
	text, err := s.jsonText(w, r, params, maxSmall, memory)
	if err != nil {
		return nil, err
	}
	d := newDecoder(text)
	return &d.draft, d.whole("an object", fields, func(key string) error { return member(d, key) })
}

// verb is POST /v1/messages/{id}/cancel and its like.
func (s *Server) verb(verb gateway.Verb) call {
	return func(w http.ResponseWriter, r *http.Request, who caller) error {
		if _, err := query(r); err != nil {
			return err
		}
		m, _, err := s.named(r, who)
		if err != nil {
			return err
		}
		to, err := s.recipients(w, r, m)
		if err != nil {
			return err
		}
		n, err := s.Gateway.Act(r.Context(), gateway.Action{Verb: verb, Message: m.ID, To: to, By: who.by(m.Account), Who: who.name})
		if err != nil {
			return err
		}
		s.Log.InfoContext(r.Context(), "api: "+string(verb), gateway.KeyMessage, m.ID.MessageName(), gateway.KeyCount, n, gateway.KeyWho, who.name)
		return s.asItStands(w, r, m.ID)
	}
}

// asItStands answers a message that was acted on.
func (s *Server) asItStands(w http.ResponseWriter, r *http.Request, id gateway.ID) error {
	m, attempts, err := s.Gateway.Messages.Message(r.Context(), id)
	if err != nil {
		return err
	}
	return answerJSON(w, http.StatusOK, s.wireMessage(m, attempts))
}

// recipients are those of a message that a body's "to" names; none where it is
// left out, which means all. An empty list is refused: it is more often a
// program's mistake than the wish to act on all.
func (s *Server) recipients(w http.ResponseWriter, r *http.Request, m *gateway.Message) ([]gateway.Number, error) {
	named := false
	d, err := s.small(w, r, []string{"to"}, func(d *decoder, _ string) error {
		named = true
		return d.recipients()
	})
	switch {
	case err != nil:
		return nil, err
	case len(d.To) > gateway.MaxRecipients:
		d.fault("too_many_recipients", "/to", fmt.Sprintf("There are %d recipients; no message has more than %d.", len(d.To), gateway.MaxRecipients))
		return nil, faulty(d.Faults)
	case named && len(d.To) == 0 && !d.failed["/to"]:
		d.invalid("/to", "Name at least one recipient, or leave the field out for all.")
	}
	of := map[gateway.Number]bool{}
	for i := range m.Deliveries {
		of[m.Deliveries[i].Recipient] = true
	}
	var to []gateway.Number
	for i, text := range d.To {
		field := "/to/" + strconv.Itoa(i)
		n := s.numberOf(text, m.Account)
		switch {
		case d.failed[field]:
		case n == "" || !of[n]:
			d.invalid(field, "This is no recipient of the message.")
		default:
			to = append(to, n)
		}
	}
	if len(d.Faults) > 0 {
		return nil, faulty(d.Faults)
	}
	return to, nil
}

// action is POST /v1/actions.
func (s *Server) action(w http.ResponseWriter, r *http.Request, who caller) error {
	if _, err := query(r); err != nil {
		return err
	}
	a := gateway.Action{By: gateway.ByOperator, Who: who.name}
	words := map[string]string{}
	verb, filtered := "", false
	d, err := s.small(w, r, []string{"verb", "filter", "dry_run"}, func(d *decoder, key string) error {
		switch key {
		case "verb":
			return d.choice("/verb", &verb, verbs()...)
		case "dry_run":
			return d.bool("/dry_run", &a.DryRun)
		}
		filtered = true
		return d.words("/filter", filterFields, words)
	})
	if err != nil {
		return err
	}
	if verb == "" && !d.failed["/verb"] {
		d.fault("field_missing", "/verb", "Say what is to be done.")
	}
	if !filtered {
		d.fault("field_missing", "/filter", "Say to which deliveries: a filter as of the list of messages. {} is all of them.")
	}
	a.Verb = gateway.Verb(verb)
	a.Filter, err = s.filter(func(name string) string { return words[name] }, who, func(name, want string) { d.invalid("/filter/"+name, "This must be "+want+".") })
	switch {
	case err != nil:
		return err
	case len(d.Faults) > 0:
		return faulty(d.Faults)
	}
	n, err := s.Gateway.Act(r.Context(), a)
	if err != nil {
		return err
	}
	if !a.DryRun {
		s.Log.InfoContext(r.Context(), "api: "+verb+" by filter", gateway.KeyCount, n, gateway.KeyWho, who.name)
	}
	return answerJSON(w, http.StatusOK, struct {
		Count int `json:"count"`
	}{n})
}

func verbs() []string {
	var all []string
	for _, v := range gateway.Verbs() {
		all = append(all, string(v))
	}
	return all
}

// words reads an object of strings. An empty one or null is refused: it is more often
// a program's mistake than the wish to choose all.
func (d *decoder) words(field string, fields []string, into map[string]string) error {
	if d.peek() != '{' {
		d.invalid(field, "This must be an object.")
		return d.skip()
	}
	var seen keys
	return d.object(func(name []byte, at int) error {
		key, err := d.first(&seen, fields, name, at, field)
		if err != nil {
			return err
		}
		if d.peek(); key == "" {
			return d.skip()
		}
		var word string
		err = d.line(field+"/"+key, gateway.MaxReference, &word)
		if err == nil && word == "" && !d.failed[field+"/"+key] {
			d.invalid(field+"/"+key, "This must not be empty. Leave the field out where it is not to choose.")
		}
		into[key] = word
		return err
	})
}
