// Package capability answers what a number can receive and how an account
// stands. It is useful alone: a number goes in as E.164 text, a Profile comes
// out that says who claims it. It never confuses "no" with "not known" or with
// "the lookup is down": the first two are answers, the last is an error.
package capability

import "time"

// MMS is whether a number takes picture messages.
type MMS string

// The three answers. Unknown is an answer too: the source has no word on it.
const (
	Yes     MMS = "yes"
	No      MMS = "no"
	Unknown MMS = "unknown"
)

// Profile is what a source says of one number.
type Profile struct {
	Number    string    // E.164
	Network   string    // the recipient's operator; empty when not known
	Class     string    // mobile, landline, voip, toll_free…; empty when not known
	MMS       MMS       // never empty
	Source    string    // who says so, e.g. "file"
	FetchedAt time.Time // when the source was read
}

// Result is the answer for one number of a Lookup: a Profile, or why there is none.
type Result struct {
	Profile Profile
	Err     error // the source could not be asked; never "not capable"
}

// Plan is what an account pays.
type Plan string

// The plans. A trial account sends nothing.
const (
	Paid  Plan = "paid"
	Trial Plan = "trial"
)

// Standing is what an account may do now.
type Standing struct {
	Plan       Plan
	Credit     *float64 // nil: unlimited; 0 or less: out of credit
	MMSEnabled bool
	SMSEnabled bool
	Suspended  bool
}

// OutOfCredit tells whether the account has a credit and has used it up.
func (s Standing) OutOfCredit() bool { return s.Credit != nil && *s.Credit <= 0 }
