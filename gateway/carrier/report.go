package carrier

import (
	"context"
	"slices"
	"strings"
	"time"

	"mmsgw/gateway"
	"mmsgw/mm7"
)

// Bounds of what is kept of a report, in bytes.
const (
	maxKey = 255 // of a MessageID, of a TransactionID
	maxRaw = 64  // of a status in the carrier's own word
)

// oldest is how far back the date of a report is believed: no message lives
// as long.
const oldest = 30 * 24 * time.Hour

// statuses are the words of MMStatus (TS 23.140, MM7_delivery_report.REQ) and
// those of the field, lower case and without separators.
var statuses = map[string]gateway.ReportStatus{
	"retrieved": gateway.ReportRetrieved, "forwarded": gateway.ReportForwarded, "deferred": gateway.ReportDeferred,
	"expired": gateway.ReportExpired, "rejected": gateway.ReportRejected,
	"unrecognised": gateway.ReportUnrecognised, "unrecognized": gateway.ReportUnrecognised,
	"notsupported": gateway.ReportUnrecognised, "deliveryconditionnotmet": gateway.ReportUnrecognised,
	"unreachable": gateway.ReportUnreachable, "indeterminate": gateway.ReportIndeterminate,
}

// deliveryReport is what a DeliveryReportReq tells.
func (l *Link) deliveryReport(r *mm7.DeliveryReportReq) gateway.Report {
	report := l.report(r.Head, r.MessageID, r.MMStatus)
	report.Recipient, report.Sender = number(r.Recipient), number(r.Sender)
	report.At = when(r.Date, report.ReceivedAt)
	report.Status = statusOf(report.Raw, r.MMStatusExtension)
	return report
}

// readReply is what a ReadReplyReq tells. Whatever it says but Read is told
// as Deleted: the phone has the message, and nothing is known of reading.
func (l *Link) readReply(r *mm7.ReadReplyReq) gateway.Report {
	report := l.report(r.Head, r.MessageID, r.MMStatus)
	report.Recipient, report.Sender = number(r.Recipient), number(r.Sender)
	report.At = when(r.TimeStamp, report.ReceivedAt)
	report.Status = gateway.ReportDeleted
	if strings.EqualFold(report.Raw, "read") {
		report.Status = gateway.ReportRead
	}
	return report
}

func (l *Link) report(h mm7.Head, messageID, word string) gateway.Report {
	return gateway.Report{
		ID: l.o.NewID(), Lane: l.o.Name,
		CarrierKey: l.key(messageID), TransactionID: bounded(h.TransactionID, maxKey),
		Raw: printable(word), ReceivedAt: l.o.Now(), Patience: l.o.Report,
	}
}

// handler answers the carrier. It is told 1000 when sink has the report
// durable, and asked to come again where sink has not.
func (l *Link) handler(sink Reports) *mm7.Handler {
	return &mm7.Handler{
		Dialect: l.dialect,
		DeliveryReport: func(ctx context.Context, r *mm7.DeliveryReportReq) (mm7.Status, error) {
			return mm7.Status{}, sink.Report(ctx, l.deliveryReport(r))
		},
		ReadReply: func(ctx context.Context, r *mm7.ReadReplyReq) (mm7.Status, error) {
			return mm7.Status{}, sink.Report(ctx, l.readReply(r))
		},
	}
}

// statusOf reads a carrier's word in any case, and by its last word where
// others stand before it.
//
// QUIRK: "Third:User Retrieved", "System Rejected" (Chinese SDKs). Words that
// are not known are kept and mean Indeterminate.
func statusOf(word, extension string) gateway.ReportStatus {
	words := strings.FieldsFunc(strings.ToLower(word), func(c rune) bool { return c < 'a' || c > 'z' })
	status, known := statuses[strings.Join(words, "")]
	if !known && len(words) > 0 && !slices.Contains(words, "not") {
		status, known = statuses[words[len(words)-1]]
	}
	switch {
	case !known:
		return gateway.ReportIndeterminate
	case status == gateway.ReportRejected && strings.EqualFold(extension, "RejectionByOtherRS"):
		return gateway.ReportFiltered
	}
	return status
}

// number is an address as E.164 where it is a number of North America or says
// by its + that it is E.164; other digits, a short code's, stay as they are.
// What is no number at all is empty.
//
// QUIRK: reports name numbers otherwise than we submitted them: without +,
// national, with /TYPE=PLMN, as a mail address (Nokia, Sinch, Telstra).
func number(a mm7.Address) gateway.Number {
	s := a.Bare()
	rest, plus := strings.CutPrefix(s, "+")
	digits := strings.Map(func(c rune) rune {
		if strings.ContainsRune(" -.()", c) {
			return -1
		}
		return c
	}, rest[:min(len(rest), 64)])
	foreign := strings.ContainsFunc(digits, func(c rune) bool { return c < '0' || c > '9' })
	switch n := len(digits); {
	case foreign || n == 0 || n > 20 || len(rest) > 64:
		return ""
	case plus, n == 11 && digits[0] == '1':
		return gateway.Number("+" + digits)
	case n == 10 && digits[0] >= '2':
		return gateway.Number("+1" + digits)
	}
	return gateway.Number(digits)
}

// when is the time a report names, or now where it names none that can be.
func when(s string, now time.Time) time.Time {
	t, err := mm7.ParseDateTime(strings.TrimSpace(s), time.UTC)
	if err != nil || t.After(now) || now.Sub(t) > oldest {
		return now
	}
	return t.UTC().Truncate(time.Microsecond)
}

// bounded cuts s to at most n bytes of whole characters.
func bounded(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}

// printable is the carrier's own word as it may be shown.
func printable(s string) string {
	ascii := func(c rune) rune {
		if c < ' ' || c > '~' {
			return -1
		}
		return c
	}
	return bounded(strings.Map(ascii, bounded(s, 4*maxRaw)), maxRaw)
}
