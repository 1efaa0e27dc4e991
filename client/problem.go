package client

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Problem is an error the daemon answered (RFC 9457).
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	Flags  []Flag `json:"flags,omitempty"`

	RetryAfter time.Duration `json:"-"` // when it may be worth trying again; 0 where the daemon did not say
}

// Error names the code, the detail and each blocking flag.
func (p *Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (HTTP %d)", p.Code, p.Status)
	if p.Detail != "" {
		b.WriteString(": " + p.Detail)
	}
	for _, f := range p.Flags {
		if f.Severity == Block {
			fmt.Fprintf(&b, "\n  %s %s: %s", f.Field, f.Code, f.Message)
		}
	}
	return b.String()
}

// settles tells whether the answer says for sure that the message was not
// accepted: 4xx but "in progress", 507, and every 503 but the storage's.
func (p *Problem) settles() bool {
	switch {
	case p.Code == "idempotency_in_progress", p.Code == "storage_unavailable":
		return false
	case p.Status >= 400 && p.Status < 500, p.Status == 507:
		return true
	}
	return p.Status == 503 && p.Code != ""
}

// NotReachedError tells that the request did not get to the daemon whole, so
// that nothing was accepted.
type NotReachedError struct {
	Target string // the socket or address
	Err    error
}

// Error says what to look at.
func (e *NotReachedError) Error() string {
	return fmt.Sprintf("mmsgw at %s was not reached: %v. Is the daemon running, and may this user open its socket?", e.Target, e.Err)
}

func (e *NotReachedError) Unwrap() error { return e.Err }

// UncertainError tells that the message was sent to the daemon, but no answer
// says whether it was accepted. Repeat it with Key: that can never make two.
type UncertainError struct {
	Key string
	Err error // why; may be a *Problem
}

// Error names the key to repeat with.
func (e *UncertainError) Error() string {
	return fmt.Sprintf("whether the message was accepted is not known: %v. Repeat it with the idempotency key %s; that can never make two", e.Err, e.Key)
}

func (e *UncertainError) Unwrap() error { return e.Err }

// temporary tells whether asking again may help a reader.
func temporary(err error) bool {
	var p *Problem
	if errors.As(err, &p) {
		return p.Status >= 500 || p.Status == 429 || p.Status == 408
	}
	return true
}
