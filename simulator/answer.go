package simulator

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"mmsgw/mm7"
)

// refusal is why a submission was not taken.
type refusal struct {
	code     int // StatusCode; 0 for trouble with the TransactionID
	problems []Problem
}

// refuse answers with a fault that lists the problems in its Details.
func (m *MMSC) refuse(w http.ResponseWriter, s *arrival, why *refusal) {
	s.record.Problems = why.problems
	m.book.count(s.record)
	m.book.submission(s.record)
	places := make([]string, len(why.problems))
	details := make([]string, len(why.problems))
	for i, p := range why.problems {
		places[i] = p.Where
		details[i] = mm7.Problem(p).String()
	}
	m.o.Log.Warn("submission refused", "transaction_id", s.record.TransactionID, "recipient", s.record.masked(),
		"code", why.code, "problems", strings.Join(places, "; "))
	m.writeFault(w, s.record.TransactionID, mm7.Status{Code: why.code, Details: strings.Join(details, "; ")})
}

// writeFault writes a SOAP fault, with the HTTP status that SOAP 1.1 section 6.2
// demands. Without a code it is about the TransactionID, and has no detail.
func (m *MMSC) writeFault(w http.ResponseWriter, transactionID string, status mm7.Status) {
	f := &mm7.Fault{Code: "Client", String: mm7.StatusText(status.Code)}
	switch {
	case status.Code == 0:
		f = &mm7.Fault{Code: "Client.TransactionID", String: "TransactionID is missing"}
	case status.Code >= 3000 && status.Code != 4004:
		f.Code = "Server"
	}
	m.write(w, http.StatusInternalServerError, mm7.EncodeResponse(m.o.Dialect, &mm7.Response{
		Head:      mm7.Head{TransactionID: transactionID},
		Operation: mm7.OpRSErrorRsp,
		Status:    status,
		Fault:     f,
	}))
}

// write writes an answer at once, so that a report cannot overtake it in a buffer.
func (m *MMSC) write(w http.ResponseWriter, code int, body []byte) {
	announce(w, code, body)
	if _, err := w.Write(body); err == nil {
		_ = http.NewResponseController(w).Flush() // what cannot flush has written
	}
}

func announce(w http.ResponseWriter, code int, body []byte) {
	w.Header().Set("Content-Type", `text/xml; charset="utf-8"`)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
}

// submitRsp is the answer to a submission in the normal form.
func (m *MMSC) submitRsp(s *Submission, code int, messageID string) []byte {
	return mm7.EncodeResponse(m.o.Dialect, &mm7.Response{
		Head:      mm7.Head{TransactionID: s.TransactionID},
		Operation: mm7.OpSubmitRsp,
		Status:    mm7.Status{Code: code},
		MessageID: messageID,
	})
}

func (m *MMSC) accepted(w http.ResponseWriter, s *Submission) {
	m.write(w, http.StatusOK, m.submitRsp(s, 1000, s.MessageID))
}

func (m *MMSC) acceptedWithoutID(w http.ResponseWriter, s *Submission) {
	m.write(w, http.StatusOK, m.submitRsp(s, 1000, ""))
}

func (m *MMSC) acceptedByHalf(w http.ResponseWriter, s *Submission) {
	body := m.submitRsp(s, 1000, s.MessageID)
	announce(w, http.StatusOK, body)
	if _, err := w.Write(body[:len(body)/2]); err == nil {
		_ = http.NewResponseController(w).Flush() // what cannot flush has written
	}
	m.hangUp(w, s)
}

func (m *MMSC) contentRefused(w http.ResponseWriter, s *Submission) {
	m.write(w, http.StatusOK, m.submitRsp(s, 2004, ""))
}

func (m *MMSC) unavailable(w http.ResponseWriter, s *Submission) {
	m.writeFault(w, s.TransactionID, mm7.Status{Code: 4006})
}

func (m *MMSC) overloaded(w http.ResponseWriter, _ *Submission) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, "overloaded", http.StatusServiceUnavailable)
}

func (m *MMSC) unauthorized(w http.ResponseWriter, _ *Submission) {
	w.Header().Set("WWW-Authenticate", `Basic realm="MM7"`)
	http.Error(w, "credentials are missing or wrong", http.StatusUnauthorized)
}

func (m *MMSC) page(w http.ResponseWriter, _ *Submission) {
	w.Header().Set("Content-Type", "text/html")
	_, _ = w.Write([]byte("<html><body><h1>It works!</h1></body></html>\n")) // the peer's loss
}

// hangUp closes the connection as it is. Where there is none to take over, as in a
// test without sockets, the panic that net/http defines for it does.
func (m *MMSC) hangUp(w http.ResponseWriter, _ *Submission) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_ = conn.Close() // nothing is left to be said on it
}

// whyUnread turns the error of a submission that could not be read into a refusal
// (TS 23.140, table of status codes).
func whyUnread(err error) *refusal {
	var other *mm7.UnsupportedError
	var syntax *mm7.SyntaxError
	switch {
	case errors.As(err, &other):
		return &refusal{4003, []Problem{{"envelope", "is no SubmitReq; this MMSC takes nothing else"}}}
	case errors.As(err, &syntax):
		return &refusal{4004, []Problem{{syntax.Where, syntax.What}}}
	}
	return &refusal{4004, []Problem{{"HTTP body", err.Error()}}}
}
