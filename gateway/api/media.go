package api

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"time"

	"mmsgw/gateway"
)

// upload is POST /v1/media: the body is a picture.
func (s *Server) upload(w http.ResponseWriter, r *http.Request, who caller) error {
	if s.Draining() {
		return draining()
	}
	account, err := s.uploader(r, who)
	if err != nil {
		return err
	}
	if kind, _, err := contentType(r.Header); err != nil || kind == "multipart/form-data" {
		if err == nil {
			err = problem(http.StatusUnsupportedMediaType, "unsupported_content_type", "Send the picture's bytes alone as the body, not a form.")
		}
		return err
	}
	memory := s.share()
	defer memory.free()
	b, err := s.body(w, r, maxUpload, memory).all()
	if errors.Is(err, errCut) {
		return problem(http.StatusBadRequest, "media_corrupt", "The body ended early; nothing was stored.")
	}
	if err != nil {
		return err
	}
	u := s.Media.Receive(b)
	if u.Fault != "" {
		return refused([]gateway.Flag{{Code: u.Fault, Severity: gateway.Block, Message: faultText[u.Fault]}})
	}
	if err := s.keep(r.Context(), account, u); err != nil {
		return err
	}
	w.Header().Set("Location", "/v1/media/"+u.ID)
	return answerJSON(w, http.StatusCreated, wireMedia(u.Picture))
}

// faultText are the words for bytes that are no picture.
var faultText = map[string]string{
	"media_empty":            "The picture has no bytes.",
	"media_corrupt":          "The picture is damaged or cut short. Save it again, or choose another.",
	"unsupported_media_type": "This is not a GIF, PNG or JPEG picture, whatever its type says.",
}

// uploader is the account a picture is stored for.
func (s *Server) uploader(r *http.Request, who caller) (string, error) {
	v, err := query(r, "account")
	if err != nil {
		return "", err
	}
	account := v.Get("account")
	switch {
	case account == "":
		if account = s.theAccount(who); account == "" {
			return "", refused([]gateway.Flag{{Code: "account_required", Severity: gateway.Block, Message: "Say for which account: ?account=…; the caller may use several."}})
		}
	case !who.may(account):
		return "", foreignAccount()
	}
	if s.Gateway.Rules.Load().Accounts[account] == nil {
		return "", refused([]gateway.Flag{{Code: "account_unknown", Severity: gateway.Block, Message: "There is no such account. Use an account of the configuration."}})
	}
	return account, nil
}

// keep stores a picture for an account; bytes that are there already are not
// stored again.
func (s *Server) keep(ctx context.Context, account string, u *gateway.Upload) error {
	stored, err := s.Pictures.Picture(ctx, "", u.ID)
	switch {
	case err == nil:
		u.Place = stored.Place
	case !errors.Is(err, gateway.ErrNotFound):
		return err
	default:
		if err := s.Media.Keep(ctx, []*gateway.Upload{u}); err != nil {
			return err
		}
	}
	return s.Pictures.AddPicture(ctx, account, u.Picture)
}

// media is GET and HEAD /v1/media/{id}.
func (s *Server) media(w http.ResponseWriter, r *http.Request, who caller) error {
	p, err := s.visible(r.Context(), r.PathValue("id"), who)
	if errors.Is(err, gateway.ErrNotFound) {
		return notFound("picture")
	}
	if err != nil {
		return err
	}
	memory := s.share()
	defer memory.free()
	if err := memory.more(r.Context(), p.Size); err != nil {
		return err
	}
	b, err := s.Media.Bytes(r.Context(), p)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", p.Type)
	h["X-Content-Type-Options"] = noSniff
	h.Set("Cache-Control", "private, immutable")
	h.Set("ETag", `"`+p.ID+`"`)
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
	return nil
}

// visible finds a picture through any of the caller's accounts.
func (s *Server) visible(ctx context.Context, id string, who caller) (gateway.Picture, error) {
	if len(id) > maxShort || !plain(id, "") {
		return gateway.Picture{}, gateway.ErrNotFound
	}
	if who.operator {
		return s.Pictures.Picture(ctx, "", id)
	}
	for _, account := range who.accounts {
		p, err := s.Pictures.Picture(ctx, account, id)
		if !errors.Is(err, gateway.ErrNotFound) {
			return p, err
		}
	}
	return gateway.Picture{}, gateway.ErrNotFound
}
