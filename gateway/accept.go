package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Gateway is the front door: it checks submissions and makes them durable.
type Gateway struct {
	Rules    atomic.Pointer[Rules]
	Numbers  Numbers
	Carriers Carriers
	Media    Media
	Messages Messages
	Consent  Consent
	Lanes    Lanes
	Now      func() time.Time
	NewID    func() ID
	// Judged is told of each submission that was not a repeat: nil where it was
	// accepted; quick, for many goroutines; may be nil.
	Judged func(*Refusal)

	keys keyring
}

// idemPatience is how long a submission waits for an earlier one with its key.
const idemPatience = 30 * time.Second

// assemble makes the message as it would be accepted.
func (e *exam) assemble() {
	s, now := e.s, e.g.Now().Truncate(time.Microsecond)
	validity := s.ExpiresIn
	if validity == 0 {
		validity = DefaultValidity
		if e.account != nil && e.account.Freshness > 0 {
			validity = e.account.Freshness
		}
	}
	m := &Message{
		Account: s.Account, From: e.v.From.Numbering.Number, Channel: e.v.Channel, Subject: s.Subject, Text: s.Text,
		Reference: s.Reference, Priority: s.Priority, Report: s.Report, Read: s.Read, CreatedAt: now,
		SendAt: s.SendAt, IdemKey: s.IdemKey, Deliveries: make([]Delivery, len(e.v.To)),
	}
	m.ValidUntil = m.Start().Add(validity)
	for _, u := range s.Media {
		m.Media = append(m.Media, u.Picture)
	}
	for i, p := range e.v.To {
		m.Deliveries[i] = Delivery{
			N: i, Of: len(e.v.To), Account: s.Account, Recipient: p.Numbering.Number, Network: p.Profile.Network,
			Lane: p.Carrier, Spare: ListOf(p.Spare), Priority: s.Priority, State: Queued, Reason: WaitingTurn, Claim: ByGateway, Ready: true,
			Due: m.ValidUntil, ValidUntil: m.ValidUntil, WantsReport: s.Report, UpdatedAt: now,
		}
		if m.SendAt.After(now) {
			d := &m.Deliveries[i]
			d.State, d.Reason, d.Ready, d.Due = Scheduled, WaitsForTime, false, m.SendAt
		}
	}
	m.IdemHash = idemHash(m, s.ExpiresIn)
	e.v.message = m
}

// fit tells where the whole request, as the carrier would get it, is over the
// carrier's cap. Recipients of one carrier are measured once: their numbers
// are of one length.
func (e *exam) fit() {
	measured := map[string]int64{}
	for i := range e.v.To {
		p := &e.v.To[i]
		over := func(carrier string) (int64, bool) { return e.over(carrier, measured) }
		p.Spare = slices.DeleteFunc(p.Spare, func(c string) bool { _, over := over(c); return over })
		e.v.message.Deliveries[i].Spare = ListOf(p.Spare)
		size, tooLarge := over(p.Carrier)
		if !tooLarge {
			continue
		}
		f := Flag{Code: "carrier_cap_exceeded", Severity: Block, Field: "/to/" + strconv.Itoa(i),
			Value:   map[string]any{"size": size, "limit": p.Cap, "part": e.largest()},
			Message: fmt.Sprintf("The carrier takes %d bytes in all; this message would be %d. %s", p.Cap, size, e.advice())}
		p.Flags, e.v.Flags = append(p.Flags, f), append(e.v.Flags, f)
	}
}

// over tells whether the message is more than a carrier takes, and its size there.
func (e *exam) over(carrier string, measured map[string]int64) (int64, bool) {
	if carrier == "" || e.v.Channel != MMS {
		return 0, false
	}
	limit := e.g.Carriers.Cap(carrier)
	if limit == 0 || farBelow(limit, e.v.Bytes, len(e.s.Text)+len(e.s.Subject)) {
		return 0, false
	}
	size, ok := measured[carrier]
	if !ok {
		size = e.g.Carriers.Measure(carrier, e.v.message)
		measured[carrier] = size
	}
	return size, size > limit
}

// farBelow spares messages that fit whatever their encoding the exact count:
// base64 with its line ends makes 1.37 of the bytes, text at most six of one
// when escaped, and no request's own words come near the rest.
func farBelow(limit, media int64, text int) bool {
	return media*3/2+int64(6*text)+32<<10 < limit
}

// largest names the part that weighs most, as a JSON Pointer.
func (e *exam) largest() string {
	part, most := "/text", int64(len(e.s.Text))
	for i, u := range e.s.Media {
		if u.Size > most {
			part, most = "/media/"+strconv.Itoa(i), u.Size
		}
	}
	return part
}

func (e *exam) advice() string {
	if len(e.s.Media) == 0 {
		return "Shorten the text."
	}
	return "Remove or shrink pictures; the largest is " + e.largest() + "."
}

// Submit checks a submission and, where it can go, makes it durable. When it
// returns without an error the message, its media and its first event are on
// stable storage. Replayed tells that an earlier message of the same content
// holds the idempotency key; a *Refusal carries every reason at once.
func (g *Gateway) Submit(ctx context.Context, s *Submission) (m *Message, replayed bool, err error) {
	m, replayed, err = g.submit(ctx, s)
	if g.Judged != nil && !replayed {
		var refusal *Refusal
		if errors.As(err, &refusal) || err == nil {
			g.Judged(refusal)
		}
	}
	return m, replayed, err
}

func (g *Gateway) submit(ctx context.Context, s *Submission) (m *Message, replayed bool, err error) {
	v, err := g.Check(ctx, s)
	if err != nil {
		return nil, false, err
	}
	if s.IdemKey == "" {
		if !v.Sendable() {
			return nil, false, &Refusal{Flags: v.Flags}
		}
		return g.accept(ctx, s, v)
	}
	release, err := g.keys.hold(ctx, s.Account+"\x00"+s.IdemKey)
	if err != nil {
		return nil, false, err
	}
	defer release()
	if !v.Sendable() {
		return g.refuse(ctx, s, v)
	}
	return g.accept(ctx, s, v)
}

// refuse: what was accepted before is not refused now, whatever changed since.
func (g *Gateway) refuse(ctx context.Context, s *Submission, v *Verdict) (*Message, bool, error) {
	earlier, err := g.Messages.ByKey(ctx, s.Account, s.IdemKey)
	if err != nil {
		return nil, false, err
	}
	if earlier.ID.IsZero() {
		return nil, false, &Refusal{Flags: v.Flags}
	}
	return g.replay(ctx, earlier, v.message)
}

func (g *Gateway) replay(ctx context.Context, earlier Accepting, m *Message) (*Message, bool, error) {
	if !bytes.Equal(earlier.IdemHash, m.IdemHash) {
		return nil, false, ErrIdemConflict
	}
	stored, _, err := g.Messages.Message(ctx, earlier.ID)
	return stored, true, err
}

// accept makes media durable, then the row, then answers. What need not wait
// boards its lane now, so that its first attempt is stored in the same
// transaction and dialled as soon as that is durable.
func (g *Gateway) accept(ctx context.Context, s *Submission, v *Verdict) (*Message, bool, error) {
	if err := g.Media.Keep(ctx, s.Media); err != nil {
		return nil, false, err
	}
	m := v.message
	m.ID, m.Flags = g.NewID(), v.Flags
	for i, u := range s.Media {
		m.Media[i].Place = u.Place
	}
	for i := range m.Deliveries {
		m.Deliveries[i].MessageID = m.ID
	}
	boarded := g.board(m)
	a := Accept{Message: m}
	for i := range boarded {
		a.Attempts, a.Days = append(a.Attempts, boarded[i].attempt), append(a.Days, boarded[i].seat.Day)
	}
	done, err := g.Messages.Accept(ctx, a)
	if err != nil || done.Replayed || !done.Boarded {
		boarded.free()
	}
	switch {
	case err != nil:
		return nil, false, err
	case done.Replayed:
		return g.replay(ctx, done, m)
	}
	if done.Boarded {
		boarded.leave(m)
	}
	return m, false, nil
}

// boarding is what rides along with an accept: seats taken, attempts made.
type boarding []boarded

type boarded struct {
	seat    Seat
	attempt Attempt
}

// board takes seats for the recipients in their order, those of one carrier
// together as far as a request holds them.
func (g *Gateway) board(m *Message) boarding {
	var b boarding
	for first := 0; first < len(m.Deliveries); {
		d := &m.Deliveries[first]
		if !d.Ready {
			break
		}
		same := first + 1
		for same < len(m.Deliveries) && m.Deliveries[same].Lane == d.Lane {
			same++
		}
		seat, ok := g.Lanes.Board(d.Lane, m.From, same-first)
		if !ok {
			break // what is behind it must not overtake it
		}
		a := Attempt{ID: g.NewID(), Kind: Submits, MessageID: m.ID, Lane: d.Lane, Owner: seat.Owner, Epoch: seat.Epoch, Dials: 1, OpenedAt: m.CreatedAt}
		for n := range min(seat.Room, same-first) {
			a.Covers = append(a.Covers, first+n)
		}
		b = append(b, boarded{seat, a})
		first += len(a.Covers)
	}
	return b
}

func (b boarding) free() {
	for i := range b {
		b[i].seat.Free()
	}
}

func (b boarding) leave(m *Message) {
	for i := range b {
		first, n := b[i].attempt.Covers[0], len(b[i].attempt.Covers)
		b[i].seat.Go(Dispatch{Attempt: b[i].attempt, Message: m, Deliveries: m.Deliveries[first : first+n : first+n]})
	}
}

// keyring lets one submission per idempotency key in at a time.
type keyring struct {
	mu   sync.Mutex
	held map[string]chan struct{}
}

// hold takes the key, waiting for whoever has it, at most idemPatience.
func (k *keyring) hold(ctx context.Context, key string) (release func(), err error) {
	timeout := time.NewTimer(idemPatience)
	defer timeout.Stop()
	for {
		k.mu.Lock()
		busy, taken := k.held[key]
		if !taken {
			mine := make(chan struct{})
			if k.held == nil {
				k.held = map[string]chan struct{}{}
			}
			k.held[key] = mine
			k.mu.Unlock()
			return func() {
				k.mu.Lock()
				delete(k.held, key)
				k.mu.Unlock()
				close(mine)
			}, nil
		}
		k.mu.Unlock()
		select {
		case <-busy:
		case <-timeout.C:
			return nil, ErrIdemInProgress
		case <-ctx.Done():
			return nil, ErrIdemInProgress
		}
	}
}
