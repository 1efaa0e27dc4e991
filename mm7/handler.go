package mm7

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Handler answers what an MMSC posts to us. Method, credentials and path are the
// caller's to check before. A report is answered only after its function returned:
// whoever stores it there has stored it before the MMSC hears so.
type Handler struct {
	// Dialect is how answers are written; namespace and version echo the request's.
	Dialect Dialect
	// DeliveryReport and ReadReply take a request with all its mandatory fields and
	// give the status to answer with; a Status without Code is 1000. An error says that
	// the request could not be kept: the MMSC is asked to repeat it, by HTTP 503 and
	// status 4006. The error is not passed on. A nil function is an operation refused.
	DeliveryReport func(context.Context, *DeliveryReportReq) (Status, error)
	ReadReply      func(context.Context, *ReadReplyReq) (Status, error)
}

// ServeHTTP reads a request of at most [MaxEnvelope] bytes and answers it: 413 for a
// longer one, HTTP 200 with a fault for what cannot be understood (4004), lacks
// something mandatory (2007) or is of an operation not taken (4003).
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxEnvelope+1))
	switch {
	case len(body) > MaxEnvelope || r.ContentLength > MaxEnvelope:
		w.Header().Set("Connection", "close")
		http.Error(w, "the request is longer than "+strconv.Itoa(MaxEnvelope)+" bytes", http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		http.Error(w, "the request could not be read to its end", http.StatusBadRequest)
		return
	}
	req, err := ParseRequest(r.Header.Get("Content-Type"), body)
	if err != nil {
		if req == nil {
			req = &Request{}
		}
		h.write(w, req.Head, http.StatusOK, fault(Status{Code: 4004}, err.Error()))
		return
	}
	status, answer := h.dispatch(r.Context(), req)
	h.write(w, req.Head, status, answer)
}

// dispatch runs the function for the operation.
func (h *Handler) dispatch(ctx context.Context, req *Request) (int, *Response) {
	switch {
	case req.DeliveryReport != nil && h.DeliveryReport != nil:
		d := req.DeliveryReport
		return outcome(OpDeliveryReportRsp, lacking(d.MessageID, d.Recipient.Value, d.MMStatus),
			func() (Status, error) { return h.DeliveryReport(ctx, d) })
	case req.ReadReply != nil && h.ReadReply != nil:
		d := req.ReadReply
		return outcome(OpReadReplyRsp, lacking(d.MessageID, d.Recipient.Value, d.MMStatus),
			func() (Status, error) { return h.ReadReply(ctx, d) })
	}
	return http.StatusOK, fault(Status{Code: 4003}, "the operation "+string(req.Operation)+" is not taken here")
}

// lacking names what a report must have and has not; empty where it has all.
func lacking(messageID, recipient, status string) string {
	var names []string
	for _, e := range []struct{ name, value string }{{"MessageID", messageID}, {"Recipient", recipient}, {"MMStatus", status}} {
		if e.value == "" {
			names = append(names, e.name)
		}
	}
	return strings.Join(names, ", ")
}

// outcome turns a function's answer into ours.
func outcome(op Operation, lacks string, call func() (Status, error)) (int, *Response) {
	if lacks != "" {
		return http.StatusOK, fault(Status{Code: 2007}, "the report has no "+lacks)
	}
	status, err := call()
	if err != nil {
		return http.StatusServiceUnavailable, fault(Status{Code: 4006}, "the report could not be kept; send it again")
	}
	if status.Code == 0 {
		status.Code = 1000
	}
	if status.Code/1000 != 1 {
		return http.StatusOK, fault(status, "")
	}
	return http.StatusOK, &Response{Operation: op, Status: status}
}

// fault is a SOAP fault with a VASPErrorRsp; why is for the person who reads the
// MMSC's log.
func fault(s Status, why string) *Response {
	f := &Fault{Code: "Client", String: "Client error"}
	if s.Code/1000 == 3 || s.Code == 4000 || s.Code == 4005 || s.Code == 4006 {
		f = &Fault{Code: "Server", String: "Server error"}
	}
	if why != "" {
		f.String += ": " + why
	}
	return &Response{Operation: OpVASPErrorRsp, Status: s, Fault: f}
}

// write answers in the request's namespace and version, where these are such.
func (h *Handler) write(w http.ResponseWriter, asked Head, status int, answer *Response) {
	const longest = 200
	d := h.Dialect
	for _, try := range []struct {
		field *string
		value string
	}{{&d.Namespace, asked.Namespace}, {&d.MM7Version, asked.MM7Version}} {
		kept := *try.field
		*try.field = try.value
		if len(try.value) > longest || d.Check() != nil {
			*try.field = kept
		}
	}
	answer.TransactionID = asked.TransactionID
	body := EncodeResponse(d, answer)
	w.Header().Set("Content-Type", `text/xml; charset="utf-8"`)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	// What cannot be written is the MMSC's to repeat; nobody here could do more.
	_, _ = w.Write(body)
}
