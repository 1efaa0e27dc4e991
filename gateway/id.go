package gateway

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// ID is a UUIDv7 (RFC 9562, 5.7): 16 bytes whose order is the order of their
// making, so that rows keyed by it are appended, not scattered.
type ID [16]byte

// NewID makes an ID from the clock and fresh chance. Ids of one process never
// go backwards.
func NewID() ID { return ID(uuid.Must(uuid.NewV7())) }

// Time is when the id was made, to the millisecond.
func (id ID) Time() time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(id[:8]) >> 16)).UTC()
}

// IDFrom is the least id that could be made at a time: what was made before has
// a smaller one.
func IDFrom(t time.Time) (id ID) {
	binary.BigEndian.PutUint64(id[:8], uint64(t.UnixMilli())<<16)
	return id
}

// IsZero tells whether the id is unset.
func (id ID) IsZero() bool { return id == ID{} }

// Hex is the id as 32 lower-case hex digits.
func (id ID) Hex() string { return hex.EncodeToString(id[:]) }

// MessageName is how a message's id is shown outside: "msg_" and its hex digits.
func (id ID) MessageName() string { return "msg_" + id.Hex() }

// TransactionID is what a carrier sees of an attempt (TS 23.140, 8.7.1.6): the
// attempt's id, so that whatever echoes it can be traced without a table.
func (id ID) TransactionID() string { return id.Hex() }

// ParseMessageName reads what MessageName wrote.
func ParseMessageName(s string) (ID, error) {
	if len(s) != 36 || s[:4] != "msg_" {
		return ID{}, fmt.Errorf("%q is not a message id: want msg_ and 32 hex digits", s)
	}
	return ParseHexID(s[4:])
}

// ParseHexID reads 32 hex digits.
func ParseHexID(s string) (ID, error) {
	var id ID
	if n, err := hex.Decode(id[:], []byte(s)); err != nil || n != 16 || len(s) != 32 {
		return ID{}, fmt.Errorf("%q is not an id: want 32 hex digits", s)
	}
	return id, nil
}
