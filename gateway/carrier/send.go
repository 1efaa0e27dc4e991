package carrier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"

	"mmsgw/gateway"
	"mmsgw/mm7"
)

// Send dials the carrier once with what d says, for its deliveries, and tells
// what came of it; soon after ctx is done at the latest. It is a relay's Link.
func (l *Link) Send(ctx context.Context, d gateway.Dispatch) gateway.Result {
	if d.Leave != nil {
		ctx = mm7.WithLeave(ctx, d.Leave, d.Left)
	}
	if d.Attempt.Kind == gateway.Cancels {
		return l.cancel(ctx, d)
	}
	to := make([]gateway.Number, len(d.Deliveries))
	for i := range to {
		to[i] = d.Deliveries[i].Recipient
	}
	req := l.request(d.Message, to, func(p gateway.Picture) (io.ReadCloser, error) { return l.fetch(ctx, p) })
	req.ExpiryDate = mm7.DateTime(d.Deliveries[0].ValidUntil)
	req.TransactionID = d.Attempt.ID.TransactionID()
	req.TimeStamp = mm7.DateTime(d.Attempt.OpenedAt)
	answer, err := l.client.Submit(ctx, req)
	if err != nil {
		return l.failed(ctx, d, err)
	}
	return l.judge(reply{Response: answer, to: d.Deliveries, dials: d.Attempt.Dials})
}

// cancel asks the carrier to call back what it took. That it knows no such
// request is an answer to this one, and says nothing of the sender.
func (l *Link) cancel(ctx context.Context, d gateway.Dispatch) gateway.Result {
	req := &mm7.CancelReq{
		Head: mm7.Head{TransactionID: d.Attempt.ID.TransactionID()}, VASPID: l.o.VASPID, VASID: l.o.VASID,
		SenderAddress: mm7.Address{Value: d.Message.From.E164()}, MessageID: d.Attempt.CarrierName(),
	}
	answer, err := l.client.Cancel(ctx, req)
	if err != nil {
		return l.failed(ctx, d, err)
	}
	result := l.judge(reply{Response: answer, dials: 1})
	result.CarrierKey, result.CarrierID = "", ""
	if result.Outcome == gateway.StopSender {
		result.Outcome, result.Reason, result.Counts = gateway.Rejected, gateway.RefusedRequest, true
	}
	return result
}

// failed judges a request without an answer and keeps the cause for the
// operator, whom a code alone would not help.
func (l *Link) failed(ctx context.Context, d gateway.Dispatch, err error) gateway.Result {
	result := judgeFailure(err)
	level, what := slog.LevelDebug, "a request got no answer"
	if result.Outcome == gateway.StopLane || result.Reason == gateway.MediaCorruptStored {
		level, what = slog.LevelWarn, "a request could not be sent"
	}
	if result.Code != unreadable { // what cannot be read is the carrier's own words
		if result.Code == noAnswer && !endsConnection(err) {
			err = errNoHTTP
		}
		l.o.Log.Log(ctx, level, what, gateway.KeyCarrier, l.o.Name, gateway.KeyMessage, d.Attempt.MessageID.MessageName(),
			gateway.KeyTransactionID, d.Attempt.ID.TransactionID(), gateway.KeyCode, result.Code, gateway.KeyError, err)
	}
	return result
}

// errNoHTTP stands for the errors of net/http that quote what the carrier wrote.
var errNoHTTP = errors.New("what came is no HTTP, or the connection that was kept had ended")

// endsConnection tells whether an error is of the connection, not of what came on it.
func endsConnection(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// Measure counts the bytes of the HTTP body in which m would go, to as many
// recipients as share a request, exactly: the request is made as for sending, without opening a
// picture. Of a message that cannot be written, for a picture that is none,
// it counts the content.
func (l *Link) Measure(m *gateway.Message) int64 {
	to := []gateway.Number{"+10000000000"} // as long as any that is taken
	if len(m.Deliveries) > 0 {
		to = to[:0]
		for i := range min(len(m.Deliveries), l.o.Group) {
			to = append(to, m.Deliveries[i].Recipient)
		}
	}
	req := l.request(m, to, unopened)
	req.TransactionID = gateway.ID{}.TransactionID()
	req.TimeStamp = mm7.DateTime(m.CreatedAt)
	n, err := mm7.Measure(l.dialect, req)
	if err != nil {
		return m.MediaBytes() + int64(len(m.Text))
	}
	return n
}

// priorities are the words of TS 23.140 for ours.
var priorities = map[gateway.Priority]string{gateway.High: "High", gateway.Normal: "Normal", gateway.Low: "Low"}

// opening gives the bytes of a picture when they are about to leave.
type opening func(gateway.Picture) (io.ReadCloser, error)

// request is the SubmitReq but for what only an attempt knows. Names of
// pictures are minted by the codec: what callers named theirs stays here.
// Several recipients are in Bcc, so that none sees the others.
func (l *Link) request(m *gateway.Message, to []gateway.Number, open opening) *mm7.SubmitReq {
	addresses := make([]mm7.Address, len(to))
	for i := range to {
		addresses[i].Value = to[i].E164()
	}
	recipients := mm7.Recipients{To: addresses}
	if len(to) > 1 {
		recipients = mm7.Recipients{Bcc: addresses}
	}
	req := &mm7.SubmitReq{
		VASPID: l.o.VASPID, VASID: l.o.VASID,
		SenderAddress:  mm7.Address{Value: m.From.E164()},
		Recipients:     recipients,
		ExpiryDate:     mm7.DateTime(m.ValidUntil),
		DeliveryReport: m.Report,
		ReadReply:      m.Read,
		Priority:       priorities[m.Priority],
		Subject:        m.Subject,
		Parts:          make([]mm7.Part, 0, len(m.Media)+1),
	}
	if m.Text != "" {
		req.Parts = append(req.Parts, mm7.Part{ContentType: "text/plain", Data: []byte(m.Text)})
	}
	for _, p := range m.Media {
		req.Parts = append(req.Parts, mm7.Part{ContentType: p.Type, Size: p.Size, Open: func() (io.ReadCloser, error) { return open(p) }})
	}
	return req
}

// unopened is for measuring, which opens nothing.
func unopened(gateway.Picture) (io.ReadCloser, error) {
	return nil, &pictureError{errors.New("it is measured only")}
}

// pictureError says that a stored picture could not be had: nothing was sent.
type pictureError struct{ err error }

func (e *pictureError) Error() string { return "stored picture: " + e.err.Error() }
func (e *pictureError) Unwrap() error { return e.err }

// fetch has the bytes of a picture. The codec asks for all before it sends a
// byte, but announces their sizes and sends what it is given: a picture that
// grew or shrank has to be found here.
func (l *Link) fetch(ctx context.Context, p gateway.Picture) (io.ReadCloser, error) {
	data, err := l.open(ctx, p)
	if err == nil && int64(len(data)) != p.Size {
		err = fmt.Errorf("%w: it has %d bytes, not the %d it was stored with", gateway.ErrMediaCorrupt, len(data), p.Size)
	}
	if err != nil {
		return nil, &pictureError{err}
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}
