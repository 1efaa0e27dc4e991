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
	for i, p := range why.problems {
		places[i] = p.Where
	}
	m.o.Log.Warn("submission refused", "transaction_id", s.record.TransactionID, "recipient", s.record.masked(),
		"code", why.code, "problems", strings.Join(places, "; "))
	m.writeFault(w, s.record.TransactionID, mm7.Status{Code: why.code, Details: told(why.problems)})
}

// told are problems as the answer tells them.
func told(problems []Problem) string {
	details := make([]string, len(problems))
	for i, p := range problems {
		details[i] = mm7.Problem(p).String()
	}
	return strings.Join(details, "; ")
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
func submitRsp(d mm7.Dialect, s *Submission, status mm7.Status, messageID string) []byte {
	return mm7.EncodeResponse(d, &mm7.Response{
		Head:      mm7.Head{TransactionID: s.TransactionID},
		Operation: mm7.OpSubmitRsp,
		Status:    status,
		MessageID: messageID,
	})
}

// success is the answer to what was accepted.
func (m *MMSC) success(s *arrival) []byte {
	return submitRsp(m.o.Dialect, s.record, mm7.Status{Code: 1000}, s.record.MessageID)
}

func (m *MMSC) accepted(w http.ResponseWriter, s *arrival) {
	m.write(w, http.StatusOK, m.success(s))
}

func (m *MMSC) acceptedWithoutID(w http.ResponseWriter, s *arrival) {
	m.write(w, http.StatusOK, submitRsp(m.o.Dialect, s.record, mm7.Status{Code: 1000}, ""))
}

func (m *MMSC) acceptedByHalf(w http.ResponseWriter, s *arrival) {
	body := m.success(s)
	announce(w, http.StatusOK, body)
	if _, err := w.Write(body[:len(body)/2]); err == nil {
		_ = http.NewResponseController(w).Flush() // what cannot flush has written
	}
	m.hangUp(w, s)
}

// acceptedInPart names who is not served as free text: Details has no other form.
func (m *MMSC) acceptedInPart(w http.ResponseWriter, s *arrival) {
	m.partial(w, s, "not served: "+s.record.To[0])
}

func (m *MMSC) acceptedInSomePart(w http.ResponseWriter, s *arrival) { m.partial(w, s, "") }

func (m *MMSC) partial(w http.ResponseWriter, s *arrival, details string) {
	status := mm7.Status{Code: 1100, Details: details}
	m.write(w, http.StatusOK, submitRsp(m.o.Dialect, s.record, status, s.record.MessageID))
}

// refusing is the answer in HTTP 200 that names a status.
func refusing(code int) answer {
	return func(m *MMSC, w http.ResponseWriter, s *arrival) {
		m.write(w, http.StatusOK, submitRsp(m.o.Dialect, s.record, mm7.Status{Code: code}, ""))
	}
}

// faulting is the answer as a SOAP fault.
func faulting(status mm7.Status) answer {
	return func(m *MMSC, w http.ResponseWriter, s *arrival) { m.writeFault(w, s.record.TransactionID, status) }
}

func (m *MMSC) unavailable(w http.ResponseWriter, s *arrival) {
	m.writeFault(w, s.record.TransactionID, mm7.Status{Code: 4006})
}

// failing is the answer of a web server in front of the MMSC, which knows no MM7.
func failing(code int, retryAfter string) answer {
	return func(_ *MMSC, w http.ResponseWriter, _ *arrival) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		http.Error(w, http.StatusText(code), code)
	}
}

func (m *MMSC) unauthorized(w http.ResponseWriter, _ *arrival) {
	w.Header().Set("WWW-Authenticate", `Basic realm="MM7"`)
	http.Error(w, "credentials are missing or wrong", http.StatusUnauthorized)
}

// elsewhere is the path that the fault redirect-307 points to, on the same host: who
// comes there has followed it.
const elsewhere = "/elsewhere"

func (m *MMSC) redirect(w http.ResponseWriter, s *arrival) {
	http.Redirect(w, s.http, "http://"+s.http.Host+elsewhere, http.StatusTemporaryRedirect)
}

func (m *MMSC) page(w http.ResponseWriter, _ *arrival) {
	w.Header().Set("Content-Type", "text/html")
	_, _ = w.Write([]byte("<html><body><h1>It works!</h1></body></html>\n")) // the peer's loss
}

func isCancel(err error) bool {
	var other *mm7.UnsupportedError
	return errors.As(err, &other) && other.Operation == mm7.OpCancelReq
}

// whyUnread turns the error of a submission that could not be read into a refusal
// (TS 23.140, table of status codes).
func whyUnread(err error) *refusal {
	var other *mm7.UnsupportedError
	var syntax *mm7.SyntaxError
	switch {
	case errors.As(err, &other):
		return &refusal{4003, []Problem{{"envelope", "is no SubmitReq and no CancelReq; this MMSC takes nothing else"}}}
	case errors.As(err, &syntax):
		return &refusal{4004, []Problem{{syntax.Where, syntax.What}}}
	}
	return &refusal{4004, []Problem{{"HTTP body", err.Error()}}}
}
