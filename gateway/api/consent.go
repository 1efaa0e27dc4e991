package api

import (
	"net/http"
	"time"

	"mmsgw/client"
	"mmsgw/gateway"
)

// maxNote bounds what is said of an opt-out that is lifted, in bytes.
const maxNote = 255

// optOut is PUT /v1/numbers/{number}/opt-out.
func (s *Server) optOut(w http.ResponseWriter, r *http.Request, who caller) error {
	o, err := s.said(r, who, "account", "from")
	if err != nil {
		return err
	}
	if _, err := s.small(w, r, nil, nil); err != nil {
		return err
	}
	if o.From != "" {
		if _, owned := s.Gateway.Rules.Load().Accounts[o.Account].Numbers[o.From]; !owned {
			return wrongQuery("from", "one of the account's numbers")
		}
	}
	if _, err := s.Gateway.Consent.OptOut(r.Context(), o); err != nil {
		return err
	}
	s.Log.InfoContext(r.Context(), "api: opt-out recorded", gateway.KeyRecipient, o.Number, gateway.KeyWho, o.Who)
	return answerConsent(w, o, true)
}

// optIn is DELETE /v1/numbers/{number}/opt-out.
func (s *Server) optIn(w http.ResponseWriter, r *http.Request, who caller) error {
	o, err := s.said(r, who, "account", "from", "reason")
	if err != nil {
		return err
	}
	if _, err := s.small(w, r, nil, nil); err != nil {
		return err
	}
	if o.Note == "" {
		return wrongQuery("reason", "there: why the opt-out is lifted, in 1 to 255 bytes; it is kept for the record")
	}
	if _, err := s.Gateway.Consent.OptIn(r.Context(), o); err != nil {
		return err
	}
	s.Log.InfoContext(r.Context(), "api: opt-out lifted", gateway.KeyRecipient, o.Number, gateway.KeyWho, o.Who)
	return answerConsent(w, o, false)
}

func answerConsent(w http.ResponseWriter, o gateway.OptOut, out bool) error {
	return answerJSON(w, http.StatusOK, client.OptOut{Account: o.Account, Number: o.Number.E164(), From: o.From.E164(), OptedOut: out, At: utc(o.At)})
}

// said reads whose word is recorded, towards whom.
func (s *Server) said(r *http.Request, who caller, names ...string) (o gateway.OptOut, err error) {
	v, err := query(r, names...)
	if err != nil {
		return o, err
	}
	o = gateway.OptOut{Account: v.Get("account"), At: s.Gateway.Now().Truncate(time.Microsecond), Who: who.name, Note: v.Get("reason")}
	if o.Account == "" {
		if o.Account = s.theAccount(who); o.Account == "" {
			return o, faulty([]gateway.Flag{{Code: "account_required", Severity: gateway.Block, Message: "Say towards which account: ?account=…; the caller may use several."}})
		}
	}
	if !who.may(o.Account) || s.Gateway.Rules.Load().Accounts[o.Account] == nil {
		return o, notFound("account")
	}
	if o.Number = s.numberOf(r.PathValue("number"), o.Account); o.Number == "" {
		return o, problem(http.StatusBadRequest, "field_invalid", "In the path, the number must be a telephone number, such as +14165550199.")
	}
	if from := queryWord(v)("from"); from != "" {
		if o.From = s.numberOf(from, o.Account); o.From == "" {
			return o, wrongQuery("from", "a telephone number, such as +12125550123")
		}
	}
	if len(o.Note) > maxNote || !plain(o.Note, "") {
		return o, wrongQuery("reason", "at most 255 bytes, without control characters")
	}
	return o, nil
}
