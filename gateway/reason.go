package gateway

import (
	"strings"
	"time"
)

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
	WaitingTurn:          {"It waits for its turn.", "It leaves as soon as the carrier's limits allow."},
	BackingOff:           {"The last try did not succeed.", "The gateway tries again by itself, after a longer pause each time."},
	WaitsForTime:         {"It was submitted to be sent later.", "It is sent when that time comes."},
	CarrierPaused:        {"An operator paused sending to this carrier.", "It goes on when an operator resumes the carrier (mmsgw carriers resume)."},
	BreakerOpen:          {"The carrier does not answer or has no room, so what is for it waits here.", "The gateway tries one message from time to time, and all go on by themselves once the carrier takes it."},
	LaneStopped:          {"The carrier takes nothing from us: it refuses our login or our numbers, or its certificate or address is wrong.", "An operator has to put that right. The gateway tries one message every few minutes, and all go on by themselves once the carrier takes it."},
	SenderPaused:         {"The carrier refuses messages from this sending number.", "An operator has to ask the carrier about the number. The gateway tries one message of it every few minutes; other senders go on."},
	DailyCap:             {"The carrier's limit for the day is used up.", "It goes on after the carrier's midnight."},
	AwaitingReport:       {"The carrier has not yet reported what became of it.", "If no report comes in time, it ends as unknown; where the request got no answer either, it is held or sent again."},
	AmbiguousOutcome:     {"A request got no answer: the carrier may or may not have the message.", "The gateway does not send it again by itself. A report from the carrier settles it; retry sends it again, and it may then arrive twice. If neither comes while it is valid, it ends as unknown."},
	OperatorHold:         {"An operator holds it back.", "It goes on when an operator releases it (mmsgw release)."},
	StandingChanged:      {"The account, or this sending number, is not allowed to send any more.", "The gateway looks again every few minutes, and sends it once the configuration allows it again."},
	MediaCorruptStored:   {"A stored picture is damaged, so the message was not sent.", "Nothing more. An operator has to look at the storage; the log names the place."},
	ExpiredBeforeSend:    {"It was not sent while it was valid, and was dropped.", "Nothing more. It can be sent anew with retry."},
	ExpiredAtCarrier:     {"The carrier could not hand it over while it was valid.", "Nothing more."},
	RetriesExhausted:     {"It was tried as often as configured, and the carrier did not take it.", "Nothing more. It can be tried anew with retry."},
	RefusedContent:       {"The carrier refused the content.", "Nothing more. Send something else."},
	RefusedSize:          {"The carrier refused the message as too large.", "Nothing more. Send smaller or fewer pictures."},
	RefusedAddress:       {"The carrier does not know the recipient or can't reach it.", "Nothing more. Check the number."},
	RefusedSender:        {"The carrier does not let this number send.", "Nothing more. Ask the carrier about the number, or send from another."},
	RefusedRequest:       {"The carrier refused our request for its form.", "Nothing more. An operator has to compare the carrier's settings with what it wants; the message itself need not change."},
	CarrierFiltered:      {"A filter on the way to the phone stopped the message.", "Nothing more. Change the wording; the same text would be stopped again."},
	HandsetUnsupported:   {"The phone can't show picture messages.", "Nothing more. Send text only."},
	RecipientRejected:    {"The recipient, or the recipient's network, rejected the message.", "Nothing more."},
	ForwardedUnconfirmed: {"The carrier passed it on to another network, and whether it arrived has not been told.", "If no report comes in time, it ends as unknown."},
	NoReport:             {"No report came in time: whether it arrived is not known.", "Nothing more. A later report that it arrived still counts."},
	Indeterminate:        {"The carrier can't tell whether it arrived.", "Nothing more. A later report that it arrived still counts."},
	CanceledByCaller:     {"It was canceled before it was handed over.", "Nothing more."},
	OptedOut:             {"The recipient has asked not to get messages from this account, so none is sent.", "Nothing more. They have to opt in again themselves."},
	AcceptedByCarrier:    {"The carrier took it. No report was asked for, so whether it arrives is not told.", "Nothing more."},
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
// different things in different states, and where a wait has an end that is no
// next try it is told here.
func (d *Delivery) Why() string {
	switch {
	case d.Reason == AwaitingReport && d.State == Uncertain:
		after := "; without one it is then held or sent again, as configured."
		if !d.Due.Before(d.ValidUntil) {
			after = "; without one it ends as unknown."
		}
		return doubtful + " Its report is awaited" + until(d.Due) + after
	case d.Reason == BackingOff && d.State == Uncertain:
		return doubtful + " If no report comes before, it is sent again."
	case d.Reason == AwaitingReport, d.Reason == ForwardedUnconfirmed && d.State == Sent:
		if by := until(d.Due); by != "" {
			return reasonText[d.Reason].why + " Its report is awaited" + by + "; without one it ends as unknown."
		}
	case d.Reason == ForwardedUnconfirmed:
		return "The carrier passed it on to another network, and no report came in time: whether it arrived is not known. A later report that it arrived still counts."
	case d.Reason == NoReport && d.Doubt && d.SentAt.IsZero():
		return "A request got no answer, and no report came while it was valid: whether it arrived is not known. A later report that it arrived still counts."
	case d.Reason == RefusedAddress && d.State == Undelivered:
		return "The carrier could not reach the recipient. Check the number."
	}
	return d.Reason.Text()
}

const doubtful = "A request got no answer: the carrier may or may not have the message."

// until names the end of a wait, where there is one.
func until(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return " until " + at.UTC().Format("2006-01-02 15:04:05 MST")
}
