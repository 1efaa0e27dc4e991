package mm7

import "strconv"

// EncodeResponse writes an answer as an MMSC or a VASP gives it: the Rsp of that
// Operation or, when Fault is set, a SOAP fault with the RSErrorRsp or VASPErrorRsp
// of that Operation in its detail. A fault without Status.Code has no detail, as
// TS 23.140 wants it for trouble with the TransactionID. The dialect's namespace and
// version are written, not those in Head.
func EncodeResponse(d Dialect, r *Response) []byte {
	w := newXMLWriter(d)
	return w.envelope(r.TransactionID, func() {
		if r.Fault == nil {
			w.response(r)
			return
		}
		p := d.EnvelopePrefix
		w.raw("<", p, ":Fault><faultcode>", p, ":")
		w.text(r.Fault.Code)
		w.raw("</faultcode><faultstring>")
		w.text(r.Fault.String)
		w.raw("</faultstring>")
		if r.Status.Code != 0 {
			w.raw("<detail>")
			w.response(r)
			w.raw("</detail>")
		}
		w.raw("</", p, ":Fault>")
	})
}

func (w *xmlWriter) response(r *Response) {
	w.message(r.Operation, func() {
		w.open("Status")
		w.element("StatusCode", strconv.Itoa(r.Status.Code))
		text := r.Status.Text
		if text == "" {
			text = StatusText(r.Status.Code)
		}
		w.element("StatusText", text)
		if r.Status.Details != "" {
			// The schema allows elements only in Details, of any namespace.
			w.open("Details")
			w.raw(`<detail xmlns="">`)
			w.text(r.Status.Details)
			w.raw("</detail>")
			w.close("Details")
		}
		w.close("Status")
		if r.Operation == OpSubmitRsp {
			w.optional("MessageID", r.MessageID)
		}
	})
}

// Encode writes the request as we post it.
func (r *CancelReq) Encode(d Dialect) []byte {
	w := newXMLWriter(d)
	return w.envelope(r.TransactionID, func() {
		w.message(OpCancelReq, func() {
			w.identification("SenderIdentification", r.VASPID, r.VASID, r.SenderAddress)
			w.element("MessageID", r.MessageID)
			if d.release6() {
				w.optional("ApplicID", r.ApplicID)
				w.optional("ReplyApplicID", r.ReplyApplicID)
				w.optional("AuxApplicInfo", r.AuxApplicInfo)
			}
		})
	})
}

// Encode writes the report as an MMSC posts it.
func (r *DeliveryReportReq) Encode(d Dialect) []byte {
	w := newXMLWriter(d)
	return w.envelope(r.TransactionID, func() {
		w.message(OpDeliveryReportReq, func() {
			w.reportHead(r.MMSRelayServerID, r.MessageID, r.Recipient, r.Sender)
			w.element("Date", r.Date)
			w.element("MMStatus", r.MMStatus)
			if d.release6() {
				w.optional("MMStatusExtension", r.MMStatusExtension)
			}
			w.optional("StatusText", r.StatusText)
			if d.release6() && r.UAProf != "" {
				w.attributes("UACapabilities", "UAProf", r.UAProf)
			}
		})
	})
}

// Encode writes the read reply as an MMSC posts it.
func (r *ReadReplyReq) Encode(d Dialect) []byte {
	w := newXMLWriter(d)
	return w.envelope(r.TransactionID, func() {
		w.message(OpReadReplyReq, func() {
			w.reportHead(r.MMSRelayServerID, r.MessageID, r.Recipient, r.Sender)
			w.element("TimeStamp", r.TimeStamp)
			w.element("MMStatus", r.MMStatus)
			w.optional("StatusText", r.StatusText)
		})
	})
}

func (w *xmlWriter) reportHead(relay, messageID string, recipient, sender Address) {
	w.optional("MMSRelayServerID", relay)
	w.element("MessageID", messageID)
	w.open("Recipient")
	w.address(recipient)
	w.close("Recipient")
	w.open("Sender")
	w.address(sender)
	w.close("Sender")
}

// statusTexts are the standard's wordings (TS 23.140, table of MM7 status codes).
var statusTexts = map[int]string{
	1000: "Success",
	1100: "Partial success",
	2000: "Client error",
	2001: "Operation restricted",
	2002: "Address Error",
	2003: "Address Not Found",
	2004: "Multimedia content refused",
	2005: "Message ID Not found",
	2006: "LinkedID not found",
	2007: "Message format corrupt",
	2008: "Application ID not found",
	2009: "Reply Application ID not found",
	3000: "Server Error",
	3001: "Not Possible",
	3002: "Message rejected",
	3003: "Multiple addresses not supported",
	3004: "Application Addressing not supported",
	4000: "General service error",
	4001: "Improper identification",
	4002: "Unsupported version",
	4003: "Unsupported operation",
	4004: "Validation error",
	4005: "Service error",
	4006: "Service unavailable",
	4007: "Service denied",
	4008: "Application denied",
}

// StatusText is the standard's wording for a status code or, for one it does not
// know, for its class; codes of no class count as 3000.
func StatusText(code int) string {
	if s := statusTexts[code]; s != "" {
		return s
	}
	if s := statusTexts[code/1000*1000]; s != "" {
		return s
	}
	return statusTexts[3000]
}
