package api

import (
	"errors"
	"net/http"
	"slices"

	"mmsgw/client"
	"mmsgw/gateway"
)

// link is POST /v1/reports/{id}/link.
func (s *Server) link(w http.ResponseWriter, r *http.Request, who caller) error {
	if _, err := query(r); err != nil {
		return err
	}
	report, err := gateway.ParseHexID(r.PathValue("id"))
	if err != nil {
		return notFound("report")
	}
	words := map[string]string{}
	d, err := s.small(w, r, []string{"message", "to"}, func(d *decoder, key string) error {
		word := ""
		err := d.short("/"+key, &word)
		words[key] = word
		return err
	})
	if err != nil {
		return err
	}
	for _, key := range []string{"message", "to"} {
		if words[key] == "" && !d.failed["/"+key] {
			d.fault("field_missing", "/"+key, "Say which delivery the report is of: message, its id, and to, its recipient.")
		}
	}
	id, err := gateway.ParseMessageName(words["message"])
	if err != nil && words["message"] != "" {
		d.invalid("/message", "This must be a message's id: msg_ and 32 hex digits.")
	}
	if len(d.Faults) > 0 {
		return faulty(d.Faults)
	}
	m, _, err := s.Gateway.Messages.Message(r.Context(), id)
	if err != nil {
		return err
	}
	to := s.numberOf(words["to"], m.Account)
	if !slices.ContainsFunc(m.Deliveries, func(d gateway.Delivery) bool { return d.Recipient == to }) {
		d.invalid("/to", "This is no recipient of the message.")
		return faulty(d.Faults)
	}
	err = s.Operations.Link(r.Context(), report, id, to, who.name)
	if errors.Is(err, gateway.ErrNotFound) {
		err = notFound("report")
	}
	if err != nil {
		return err
	}
	s.Log.InfoContext(r.Context(), "api: report linked", gateway.KeyMessage, m.ID.MessageName(), gateway.KeyRecipient, to, gateway.KeyWho, who.name)
	return s.asItStands(w, r, id)
}

// reports is GET /v1/reports.
func (s *Server) reports(w http.ResponseWriter, r *http.Request, _ caller) error {
	v, err := query(r, "matched", "carrier", "to", "cursor", "limit")
	if err != nil {
		return err
	}
	limit, err := number(v, "limit", defaultLimit, 1, maxLimit)
	if err != nil {
		return err
	}
	q := gateway.ReportQuery{Carrier: v.Get("carrier"), Limit: limit + 1}
	if len(q.Carrier) > maxShort || !plain(q.Carrier, "") {
		return wrongQuery("carrier", "a short word")
	}
	switch matched := v.Get("matched"); matched {
	case "":
	case "true", "false":
		yes := matched == "true"
		q.Matched = &yes
	default:
		return wrongQuery("matched", "true or false")
	}
	if to := queryWord(v)("to"); to != "" {
		if q.To = s.numberOf(to, ""); q.To == "" {
			return wrongQuery("to", "a telephone number in full, such as +14165550199")
		}
	}
	if q.Before, err = before(v, reportMark); err != nil {
		return err
	}
	found, err := s.Operations.Reports(r.Context(), q)
	if err != nil {
		return err
	}
	page := client.ReportPage{Items: make([]client.Report, min(len(found), limit))}
	for i := range page.Items {
		page.Items[i] = wireReport(&found[i])
	}
	if len(found) > limit {
		page.NextCursor = cursorTo(reportMark, found[limit-1].ID.Hex())
	}
	return answerJSON(w, http.StatusOK, page)
}

func wireReport(k *gateway.KeptReport) client.Report {
	w := client.Report{ID: k.ID.Hex(), Carrier: k.Lane, CarrierMessageID: k.CarrierKey, TransactionID: k.TransactionID, From: k.Sender.E164(), To: k.Recipient.E164(),
		Status: string(k.Status), CarrierStatus: k.Raw, At: utc(k.At), ReceivedAt: utc(k.ReceivedAt), LinkedBy: k.Linked, NextTryAt: known(k.Due)}
	if !k.MessageID.IsZero() {
		w.Matched, w.Message = true, k.MessageID.MessageName()
	}
	return w
}
