package gateway

import "time"

// Channel is how a message travels.
type Channel string

// The channels.
const (
	MMS Channel = "mms"
	SMS Channel = "sms"
)

// Priority of a message in its lane; the smaller number goes first.
type Priority int

// The priorities.
const (
	High   Priority = 0
	Normal Priority = 1
	Low    Priority = 2
)

// Picture is one image of a message.
type Picture struct {
	ID     string // opaque, the same for the same bytes
	Type   string // the true one, read from the bytes
	Size   int64
	Width  int
	Height int
	Frames int
	Name   string // as the caller named it; never sent
	Place  string // where the bytes lie; only media reads it
}

// Message is what was accepted: written once, never changed.
type Message struct {
	ID         ID
	Account    string
	From       Number
	Channel    Channel
	Subject    string
	Text       string
	Reference  string
	Priority   Priority
	Media      []Picture
	Report     bool // delivery report asked for
	Read       bool // read report asked for
	Flags      []Flag
	CreatedAt  time.Time
	SendAt     time.Time // when it is to leave; zero: at once
	ValidUntil time.Time
	IdemKey    string // empty where the caller gave none
	IdemHash   []byte
	Deliveries []Delivery
}

// Start is when its validity begins.
func (m *Message) Start() time.Time {
	if m.SendAt.After(m.CreatedAt) {
		return m.SendAt
	}
	return m.CreatedAt
}

// MediaBytes is the size of all its pictures as received.
func (m *Message) MediaBytes() int64 {
	var n int64
	for _, p := range m.Media {
		n += p.Size
	}
	return n
}
