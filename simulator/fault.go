package simulator

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"mmsgw/mm7"
)

// Fault is a way to misbehave.
type Fault struct {
	Name  string
	About string // what an MMSC with it does: a sentence without subject and full stop
}

// fault is a Fault as [MMSC] carries it out; the zero value of a field is what a
// sound MMSC does.
type fault struct {
	Fault

	refuses     bool   // connections are refused at first: for a Server to do
	failures    int    // requests of each content that get failure; below 0: all
	many        bool   // and of those only the ones with several recipients
	failure     answer // to what is not accepted
	wait        time.Duration
	answer      answer              // to what is accepted; nil: success
	messageID   func(string) string // of what is accepted, made of a fresh one; nil: that itself
	allButFirst bool                // the first recipient is not served, whatever its own fault

	cancel     int  // StatusCode that every CancelReq is refused with
	cancelMute bool // a CancelReq is obeyed and not answered

	// What follows is of the recipient, where that has a fault of its own.
	silent    bool     // there is no report
	early     bool     // the first report is answered before the answer is written
	late      bool     // the report comes after Options.LateBy
	echo      bool     // the report has the TransactionID of the submission
	forged    bool     // before it comes one that tells otherwise, with a wrong password
	read      bool     // a ReadReplyReq follows, asked for or not
	statuses  []string // MMStatus of the reports, in order; nil: Retrieved
	extension string   // MMStatusExtension of the reports
	twist     twist    // what else is wrong with the reports
}

// answer writes, or does not write, the answer to a submission.
type answer func(*MMSC, http.ResponseWriter, *arrival)

// twist changes a report.
type twist func(*MMSC, *mm7.DeliveryReportReq)

const (
	retrieved = "Retrieved"
	tries     = 2 // requests of a message that the faults which pass refuse
)

// sound is how an MMSC behaves that was told nothing.
var sound = &fault{}

// faults are the ways to misbehave: those of the demo, then those of tests.
var faults = slices.Concat([]fault{
	{Fault: Fault{"refuse", "refuses connections for the first seconds"}, refuses: true},
	{Fault: Fault{"slow", "answers after three seconds"}, wait: 3 * time.Second},
	{Fault: Fault{"http-503", "answers the first two requests of a message with HTTP 503"}, failures: tries, failure: failing(503, "1")},
	{Fault: Fault{"soap-4006", "answers the first two requests of a message with the fault 4006, service unavailable"}, failures: tries, failure: (*MMSC).unavailable},
	{Fault: Fault{"report-first", "posts the report, and waits for its answer, before it answers the submission"}, early: true},
	{Fault: Fault{"duplicate-report", "posts each report three times"}, statuses: []string{retrieved, retrieved, retrieved}},
	{Fault: Fault{"drop-after-request", "accepts the message, closes the connection without an answer, then reports"}, answer: (*MMSC).hangUp},
	{Fault: Fault{"reject-2004", "answers 2004, multimedia content refused"}, failures: -1, failure: refusing(2004)},
	{Fault: Fault{"partial-1100", "answers 1100 and names the first recipient as not served; reports on the others"}, answer: (*MMSC).acceptedInPart, allButFirst: true},
	{Fault: Fault{"no-report", "accepts the message and never reports"}, silent: true},
	{Fault: Fault{"auth-401", "answers every submission with HTTP 401"}, failures: -1, failure: (*MMSC).unauthorized},
}, refusals, answers, reportings, cancelings)

// refusals are of an MMSC that does not accept the message, for a while or at all.
var refusals = []fault{
	{Fault: Fault{"lost", "reads the message, does not accept it, closes the connection without an answer"}, failures: -1, failure: (*MMSC).hangUp},
	{Fault: Fault{"reset-lost", "reads the message, does not accept it, resets the connection"}, failures: -1, failure: (*MMSC).reset},
	{Fault: Fault{"http-429", "answers the first two requests of a message with HTTP 429, Retry-After 2"}, failures: tries, failure: failing(429, "2")},
	{Fault: Fault{"http-500", "answers the first two requests of a message with HTTP 500 and no SOAP"}, failures: tries, failure: failing(500, "")},
	{Fault: Fault{"fault-3000", "answers the first two requests of a message with the fault 3000, server error"}, failures: tries, failure: faulting(mm7.Status{Code: 3000})},
	{Fault: Fault{"retry-after-hour", "answers the first two requests of a message with HTTP 503, Retry-After an hour"}, failures: tries, failure: failing(503, "3600")},
	{Fault: Fault{"retry-after-years", "answers the first two requests of a message with HTTP 503, Retry-After ten years"}, failures: tries, failure: failing(503, "315360000")},
	{Fault: Fault{"retry-after-garbage", "answers the first two requests of a message with HTTP 503 and a Retry-After that is none"}, failures: tries, failure: failing(503, "in a while, or -1e9")},
	{Fault: Fault{"status-in-200", "answers 2002, address error, in a SubmitRsp with HTTP 200"}, failures: -1, failure: refusing(2002)},
	{Fault: Fault{"address-2002", "answers with the fault 2002, address error"}, failures: -1, failure: faulting(mm7.Status{Code: 2002})},
	{Fault: Fault{"size-2004", "answers with the fault 2004, whose text speaks of the size"}, failures: -1, failure: faulting(mm7.Status{Code: 2004, Text: "Message size exceeds the limit"})},
	{Fault: Fault{"denied-4001", "answers with the fault 4001, improper identification"}, failures: -1, failure: faulting(mm7.Status{Code: 4001})},
	{Fault: Fault{"denied-4007", "answers with the fault 4007, service denied"}, failures: -1, failure: faulting(mm7.Status{Code: 4007})},
	{Fault: Fault{"service-4005", "answers with the fault 4005, service error"}, failures: -1, failure: faulting(mm7.Status{Code: 4005})},
	{Fault: Fault{"fault-transaction-id", "answers with the fault Client.TransactionID, which has no status code"}, failures: -1, failure: faulting(mm7.Status{})},
	{Fault: Fault{"forbidden-403", "answers every submission with HTTP 403"}, failures: -1, failure: failing(403, "")},
	{Fault: Fault{"redirect-307", "redirects every submission by HTTP 307 to another path, and counts who follows"}, failures: -1, failure: (*MMSC).redirect},
	{Fault: Fault{"refuse-many-3003", "answers 3003, multiple addresses not supported, to a request of several recipients"}, failures: -1, many: true, failure: refusing(3003)},
	{Fault: Fault{"refuse-many-2503", "answers 2503, of no standard, to a request of several recipients"}, failures: -1, many: true, failure: refusing(2503)},
}

// answers are of an MMSC that accepts the message and answers oddly.
var answers = []fault{
	{Fault: Fault{"no-message-id", "accepts the message without telling its MessageID"}, answer: (*MMSC).acceptedWithoutID},
	{Fault: Fault{"other-transaction", "accepts the message, answers with the TransactionID of another request"}, answer: (*MMSC).otherTransaction},
	{Fault: Fault{"partial-unnamed", "answers 1100 and names nobody; reports on all recipients but the first"}, answer: (*MMSC).acceptedInSomePart, allButFirst: true},
	{Fault: Fault{"half-answer", "accepts the message, closes the connection in the middle of the answer, then reports"}, answer: (*MMSC).acceptedByHalf},
	{Fault: Fault{"reset-after-request", "accepts the message, resets the connection without an answer, then reports"}, answer: (*MMSC).reset},
	{Fault: Fault{"never-answers", "accepts the message, does not answer until the gateway goes, then reports"}, answer: (*MMSC).mute},
	{Fault: Fault{"stall-headers", "accepts the message, stops in the header of the answer until the gateway goes, then reports"}, answer: (*MMSC).stall},
	{Fault: Fault{"stale-keepalive", "answers, and closes the connection that it let seem kept alive"}, answer: (*MMSC).stale},
	{Fault: Fault{"stale-reset", "answers, and resets the kept-alive connection when the next request begins to arrive on it"}, answer: (*MMSC).staleLater},
	{Fault: Fault{"garbage", "accepts the message, answers with a page of HTML, then reports"}, answer: (*MMSC).page},
	{Fault: Fault{"binary-answer", "accepts the message, answers with bytes that are no XML, then reports"}, answer: (*MMSC).binary},
	{Fault: Fault{"gzip-bomb", "accepts the message, answers with 128 MiB of blanks in 130 KiB of gzip, then reports"}, answer: (*MMSC).explode},
	{Fault: Fault{"endless-answer", "accepts the message, answers without end, 64 MiB at most, then reports"}, answer: (*MMSC).goOn},
	{Fault: Fault{"doctype-answer", "accepts the message, answers with a DOCTYPE and entities, then reports"}, answer: (*MMSC).declared},
	{Fault: Fault{"deep-answer", "accepts the message, answers with elements nested 5000 deep, then reports"}, answer: (*MMSC).deep},
	{Fault: Fault{"two-roots-answer", "accepts the message, answers with two documents in one, then reports"}, answer: (*MMSC).twice},
	{Fault: Fault{"wrong-namespace", "accepts the message, answers soundly in a namespace of its own, then reports"}, answer: (*MMSC).foreign},
}

// reportings are of an MMSC whose reports are odd, or tell what nobody hoped for.
var reportings = []fault{
	{Fault: Fault{"report-echo-transaction", "accepts the message without telling its MessageID, and reports with the TransactionID of the submission"}, answer: (*MMSC).acceptedWithoutID, echo: true},
	{Fault: Fault{"forwarded-then-retrieved", "reports Forwarded, then Retrieved"}, statuses: []string{"Forwarded", retrieved}},
	{Fault: Fault{"deferred-then-retrieved", "reports Deferred, then Retrieved"}, statuses: []string{"Deferred", retrieved}},
	{Fault: Fault{"expired-then-retrieved", "reports Expired, then Retrieved"}, statuses: []string{"Expired", retrieved}},
	{Fault: Fault{"out-of-order", "reports Retrieved, then Forwarded"}, statuses: []string{retrieved, "Forwarded"}},
	{Fault: Fault{"expired", "reports Expired"}, statuses: []string{"Expired"}},
	{Fault: Fault{"rejected", "reports Rejected, by the recipient"}, statuses: []string{"Rejected"}, extension: "RejectionByMMSRecipient"},
	{Fault: Fault{"filtered", "reports Rejected, by another MMSC"}, statuses: []string{"Rejected"}, extension: "RejectionByOtherRS"},
	{Fault: Fault{"indeterminate", "reports Indeterminate"}, statuses: []string{"Indeterminate"}},
	{Fault: Fault{"unrecognised", "reports Unrecognised"}, statuses: []string{"Unrecognised"}},
	{Fault: Fault{"unreachable", "reports Unreachable, a status of no standard"}, statuses: []string{"Unreachable"}},
	{Fault: Fault{"read", "reports Retrieved, where asked for, then that it was read, asked for or not"}, read: true},
	{Fault: Fault{"late-report", "reports late, by ten seconds unless told otherwise"}, late: true},
	{Fault: Fault{"forged-report", "reports Rejected with a wrong password, then Retrieved with the right one"}, forged: true},
	{Fault: Fault{"report-unknown-id", "reports with a MessageID that it never told"}, twist: unknownID},
	{Fault: Fault{"id-upper-case", "tells a MessageID in small letters, reports with it in capitals"}, messageID: strings.ToLower, twist: upperID},
	{Fault: Fault{"id-leading-zero", "tells a MessageID of digits that begins with 0, reports with it without the 0"}, messageID: zeroID, twist: shorterID},
	{Fault: Fault{"number-plmn", "reports with numbers that end in /TYPE=PLMN"}, twist: rewriteNumbers(func(n string) mm7.Address { return mm7.Address{Value: n + "/TYPE=PLMN"} })},
	{Fault: Fault{"number-bare", "reports with numbers without +"}, twist: rewriteNumbers(func(n string) mm7.Address { return mm7.Address{Value: strings.TrimPrefix(n, "+")} })},
	{Fault: Fault{"number-mail", "reports with numbers as mail addresses, +1…/TYPE=PLMN@mms.example"}, twist: rewriteNumbers(mailAddress)},
	{Fault: Fault{"swapped", "reports with sender and recipient exchanged"}, twist: swap},
}

// cancelings are of an MMSC that does not do as a CancelReq asks, or does not say so.
var cancelings = []fault{
	{Fault: Fault{"no-cancel", "answers every CancelReq with the fault 4003, unsupported operation"}, cancel: 4003},
	{Fault: Fault{"cancel-lost", "cancels as asked, closes the connection without an answer"}, cancelMute: true},
}

// Faults are the ways an MMSC can be told to misbehave, those of the demo first.
func Faults() []Fault {
	var all []Fault
	for _, f := range faults {
		all = append(all, f.Fault)
	}
	return all
}

func faultNamed(name string) (*fault, error) {
	if name == "" {
		return sound, nil
	}
	i := slices.IndexFunc(faults, func(f fault) bool { return f.Name == name })
	if i < 0 {
		var names []string
		for _, f := range faults {
			names = append(names, f.Name)
		}
		return nil, fmt.Errorf("there is no fault %q; there are %s", name, strings.Join(names, ", "))
	}
	return &faults[i], nil
}

// fails tells whether a submission is not to be accepted.
func (f *fault) fails(s *Submission) bool {
	return f.failure != nil && (f.failures < 0 || s.Copy <= f.failures) && (!f.many || len(s.To) > 1)
}

// cancels tells whether the fault is about CancelReqs.
func (f *fault) cancels() bool { return f.cancel != 0 || f.cancelMute }
