package simulator

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
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

	refuses  bool   // connections are refused at first: for a Server to do
	failures int    // requests of each content that get failure; below 0: all
	failure  answer // to what is not accepted
	wait     time.Duration
	answer   answer // to what is accepted; nil: success

	silent    bool     // there is no report
	early     bool     // the first report is answered before the answer is written
	late      bool     // the report comes after Options.LateBy
	echo      bool     // the report has the TransactionID of the submission
	statuses  []string // MMStatus of the reports, in order; nil: Retrieved
	extension string   // MMStatusExtension of the reports
}

// answer writes, or does not write, the answer to a submission.
type answer func(*MMSC, http.ResponseWriter, *Submission)

const (
	retrieved = "Retrieved"
	tries     = 2 // requests of a message that the faults which pass refuse
)

// sound is how an MMSC behaves that was told nothing.
var sound = &fault{}

// faults are the ways to misbehave: those of the demo, then those of tests.
var faults = []fault{
	{Fault: Fault{"refuse", "refuses connections for the first seconds"}, refuses: true},
	{Fault: Fault{"slow", "answers after three seconds"}, wait: 3 * time.Second},
	{Fault: Fault{"http-503", "answers the first two requests of a message with HTTP 503"}, failures: tries, failure: (*MMSC).overloaded},
	{Fault: Fault{"soap-4006", "answers the first two requests of a message with the fault 4006, service unavailable"}, failures: tries, failure: (*MMSC).unavailable},
	{Fault: Fault{"report-first", "posts the report, and waits for its answer, before it answers the submission"}, early: true},
	{Fault: Fault{"duplicate-report", "posts each report three times"}, statuses: []string{retrieved, retrieved, retrieved}},
	{Fault: Fault{"drop-after-request", "accepts the message, closes the connection without an answer, then reports"}, answer: (*MMSC).hangUp},
	{Fault: Fault{"reject-2004", "answers 2004, multimedia content refused"}, failures: -1, failure: (*MMSC).contentRefused},
	{Fault: Fault{"no-report", "accepts the message and never reports"}, silent: true},
	{Fault: Fault{"auth-401", "answers every submission with HTTP 401"}, failures: -1, failure: (*MMSC).unauthorized},

	{Fault: Fault{"no-message-id", "accepts the message without telling its MessageID"}, answer: (*MMSC).acceptedWithoutID},
	{Fault: Fault{"report-echo-transaction", "accepts the message without telling its MessageID, and reports with the TransactionID of the submission"}, answer: (*MMSC).acceptedWithoutID, echo: true},
	{Fault: Fault{"lost", "reads the message, does not accept it, closes the connection without an answer"}, failures: -1, failure: (*MMSC).hangUp},
	{Fault: Fault{"half-answer", "accepts the message, closes the connection in the middle of the answer, then reports"}, answer: (*MMSC).acceptedByHalf},
	{Fault: Fault{"garbage", "accepts the message, answers with a page of HTML, then reports"}, answer: (*MMSC).page},
	{Fault: Fault{"forwarded-then-retrieved", "reports Forwarded, then Retrieved"}, statuses: []string{"Forwarded", retrieved}},
	{Fault: Fault{"deferred-then-retrieved", "reports Deferred, then Retrieved"}, statuses: []string{"Deferred", retrieved}},
	{Fault: Fault{"out-of-order", "reports Retrieved, then Forwarded"}, statuses: []string{retrieved, "Forwarded"}},
	{Fault: Fault{"expired", "reports Expired"}, statuses: []string{"Expired"}},
	{Fault: Fault{"rejected", "reports Rejected, by the recipient"}, statuses: []string{"Rejected"}, extension: "RejectionByMMSRecipient"},
	{Fault: Fault{"indeterminate", "reports Indeterminate"}, statuses: []string{"Indeterminate"}},
	{Fault: Fault{"unrecognised", "reports Unrecognised"}, statuses: []string{"Unrecognised"}},
	{Fault: Fault{"late-report", "reports late, by ten seconds unless told otherwise"}, late: true},
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
