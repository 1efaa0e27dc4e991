package mm7

import (
	"strconv"
	"strings"
)

// submitElement is one child of SubmitReq: how it is written and how it is read.
type submitElement struct {
	name     string
	release6 bool
	write    func(w *xmlWriter, r *SubmitReq, name string)
	read     func(n *node, r *SubmitReq)
}

// submitElements are the children of SubmitReq after MM7Version, in the order of the
// schema's sequence (REL-6-MM7-1-4, submitReqType): strict MMSCs check it. Content,
// the last, is in it to be read; its reference is made when the parts are known.
var submitElements = []submitElement{
	{name: "SenderIdentification", write: writeSender, read: readSender},
	{name: "Recipients", write: writeRecipients, read: readRecipients},
	stringElement("ServiceCode", func(r *SubmitReq) *string { return &r.ServiceCode }),
	stringElement("LinkedID", func(r *SubmitReq) *string { return &r.LinkedID }),
	stringElement("MessageClass", func(r *SubmitReq) *string { return &r.MessageClass }),
	stringElement("TimeStamp", func(r *SubmitReq) *string { return &r.TimeStamp }),
	{name: "ReplyCharging", write: writeReplyCharging, read: readReplyCharging},
	stringElement("EarliestDeliveryTime", func(r *SubmitReq) *string { return &r.EarliestDeliveryTime }),
	stringElement("ExpiryDate", func(r *SubmitReq) *string { return &r.ExpiryDate }),
	boolElement("DeliveryReport", func(r *SubmitReq) *bool { return &r.DeliveryReport }),
	boolElement("ReadReply", func(r *SubmitReq) *bool { return &r.ReadReply }),
	stringElement("Priority", func(r *SubmitReq) *string { return &r.Priority }),
	stringElement("Subject", func(r *SubmitReq) *string { return &r.Subject }),
	stringElement("ChargedParty", func(r *SubmitReq) *string { return &r.ChargedParty }),
	since6(stringElement("ChargedPartyID", func(r *SubmitReq) *string { return &r.ChargedPartyID })),
	flagElement("DistributionIndicator", func(r *SubmitReq) **bool { return &r.DistributionIndicator }),
	since6(submitElement{name: "DeliveryCondition", write: writeCondition, read: readCondition}),
	since6(stringElement("ApplicID", func(r *SubmitReq) *string { return &r.ApplicID })),
	since6(stringElement("ReplyApplicID", func(r *SubmitReq) *string { return &r.ReplyApplicID })),
	since6(stringElement("AuxApplicInfo", func(r *SubmitReq) *string { return &r.AuxApplicInfo })),
	since6(stringElement("ContentClass", func(r *SubmitReq) *string { return &r.ContentClass })),
	since6(flagElement("DRMContent", func(r *SubmitReq) **bool { return &r.DRMContent })),
	{name: "Content", write: writeContent, read: readContent},
}

// contentID is the Content-ID of a submission's content entity. It needs to be
// unique in its message only, and must need no escaping in a cid: URL.
const contentID = "content-1"

// submitEnvelope writes the SOAP part of a submission.
func submitEnvelope(d Dialect, r *SubmitReq) []byte {
	w := newXMLWriter(d)
	return w.envelope(r.TransactionID, func() {
		w.message(OpSubmitReq, func() {
			for _, e := range submitElements {
				if !e.release6 || d.release6() {
					e.write(w, r, e.name)
				}
			}
		})
	})
}

func since6(e submitElement) submitElement {
	e.release6 = true
	return e
}

func stringElement(name string, field func(*SubmitReq) *string) submitElement {
	return submitElement{
		name:  name,
		write: func(w *xmlWriter, r *SubmitReq, name string) { w.optional(name, *field(r)) },
		read:  func(n *node, r *SubmitReq) { *field(r) = n.text },
	}
}

func boolElement(name string, field func(*SubmitReq) *bool) submitElement {
	return submitElement{
		name: name,
		write: func(w *xmlWriter, r *SubmitReq, name string) {
			w.element(name, strconv.FormatBool(*field(r)))
		},
		read: func(n *node, r *SubmitReq) { *field(r) = isTrue(n.text) },
	}
}

func flagElement(name string, field func(*SubmitReq) **bool) submitElement {
	return submitElement{
		name:  name,
		write: func(w *xmlWriter, r *SubmitReq, name string) { w.optional(name, flagText(*field(r))) },
		read:  func(n *node, r *SubmitReq) { *field(r) = new(isTrue(n.text)) },
	}
}

// isTrue reads xs:boolean and, as the examples of TS 23.140 print it, "True".
func isTrue(s string) bool { return s == "1" || strings.EqualFold(s, "true") }

func flagText(b *bool) string {
	if b == nil {
		return ""
	}
	return strconv.FormatBool(*b)
}

func writeSender(w *xmlWriter, r *SubmitReq, name string) {
	w.identification(name, r.VASPID, r.VASID, r.SenderAddress)
}

func readSender(n *node, r *SubmitReq) {
	r.VASPID, r.VASID, r.SenderAddress = readIdentification(n)
}

// identification writes a SenderIdentification, which every request of ours has.
func (w *xmlWriter) identification(name, vaspID, vasID string, sender Address) {
	w.open(name)
	w.optional("VASPID", vaspID)
	w.optional("VASID", vasID)
	if sender.Value != "" && !w.d.OmitSenderAddress {
		w.open("SenderAddress")
		w.address(sender)
		w.close("SenderAddress")
	}
	w.close(name)
}

func readIdentification(n *node) (vaspID, vasID string, sender Address) {
	return n.childText("VASPID"), n.childText("VASID"), readAddress(n.child("SenderAddress"))
}

func writeRecipients(w *xmlWriter, r *SubmitReq, name string) {
	w.open(name)
	block := func(name string, list []Address) {
		if len(list) == 0 {
			return
		}
		w.open(name)
		for _, a := range list {
			w.address(a)
		}
		w.close(name)
	}
	block("To", r.Recipients.To)
	block("Cc", r.Recipients.Cc)
	block("Bcc", r.Recipients.Bcc)
	w.close(name)
}

func readRecipients(n *node, r *SubmitReq) {
	for k := n.first; k != nil; k = k.next {
		for a := k.first; a != nil; a = a.next {
			switch addr := addressOf(a); {
			case strings.EqualFold(k.local, "To"):
				r.Recipients.To = append(r.Recipients.To, addr)
			case strings.EqualFold(k.local, "Cc"):
				r.Recipients.Cc = append(r.Recipients.Cc, addr)
			case strings.EqualFold(k.local, "Bcc"):
				r.Recipients.Bcc = append(r.Recipients.Bcc, addr)
			}
		}
	}
}

func writeReplyCharging(w *xmlWriter, r *SubmitReq, name string) {
	if c := r.ReplyCharging; c != nil {
		w.attributes(name, "replyChargingSize", c.Size, "replyDeadline", c.Deadline)
	}
}

func readReplyCharging(n *node, r *SubmitReq) {
	r.ReplyCharging = &ReplyCharging{Size: n.attr("replyChargingSize"), Deadline: n.attr("replyDeadline")}
}

func writeCondition(w *xmlWriter, r *SubmitReq, name string) {
	if len(r.DeliveryCondition) == 0 {
		return
	}
	w.open(name)
	for _, dc := range r.DeliveryCondition {
		w.element("DC", strconv.Itoa(dc))
	}
	w.close(name)
}

func readCondition(n *node, r *SubmitReq) {
	for k := n.first; k != nil; k = k.next {
		if dc, err := strconv.Atoi(k.text); err == nil {
			r.DeliveryCondition = append(r.DeliveryCondition, dc)
		}
	}
}

func writeContent(w *xmlWriter, r *SubmitReq, name string) {
	if len(r.Parts) > 0 {
		w.attributes(name, "href", "cid:"+contentID, "allowAdaptations", flagText(r.AllowAdaptations))
	}
}

func readContent(n *node, r *SubmitReq) {
	if s := n.attr("allowAdaptations"); s != "" {
		r.AllowAdaptations = new(isTrue(s))
	}
}
