package gateway

import (
	"maps"
	"slices"
	"strings"
)

// Explanation says of a code what a person wants to know who met it.
type Explanation struct {
	Code  string `json:"code"`
	Kind  string `json:"kind"`  // reason, flag or error: where it is met
	Means string `json:"means"` // what is the case
	Next  string `json:"next"`  // what happens next, or what to do
	Who   string `json:"who"`   // who has to act
}

// The kinds of code: why a delivery stands where it stands, what a check found,
// why a request was not carried out.
const (
	OfReason = "reason"
	OfFlag   = "flag"
	OfError  = "error"
)

// Who has to act.
const (
	nobody   = "Nobody."
	service  = "The service that sends."
	owner    = "The owner of the account, or its support."
	operator = "An operator of the gateway."
	none     = "Nobody any more; whether to send it anew is the service's to say."
)

// Explain explains a code. A code that is both a reason and a flag is explained
// as the reason: that is where it has consequences.
func Explain(code string) (Explanation, bool) {
	if w, ok := reasonText[Reason(code)]; ok {
		return Explanation{code, OfReason, w.why, w.next, reasonActor(Reason(code))}, true
	}
	for _, t := range []struct {
		kind string
		told map[string]told
	}{{OfReason, reasonsToCome}, {OfFlag, flagText}, {OfError, errorText}} {
		if w, ok := t.told[code]; ok {
			return Explanation{code, t.kind, w.means, w.next, w.who}, true
		}
	}
	return Explanation{}, false
}

// Codes are all codes there are: reasons, flags, errors, each in their order.
func Codes() []string {
	reasons := slices.Collect(maps.Keys(reasonsToCome))
	for r := range reasonText {
		reasons = append(reasons, string(r))
	}
	slices.Sort(reasons)
	var flags []string
	for code := range flagText {
		if !slices.Contains(reasons, code) {
			flags = append(flags, code)
		}
	}
	slices.SortFunc(flags, func(a, b string) int {
		if d := place(a) - place(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return slices.Concat(reasons, flags, slices.Sorted(maps.Keys(errorText)))
}

// place is where a flag is told; those that no check gives yet come last.
func place(code string) int {
	if i, ok := flagOrder[code]; ok {
		return i
	}
	return len(flagOrder)
}

// told is what there is to say of a code.
type told struct{ means, next, who string }

// reasonActor is who has to act on a reason.
func reasonActor(r Reason) string {
	switch r {
	case WaitingTurn, BackingOff, WaitsForTime, BreakerOpen, DailyCap, AwaitingReport, ForwardedUnconfirmed, AcceptedByCarrier, Retrieved, CanceledByCaller, OptedOut:
		return nobody
	case CarrierPaused, LaneStopped, SenderPaused, AmbiguousOutcome, OperatorHold, MediaCorruptStored, RetriesExhausted, RefusedSender, RefusedRequest:
		return operator
	case StandingChanged:
		return owner
	case RefusedContent, RefusedSize, RefusedAddress, CarrierFiltered, HandsetUnsupported:
		return service
	}
	return none
}

// reasonsToCome are reasons of the contract that no part of this release gives.
var reasonsToCome = map[string]told{
	"fitting": {"Its pictures are being made to fit what the carrier takes.", "It is sent when they fit.", nobody},
}

// flagText says of each flag what it means and what to do.
var flagText = map[string]told{
	"field_missing":    {"A field that must be there is not.", "Add the field that the flag names.", service},
	"field_invalid":    {"A field is of the wrong kind, out of range, or holds what it may not.", "Correct the field that the flag names.", service},
	"account_required": {"The caller may use several accounts and named none.", "Say which: account.", service},

	"account_unknown":         {"No account of the configuration has this id.", "Use one that is there, or have it added.", service},
	"account_trial":           {"Messages are turned off during the trial.", "They go when the account has a paid plan.", owner},
	"account_out_of_credit":   {"The account's credit has run out.", "They go when there is credit again.", owner},
	"account_suspended":       {"Sending is paused for the account.", "They go when support lifts that.", owner},
	"account_mms_not_enabled": {"Picture messages are turned on by request, and for this account they are not.", "Ask support to enable them.", owner},
	"account_sms_not_enabled": {"Text messages are turned on by request, and for this account they are not.", "Ask support to enable them.", owner},

	"from_invalid":            {"The sender is not a telephone number that can exist.", "Write one of the account's numbers: + and digits.", service},
	"to_invalid":              {"The recipient is not a telephone number that can exist.", "Check the number: +1 and ten digits.", service},
	"from_not_messageable":    {"The sender is a service number or a short code, which sends no messages.", "Send from one of the account's ordinary numbers.", service},
	"to_not_messageable":      {"The recipient is a service number (900, N11, 500-series) or a short code, which takes no messages.", "Choose another recipient.", service},
	"from_unsupported_region": {"The sender belongs neither to the United States nor to Canada.", "Send from a number that does.", service},
	"to_unsupported_region":   {"The recipient is neither in the United States nor in Canada; some +1 countries are neither.", "It can't be reached by this gateway.", service},
	"from_territory":          {"The sender is a number of a territory of the United States.", "Whether its pictures arrive depends on the carrier; the capability lookup decides.", nobody},
	"to_territory":            {"The recipient is in a territory of the United States.", "Whether pictures arrive there depends on the carrier; the capability lookup decides.", nobody},
	"from_not_owned":          {"The account has no such number.", "Send from one of its own.", service},
	"from_not_registered":     {"The number is not registered with the carriers for business messages.", "Have it registered, or send from another.", owner},
	"from_kind_not_allowed":   {"Picture messages from toll-free numbers are not known to arrive in Canada.", "Send from a local number.", service},
	"to_opted_out":            {"The recipient has asked not to get messages from this account.", "They have to opt in again themselves.", nobody},
	"duplicate_recipient":     {"The same number is named twice.", "Name each recipient once.", service},
	"too_many_recipients":     {"There are more than 1,000 recipients.", "Split the message.", service},

	"empty_message":               {"There is neither text nor a picture.", "Add one.", service},
	"text_too_long":               {"The text has more than 1,600 characters.", "Shorten it.", service},
	"subject_too_long":            {"The subject has more than 80 characters.", "Shorten it.", service},
	"too_many_images":             {"There are more than 10 pictures, or than the account may send.", "Remove some.", service},
	"total_too_large":             {"The pictures are over 5 MiB together.", "Remove some, or make them smaller.", service},
	"media_not_found":             {"The account has no picture with this id.", "Upload it again.", service},
	"media_empty":                 {"The picture has no bytes.", "Upload the right file.", service},
	"media_corrupt":               {"The picture is damaged or cut short.", "Save it again, or choose another.", service},
	"media_too_many_pixels":       {"The picture has more pixels than a phone, or we, should unpack.", "Make it smaller.", service},
	"unsupported_media_type":      {"The bytes are no GIF, PNG or JPEG, whatever the name or type says.", "Convert the picture.", service},
	"media_type_mismatch":         {"The picture is another type than declared.", "It is sent as what it is.", nobody},
	"media_trailing_data_removed": {"Something stood behind the end of the picture.", "It is cut off; the picture goes.", nobody},
	"from_not_mms_capable":        {"The sending number can't do picture messages.", "Send from another number, or text only.", service},
	"to_not_mms_capable":          {"The recipient's phone or network can't take picture messages.", "Send text only.", service},
	"from_capability_unknown":     {"Nobody could say whether the sending number does picture messages.", "Where the configuration blocks these, send from another number.", service},
	"to_capability_unknown":       {"Nobody could say whether the recipient takes picture messages.", "Where the configuration blocks these, send text only.", service},
	"capability_lookup_failed":    {"Who knows what a number can take could not be asked in time.", "Try again; nothing is known against the number.", service},
	"no_route":                    {"No configured carrier takes a message of this kind between these two numbers.", "Change the message's channel or numbers, or have a route added.", operator},
	"will_be_resized":             {"The pictures are over what the carrier takes.", "They are made smaller before they are sent.", nobody},
	"carrier_cap_exceeded":        {"The whole message, as the carrier would get it, is larger than it takes.", "Remove or shrink the part that the flag names.", service},
	"image_limit_reached":         {"The message holds as many pictures as it may.", "One more would be refused.", nobody},
	"near_size_limit":             {"The pictures are over 90% of what a message may hold.", "Much more would be refused.", nobody},
	"will_send_as_sms":            {"This recipient takes no picture messages and gets the text alone.", "Pictures are left out for it.", nobody},
	"send_at_invalid":             {"The time to send is over, more than 30 days ahead, or can't be read.", "Write a later time as RFC 3339 has it, such as 2026-12-01T15:00:00Z.", service},
	"expires_in_invalid":          {"The validity is not between a minute and seven days, or can't be read.", "Write it as 90m, 24h or 7d.", service},
	"daily_cap_forecast":          {"The batch goes over what a carrier takes in a day.", "The rest leaves on the days after.", nobody},
}

// errorText says of each code of a refused request that is no flag what it
// means and what to do.
var errorText = map[string]told{
	"malformed_json":           {"The body is not JSON as it must be.", "Correct it at the place told.", service},
	"malformed_multipart":      {"The form can't be read.", "Correct the part told.", service},
	"unknown_field":            {"The body or the query has a field that does not exist.", "Correct its name or leave it out.", service},
	"bad_cursor":               {"The cursor is none of ours.", "Use a next_cursor or an event's id as it was given.", service},
	"not_authorized":           {"Nothing says who asks.", "Use the Unix socket, or the credentials of another listener.", service},
	"forbidden":                {"The caller may not do this.", "Use an account of the caller's, or have the user added in the configuration.", operator},
	"not_found":                {"There is no such thing, or it is another account's.", "Check the path and the id.", service},
	"method_not_allowed":       {"The path does not take this method.", "Use one that the header Allow names.", service},
	"request_timeout":          {"The body did not arrive in time; nothing was accepted.", "Send it again.", service},
	"idempotency_conflict":     {"The idempotency key was used for another message.", "Use a new key for a new message.", service},
	"idempotency_in_progress":  {"A submission with this key is still in progress.", "Repeat it with the same key.", service},
	"draft_already_sent":       {"The draft was sent already.", "Look at the message whose id the answer gives.", nobody},
	"not_cancelable":           {"Nothing of the message can be canceled: it is with a carrier that takes no cancel requests, may be with one, or has ended.", "Let it go on.", nobody},
	"not_retryable":            {"Nothing of the message can be retried: that takes failed, expired before it left, uncertain or held, a recipient who has not opted out, and an account that may send.", "Put that right, or let it go on.", service},
	"not_holdable":             {"Nothing of the message waits here, so that it could be held.", "Let it go on, or cancel it.", operator},
	"not_held":                 {"Nothing of the message is held by an operator.", "There is nothing to release.", operator},
	"already_linked":           {"The report belongs to a delivery already.", "Nothing has to be done.", nobody},
	"cursor_expired":           {"Events that old are not kept any more.", "Go on from the oldest, whose cursor the answer gives.", service},
	"version_conflict":         {"The draft was changed since it was read.", "Read it again, then change it.", service},
	"body_too_large":           {"The body is larger than taken; nothing was accepted.", "Send less, or pictures one by one.", service},
	"unsupported_content_type": {"The body is of a kind that this path does not take.", "Send it as the answer says.", service},
	"configuration_refused":    {"The configuration has faults; the one that was loaded stays.", "Correct the faults told, then reload.", operator},
	"queue_full":               {"Too much waits already; nothing was accepted.", "Try again after Retry-After.", service},
	"rate_limited":             {"Too much is asked at once; nothing was accepted.", "Try again after Retry-After.", service},
	"draining":                 {"The gateway is stopping; nothing was accepted.", "Try again in a moment, or on another node.", service},
	"storage_unavailable":      {"The storage did not answer. Whether something was accepted is not known.", "Repeat it with the same idempotency key, which can never make two.", operator},
	"storage_full":             {"The storage is full; nothing was accepted.", "Room has to be made.", operator},
}
