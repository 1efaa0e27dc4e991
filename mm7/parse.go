package mm7

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// ErrNoStatus is why an answer that could be read was of no use: it names no status
// code, is no fault, and its HTTP status tells no failure.
var ErrNoStatus = errors.New("the answer names no StatusCode")

// ParseResponse reads an MMSC's answer to a request, whatever the HTTP status: faults
// come with 200, and ordinary answers with 500. The status code is the first
// StatusCode anywhere, else the number faultstring begins with, else the class of the
// faultcode (Client 2000, Server 3000). Where the body has none of it and httpStatus
// is no success, Status.Code is 0 and HTTPStatus is all that is known. An error means
// that the answer of a seeming success is unusable.
func ParseResponse(httpStatus int, header http.Header, body []byte) (*Response, error) {
	r := &Response{HTTPStatus: httpStatus, RetryAfter: header.Get("Retry-After")}
	err := r.parse(header.Get("Content-Type"), body)
	if err != nil && (httpStatus < 200 || httpStatus > 299) {
		err = nil
	}
	return r, err
}

func (r *Response) parse(contentType string, body []byte) error {
	root, err := parseEnvelope(contentType, body)
	if err != nil {
		return err
	}
	message := r.Head.read(root)
	if message == nil {
		return ErrNoStatus
	}
	r.Operation = operation(message)
	if fault := root.find("Fault"); fault != nil {
		r.readFault(fault)
	}
	r.Status.Text = root.findText("StatusText")
	if details := root.find("Details"); details != nil {
		r.Status.Details = details.allText()
	}
	r.MessageID = message.findText("MessageID")
	r.Status.Code = r.code(root)
	if r.Status.Code == 0 {
		return ErrNoStatus
	}
	return nil
}

func (r *Response) readFault(fault *node) {
	code := fault.childText("faultcode")
	r.Fault = &Fault{
		Code:   code[strings.LastIndexByte(code, ':')+1:],
		String: fault.childText("faultstring"),
	}
	for _, op := range []Operation{OpRSErrorRsp, OpVASPErrorRsp} {
		if fault.find(string(op)) != nil {
			r.Operation = op
		}
	}
}

// code resolves the status code.
func (r *Response) code(root *node) int {
	if n := positive(root.findText("StatusCode")); n != 0 {
		return n
	}
	if r.Fault == nil {
		return 0
	}
	digits := len(r.Fault.String) - len(strings.TrimLeft(r.Fault.String, "0123456789"))
	if n := positive(r.Fault.String[:digits]); n != 0 {
		return n
	}
	class, _, _ := strings.Cut(r.Fault.Code, ".")
	switch strings.ToLower(class) {
	case "client":
		return 2000
	case "server":
		return 3000
	}
	return 0
}

// positive is a status code's number; 0 for what is no positive integer.
func positive(s string) int {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// ParseRequest reads what an MMSC posts to us, and a CancelReq as an MMSC gets it.
// body is the whole HTTP body, of at most [MaxEnvelope] bytes. An Operation the
// package does not take gives a Request with its Head alone; missing fields are empty:
// what is mandatory is for the one who answers to say.
func ParseRequest(contentType string, body []byte) (*Request, error) {
	root, err := parseEnvelope(contentType, body)
	if err != nil {
		return nil, err
	}
	r := &Request{}
	message := r.Head.read(root)
	if message == nil {
		return r, &SyntaxError{"envelope", "its Body holds no message"}
	}
	r.Operation = operation(message)
	switch r.Operation {
	case OpDeliveryReportReq:
		r.DeliveryReport = readDeliveryReport(r.Head, message)
	case OpReadReplyReq:
		r.ReadReply = readReadReply(r.Head, message)
	case OpCancelReq:
		r.Cancel = readCancel(r.Head, message)
	}
	return r, nil
}

// readDeliveryReport takes the names that TS 23.140 and the field have for a thing:
// LG U+ sends Recipients for Recipient, Unicom TimeStamp for Date.
func readDeliveryReport(h Head, n *node) *DeliveryReportReq {
	r := &DeliveryReportReq{
		Head:              h,
		MMSRelayServerID:  n.childText("MMSRelayServerID"),
		MessageID:         n.childText("MessageID"),
		Recipient:         readAddress(n.any("Recipient", "Recipients", "To", "Number")),
		Sender:            readAddress(n.any("Sender")),
		Date:              n.childText("Date"),
		MMStatus:          n.childText("MMStatus"),
		MMStatusExtension: n.childText("MMStatusExtension"),
		StatusText:        n.childText("StatusText"),
	}
	if r.Date == "" {
		r.Date = n.childText("TimeStamp")
	}
	if ua := n.child("UACapabilities"); ua != nil {
		r.UAProf = ua.attr("UAProf")
	}
	return r
}

func readReadReply(h Head, n *node) *ReadReplyReq {
	r := &ReadReplyReq{
		Head:             h,
		MMSRelayServerID: n.childText("MMSRelayServerID"),
		MessageID:        n.childText("MessageID"),
		Recipient:        readAddress(n.any("Recipient", "Recipients", "To", "Number")),
		Sender:           readAddress(n.any("Sender")),
		TimeStamp:        n.childText("TimeStamp"),
		MMStatus:         n.childText("MMStatus"),
		StatusText:       n.childText("StatusText"),
	}
	if r.TimeStamp == "" {
		r.TimeStamp = n.childText("Date")
	}
	return r
}

func readCancel(h Head, n *node) *CancelReq {
	r := &CancelReq{
		Head:          h,
		MessageID:     n.childText("MessageID"),
		ApplicID:      n.childText("ApplicID"),
		ReplyApplicID: n.childText("ReplyApplicID"),
		AuxApplicInfo: n.childText("AuxApplicInfo"),
	}
	if id := n.child("SenderIdentification"); id != nil {
		r.VASPID, r.VASID, r.SenderAddress = readIdentification(id)
	}
	return r
}

// parseEnvelope finds the envelope in an HTTP body and reads it.
func parseEnvelope(contentType string, body []byte) (*node, error) {
	if len(body) > MaxEnvelope {
		return nil, tooLarge("body", MaxEnvelope)
	}
	media := parseMediaType(contentType)
	// QUIRK: multipart/related, even with a boundary, over a plain XML body (Sinch).
	if !looksLikeXML(body) && media.isMultipart() {
		parts, _, err := splitParts(body, media.params["boundary"])
		if err != nil {
			return nil, err
		}
		part := soapPart(parts, media.params["start"])
		if body, err = part.decoded(); err != nil {
			return nil, err
		}
		media = part.media
	}
	return readXML(body, media.params["charset"])
}

// read fills the head and gives the message: the first element in Body or, as
// Mobixell's test MMSC has it, a Fault beside it.
func (h *Head) read(root *node) *node {
	h.TransactionID = root.findText("TransactionID")
	message := root.child("Fault")
	if body := root.child("Body"); body != nil && body.first != nil {
		message = body.first
	}
	if message == nil {
		return nil
	}
	source := message
	if message.is("Fault") {
		for _, op := range []Operation{OpRSErrorRsp, OpVASPErrorRsp} {
			if n := message.find(string(op)); n != nil {
				source = n
			}
		}
	}
	if source != message || !message.is("Fault") {
		h.Namespace = source.namespace()
	}
	h.MM7Version = source.findText("MM7Version")
	return message
}

// operation is the message's name as the standard spells it, if it knows it.
func operation(n *node) Operation {
	for _, op := range []Operation{OpSubmitReq, OpSubmitRsp, OpCancelReq, OpCancelRsp, OpDeliveryReportReq, OpDeliveryReportRsp,
		OpReadReplyReq, OpReadReplyRsp, OpRSErrorRsp, OpVASPErrorRsp, OpFault} {
		if n.is(string(op)) {
			return op
		}
	}
	return Operation(n.local)
}

// any is the first child that has one of the names, tried in order.
func (n *node) any(names ...string) *node {
	for _, name := range names {
		if k := n.child(name); k != nil {
			return k
		}
	}
	return nil
}

// readAddress is the first address at or below an element, which may also hold the
// address as plain text, the early form of Release 5.
func readAddress(n *node) Address {
	if n == nil {
		return Address{}
	}
	for _, kind := range []AddressKind{Number, ShortCode, RFC2822} {
		if a := n.find(kind.String()); a != nil {
			return addressOf(a)
		}
	}
	return addressOf(n)
}

// addressOf reads an address element.
func addressOf(n *node) Address {
	a := Address{Value: n.text, DisplayOnly: isTrue(n.attr("displayOnly"))}
	switch {
	case n.is("ShortCode"):
		a.Kind = ShortCode
	case n.is("RFC2822Address"):
		a.Kind = RFC2822
	case !n.is("Number") && (a.Value == "" || !strings.Contains("+0123456789", a.Value[:1])):
		a.Kind = RFC2822
	}
	return a
}
