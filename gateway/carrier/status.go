package carrier

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"mmsgw/gateway"
	"mmsgw/mm7"
)

// verdict is what an answer means for a message to one recipient.
type verdict struct {
	outcome gateway.Outcome
	reason  gateway.Reason
	counts  bool // the answer is about the message, not about the link
}

// The verdicts there are.
var (
	accepted   = verdict{gateway.Accepted, "", true}
	again      = verdict{gateway.RetryLater, "", true}
	linkBusy   = verdict{gateway.RetryLater, "", false}
	badRequest = verdict{gateway.Rejected, gateway.RefusedRequest, true}
	badAddress = verdict{gateway.Rejected, gateway.RefusedAddress, true}
	badContent = verdict{gateway.Rejected, gateway.RefusedContent, true}
	badPicture = verdict{gateway.Rejected, gateway.MediaCorruptStored, false}
	tooLarge   = verdict{gateway.TooLarge, gateway.RefusedSize, true}
	badLink    = verdict{gateway.StopLane, gateway.LaneStopped, false}
	badSender  = verdict{gateway.StopSender, gateway.SenderPaused, false}
	divided    = verdict{gateway.Divided, "", false}
	doubt      = verdict{gateway.UnknownSent, "", false}
)

// row is a line of the table: a verdict, unless but gives another.
type row struct {
	verdict
	but func(reply) (verdict, bool)
}

// The codes of ours for what is no answer.
const (
	unreadable = "unreadable" // a success by HTTP that says nothing we can use
	noAnswer   = "no-answer"  // the connection ended
	timedOut   = "timeout"    // after the request may have left
	canceled   = "canceled"   // by us
	refused    = "refused"    // nobody listens
	unreached  = "connect-timeout"
	unnamed    = "dns"
	notSent    = "not-sent"
	badTLS     = "tls"
	corrupt    = "media-corrupt"
	unread     = "media-unread"
)

// byStatus is the table for StatusCodes (TS 23.140, table of MM7 status
// codes). A code that is not in it counts as x000 of its class, one outside
// the classes 1 to 4 as 3000.
var byStatus = map[int]row{
	1000: {accepted, nil},
	1100: {doubt, namesSome}, // a partial success: who was left out?
	2000: {badRequest, repeated},
	2001: {badRequest, nil},
	2002: {badAddress, ofSeveral}, // at least one of them
	2003: {badAddress, ofSeveral},
	2004: {badContent, speaksOfSize},
	2005: {badRequest, nil},
	2006: {badRequest, nil},
	2007: {badRequest, nil},
	2008: {badRequest, nil},
	2009: {badRequest, nil},
	2503: {badRequest, ofSeveral}, // QUIRK: one recipient a request (Sinch, Vibes)
	3000: {again, nil},
	3001: {badRequest, nil},
	3002: {badRequest, nil},
	3003: {badRequest, ofSeveral}, // several are not taken
	3004: {badRequest, nil},
	3501: {again, ofSeveral}, // QUIRK: too many recipients (China Unicom)
	4000: {again, nil},
	4001: {badSender, nil},
	4002: {badSender, nil},
	4003: {badSender, nil},
	4004: {badRequest, nil},
	4005: {badRequest, nil}, // the standard says: do not resend
	4006: {linkBusy, nil},
	4007: {badSender, nil},
	4008: {badRequest, nil},
}

// byHTTP is the table for HTTP statuses where MM7 tells nothing. Those in it
// that mean the link, not the message, are where MM7 tells more, too: see
// overrules. Others go by byHTTPClass.
var byHTTP = map[int]verdict{
	http.StatusUnauthorized:          badLink,
	http.StatusForbidden:             badSender,
	http.StatusNotFound:              badLink,
	http.StatusMethodNotAllowed:      badLink,
	http.StatusProxyAuthRequired:     badLink,
	http.StatusRequestTimeout:        linkBusy,
	http.StatusGone:                  badLink,
	http.StatusLengthRequired:        badLink,
	http.StatusRequestEntityTooLarge: tooLarge,
	http.StatusUnsupportedMediaType:  badLink,
	http.StatusMisdirectedRequest:    badLink,
	http.StatusUpgradeRequired:       badLink,
	http.StatusTooManyRequests:       linkBusy,
	http.StatusGatewayTimeout:        doubt, // who stood before the MMSC passed the request on
}

// byHTTPClass is the table for the first digit of other HTTP statuses.
var byHTTPClass = map[int]verdict{
	3: badLink, // a redirect is not followed
	4: badRequest,
	5: linkBusy,
}

// overrules are the HTTP statuses that speak of login, load or the way, so
// that a StatusCode beside them is a guess of whoever stands before the MMSC.
// No message is burnt by it.
var overrules = []int{
	http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired, http.StatusRequestTimeout,
	http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
}

// reply is an answer with what it has to be read by.
type reply struct {
	*mm7.Response
	to    []gateway.Delivery // that the request was for; none of a cancel request
	dials int                // of this TransactionID, this one counted
}

// judge says what an answer means.
func (l *Link) judge(r reply) gateway.Result {
	v, code := r.verdict()
	result := gateway.Result{Outcome: v.outcome, Reason: v.reason, Counts: v.counts, Code: code}
	after := retryAfter(r.RetryAfter, l.o.Now())
	if o := l.override(r); o != nil {
		result.Outcome, result.Reason, result.Counts = o.Outcome, o.Reason, o.Counts
		after = max(after, o.After)
	}
	switch {
	case result.Outcome == gateway.RetryLater:
		result.RetryAfter = after
	case result.Outcome == gateway.Accepted && r.Status.Code == partial:
		result.LeftOut = r.leftOut()
	}
	// QUIRK: failing answers may bring a MessageID that leads nowhere (SKT, Telstra)
	if r.Status.Code/1000 == 1 || result.Outcome == gateway.Accepted {
		id := bounded(r.MessageID, maxKey)
		if result.CarrierKey = l.key(id); result.CarrierKey != id {
			result.CarrierID = id
		}
	}
	return result
}

// override is what this carrier's configuration says of an answer; nil where it
// says nothing.
func (l *Link) override(r reply) *Override {
	if len(l.o.Outcomes) == 0 {
		return nil
	}
	text := r.Status.Text + " " + r.Status.Details
	if r.Fault != nil {
		text += " " + r.Fault.String
	}
	text = strings.ToLower(text)
	for i := range l.o.Outcomes {
		o := &l.o.Outcomes[i]
		fits := o.Code == "" || o.Code == strconv.Itoa(r.Status.Code) || o.Code == "http-"+strconv.Itoa(r.HTTPStatus)
		if !fits || !strings.Contains(text, strings.ToLower(o.Text)) {
			continue
		}
		if o.Outcome == gateway.Divided && len(r.to) < 2 {
			return nil // one alone can't be divided further: the table decides
		}
		return o
	}
	return nil
}

func (r reply) verdict() (v verdict, code string) {
	good := r.HTTPStatus >= 200 && r.HTTPStatus <= 299
	said := r.Status.Code != 0
	switch {
	case said && r.Status.Code/1000 == 1:
	case slices.Contains(overrules, r.HTTPStatus):
		said = false
	case r.Operation == mm7.OpFault: // its code is but the class of the faultcode
		said = said && (good || r.HTTPStatus == http.StatusInternalServerError)
	}
	if said {
		return r.byStatus(), strconv.Itoa(r.Status.Code)
	}
	v, ok := byHTTP[r.HTTPStatus]
	if !ok {
		v, ok = byHTTPClass[r.HTTPStatus/100]
	}
	if !ok {
		v = doubt
	}
	return v, "http-" + strconv.Itoa(r.HTTPStatus)
}

func (r reply) byStatus() verdict {
	found, ok := byStatus[r.Status.Code]
	if !ok {
		found, ok = byStatus[r.Status.Code/1000*1000]
	}
	if !ok {
		found = byStatus[3000]
	}
	if found.but != nil {
		if v, ok := found.but(r); ok {
			return v
		}
	}
	return found.verdict
}

// partial is the StatusCode of a partial success.
const partial = 1100

// namesSome: the Details of a partial success name those who were left out. Where
// they name the only recipient there is, it is refused; where they name nobody,
// nobody knows whom it has.
func namesSome(r reply) (verdict, bool) {
	switch out := r.leftOut(); {
	case len(out) == 0:
		return doubt, false
	case len(r.to) == 1:
		return badAddress, true
	}
	return accepted, true
}

// leftOut are the recipients, by N, that the Details name, whose form is free.
func (r reply) leftOut() (out []int) {
	words := strings.FieldsFunc(r.Status.Details, func(c rune) bool { return c != '+' && (c < '0' || c > '9') })
	named := map[gateway.Number]bool{}
	for _, w := range words {
		named[number(mm7.Address{Value: w})] = true
	}
	for i := range r.to {
		if named[r.to[i].Recipient] {
			out = append(out, r.to[i].N)
		}
	}
	return out
}

// ofSeveral: what is refused of several recipients may be taken of each.
func ofSeveral(r reply) (verdict, bool) { return divided, len(r.to) > 1 }

// speaksOfSize: 2004 is for type, form and size alike.
func speaksOfSize(r reply) (verdict, bool) {
	text := strings.ToLower(r.Status.Text + " " + r.Status.Details)
	return tooLarge, strings.Contains(text, "size") || strings.Contains(text, "large") || strings.Contains(text, "too big")
}

// repeated: trouble with the TransactionID of a request that was sent before
// may mean that the MMSC has it already.
func repeated(r reply) (verdict, bool) {
	return doubt, r.Fault != nil && strings.EqualFold(r.Fault.Code, "Client.TransactionID") && r.dials > 1
}

// longestRetryAfter bounds what a carrier may ask for; the relay has a bound
// of its own.
const longestRetryAfter = 24 * time.Hour

// retryAfter reads the header of that name (RFC 9110, section 10.2.3): seconds
// or a date; 0 for anything else.
func retryAfter(s string, now time.Time) time.Duration {
	wait := time.Duration(0)
	if n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 63); err == nil {
		wait = time.Duration(min(n, uint64(longestRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(s); err == nil {
		wait = at.Sub(now)
	}
	return max(0, min(wait, longestRetryAfter))
}

// judgeFailure says what it means that there was no answer.
func judgeFailure(err error) gateway.Result {
	v, code := failure(err)
	ours := slices.Contains([]string{canceled, unread, corrupt}, code)
	return gateway.Result{Outcome: v.outcome, Reason: v.reason, Counts: v.counts, Code: code, Ours: ours}
}

func failure(err error) (verdict, string) {
	var picture *pictureError
	var unanswered *mm7.NoAnswerError
	var lookup *net.DNSError
	stopped, late := errors.Is(err, context.Canceled), isTimeout(err)
	switch {
	case errors.As(err, &picture):
		if errors.Is(err, gateway.ErrMediaCorrupt) {
			return badPicture, corrupt
		}
		return linkBusy, unread
	case refusesCertificate(err):
		return badLink, badTLS
	case errors.As(err, &unanswered):
		switch {
		case unanswered.HTTPStatus != 0:
			return doubt, unreadable
		case late:
			return doubt, timedOut
		case stopped:
			return doubt, canceled
		}
		return doubt, noAnswer
	case failsTLS(err):
		return badLink, badTLS
	case errors.As(err, &lookup):
		return linkBusy, unnamed
	case errors.Is(err, syscall.ECONNREFUSED):
		return linkBusy, refused
	case late:
		return linkBusy, unreached
	case stopped:
		return linkBusy, canceled
	}
	return linkBusy, notSent
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// failsTLS tells whether a connection that carried nothing failed for its
// certificate, or because one end or the other does not speak TLS.
func failsTLS(err error) bool {
	var unverified *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var op *net.OpError
	return errors.As(err, &unverified) || errors.As(err, &record) || errors.Is(err, http.ErrSchemeMismatch) ||
		errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error") ||
		strings.Contains(err.Error(), ": tls: ") && !isTimeout(err) // most have no type
}

// certificateAlerts are those by which a server refuses a client that brought
// no certificate or the wrong one (RFC 8446, section 6.2). With TLS 1.3 they
// come when the request has been written already; no server has read it then.
var certificateAlerts = []tls.AlertError{42, 43, 44, 45, 46, 48, 49, 116}

func refusesCertificate(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error" &&
		slices.ContainsFunc(certificateAlerts, func(a tls.AlertError) bool { return a.Error() == op.Err.Error() })
}
