package gateway

import (
	"slices"
	"strconv"
	"strings"
)

// Severity of a flag: a block refuses the message, a warning goes along with it.
type Severity string

// The severities.
const (
	Block Severity = "block"
	Warn  Severity = "warn"
)

// Flag is one thing a check found. Field is a JSON Pointer (RFC 6901) into the
// submission; Message is for a person and says what to do about it.
type Flag struct {
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	Field    string   `json:"field"`
	Value    any      `json:"value,omitempty"`
	Message  string   `json:"message"`
}

// flagOrder is the order in which flags are told, whatever found them first.
var flagOrder = func() map[string]int {
	order := map[string]int{}
	for i, code := range []string{
		"field_missing", "field_invalid", "account_required",
		"account_unknown", "account_trial", "account_out_of_credit", "account_suspended",
		"account_mms_not_enabled", "account_sms_not_enabled",
		"from_invalid", "to_invalid", "from_not_messageable", "to_not_messageable",
		"from_unsupported_region", "to_unsupported_region", "from_territory", "to_territory",
		"from_not_owned", "from_not_registered", "from_kind_not_allowed", "to_opted_out",
		"duplicate_recipient", "too_many_recipients",
		"empty_message", "text_too_long", "subject_too_long",
		"too_many_images", "total_too_large",
		"media_not_found", "media_empty", "media_corrupt",
		"unsupported_media_type", "media_type_mismatch",
		"from_not_mms_capable", "to_not_mms_capable",
		"from_capability_unknown", "to_capability_unknown", "capability_lookup_failed",
		"no_route", "carrier_cap_exceeded", "send_at_invalid", "expires_in_invalid",
	} {
		order[code] = i
	}
	return order
}()

// SortFlags puts flags in the order of the contract's table, then by index of
// the field they speak of.
func SortFlags(flags []Flag) {
	slices.SortStableFunc(flags, func(a, b Flag) int {
		if d := flagOrder[a.Code] - flagOrder[b.Code]; d != 0 {
			return d
		}
		return fieldIndex(a.Field) - fieldIndex(b.Field)
	})
}

func fieldIndex(pointer string) int {
	parts := strings.Split(pointer, "/")
	n, err := strconv.Atoi(parts[min(2, len(parts)-1)])
	if err != nil {
		return -1
	}
	return n
}

// Blocked tells whether any of the flags refuses the message.
func Blocked(flags []Flag) bool {
	return slices.ContainsFunc(flags, func(f Flag) bool { return f.Severity == Block })
}

// FirstBlock is the code a refusal carries: that of its first blocking flag.
func FirstBlock(flags []Flag) string {
	for _, f := range flags {
		if f.Severity == Block {
			return f.Code
		}
	}
	return ""
}
