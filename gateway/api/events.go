package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"mmsgw/gateway"
)

const (
	maxWait      = 60 // seconds
	maxLimit     = 500
	defaultLimit = 50
)

// A mark begins every cursor before it is encoded, so that those of one list
// are told from those of another, and from another form later.
const (
	cursorMark  = "e1:" // of an event, by its Seq
	messageMark = "m1:" // of a message, by its id
	reportMark  = "r1:" // of a report, by its id
	carrierMark = "c1:" // of a carrier, by its name
)

// appendCursor writes the cursor of an event.
func appendCursor(b []byte, seq int64) []byte {
	var plain [24]byte
	return base64.RawURLEncoding.AppendEncode(b, strconv.AppendInt(append(plain[:0], cursorMark...), seq, 10))
}

// parseCursor reads what appendCursor wrote, and nothing else.
func parseCursor(s string) (int64, error) {
	digits, err := openCursor(cursorMark, s)
	if err != nil {
		return 0, err
	}
	seq, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || seq < 0 || strconv.FormatInt(seq, 10) != digits {
		return 0, badCursor()
	}
	return seq, nil
}

func badCursor() error {
	return problem(http.StatusBadRequest, "bad_cursor", "This is no cursor of ours. Use the next_cursor or an event's id as it was given, or leave it out.")
}

// cursorTo writes the cursor of what a list shows under a text.
func cursorTo(mark, text string) *string {
	s := base64.RawURLEncoding.EncodeToString([]byte(mark + text))
	return &s
}

// openCursor reads what cursorTo wrote, and nothing else: one text has one
// spelling.
func openCursor(mark, s string) (string, error) {
	if len(s) > 2*maxShort {
		return "", badCursor()
	}
	plain, err := base64.RawURLEncoding.DecodeString(s)
	text, ok := strings.CutPrefix(string(plain), mark)
	if err != nil || !ok || *cursorTo(mark, text) != s {
		return "", badCursor()
	}
	return text, nil
}

// before is the id that a cursor of a list of ids names; zero where there is none.
func before(v url.Values, mark string) (gateway.ID, error) {
	s := v.Get("cursor")
	if s == "" {
		return gateway.ID{}, nil
	}
	text, err := openCursor(mark, s)
	if err != nil {
		return gateway.ID{}, err
	}
	id, err := gateway.ParseHexID(text)
	if err != nil || id.Hex() != text {
		return gateway.ID{}, badCursor()
	}
	return id, nil
}

// events is GET /v1/events.
func (s *Server) events(w http.ResponseWriter, r *http.Request, who caller) error {
	v, err := query(r, "after", "wait", "limit", "account", "message", "carrier", "type")
	if err != nil {
		return err
	}
	q, err := s.feedQuery(r.Context(), v, who)
	if err != nil {
		return err
	}
	wait, err := number(v, "wait", 0, 0, maxWait)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), time.Duration(wait)*time.Second)
	defer cancel()
	defer context.AfterFunc(s.stop, cancel)()
	page, err := s.poll(ctx, r.Context(), q)
	if err != nil {
		return err
	}
	sendEvents(w, page.Events, page.Seen, true)
	return nil
}

// poll reads the feed, and waits for something to read until patience ends.
func (s *Server) poll(patience, ctx context.Context, q gateway.FeedQuery) (gateway.FeedPage, error) {
	for {
		page, err := s.Feed.After(ctx, q)
		if err != nil || len(page.Events) > 0 || patience.Err() != nil {
			return page, err
		}
		q.After = page.Seen
		if err := s.Feed.Wait(patience, q.After); err != nil && patience.Err() == nil {
			return page, err
		}
	}
}

func (s *Server) feedQuery(ctx context.Context, v url.Values, who caller) (q gateway.FeedQuery, err error) {
	q.Accounts, q.Carrier, q.Type = who.scope(), v.Get("carrier"), v.Get("type")
	for _, name := range []string{"account", "carrier", "type"} {
		if x := v.Get(name); len(x) > maxShort || !plain(x, "") {
			return q, wrongQuery(name, "a short word")
		}
	}
	if a := v.Get("account"); a != "" {
		if !who.may(a) {
			return q, notFound("account")
		}
		q.Accounts = []string{a}
	}
	if m := v.Get("message"); m != "" {
		if q.Message, err = gateway.ParseMessageName(m); err != nil {
			return q, wrongQuery("message", "a message's id")
		}
	}
	if q.Limit, err = number(v, "limit", defaultLimit, 1, maxLimit); err != nil {
		return q, err
	}
	switch after := v.Get("after"); after {
	case "":
	case "latest":
		q.After, err = s.Feed.Latest(ctx)
	default:
		q.After, err = parseCursor(after)
	}
	return q, err
}

// timeline is GET /v1/messages/{id}/events.
func (s *Server) timeline(w http.ResponseWriter, r *http.Request, who caller) error {
	id, err := gateway.ParseMessageName(r.PathValue("id"))
	if err != nil {
		return notFound("message")
	}
	v, err := query(r, "cursor", "limit")
	if err != nil {
		return err
	}
	limit, err := number(v, "limit", defaultLimit, 1, maxLimit)
	if err != nil {
		return err
	}
	after := int64(0)
	if c := v.Get("cursor"); c != "" {
		if after, err = parseCursor(c); err != nil {
			return err
		}
	}
	events, err := s.Gateway.Messages.Timeline(r.Context(), id)
	switch {
	case err != nil:
		return err
	case len(events) == 0 || !who.may(events[0].Account):
		return notFound("message")
	}
	first, _ := slices.BinarySearchFunc(events, after+1, func(e gateway.Event, seq int64) int { return int(min(1, max(-1, e.Seq-seq))) })
	events = events[first:]
	if len(events) <= limit {
		sendEvents(w, events, 0, false)
		return nil
	}
	sendEvents(w, events[:limit], events[limit-1].Seq, true)
	return nil
}

// sendEvents writes a list of events by hand: the feed is read all day by
// many, and its data is on the wire as the store has it.
func sendEvents(w http.ResponseWriter, events []gateway.Event, next int64, more bool) {
	b := make([]byte, 0, 64+384*len(events))
	b = append(b, `{"items":[`...)
	for i := range events {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendEvent(b, &events[i])
	}
	b = append(b, `],"next_cursor":`...)
	if more {
		b = append(appendCursor(append(b, '"'), next), '"', '}', '\n')
	} else {
		b = append(b, "null}\n"...)
	}
	send(w, "application/json", http.StatusOK, b)
}

func appendEvent(b []byte, e *gateway.Event) []byte {
	b = append(appendCursor(append(b, `{"id":"`...), e.Seq), `","at":"`...)
	b = utc(e.At).AppendFormat(b, time.RFC3339Nano)
	b = appendString(append(b, `","type":`...), e.Type)
	b = appendString(append(b, `,"account":`...), e.Account)
	b = append(b, `,"message":"`...)
	if !e.MessageID.IsZero() {
		b = append(b, e.MessageID.MessageName()...)
	}
	b = appendString(append(b, `","to":`...), e.To.E164())
	b = appendString(append(b, `,"carrier":`...), e.Carrier)
	b = append(b, `,"data":`...)
	if len(e.Data) == 0 {
		b = append(b, "{}"...)
	}
	return append(append(b, e.Data...), '}')
}

// appendString writes a JSON string; the plain words that events are made of
// need no escaping.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil { // a string always marshals
				panic(err)
			}
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// query reads the query; a name that means nothing here is refused, for a
// filter with a typing error would show too much.
func query(r *http.Request, names ...string) (url.Values, error) {
	v, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, problem(http.StatusBadRequest, "field_invalid", "The query can't be read.")
	}
	for name, values := range v {
		switch {
		case !slices.Contains(names, name):
			there := "; this path takes no query."
			if len(names) > 0 {
				there = " in this query; there is " + strings.Join(names, ", ") + "."
			}
			return nil, problem(http.StatusBadRequest, "unknown_field", "There is no "+pointerToken([]byte(name))+there)
		case len(values) > 1:
			return nil, wrongQuery(name, "there once at most")
		}
	}
	return v, nil
}

// number reads a whole number of the query.
func number(v url.Values, name string, absent, least, most int) (int, error) {
	text := v.Get(name)
	if text == "" {
		return absent, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		err = errors.Join(err, wrongQuery(name, "a whole number from "+strconv.Itoa(least)+" to "+strconv.Itoa(most)))
	}
	return n, err
}
