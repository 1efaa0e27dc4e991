// Package carrier speaks for one carrier each: a Link turns what the gateway
// has to send into the carrier's protocol, and what the carrier says back into
// the gateway's words. It measures what it would send, holds the one table of
// what a carrier's answers mean, and takes the carrier's reports. When to send
// and what follows from an answer is not decided here.
package carrier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"mmsgw/gateway"
	"mmsgw/mm7"
)

// Options say who a carrier is and how it wants to be spoken to.
type Options struct {
	Name          string
	URL           string // of its MMSC
	Dialect       string // name of a preset: rel-6-mm7-1-4, rel-5-mm7-1-2
	Quirks        Quirks
	VASPID, VASID string // ids the carrier gave us; empty: left out
	Login         *Login // that we send; nil: none

	Connect    time.Duration // bounds dialling, and again the TLS handshake; default 10 s
	Response   time.Duration // bounds a request from dialling to the answer's end; default 120 s
	Report     time.Duration // how long a final report is awaited; default 72 h
	MaxMessage int64         // bytes of a whole HTTP body as sent; 0: no limit
	Group      int           // recipients that share a request, at most; default 1
	Outcomes   []Override    // what answers mean here, before the table is asked; the first that fits counts
	MessageID  IDRules       // how its reports mangle MessageIDs
	Window     int           // requests under way at a time, hence connections kept; default 8

	ReportLogin *Login         // that the carrier's reports bring
	ReportFrom  []netip.Prefix // where its reports come from; empty: anywhere
	ReportOpen  bool           // reports need no login

	Log   *slog.Logger
	Now   func() time.Time
	NewID func() gateway.ID
	Rand  io.Reader // of MIME boundaries; default crypto/rand
	// Transport carries the requests; default one of mm7's. With any other, a
	// request counts as possibly sent unless dialling failed.
	Transport http.RoundTripper
}

// Override says what an answer of this carrier means. An empty Code or Text fits
// every one.
type Override struct {
	Code    string // a StatusCode, or http- and an HTTP status
	Text    string // part of the StatusText, the Details or the fault's words, any letter case
	Outcome gateway.Outcome
	Reason  gateway.Reason // of a rejection
	Counts  bool           // the answer is about the message
	After   time.Duration  // the least wait before the next try; 0: as the carrier says
}

// IDRules are the ways in which a report's MessageID may differ from that of the
// answer it belongs to.
type IDRules struct {
	IgnoreCase  bool
	IgnoreZeros bool // leading ones
}

// Quirks override single habits of a dialect; nil leaves the dialect's own.
type Quirks struct {
	SOAPAction        *string // the header's value to the byte
	NumberFormat      *string // e164plus or e164
	TransferEncoding  *string // binary or base64
	XMLStyle          *string // default, prefix or root
	SendSenderAddress *bool
	EnvelopePrefix    *string
	EnvelopeContentID *string
}

// Login is a user and password of HTTP Basic authentication (RFC 7617).
type Login struct{ Username, Password string }

// Opener gives the bytes of a stored picture, which are shared and not
// changed. An error that wraps gateway.ErrMediaCorrupt says that they are lost
// for good; any other, that asking again may help.
type Opener func(context.Context, gateway.Picture) ([]byte, error)

// Link speaks to one carrier over MM7. It may be used by many goroutines.
type Link struct {
	o       Options
	dialect mm7.Dialect
	client  *mm7.Client
	open    Opener
	gate    gate

	strangers strangers
}

// New makes a Link; it does not connect. An error names the carrier and the
// option that is wrong.
func New(o Options, open Opener) (*Link, error) {
	o.complete()
	dialect, err := dialectOf(o.Dialect, o.Quirks)
	switch {
	case err != nil:
	case o.Name == "" || strings.Contains(o.Name, "/"):
		err = errors.New("the name is empty or has a slash, so that no report could find it")
	case o.ReportLogin == nil && !o.ReportOpen:
		err = errors.New("its reports have no login; give them one, or leave them open on purpose")
	}
	if err != nil {
		return nil, fmt.Errorf("carrier %q: %w", o.Name, err)
	}
	l := &Link{o: o, dialect: dialect, open: open, gate: newGate(o)}
	c := mm7.ClientOptions{URL: o.URL, Dialect: dialect, Transport: o.Transport, Response: o.Response, Rand: o.Rand}
	if o.Login != nil {
		c.Basic = &mm7.Basic{Username: o.Login.Username, Password: o.Login.Password}
	}
	if l.client, err = mm7.NewClient(c); err != nil {
		return nil, fmt.Errorf("carrier %q: %w", o.Name, err)
	}
	return l, nil
}

func (o *Options) complete() {
	o.Group = cmp.Or(o.Group, 1)
	o.Response = cmp.Or(o.Response, 2*time.Minute)
	o.Report = cmp.Or(o.Report, 72*time.Hour)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = gateway.NewID
	}
	if o.Transport == nil {
		o.Transport = mm7.NewTransport(mm7.TransportOptions{Connect: o.Connect, Idle: o.Window})
	}
}

// Name is the carrier's, as the configuration has it.
func (l *Link) Name() string { return l.o.Name }

// key is a MessageID as answers and reports are matched by it.
func (l *Link) key(id string) string {
	id = bounded(id, maxKey)
	if l.o.MessageID.IgnoreCase {
		id = strings.ToLower(id)
	}
	if l.o.MessageID.IgnoreZeros {
		if short := strings.TrimLeft(id, "0"); short != "" {
			id = short
		}
	}
	return id
}

// Close closes the connections that are not in use.
func (l *Link) Close() { l.client.Close() }

// xmlStyles are the configuration's words for them.
var xmlStyles = map[string]mm7.XMLStyle{
	"default": mm7.StyleDefaultNamespace, "prefix": mm7.StylePrefix, "root": mm7.StyleRootPrefixOnly,
}

func dialectOf(preset string, q Quirks) (mm7.Dialect, error) {
	d, ok := mm7.Preset(preset)
	if !ok {
		return d, fmt.Errorf("there is no dialect %q; there are %s", preset, strings.Join(mm7.Presets(), ", "))
	}
	for _, o := range []struct{ field, quirk *string }{
		{&d.SOAPAction, q.SOAPAction}, {(*string)(&d.NumberFormat), q.NumberFormat}, {(*string)(&d.CTE), q.TransferEncoding},
		{&d.EnvelopePrefix, q.EnvelopePrefix}, {&d.EnvelopeContentID, q.EnvelopeContentID},
	} {
		if o.quirk != nil {
			*o.field = *o.quirk
		}
	}
	if q.XMLStyle != nil {
		if d.XMLStyle, ok = xmlStyles[*q.XMLStyle]; !ok {
			return d, fmt.Errorf("there is no XML style %q; there are default, prefix, root", *q.XMLStyle)
		}
	}
	if q.SendSenderAddress != nil {
		d.OmitSenderAddress = !*q.SendSenderAddress
	}
	return d, d.Check()
}
