// Package simulator is a carrier that behaves as told: [MMSC], the peer that tests,
// the demo and the benchmark submit to. It checks what it receives as strictly as
// the strictest MMSCs known, says what is wrong, answers, reports, keeps a record of
// all it saw, and misbehaves on demand in the ways of [Faults].
//
// An MMSC is an [net/http.Handler] and needs no socket; a [Server] listens for one.
// What it logs has numbers masked and no content. [MMSC.Seen] and the journal hold
// both in clear: they are for whoever checks the gateway.
package simulator

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mmsgw/mm7"
)

// Basic are a user and password of HTTP Basic authentication (RFC 7617); without a
// Username there are none.
type Basic struct {
	Username, Password string
}

// Options say how an MMSC behaves. The zero value takes everything well-formed in
// the rel-6-mm7-1-4 dialect and reports nowhere.
type Options struct {
	ReportTo    string            // URL that reports are posted to; empty: there are none
	ReportAuth  Basic             // sent with reports
	ReportDelay time.Duration     // between an answer and its report
	Transport   http.RoundTripper // posts the reports; nil: kept-alive connections of its own
	Workers     int               // reports posted at once; default 16

	Auth          Basic       // what submissions must bring
	VASPID, VASID string      // what submissions must say, where not empty
	Preset        string      // name of the dialect spoken; default rel-6-mm7-1-4
	Dialect       mm7.Dialect // the dialect in full, in place of a preset
	MaxMessage    int64       // bytes of an HTTP body; default and most: mm7.MaxSubmit
	// Lax takes submissions by their envelope alone: nothing is checked, media are
	// neither read into memory nor hashed. For a benchmark, which measures the other end.
	Lax bool

	// Fault is how every submission is dealt with, one of [Faults]; empty: well.
	Fault string
	// Scenario is how those to a recipient are, by the end of the number: the whole
	// of it, or its last digits. The longest that fits counts, before Fault. With
	// several recipients the first one's is how the submission is answered; which
	// reports there are is each one's own, where it has one.
	Scenario  map[string]string
	RefuseFor time.Duration // how long the fault refuse lasts; default 3 s
	LateBy    time.Duration // how late the report of the fault late-report is; default 10 s

	Rate Rate // what submissions are held against; they are taken all the same

	Keep    int          // newest of each kind kept for Seen, Reports and so on; default 10,000
	Journal io.Writer    // each submission, report and cancel as a line of JSON, in clear; nil: none
	Log     *slog.Logger // masked; nil: none

	Now   func() time.Time // of what is recorded and reported; default time.Now
	NewID func() string    // MessageIDs, and TransactionIDs of reports; default 26 random letters and digits
}

// MMSC is a carrier's MMS relay/server, seen from a VASP. Close it after use.
type MMSC struct {
	o        Options
	plan     atomic.Pointer[plan]
	book     *book
	messages *shelf
	pace     *pace
	reports  *reporter
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	patience context.Context // with a gateway that is not to be answered; ends before Close
	lose     context.CancelFunc
	group    sync.WaitGroup // of connections that outlive their answer
}

// New makes an MMSC that serves at once. An error names the option that is wrong.
func New(o Options) (*MMSC, error) {
	o.defaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	p, err := newPlan(o.Fault, o.Scenario)
	if err != nil {
		return nil, err
	}
	m := &MMSC{
		o:        o,
		book:     newBook(o),
		messages: &shelf{keep: o.Keep, byID: map[string]*taken{}},
		pace:     &pace{rate: o.Rate, keep: o.Keep},
	}
	m.plan.Store(p)
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.patience, m.lose = context.WithCancel(m.ctx)
	m.reports = newReporter(m.ctx, o, m.book)
	return m, nil
}

func (o *Options) defaults() {
	if o.Preset == "" {
		o.Preset = mm7.Presets()[0]
	}
	if o.Dialect == (mm7.Dialect{}) {
		o.Dialect, _ = mm7.Preset(o.Preset) // check says what is wrong
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = mm7.MaxSubmit
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = rand.Text
	}
	o.Rate.defaults()
	for _, d := range []struct {
		n *int
		v int
	}{{&o.Workers, 16}, {&o.Keep, 10_000}} {
		if *d.n <= 0 {
			*d.n = d.v
		}
	}
	for _, d := range []struct {
		d *time.Duration
		v time.Duration
	}{{&o.RefuseFor, 3 * time.Second}, {&o.LateBy, 10 * time.Second}} {
		if *d.d <= 0 {
			*d.d = d.v
		}
	}
}

func (o *Options) check() error {
	if _, known := mm7.Preset(o.Preset); !known {
		return fmt.Errorf("simulated MMSC: there is no dialect %q; there are %s", o.Preset, strings.Join(mm7.Presets(), ", "))
	}
	if err := o.Dialect.Check(); err != nil {
		return fmt.Errorf("simulated MMSC: %w", err)
	}
	if o.MaxMessage < 0 || o.MaxMessage > mm7.MaxSubmit {
		return fmt.Errorf("simulated MMSC: MaxMessage is %d; 1 to %d bytes can be taken", o.MaxMessage, mm7.MaxSubmit)
	}
	if err := o.Rate.check(); err != nil {
		return err
	}
	if o.ReportTo == "" {
		return nil
	}
	u, err := url.Parse(o.ReportTo)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return fmt.Errorf("simulated MMSC: the URL that reports go to is no http:// or https:// address without a user; the gateway's is such as http://127.0.0.1:8081/mm7/north")
	}
	return nil
}

// Close ends the reports that wait or are under way, and waits for their goroutines.
// Submissions that still come in are answered without a report.
func (m *MMSC) Close() {
	m.cancel()
	m.reports.wait()
	m.group.Wait()
}

// ServeHTTP takes a SubmitReq or a CancelReq, on any path but one.
func (m *MMSC) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := m.o.Now()
	m.arrived(ByRequests, at, 1)
	if r.URL.Path == elsewhere {
		m.drain(r)
		m.book.followed()
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "MM7 is spoken by POST", http.StatusMethodNotAllowed)
		m.book.unreadable()
		return
	}
	if !m.o.Auth.sentWith(r) {
		m.drain(r)
		m.book.unreadable()
		m.o.Log.Warn("submission without the right credentials")
		m.unauthorized(w, nil)
		return
	}
	s, refused := m.receive(r, at)
	m.arrived(ByRecipients, at, len(s.record.To))
	switch {
	case s.cancel != nil:
		m.cancelled(w, s, refused)
	case refused != nil:
		m.refuse(w, s, refused)
	default:
		m.deal(w, s)
	}
}

// deal does to a submission without problems what the fault of its recipient wants.
func (m *MMSC) deal(w http.ResponseWriter, s *arrival) {
	f := faultOf(s)
	m.book.count(s.record)
	if f.fails(s.record) {
		m.note(s, f)
		f.failure(m, w, s)
		return
	}
	if m.reports.full() {
		m.note(s, f)
		m.unavailable(w, s)
		return
	}
	chains := m.take(s, f)
	for _, c := range chains {
		if c.early {
			m.reports.now(c)
		}
	}
	pause(m.ctx, s.http.Context(), f.wait)
	// Deferred, for an answer may end in a panic that hangs up.
	defer m.reports.add(chains)
	if f.answer == nil {
		m.accepted(w, s)
		return
	}
	f.answer(m, w, s)
}

// take accepts a submission, and gives the reports it will have.
func (m *MMSC) take(s *arrival, f *fault) []*chain {
	s.record.Accepted, s.record.MessageID = true, m.o.NewID()
	if f.messageID != nil {
		s.record.MessageID = f.messageID(s.record.MessageID)
	}
	message := &taken{fault: f, open: len(s.record.To)}
	if f.allButFirst {
		message.open--
	}
	m.messages.put(s.record.MessageID, message)
	m.note(s, f)
	return m.chains(s, f, message)
}

// faultOf is how a submission is to be dealt with, by its first recipient.
func faultOf(s *arrival) *fault {
	f := s.plan.fault
	if len(s.record.To) > 0 {
		if own := s.plan.of(s.record.To[0]); own != nil {
			f = own
		}
	}
	s.record.Fault = f.Name
	return f
}

// note records and logs what became of a submission.
func (m *MMSC) note(s *arrival, f *fault) {
	m.book.submission(s.record)
	text := "submission accepted"
	if !s.record.Accepted {
		text = "submission not accepted"
	}
	m.o.Log.Info(text, "transaction_id", s.record.TransactionID, "carrier_message_id", s.record.MessageID,
		"recipient", s.record.masked(), "bytes", s.record.Size, "fault", f.Name, "request", s.record.Request)
}

func (b Basic) sentWith(r *http.Request) bool {
	if b.Username == "" {
		return true
	}
	user, password, ok := r.BasicAuth()
	return ok && user == b.Username && password == b.Password
}

// pause waits for d, or less when one of both contexts ends: nobody listens then.
func pause(a, b context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-a.Done():
	case <-b.Done():
	}
}

// masked shows of a number its country and its last four digits.
func masked(number string) string {
	if len(number) <= 6 {
		return strings.Repeat("*", len(number))
	}
	return number[:2] + strings.Repeat("*", len(number)-6) + number[len(number)-4:]
}

// lastDigits is a number's end, which may be in an error.
func lastDigits(s string) string { return s[max(0, len(s)-4):] }
