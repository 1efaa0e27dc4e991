package gateway

// Reason is why a delivery stands where it stands: a closed table, each with
// words for a person and what happens next. Every blocking flag's code is a
// reason too.
type Reason string

// The reasons this release gives.
const (
	WaitingTurn          Reason = "waiting_turn"
	BackingOff           Reason = "backing_off"
	LaneStopped          Reason = "lane_stopped"
	SenderPaused         Reason = "sender_paused"
	AwaitingReport       Reason = "awaiting_report"
	AmbiguousOutcome     Reason = "ambiguous_outcome"
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
	AcceptedByCarrier    Reason = "accepted_by_carrier"
	Retrieved            Reason = "retrieved"
)

var reasonText = map[Reason]string{
	WaitingTurn:          "It waits for its turn with the carrier and leaves as soon as the agreed rate allows.",
	BackingOff:           "The last try did not succeed; it is tried again at the time given.",
	LaneStopped:          "The carrier refuses our login or can't be trusted, so nothing is sent to it. The gateway tries one message every few minutes; an operator should look at the carrier's settings.",
	SenderPaused:         "The carrier refused it for its sending number. It waits alone and is tried again every few minutes; other messages from the number are tried on their own. An operator should ask the carrier.",
	AwaitingReport:       "The carrier took the message; its report of what became of it is awaited.",
	AmbiguousOutcome:     "The request left, but no answer came: the carrier may or may not have the message. A report or the end of its validity settles it.",
	MediaCorruptStored:   "A stored picture is damaged, so the message is not sent. An operator has to look at it.",
	ExpiredBeforeSend:    "It was not sent before its validity ended and was dropped.",
	ExpiredAtCarrier:     "The carrier could not hand it over before its validity ended.",
	RetriesExhausted:     "It was tried as often as configured, and the carrier did not take it.",
	RefusedContent:       "The carrier refused the content. Send something else.",
	RefusedSize:          "The carrier refused the message as too large. Send smaller or fewer pictures.",
	RefusedAddress:       "The carrier does not know the recipient or can't reach it.",
	RefusedSender:        "The carrier does not let this number send.",
	RefusedRequest:       "The carrier could not take our request. An operator should look at it; nothing in the message has to change.",
	CarrierFiltered:      "The carrier's filter stopped the message.",
	HandsetUnsupported:   "The phone can't show picture messages.",
	RecipientRejected:    "The recipient or the network rejected the message.",
	ForwardedUnconfirmed: "The carrier passed it to another network; whether it arrived has not been told.",
	NoReport:             "No report came in time: whether it arrived is not known.",
	Indeterminate:        "The carrier can't tell what became of it.",
	AcceptedByCarrier:    "The carrier took it; no report was asked for.",
	Retrieved:            "The phone fetched the message.",
}

// Text is the reason in words for a person.
func (r Reason) Text() string { return reasonText[r] }

// Why says in words what the delivery waits for or came to. One reason means
// two things: a report is awaited of what was taken, and of what may have been.
func (d *Delivery) Why() string {
	if d.Reason == AwaitingReport && d.State == Uncertain {
		return "The request left, but no answer came: the carrier may or may not have the message. Its report is awaited."
	}
	return d.Reason.Text()
}
