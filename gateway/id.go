package gateway

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"sync"
	"time"
)

// ID is a UUIDv7 (RFC 9562, 5.7): 16 bytes whose order is the order of their
// making, so that rows keyed by it are appended, not scattered.
type ID [16]byte

var byMachine = IDs(time.Now)

// NewID makes an ID by the machine's clock, for what no other clock is at hand.
func NewID() ID { return byMachine() }

// IDs makes ids by a clock of one's own, so that their order and what is stored
// beside them tell the same time whatever is done to the machine's. The ids of one
// maker never go backwards; it is for many goroutines.
func IDs(now func() time.Time) func() ID {
	var mu sync.Mutex
	var last uint64 // milliseconds and, in 12 bits, parts of one
	return func() (id ID) {
		rand.Read(id[8:]) // never fails
		t := now()
		tick := uint64(t.UnixMilli())<<12 | uint64(t.Nanosecond()%1e6)<<12/1e6
		mu.Lock()
		tick = max(tick, last+1)
		last = tick
		mu.Unlock()
		binary.BigEndian.PutUint64(id[:8], tick>>12<<16|7<<12|tick&0xfff) // RFC 9562, 5.7
		id[8] = id[8]&0x3f | 0x80
		return id
	}
}

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
