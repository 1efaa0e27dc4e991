package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"mmsgw/client"
	"mmsgw/gateway"
)

// retrySoon is the Retry-After of what should pass within seconds.
const retrySoon = 5 * time.Second

// problem makes an error that is answered as it stands. The detail never
// repeats text or media.
func problem(status int, code, detail string) *client.Problem {
	return &client.Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// later is a problem that may pass.
func later(status int, code, detail string) *client.Problem {
	p := problem(status, code, detail)
	p.RetryAfter = retrySoon
	return p
}

func malformedJSON(err error) error {
	return problem(http.StatusBadRequest, "malformed_json", "The body is not JSON: "+err.Error()+".")
}

func malformedMultipart(detail string) error {
	return problem(http.StatusBadRequest, "malformed_multipart", detail)
}

func unknownField(pointer string) error {
	return problem(http.StatusBadRequest, "unknown_field", "There is no field "+pointer+".")
}

func notFound(what string) error {
	return problem(http.StatusNotFound, "not_found", "There is no such "+what+".")
}

func wrongQuery(name, want string) error {
	return problem(http.StatusBadRequest, "field_invalid", "In the query, "+name+" must be "+want+".")
}

// problemOf says how an error of a request is answered; known is false where it
// is ours rather than the caller's, so that it has to be logged.
func problemOf(r *http.Request, err error) (p *client.Problem, known bool) {
	var refusal *gateway.Refusal
	var syntax *syntaxError
	switch {
	case errors.As(err, &p):
		return p, true
	case errors.As(err, &refusal):
		return refused(refusal.Flags), true
	case errors.As(err, &syntax):
		return problemOf(r, malformedJSON(syntax))
	case errors.Is(err, gateway.ErrNotFound):
		return problemOf(r, notFound("message"))
	case unfit(err) != nil:
		return unfit(err), true
	case errors.Is(err, gateway.ErrIdemConflict):
		return problem(http.StatusConflict, "idempotency_conflict", "This Idempotency-Key was used for another message. Use a new key for a new message."), true
	case errors.Is(err, gateway.ErrIdemInProgress):
		return later(http.StatusConflict, "idempotency_in_progress", "A submission with this Idempotency-Key is still in progress. Repeat it with the same key."), true
	case errors.Is(err, gateway.ErrStorageFull):
		return problem(http.StatusInsufficientStorage, "storage_full", "The storage is full; nothing was accepted. An operator has to make room."), false
	}
	return later(http.StatusServiceUnavailable, "storage_unavailable", storageText(r, err)), false
}

// unfit is the answer where what is asked for does not fit what is there; nil
// where that is not what the error says.
func unfit(err error) *client.Problem {
	for _, c := range []struct {
		err          error
		code, detail string
	}{
		{gateway.ErrNotCancelable, "not_cancelable", "Nothing of the message can be canceled. What has not left can be, and what the carrier took where that carrier takes cancel requests; not what is just being sent, what may have been taken without an answer, or what has ended."},
		{gateway.ErrNotRetryable, "not_retryable", "Nothing of the message can be retried. That takes a delivery that failed, expired before it left, is uncertain, or is held by an operator or as ambiguous; a recipient who has not opted out; and an account that may send."},
		{gateway.ErrNotHoldable, "not_holdable", "Nothing of the message can be held. That takes a delivery that waits here: scheduled, queued, or held for another reason."},
		{gateway.ErrNotHeld, "not_held", "Nothing of the message is held by an operator, so there is nothing to release."},
		{gateway.ErrLinked, "already_linked", "The report belongs to a delivery already. Only one that matched nothing can be linked."},
	} {
		if errors.Is(err, c.err) {
			return problem(http.StatusConflict, c.code, c.detail)
		}
	}
	return nil
}

// faulty is the answer to a body whose fields are wrong: nothing was done.
func faulty(flags []gateway.Flag) error {
	gateway.SortFlags(flags)
	p := problem(http.StatusUnprocessableEntity, gateway.FirstBlock(flags), "This can't be carried out; nothing was changed. The flags give every reason.")
	p.Flags = wireFlags(flags)
	return p
}

// storageText says that the storage failed, in words that are true of what was
// asked for.
func storageText(r *http.Request, err error) string {
	switch {
	case r.Method == http.MethodPost && r.Pattern == "/v1/messages":
		return "The storage did not answer. Whether a message was accepted is not known; repeat it with the same Idempotency-Key, which can never make two."
	case errors.Is(err, gateway.ErrMediaCorrupt):
		return "The stored picture is damaged or gone. An operator has to look at the storage."
	case r.Method != http.MethodGet && r.Pattern != "/v1/media" && r.Pattern != "/v1/messages/check":
		return "The storage did not answer. Whether this was done is not known; look, then repeat it."
	}
	return "The storage did not answer. Try again in a moment."
}

// refused is the answer to a submission that can't go: 422, or 503 where only
// a lookup that could not be asked stands against it.
func refused(flags []gateway.Flag) *client.Problem {
	code := gateway.FirstBlock(flags)
	p := problem(http.StatusUnprocessableEntity, code, "The message can't be sent; nothing was accepted. The flags give every reason.")
	onlyLookup := true
	for _, f := range flags {
		onlyLookup = onlyLookup && (f.Severity != gateway.Block || f.Code == "capability_lookup_failed")
	}
	if onlyLookup {
		p = later(http.StatusServiceUnavailable, code, "Whether the numbers take picture messages could not be asked; nothing was accepted. Try again.")
	}
	p.Flags = wireFlags(flags)
	return p
}

// refuse answers an error. What failed because the caller went away is nobody's
// trouble, whatever the rooms below made of it.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p, known := problemOf(r, err)
	if r.Context().Err() == nil && !known {
		s.Log.ErrorContext(r.Context(), "api: request failed", gateway.KeyMethod, r.Method, gateway.KeyPath, r.Pattern, gateway.KeyCode, p.Code, gateway.KeyError, err)
	}
	if p.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(p.RetryAfter/time.Second)))
	}
	answer(w, "application/problem+json", p.Status, p)
}

// buffers hold answers being made.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxPooled is the largest buffer worth keeping.
const maxPooled = 64 << 10

// writeTimeout is how long a caller may take to read an answer.
const writeTimeout = time.Minute

// answerJSON writes a value as the answer.
func answerJSON(w http.ResponseWriter, status int, v any) error {
	answer(w, "application/json", status, v)
	return nil
}

func answer(w http.ResponseWriter, kind string, status int, v any) {
	b := buffers.Get().(*bytes.Buffer)
	b.Reset()
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil { // our own types always encode
		panic(err)
	}
	send(w, kind, status, b.Bytes())
	if b.Cap() <= maxPooled {
		buffers.Put(b)
	}
}

// send writes an answer whose bytes are made. What a caller that went away
// did not read is nobody's loss, so the error of writing is dropped.
func send(w http.ResponseWriter, kind string, status int, body []byte) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	h := w.Header()
	h["Content-Type"] = []string{kind}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	h["X-Content-Type-Options"] = noSniff
	h["Cache-Control"] = noStore
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

var (
	noSniff = []string{"nosniff"}
	noStore = []string{"no-store"}
)
