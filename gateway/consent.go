package gateway

import (
	"context"
	"time"
)

// OptOut is one person's word that an account must not write to them: from one
// of its numbers, or from any.
type OptOut struct {
	Account string
	Number  Number
	From    Number // empty: all the account's numbers
	At      time.Time
	Who     string // who recorded it, in words
	Note    string // and why; of lifting one, for the record
}

// Consent keeps what people said. It is read in the transaction that stores
// each attempt, so that nobody is dialled for who had opted out before.
type Consent interface {
	// OptOut records one and tells whether it is news.
	OptOut(ctx context.Context, o OptOut) (bool, error)
	// OptIn lifts one, and tells whether there was one.
	OptIn(ctx context.Context, o OptOut) (bool, error)
	// OptedOut tells for each number whether it opted out of this sender.
	OptedOut(ctx context.Context, account string, from Number, numbers []Number) ([]bool, error)
}

// Refuse is where a delivery goes whose recipient opted out before it left. What
// may have left already is only not sent again.
func (d *Delivery) Refuse() Next {
	if d.Doubt {
		return Next{State: Held, Reason: AmbiguousOutcome, Claim: ByGateway, Due: d.ValidUntil}
	}
	return Next{State: Blocking, Reason: OptedOut, Claim: ByGateway}
}
