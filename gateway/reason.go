package gateway

import "strings"

// Reason is why a delivery stands where it stands: a closed table, each with
// words for a person and what happens next. Every blocking flag's code is a
// reason too.
type Reason string

// The reasons this release gives.
const (
	WaitingTurn          Reason = "waiting_turn"
	BackingOff           Reason = "backing_off"
	WaitsForTime         Reason = "scheduled"
	CarrierPaused        Reason = "carrier_paused"
	BreakerOpen          Reason = "breaker_open"
	LaneStopped          Reason = "lane_stopped"
	SenderPaused         Reason = "sender_paused"
	DailyCap             Reason = "daily_cap"
	AwaitingReport       Reason = "awaiting_report"
	AmbiguousOutcome     Reason = "ambiguous_outcome"
	OperatorHold         Reason = "operator_hold"
	StandingChanged      Reason = "standing_changed"
	MediaCorruptStored   Reason = "media_corrupt_stored"
	ExpiredBeforeSend    Reason = "expired_before_send"
	ExpiredAtCarrier     Reason = "expired_at_carrier"
	RetriesExhausted     Reason = "retries_exhausted"
	RefusedContent       Reason = "carrier_refused_content"
	RefusedSize          Reason = "carrier_refused_size"
	RefusedAddress       Reason = "carrier_refused_address"
	RefusedSender        Reason = "carrier_refused_sender"
	RefusedRequest       Reason = "carrier_refused_request"
	CarrierFiltered      Reason = "carrier_filtered"
	HandsetUnsupported   Reason = "handset_unsupported"
	RecipientRejected    Reason = "recipient_rejected"
	ForwardedUnconfirmed Reason = "forwarded_unconfirmed"
	NoReport             Reason = "no_report"
	Indeterminate        Reason = "indeterminate"
	CanceledByCaller     Reason = "canceled_by_caller"
	OptedOut             Reason = "to_opted_out"
	AcceptedByCarrier    Reason = "accepted_by_carrier"
	Retrieved            Reason = "retrieved"
)

// words are what is told of a reason: why, and what happens next.
type words struct{ why, next string }

var reasonText = map[Reason]words{
	WaitingTurn:          {"It waits for its turn with the carrier.", "It leaves as soon as the agreed rate allows."},
	BackingOff:           {"The last try did not succeed.", "It is tried again after a wait."},
	WaitsForTime:         {"It was submitted to be sent at a later time.", "It is sent when that time comes."},
	CarrierPaused:        {"An operator paused sending to this carrier.", "It goes on when an operator resumes the carrier (mmsgw carriers resume)."},
	BreakerOpen:          {"The carrier does not answer, or has no room for messages, so nothing is sent to it.", "The gateway tries one message from time to time and goes on by itself when the carrier takes it."},
	LaneStopped:          {"The carrier refuses our login or can't be trusted, so nothing is sent to it.", "The gateway tries one message every few minutes; an operator should look at the carrier's settings."},
	SenderPaused:         {"The carrier refuses messages from this sending number.", "The gateway tries one of them every few minutes; other senders go on. An operator should ask the carrier about the number."},
	DailyCap:             {"The carrier's limit for the day is used up.", "It goes on after the carrier's midnight."},
	AwaitingReport:       {"The carrier took the message.", "Its report of what became of it is awaited."},
	AmbiguousOutcome:     {"The request left, but no answer came: the carrier may or may not have the message.", "A report settles it, or an operator by retrying it; else the end of its validity makes it unknown."},
	OperatorHold:         {"An operator holds it back.", "It goes on when an operator releases it (mmsgw release)."},
	StandingChanged:      {"When its time came, the account or its number was not allowed to send any more.", "The gateway asks again every few minutes, and sends it when that is put right."},
	MediaCorruptStored:   {"A stored picture is damaged, so the message is not sent.", "An operator has to look at the storage."},
	ExpiredBeforeSend:    {"It was not sent before its validity ended and was dropped.", "Nothing more. It can be sent anew with retry."},
	ExpiredAtCarrier:     {"The carrier could not hand it over before its validity ended.", "Nothing more."},
	RetriesExhausted:     {"It was tried as often as configured, and the carrier did not take it.", "Nothing more. It can be tried anew with retry."},
	RefusedContent:       {"The carrier refused the content.", "Nothing more. Send something else."},
	RefusedSize:          {"The carrier refused the message as too large.", "Nothing more. Send smaller or fewer pictures."},
	RefusedAddress:       {"The carrier does not know the recipient or can't reach it.", "Nothing more. Check the number."},
	RefusedSender:        {"The carrier does not let this number send.", "Nothing more. Ask the carrier about the number, or send from another."},
	RefusedRequest:       {"The carrier could not take our request.", "Nothing more. An operator should look at it; nothing in the message has to change."},
	CarrierFiltered:      {"The carrier's filter stopped the message.", "Nothing more. Change the wording; the same text would be stopped again."},
	HandsetUnsupported:   {"The phone can't show picture messages.", "Nothing more. Send text only."},
	RecipientRejected:    {"The recipient or the network rejected the message.", "Nothing more."},
	ForwardedUnconfirmed: {"The carrier passed it to another network; whether it arrived has not been told.", "A later report may tell."},
	NoReport:             {"No report came in time: whether it arrived is not known.", "A late report still counts."},
	Indeterminate:        {"The carrier can't tell what became of it.", "A later report that it arrived would still count."},
	CanceledByCaller:     {"It was canceled before it was handed over.", "Nothing more."},
	OptedOut:             {"The recipient has asked not to get messages from this account.", "Nothing more. They have to opt in again themselves."},
	AcceptedByCarrier:    {"The carrier took it; no report was asked for.", "Nothing more."},
	Retrieved:            {"The phone fetched the message.", "Nothing more."},
}

// Text is the reason in words for a person: why, and what happens next.
func (r Reason) Text() string {
	w := reasonText[r]
	if strings.HasPrefix(w.next, "Nothing more.") {
		w.next = strings.TrimSpace(strings.TrimPrefix(w.next, "Nothing more."))
	}
	return strings.TrimSpace(w.why + " " + w.next)
}

// Why says in words what the delivery waits for or came to. Some reasons mean
// different things in different states: a report is awaited of what was taken,
// and of what may have been.
func (d *Delivery) Why() string {
	switch {
	case d.Reason == AwaitingReport && d.State == Uncertain:
		return "The request left, but no answer came: the carrier may or may not have the message. Its report is awaited."
	case d.Reason == BackingOff && d.State == Uncertain:
		return "The request left, but no answer came: the carrier may or may not have the message. It is sent again after a wait, unless a report comes first."
	case d.Reason == ForwardedUnconfirmed && d.State == Undecided:
		return "The carrier passed it to another network, and no report came in time: whether it arrived is not known."
	case d.Reason == RefusedAddress && d.State == Undelivered:
		return "The carrier could not reach the recipient."
	}
	return d.Reason.Text()
}
