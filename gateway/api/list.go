package api

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"mmsgw/client"
	"mmsgw/gateway"
)

// filterFields are what messages are chosen by, in a query and in an action.
var filterFields = []string{"account", "from", "to", "state", "reason", "carrier", "reference", "since", "until"}

// list is GET /v1/messages.
func (s *Server) list(w http.ResponseWriter, r *http.Request, who caller) error {
	v, err := query(r, append(filterFields, "cursor", "limit")...)
	if err != nil {
		return err
	}
	limit, err := number(v, "limit", defaultLimit, 1, maxLimit)
	if err != nil {
		return err
	}
	var wrong error
	f, err := s.filter(queryWord(v), who, func(name, want string) { wrong = errors.Join(wrong, wrongQuery(name, want)) })
	if err = errors.Join(err, wrong); err != nil {
		return err
	}
	l := gateway.Listing{Filter: f, Limit: limit + 1} // one more tells whether there is more
	if l.Before, err = before(v, messageMark); err != nil {
		return err
	}
	found, err := s.Gateway.Messages.Messages(r.Context(), l)
	if err != nil {
		return err
	}
	page := client.MessagePage{Items: make([]client.Message, min(len(found), limit))}
	for i := range page.Items {
		page.Items[i] = *s.summary(found[i])
	}
	if len(found) > limit {
		page.NextCursor = cursorTo(messageMark, found[limit-1].ID.Hex())
	}
	return answerJSON(w, http.StatusOK, page)
}

// queryWord reads the words of a query. The plus of a number and of a time's
// zone becomes a space on its way, unless it was escaped.
func queryWord(v url.Values) func(name string) string {
	return func(name string) string {
		text := v.Get(name)
		switch name {
		case "from", "to":
			if after, ok := strings.CutPrefix(text, " "); ok {
				return "+" + after
			}
		case "since", "until":
			return strings.Replace(text, " ", "+", 1)
		}
		return text
	}
}

// filter judges the words that choose messages. wrong is told of each that is
// none; the error is that the caller may not ask for them.
func (s *Server) filter(word func(name string) string, who caller, wrong func(name, want string)) (f gateway.Filter, err error) {
	f.Accounts, f.Carrier, f.Reference = who.scope(), word("carrier"), word("reference")
	for _, name := range filterFields {
		limit := maxShort
		if name == "reference" {
			limit = gateway.MaxReference
		}
		if x := word(name); len(x) > limit || !plain(x, "") {
			wrong(name, "a short word")
			return f, nil
		}
	}
	account := word("account")
	if account != "" {
		if !who.may(account) {
			return f, notFound("account")
		}
		f.Accounts = []string{account}
	} else {
		account = s.theAccount(who)
	}
	number := func(name string) (n gateway.Number) {
		if text := word(name); text != "" {
			if n = s.numberOf(text, account); n == "" {
				wrong(name, "a telephone number, such as +14165550199")
			}
		}
		return n
	}
	f.From, f.To = number("from"), number("to")
	if f.State = gateway.State(word("state")); f.State != "" && f.State.Rank() == 0 {
		wrong("state", "a state of a delivery, such as held or failed")
	}
	if f.Reason = gateway.Reason(word("reason")); f.Reason != "" {
		if e, ok := gateway.Explain(string(f.Reason)); !ok || e.Kind == gateway.OfError {
			wrong("reason", "a reason, such as carrier_paused; mmsgw explain lists them")
		}
	}
	moment := func(name string) (at time.Time) {
		if text := word(name); text != "" {
			var ok bool
			if at, ok = parseTime(text); !ok {
				wrong(name, "a time with its zone, as RFC 3339 has it")
			}
		}
		return at
	}
	f.Since, f.Until = moment("since"), moment("until")
	return f, nil
}

// numberOf reads a number as people of an account write it; empty where it is
// none that can exist.
func (s *Server) numberOf(text, account string) gateway.Number {
	region := ""
	if a := s.Gateway.Rules.Load().Accounts[account]; a != nil {
		region = a.DefaultRegion
	}
	n := gateway.ParseNumber(text, region)
	if n.Problem == gateway.NumberInvalid {
		return ""
	}
	return n.Number
}
