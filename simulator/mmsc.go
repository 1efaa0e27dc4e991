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
	// of it, or its last digits. The longest that fits counts, before Fault.
	Scenario  map[string]string
	RefuseFor time.Duration // how long the fault refuse lasts; default 3 s
	LateBy    time.Duration // how late the report of the fault late-report is; default 10 s

	Keep    int          // newest submissions and reports kept for Seen and Reports; default 10,000
	Journal io.Writer    // each submission and report as a line of JSON, in clear; nil: none
	Log     *slog.Logger // masked; nil: none

	Now   func() time.Time // of what is recorded and reported; default time.Now
	NewID func() string    // MessageIDs, and TransactionIDs of reports; default 26 random letters and digits
}

// MMSC is a carrier's MMS relay/server, seen from a VASP. Close it after use.
type MMSC struct {
	o        Options
	fault    *fault
	scenario map[string]*fault
	book     *book
	reports  *reporter
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
}

// New makes an MMSC that serves at once. An error names the option that is wrong.
func New(o Options) (*MMSC, error) {
	o.defaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	m := &MMSC{o: o, scenario: map[string]*fault{}, book: newBook(o)}
	var err error
	if m.fault, err = faultNamed(o.Fault); err != nil {
		return nil, fmt.Errorf("simulated MMSC: %w", err)
	}
	for ending, name := range o.Scenario {
		if m.scenario[ending], err = faultNamed(name); err != nil {
			return nil, fmt.Errorf("simulated MMSC, scenario of numbers that end in %s: %w", lastDigits(ending), err)
		}
		if m.scenario[ending].refuses {
			return nil, fmt.Errorf("simulated MMSC, scenario of numbers that end in %s: %s is of the whole MMSC; set it as Fault", lastDigits(ending), name)
		}
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
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
}

// ServeHTTP takes a SubmitReq, on any path.
func (m *MMSC) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
	s, refused := m.receive(r)
	if refused != nil {
		m.refuse(w, s, refused)
		return
	}
	m.deal(w, r, s)
}

// deal does to a submission without problems what the fault of its recipient wants.
func (m *MMSC) deal(w http.ResponseWriter, r *http.Request, s *arrival) {
	f := m.faultOf(s)
	m.book.count(s.record)
	if f.failure != nil && (f.failures < 0 || s.record.Copy <= f.failures) {
		m.note(s, f)
		f.failure(m, w, s.record)
		return
	}
	if m.reports.full() {
		m.note(s, f)
		m.unavailable(w, s.record)
		return
	}
	s.record.Accepted, s.record.MessageID = true, m.o.NewID()
	m.note(s, f)
	chains := m.chains(s, f)
	if f.early {
		for _, c := range chains {
			m.reports.now(c)
		}
	}
	pause(m.ctx, r.Context(), f.wait)
	// Deferred, for an answer may end in a panic that hangs up.
	defer m.reports.add(chains)
	if f.answer == nil {
		m.accepted(w, s.record)
		return
	}
	f.answer(m, w, s.record)
}

// faultOf is how a submission is to be dealt with, by its first recipient.
func (m *MMSC) faultOf(s *arrival) *fault {
	f := m.fault
	if len(s.record.To) > 0 {
		f = m.ofRecipient(s.record.To[0])
	}
	s.record.Fault = f.Name
	return f
}

func (m *MMSC) ofRecipient(to string) *fault {
	for i := range to {
		if f := m.scenario[to[i:]]; f != nil {
			return f
		}
	}
	return m.fault
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
