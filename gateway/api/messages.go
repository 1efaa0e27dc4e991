package api

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"mmsgw/gateway"
)

// submit is POST /v1/messages.
func (s *Server) submit(w http.ResponseWriter, r *http.Request, who caller) error {
	if s.Draining() {
		return draining()
	}
	key, err := idempotencyKey(r.Header)
	if err != nil {
		return err
	}
	memory := s.share()
	defer memory.free()
	d, err := s.intake(w, r, who, memory)
	if err != nil {
		return err
	}
	if d.dryRun {
		return s.verdict(w, r, &d.Submission)
	}
	d.IdemKey = key
	m, replayed, err := s.Gateway.Submit(r.Context(), &d.Submission)
	if err != nil {
		return err
	}
	var attempts []gateway.Attempt
	if replayed {
		if m, attempts, err = s.Gateway.Messages.Message(r.Context(), m.ID); err != nil {
			return err
		}
		w.Header().Set("Idempotent-Replayed", "true")
	}
	w.Header().Set("Location", "/v1/messages/"+m.ID.MessageName())
	return answerJSON(w, http.StatusAccepted, s.wireMessage(m, attempts))
}

// check is POST /v1/messages/check.
func (s *Server) check(w http.ResponseWriter, r *http.Request, who caller) error {
	memory := s.share()
	defer memory.free()
	d, err := s.intake(w, r, who, memory)
	if err != nil {
		return err
	}
	return s.verdict(w, r, &d.Submission)
}

// verdict answers what would become of a submission.
func (s *Server) verdict(w http.ResponseWriter, r *http.Request, sub *gateway.Submission) error {
	v, err := s.Gateway.Check(r.Context(), sub)
	if err != nil {
		return err
	}
	return answerJSON(w, http.StatusOK, checkResult(v))
}

// message is GET /v1/messages/{id}.
func (s *Server) message(w http.ResponseWriter, r *http.Request, who caller) error {
	m, attempts, err := s.named(r, who)
	if err != nil {
		return err
	}
	return answerJSON(w, http.StatusOK, s.wireMessage(m, attempts))
}

// named is the message that a path names, where the caller may see it.
func (s *Server) named(r *http.Request, who caller) (*gateway.Message, []gateway.Attempt, error) {
	id, err := gateway.ParseMessageName(r.PathValue("id"))
	if err != nil {
		return nil, nil, notFound("message")
	}
	m, attempts, err := s.Gateway.Messages.Message(r.Context(), id)
	if err == nil && !who.may(m.Account) {
		err = notFound("message")
	}
	return m, attempts, err
}

func draining() error {
	return later(http.StatusServiceUnavailable, "draining", "The gateway is stopping; nothing was accepted. Try again in a moment, or on another node.")
}

// idempotencyKey is the header's value, or "" where there is none.
func idempotencyKey(h http.Header) (string, error) {
	values := h["Idempotency-Key"]
	if len(values) == 0 {
		return "", nil
	}
	if key := values[0]; len(values) == 1 && key != "" && len(key) <= 255 && utf8.ValidString(key) {
		return key, nil
	}
	return "", problem(http.StatusBadRequest, "field_invalid", "The header Idempotency-Key must be there once at most, with 1 to 255 bytes of UTF-8.")
}

// intake reads a submission in either form, up to what the domain judges.
func (s *Server) intake(w http.ResponseWriter, r *http.Request, who caller, memory *share) (*draft, error) {
	kind, params, err := contentType(r.Header)
	if err != nil {
		return nil, err
	}
	var d *draft
	var files []part
	switch kind {
	case "application/json":
		d, err = s.plainJSON(w, r, params, memory)
	case "multipart/form-data":
		d, files, err = s.form(w, r, params, memory)
	default:
		err = problem(http.StatusUnsupportedMediaType, "unsupported_content_type", "A message is sent as application/json or multipart/form-data.")
	}
	if err != nil {
		return nil, err
	}
	if err := s.settleAccount(d, who); err != nil {
		return nil, err
	}
	for i := range d.items {
		if err := s.pictureOf(r.Context(), d, i, who, memory); err != nil {
			return nil, err
		}
	}
	for _, f := range files {
		name := d.name("/media/"+strconv.Itoa(len(d.Media))+"/name", f.filename)
		d.add(s.Media.Receive(f.bytes), declared(f.contentType), name)
	}
	return d, nil
}

func (s *Server) plainJSON(w http.ResponseWriter, r *http.Request, params map[string]string, memory *share) (*draft, error) {
	text, err := s.jsonText(w, r, params, maxBody, memory)
	if err != nil {
		return nil, err
	}
	return decodeDraft(text)
}

// jsonText reads a body that is said to be JSON.
func (s *Server) jsonText(w http.ResponseWriter, r *http.Request, params map[string]string, limit int64, memory *share) ([]byte, error) {
	if c := params["charset"]; c != "" && !strings.EqualFold(c, "utf-8") {
		return nil, problem(http.StatusUnsupportedMediaType, "unsupported_content_type", "JSON is taken in UTF-8.")
	}
	text, err := s.body(w, r, limit, memory).all()
	if errors.Is(err, errCut) {
		err = malformedJSON(err)
	}
	return text, err
}

// form reads a multipart submission: the message, then its files.
func (s *Server) form(w http.ResponseWriter, r *http.Request, params map[string]string, memory *share) (*draft, []part, error) {
	text, err := s.body(w, r, maxBody, memory).all()
	if errors.Is(err, errCut) {
		return nil, nil, malformedMultipart("The body ended early.")
	}
	if err != nil {
		return nil, nil, err
	}
	parts, err := splitParts(text, params["boundary"])
	if err != nil {
		return nil, nil, err
	}
	if len(parts) == 0 || parts[0].name != "message" {
		return nil, nil, malformedMultipart("Part 1 must be named message and hold the message's JSON.")
	}
	if n := len(parts[0].bytes); n > maxMessagePart {
		return nil, nil, problem(http.StatusRequestEntityTooLarge, "body_too_large",
			fmt.Sprintf("Part 1, the message, is %d bytes; the limit is %d. Send pictures as parts of their own.", n, maxMessagePart))
	}
	for i, p := range parts[1:] {
		if p.name == "message" && p.filename == "" {
			return nil, nil, malformedMultipart(fmt.Sprintf("Part %d is named message again.", i+2))
		}
	}
	d, err := decodeDraft(parts[0].bytes)
	return d, parts[1:], err
}

// settleAccount finds the account a submission is for.
func (s *Server) settleAccount(d *draft, who caller) error {
	switch {
	case d.Account != "":
		if !who.may(d.Account) {
			return foreignAccount()
		}
	case d.failed["/account"]:
	default:
		if d.Account = s.theAccount(who); d.Account == "" {
			d.fault("account_required", "/account", "Say for which account: the caller may use several.")
		}
	}
	return nil
}

// add puts a picture at the end of the slideshow.
func (d *draft) add(u *gateway.Upload, kind, name string) {
	u.Declared, u.Name = kind, name
	d.Media = append(d.Media, u)
}

// pictureOf makes the upload of the i-th member of "media". One that is wrong
// keeps its place.
func (s *Server) pictureOf(ctx context.Context, d *draft, i int, who caller, memory *share) error {
	it := &d.items[i]
	field := "/media/" + strconv.Itoa(i)
	u := &gateway.Upload{}
	switch {
	case it.wrong:
		it.kind = ""
	case it.hasData:
		if err := memory.more(ctx, int64(base64.StdEncoding.DecodedLen(len(it.data)))); err != nil {
			return err
		}
		b, err := it.bytes()
		if err != nil {
			it.kind = ""
			d.invalid(field+"/data", "This is not base64 (RFC 4648, section 4).")
			break
		}
		u = s.Media.Receive(b)
	default:
		p, err := s.stored(ctx, d.Account, it.id, who)
		switch {
		case errors.Is(err, gateway.ErrNotFound):
			u.Fault = "media_not_found"
		case err != nil:
			return err
		default:
			u.Picture = p
		}
	}
	d.add(u, it.kind, it.name)
	return nil
}

// stored finds a picture that an account may use, or for an operator any.
func (s *Server) stored(ctx context.Context, account, id string, who caller) (gateway.Picture, error) {
	switch {
	case who.operator:
		account = ""
	case account == "":
		return gateway.Picture{}, gateway.ErrNotFound
	}
	return s.Pictures.Picture(ctx, account, id)
}
