package simulator

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"mmsgw/mm7"
)

// Submission is what an MMSC saw of one SubmitReq. Numbers and content are in clear.
// Of a Lax MMSC it holds the envelope's ids and addresses only.
type Submission struct {
	At            time.Time `json:"at"`
	TransactionID string    `json:"transaction_id"`
	// Request tells that it is the n-th with this TransactionID; above 1: a resend.
	Request int `json:"request"`
	// Content stands for addresses, subject, text and pictures: equal when they are.
	Content string `json:"content"`
	// Copy tells that it is the n-th with this Content, accepted or not.
	Copy int `json:"copy"`

	Accepted  bool   `json:"accepted"`
	MessageID string `json:"message_id,omitempty"` // of what was accepted, told or not
	Fault     string `json:"fault,omitempty"`      // the misbehaviour it met

	VASPID  string   `json:"vasp_id,omitempty"`
	VASID   string   `json:"vas_id,omitempty"`
	From    string   `json:"from"`
	To      []string `json:"to"` // all blocks
	Subject string   `json:"subject,omitempty"`
	Text    string   `json:"text,omitempty"` // several joined by line feeds
	Images  []Image  `json:"images,omitempty"`
	Report  bool     `json:"report"` // a DeliveryReport was asked for
	Expiry  string   `json:"expiry,omitempty"`

	Size     int64     `json:"size"` // bytes of the HTTP body
	Problems []Problem `json:"problems,omitempty"`
}

// Image is one medium that is not text, decoded.
type Image struct {
	Type   string `json:"type"`
	Size   int    `json:"size"`
	SHA256 string `json:"sha256"` // in hex
}

// Report is what became of one DeliveryReportReq.
type Report struct {
	At            time.Time `json:"at"` // when it was answered, or given up
	TransactionID string    `json:"transaction_id"`
	MessageID     string    `json:"message_id"`
	From          string    `json:"from"`
	To            string    `json:"to"`
	Status        string    `json:"status"` // MMStatus
	Tries         int       `json:"tries"`
	Answered      bool      `json:"answered"`        // by 1000, TransactionID and all
	Error         string    `json:"error,omitempty"` // why it was given up
}

// Totals count since the start, whatever is kept.
type Totals struct {
	Requests        int `json:"requests"`         // HTTP requests
	Refused         int `json:"refused"`          // not well-formed or not as they should be
	Failed          int `json:"failed"`           // sound, but not accepted by a fault's will
	Accepted        int `json:"accepted"`         // messages taken
	Resends         int `json:"resends"`          // submissions whose TransactionID had come before
	Cancels         int `json:"cancels"`          // CancelReqs, whatever became of them
	Canceled        int `json:"canceled"`         // of them answered 1000
	Followed        int `json:"followed"`         // requests to where the fault redirect-307 points
	RateExceeded    int `json:"rate_exceeded"`    // windows of a second with more than Options.Rate allows
	ReportsAnswered int `json:"reports_answered"` // taken by the gateway
	ReportsGivenUp  int `json:"reports_given_up"`
}

// fill copies what the record holds of a SubmitReq.
func (s *Submission) fill(r *mm7.SubmitReq) {
	s.TransactionID, s.VASPID, s.VASID = r.TransactionID, r.VASPID, r.VASID
	s.From, s.Subject, s.Report, s.Expiry = r.SenderAddress.Value, r.Subject, r.DeliveryReport, r.ExpiryDate
	for _, a := range slices.Concat(r.Recipients.To, r.Recipients.Cc, r.Recipients.Bcc) {
		s.To = append(s.To, a.Value)
	}
	var texts []string
	for _, p := range r.Parts {
		if p.ContentType == "text/plain" {
			texts = append(texts, string(p.Data))
			continue
		}
		sum := sha256.Sum256(p.Data)
		s.Images = append(s.Images, Image{p.ContentType, len(p.Data), hex.EncodeToString(sum[:])})
	}
	s.Text = strings.Join(texts, "\n")
	s.Content = s.digest()
}

// digest is Content: lengths keep one field from running into the next.
func (s *Submission) digest() string {
	var b []byte
	add := func(field string) {
		b = strconv.AppendInt(b, int64(len(field)), 10)
		b = append(append(b, ':'), field...)
	}
	add(s.From)
	add(strings.Join(s.To, ","))
	add(s.Subject)
	add(s.Text)
	for _, i := range s.Images {
		add(i.SHA256)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// masked are the recipients as a log may show them.
func (s *Submission) masked() string {
	if len(s.To) == 0 {
		return ""
	}
	return masked(s.To[0]) + strings.Repeat(", …", min(len(s.To)-1, 1))
}

// book is the record of an MMSC.
type book struct {
	keep    int
	log     *slog.Logger
	mu      sync.Mutex
	totals  Totals
	seen    ring[Submission]
	reports ring[Report]
	cancels ring[Cancel]
	// How often each was seen, of those the ring remembers.
	transactions map[string]int
	contents     map[string]int
	journal      *json.Encoder
}

func newBook(o Options) *book {
	b := &book{keep: o.Keep, log: o.Log, transactions: map[string]int{}, contents: map[string]int{}}
	if o.Journal != nil {
		b.journal = json.NewEncoder(o.Journal)
	}
	return b
}

// unreadable counts a request that was no submission at all.
func (b *book) unreadable() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.totals.Requests++
	b.totals.Refused++
}

// count numbers a request among those of its TransactionID and of its content.
func (b *book) count(s *Submission) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.transactions[s.TransactionID]++
	b.contents[s.Content]++
	s.Request, s.Copy = b.transactions[s.TransactionID], b.contents[s.Content]
}

// submission records what was counted before.
func (b *book) submission(s *Submission) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.totals.Requests++
	switch {
	case s.Accepted:
		b.totals.Accepted++
	case len(s.Problems) > 0:
		b.totals.Refused++
	default:
		b.totals.Failed++
	}
	if s.Request > 1 && s.TransactionID != "" {
		b.totals.Resends++
	}
	if old, gone := b.seen.add(*s, b.keep); gone {
		less(b.transactions, old.TransactionID)
		less(b.contents, old.Content)
	}
	b.write(struct {
		Kind string `json:"kind"`
		*Submission
	}{"submission", s})
}

func (b *book) report(r Report) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.Answered {
		b.totals.ReportsAnswered++
	} else {
		b.totals.ReportsGivenUp++
	}
	b.reports.add(r, b.keep)
	b.write(struct {
		Kind string `json:"kind"`
		Report
	}{"report", r})
}

func (b *book) canceling(c *Cancel) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.totals.Requests++
	b.totals.Cancels++
	if c.Code == 1000 {
		b.totals.Canceled++
	}
	b.cancels.add(*c, b.keep)
	b.write(struct {
		Kind string `json:"kind"`
		*Cancel
	}{"cancel", c})
}

// followed counts a redirect that was followed, which is no submission.
func (b *book) followed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.totals.Requests++
	b.totals.Followed++
}

// write adds a line to the journal. A journal that fails is given up, once: it would
// have a hole.
func (b *book) write(line any) {
	if b.journal == nil {
		return
	}
	if err := b.journal.Encode(line); err != nil {
		b.journal = nil
		b.log.Error("the journal ends here: a line could not be written", "error", err)
	}
}

// Seen are the newest submissions, oldest first, accepted or not.
func (m *MMSC) Seen() []Submission {
	m.book.mu.Lock()
	defer m.book.mu.Unlock()
	return m.book.seen.all()
}

// Reports are the newest reports that were answered or given up, oldest first.
func (m *MMSC) Reports() []Report {
	m.book.mu.Lock()
	defer m.book.mu.Unlock()
	return m.book.reports.all()
}

// Cancels are the newest CancelReqs, oldest first.
func (m *MMSC) Cancels() []Cancel {
	m.book.mu.Lock()
	defer m.book.mu.Unlock()
	return m.book.cancels.all()
}

// Totals counts what came since the start.
func (m *MMSC) Totals() Totals {
	m.pace.mu.Lock()
	exceeded := m.pace.total
	m.pace.mu.Unlock()
	m.book.mu.Lock()
	defer m.book.mu.Unlock()
	t := m.book.totals
	t.RateExceeded = exceeded
	return t
}

func less(counts map[string]int, key string) {
	if counts[key]--; counts[key] <= 0 {
		delete(counts, key)
	}
}

// ring holds the newest of a sequence.
type ring[T any] struct {
	items []T
	next  int // where the oldest stands, once it is full
}

// add tells what had to go, if something had.
func (r *ring[T]) add(item T, keep int) (old T, gone bool) {
	if len(r.items) < keep {
		r.items = append(r.items, item)
		return old, false
	}
	old, r.items[r.next] = r.items[r.next], item
	r.next = (r.next + 1) % keep
	return old, true
}

func (r *ring[T]) all() []T {
	return slices.Concat(r.items[r.next:], r.items[:r.next])
}
