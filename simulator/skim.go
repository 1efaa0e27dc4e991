package simulator

import (
	"bytes"
	"io"
	"net/http"
	"sync"

	"mmsgw/mm7"
)

// heads are buffers for the beginnings of bodies, which hold the envelope.
var heads = sync.Pool{New: func() any { return new([mm7.MaxEnvelope]byte) }}

// skim reads of a submission what an answer and a report need, and lets all else go
// by unseen.
func (m *MMSC) skim(r *http.Request, s *arrival) *refusal {
	head := heads.Get().(*[mm7.MaxEnvelope]byte)
	defer heads.Put(head)
	n, err := io.ReadFull(r.Body, head[:])
	s.record.Size = int64(n)
	if err == nil {
		var rest int64
		rest, err = io.Copy(io.Discard, r.Body)
		s.record.Size += rest
	}
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF || r.ContentLength > s.record.Size {
		return brokenOff
	}
	s.req, err = skimEnvelope(envelopeIn(head[:n]))
	if s.cancel = cancelIn(r, head[:n], err); s.cancel != nil {
		return incomplete(s.cancel)
	}
	s.record.fill(s.req)
	switch {
	case err != nil:
		return whyUnread(err)
	case s.req.TransactionID == "":
		return &refusal{0, []Problem{{"Header", "has no TransactionID"}}}
	}
	return nil
}

func skimEnvelope(envelope []byte) (*mm7.SubmitReq, error) {
	req := &mm7.SubmitReq{}
	if skimFields(envelope, req) {
		return req, nil
	}
	req, _, err := mm7.ParseSubmit(http.Header{"Content-Type": {"text/xml"}}, bytes.NewReader(envelope), false)
	return req, err
}

// envelopeIn cuts the envelope out of the beginning of a body, which is an envelope or
// a multipart with it as the first part.
func envelopeIn(body []byte) []byte {
	if !bytes.HasPrefix(body, []byte("<")) {
		if _, part, ok := bytes.Cut(body, []byte("\r\n\r\n<")); ok {
			body = body[len(body)-len(part)-1:]
		}
	}
	const end = ":Envelope>"
	if i := bytes.Index(body, []byte(end)); i >= 0 {
		body = body[:i+len(end)]
	}
	return body
}

// skimFields takes the fields from where a gateway puts them. It reports false for an
// envelope of another make: several recipients, no Number, references.
func skimFields(envelope []byte, r *mm7.SubmitReq) bool {
	recipients := inner(envelope, "Recipients")
	id := inner(envelope, "TransactionID")
	from := inner(inner(envelope, "SenderAddress"), "Number")
	to := inner(recipients, "Number")
	report := inner(envelope, "DeliveryReport")
	for _, text := range [][]byte{id, from, to, report} {
		if len(text) == 0 || bytes.ContainsAny(text, "<& \t\r\n") {
			return false
		}
	}
	const ends = 2 // of one Number in one block
	if bytes.Count(recipients, []byte("</")) != ends || inner(envelope, string(mm7.OpSubmitReq)) == nil {
		return false
	}
	r.TransactionID = string(id)
	r.SenderAddress = mm7.Address{Value: string(from)}
	r.Recipients.To = []mm7.Address{{Value: string(to)}}
	r.DeliveryReport = string(report) == "true"
	return true
}

// inner is what stands between the first tag of a name and its end tag; nil when
// there is no such element.
func inner(xml []byte, name string) []byte {
	_, rest, _ := bytes.Cut(xml, []byte(name))
	_, rest, _ = bytes.Cut(rest, []byte(">"))
	text, _, ok := bytes.Cut(rest, []byte(name))
	if !ok {
		return nil
	}
	return text[:max(0, bytes.LastIndex(text, []byte("</")))]
}
