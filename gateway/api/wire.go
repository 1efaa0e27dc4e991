package api

import (
	"slices"
	"strconv"
	"time"

	"mmsgw/client"
	"mmsgw/gateway"
)

// wireMessage is a message as it is told. Without attempts (a message just
// accepted) the log is made of what the deliveries know.
func (s *Server) wireMessage(m *gateway.Message, attempts []gateway.Attempt) *client.Message {
	w := s.summary(m)
	w.Deliveries = make([]client.Delivery, len(m.Deliveries))
	covering := attemptsOf(attempts, len(m.Deliveries))
	var links []Link
	for i := range m.Deliveries {
		w.Deliveries[i] = wireDelivery(&m.Deliveries[i], m.Channel, covering[i])
		d := &w.Deliveries[i]
		if d.Reason == nil || !slices.Contains(turns, gateway.Reason(d.Reason.Code)) {
			continue
		}
		if links == nil {
			links = s.Links()
		}
		if !slices.ContainsFunc(links, func(l Link) bool { return l.Name == d.Carrier }) {
			d.Reason.Message = forNobody
		}
	}
	return w
}

// turns are the reasons that promise a turn, or that the lane goes on.
var turns = []gateway.Reason{gateway.WaitingTurn, gateway.BackingOff, gateway.WaitsForTime, gateway.CarrierPaused, gateway.BreakerOpen,
	gateway.LaneStopped, gateway.SenderPaused, gateway.DailyCap}

// forNobody is said of what waits for a carrier that a reload took away: neither
// a turn nor a try will come.
const forNobody = "It waits for a carrier that is not in the configuration. It goes on when an operator configures the carrier again, and ends with its validity."

// summary is a message without its deliveries, as lists tell it.
func (s *Server) summary(m *gateway.Message) *client.Message {
	w := &client.Message{
		ID: m.ID.MessageName(), Account: m.Account, From: m.From.E164(), To: make([]string, len(m.Deliveries)), Channel: string(m.Channel),
		Subject: m.Subject, Text: m.Text, Media: make([]client.Media, len(m.Media)), DeliveryReport: m.Report, ReadReport: m.Read,
		SendAt: known(m.SendAt), ExpiresIn: formatDuration(m.ValidUntil.Sub(m.Start())), Priority: priorityWord(m.Priority), Reference: m.Reference,
		Counts: map[string]int{}, CreatedAt: utc(m.CreatedAt), UpdatedAt: utc(m.CreatedAt), ExpiresAt: utc(m.ValidUntil),
		Flags: wireFlags(m.Flags), Size: size(m.MediaBytes(), len(m.Media), s.smallestCap(m.Deliveries)),
	}
	for i, p := range m.Media {
		w.Media[i] = wireMedia(p)
	}
	w.State, w.Final = gateway.StateOf(m.Deliveries)
	for i := range m.Deliveries {
		d := &m.Deliveries[i]
		w.To[i] = d.Recipient.E164()
		w.Counts[string(d.State)]++
		if d.UpdatedAt.After(w.UpdatedAt) {
			w.UpdatedAt = utc(d.UpdatedAt)
		}
		if d.ValidUntil.After(w.ExpiresAt) { // a retry gave it more time
			w.ExpiresAt = utc(d.ValidUntil)
		}
	}
	return w
}

func (s *Server) smallestCap(deliveries []gateway.Delivery) int64 {
	var smallest int64
	for i := range deliveries {
		if i > 0 && deliveries[i].Lane == deliveries[i-1].Lane {
			continue
		}
		if c := s.Gateway.Carriers.Cap(deliveries[i].Lane); c > 0 && (smallest == 0 || c < smallest) {
			smallest = c
		}
	}
	return smallest
}

// attemptsOf sorts the attempts to submit by the deliveries they cover; of those
// to cancel the timeline tells.
func attemptsOf(attempts []gateway.Attempt, n int) [][]*gateway.Attempt {
	of := make([][]*gateway.Attempt, n)
	for i := range attempts {
		if attempts[i].Kind == gateway.Cancels {
			continue
		}
		for _, c := range attempts[i].Covers {
			if c >= 0 && c < n {
				of[c] = append(of[c], &attempts[i])
			}
		}
	}
	return of
}

func wireDelivery(d *gateway.Delivery, channel gateway.Channel, attempts []*gateway.Attempt) client.Delivery {
	if len(attempts) == 0 && !d.Attempt.IsZero() {
		attempts = []*gateway.Attempt{{ID: d.Attempt, Lane: d.Lane, OpenedAt: d.UpdatedAt}}
	}
	w := client.Delivery{
		To: d.Recipient.E164(), Channel: string(channel), Network: d.Network, State: string(d.State), ClaimedBy: string(d.Claim),
		Carrier: d.Lane, Attempts: d.Attempts, CarrierStatus: d.Status, PossibleDuplicate: d.Duplicate || d.Resends > 0,
		NextAttemptAt: known(d.NextTry()), SentAt: known(d.SentAt), DeliveredAt: known(d.DeliveredAt), ReadAt: known(d.ReadAt), AttemptLog: make([]client.Attempt, len(attempts)),
	}
	if d.Reason != "" {
		w.Reason = &client.Reason{Code: string(d.Reason), Message: d.Why()}
	}
	for i, a := range attempts {
		w.AttemptLog[i] = client.Attempt{Number: i + 1, Carrier: a.Lane, TransactionID: a.ID.TransactionID(),
			CarrierMessageID: a.CarrierName(), At: utc(a.OpenedAt), Outcome: string(a.Outcome)}
		w.TransactionID, w.CarrierMessageID = a.ID.TransactionID(), a.CarrierName()
	}
	return w
}

func wireMedia(p gateway.Picture) client.Media {
	return client.Media{ID: p.ID, Type: p.Type, Size: p.Size, Width: p.Width, Height: p.Height, Frames: p.Frames, Name: p.Name}
}

func wireFlags(flags []gateway.Flag) []client.Flag {
	w := make([]client.Flag, len(flags))
	for i, f := range flags {
		w[i] = client.Flag{Code: f.Code, Severity: string(f.Severity), Field: f.Field, Value: f.Value, Message: f.Message}
	}
	return w
}

func size(bytes int64, images int, carrierCap int64) client.Size {
	return client.Size{Bytes: bytes, Limit: gateway.MaxMediaBytes, Remaining: max(0, gateway.MaxMediaBytes-bytes),
		Images: images, ImageLimit: gateway.MaxImages, CarrierCap: knownCap(carrierCap)}
}

func knownCap(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

// checkResult is a verdict as it is told.
func checkResult(v *gateway.Verdict) *client.CheckResult {
	w := &client.CheckResult{Sendable: v.Sendable(), Flags: wireFlags(v.Flags), To: make([]client.Party, len(v.To)),
		Size: size(v.Bytes, v.Images, v.Cap)}
	w.MMS.Available, w.MMS.Flags = !gateway.Blocked(v.MMS), wireFlags(v.MMS)
	// What blocks an end is what the top says of its field: flags of the other
	// channel stand with the party, but do not stop this message.
	blocked := map[string]bool{}
	for _, f := range v.Flags {
		blocked[f.Field] = blocked[f.Field] || f.Severity == gateway.Block
	}
	w.From = wireParty(&v.From, v.Channel)
	w.From.Sendable = !blocked["/from"]
	for i := range v.To {
		w.To[i] = wireParty(&v.To[i], v.Channel)
		w.To[i].Sendable = !blocked["/to/"+strconv.Itoa(i)]
	}
	return w
}

func wireParty(p *gateway.Party, channel gateway.Channel) client.Party {
	number := p.Numbering.Number.E164()
	if number == "" {
		number = p.Input
	}
	return client.Party{Number: number, Channel: string(channel), Carrier: p.Carrier, Network: p.Profile.Network, Region: p.Numbering.Region,
		MMS: string(p.Profile.MMS), Cap: knownCap(p.Cap), Flags: wireFlags(p.Flags)}
}

func priorityWord(p gateway.Priority) string {
	switch p {
	case gateway.High:
		return "high"
	case gateway.Low:
		return "low"
	}
	return "normal"
}

// formatDuration writes a validity as callers write it: 90m, 24h, 7d.
func formatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d > day && d%day == 0:
		return strconv.Itoa(int(d/day)) + "d"
	case d%time.Hour == 0:
		return strconv.Itoa(int(d/time.Hour)) + "h"
	case d%time.Minute == 0:
		return strconv.Itoa(int(d/time.Minute)) + "m"
	}
	return d.String()
}

// utc is a time as it is told: in UTC, to the microsecond.
func utc(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = utc(t)
	return &t
}
