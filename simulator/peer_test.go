package simulator_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"mmsgw/mm7"
	"mmsgw/simulator"
)

const (
	sender    = "+12125550123"
	recipient = "+14165550199"
	gif       = "GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00;"
)

// message is a SubmitReq as a sound gateway sends it.
func message(transactionID string) *mm7.SubmitReq {
	return &mm7.SubmitReq{
		Head:           mm7.Head{TransactionID: transactionID},
		VASPID:         "acme",
		VASID:          "picture",
		SenderAddress:  mm7.Address{Value: sender},
		Recipients:     mm7.Recipients{To: []mm7.Address{{Value: recipient}}},
		DeliveryReport: true,
		Subject:        "Your receipt",
		Parts: []mm7.Part{
			{ContentType: "text/plain", Data: []byte("Thanks for coming by!")},
			{ContentType: "image/gif", Data: []byte(gif)},
		},
	}
}

func preset(t testing.TB, name string) mm7.Dialect {
	t.Helper()
	d, ok := mm7.Preset(name)
	if !ok {
		t.Fatalf("no preset %s", name)
	}
	return d
}

// post is an HTTP request before it is one, to be mutated.
type post struct {
	method string
	header http.Header
	body   string
	length int64 // said to be; -1 for none
	path   string
}

func posted(t testing.TB, d mm7.Dialect, r *mm7.SubmitReq) *post {
	t.Helper()
	b, err := mm7.Encode(d, r, [16]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	body, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return &post{
		method: http.MethodPost,
		header: http.Header{"Content-Type": {b.ContentType}, "Soapaction": {d.SOAPAction}},
		body:   string(body),
		length: b.Len(),
	}
}

func (p *post) request() *http.Request {
	r := httptest.NewRequest(p.method, cmp.Or(p.path, "/mm7"), strings.NewReader(p.body))
	r.Header = p.header
	r.ContentLength = p.length
	return r
}

// replace changes the body and keeps its length true. What is not there fails.
func (p *post) replace(old, with string) {
	if !strings.Contains(p.body, old) {
		panic(fmt.Sprintf("the body has no %q", old))
	}
	p.body = strings.Replace(p.body, old, with, 1)
	p.length = int64(len(p.body))
}

// outcome is what came of a request handed over without a socket.
type outcome struct {
	code   int // of HTTP; 0 when the connection was closed without an answer
	header http.Header
	body   []byte
	rsp    *mm7.Response
}

func (o *outcome) String() string {
	switch {
	case o.code == 0:
		return "hung up"
	case o.rsp == nil || o.rsp.Status.Code == 0:
		return fmt.Sprintf("HTTP %d", o.code)
	case o.rsp.Fault != nil:
		return fmt.Sprintf("fault %d", o.rsp.Status.Code)
	}
	return fmt.Sprintf("status %d", o.rsp.Status.Code)
}

// submit hands a request over.
func submit(m http.Handler, p *post, told func(string)) (o *outcome) {
	w := &teller{ResponseRecorder: httptest.NewRecorder(), told: told}
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			o = &outcome{}
		default:
			panic(p)
		}
	}()
	// A gateway has patience for a minute.
	ctx, gone := context.WithTimeout(context.Background(), time.Minute)
	defer gone()
	m.ServeHTTP(w, p.request().WithContext(ctx))
	o = &outcome{code: w.Code, header: w.Header(), body: w.Body.Bytes()}
	if rsp, err := mm7.ParseResponse(w.Code, w.Header(), o.body); err == nil {
		o.rsp = rsp
	}
	return o
}

// teller tells when an answer is written, and takes little of it.
type teller struct {
	*httptest.ResponseRecorder
	told func(string)
}

func (w *teller) Write(b []byte) (int, error) {
	if w.told != nil {
		w.told("answer")
	}
	if w.Body.Len() > mm7.MaxEnvelope {
		return 0, errors.New("broken pipe")
	}
	return w.ResponseRecorder.Write(b)
}

// gateway is the end that reports go to, as a transport.
type gateway struct {
	mu      sync.Mutex
	said    []string                // what happened, in order
	reports []mm7.DeliveryReportReq // all that came
	// instead, when set, may answer the n-th request, from 1, by what it returns.
	instead func(n int, r *http.Request) (*http.Response, error)
	posts   int
	forged  int // reports with a wrong password
}

func (g *gateway) told(what string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.said = append(g.said, what)
}

func (g *gateway) RoundTrip(r *http.Request) (*http.Response, error) {
	user, password, _ := r.BasicAuth()
	if user == "north" && password == "secret?" {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.forged++
		return &http.Response{StatusCode: http.StatusUnauthorized, Body: http.NoBody}, nil
	}
	if user != "north" || password != "secret" {
		return nil, fmt.Errorf("a report with credentials %q, %q", user, password)
	}
	g.mu.Lock()
	g.posts++
	n := g.posts
	g.mu.Unlock()
	if g.instead != nil {
		if resp, err := g.instead(n, r); resp != nil || err != nil {
			return resp, err
		}
	}
	h := mm7.Handler{
		Dialect: mustPreset(),
		DeliveryReport: func(_ context.Context, d *mm7.DeliveryReportReq) (mm7.Status, error) {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.said = append(g.said, "report "+d.MMStatus)
			g.reports = append(g.reports, *d)
			return mm7.Status{}, nil
		},
		ReadReply: func(_ context.Context, d *mm7.ReadReplyReq) (mm7.Status, error) {
			g.told("read " + d.MMStatus)
			return mm7.Status{}, nil
		},
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

func mustPreset() mm7.Dialect {
	d, _ := mm7.Preset("rel-6-mm7-1-4")
	return d
}

// told are the events as one line.
func (g *gateway) story() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(g.said, ", ")
}

// open makes an MMSC that reports to a gateway, closed with the test.
func open(t testing.TB, g *gateway, o simulator.Options) *simulator.MMSC {
	t.Helper()
	if g != nil {
		o.ReportTo, o.Transport = "http://gateway.test/mm7/north", g
		o.ReportAuth = simulator.Basic{Username: "north", Password: "secret"}
	}
	m, err := simulator.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// lines is a journal for a test.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// held is a body that comes in time.
type held struct {
	io.Reader
	until <-chan struct{}
}

func (h *held) Read(b []byte) (int, error) {
	<-h.until
	return h.Reader.Read(b)
}

// Close has nothing to close.
func (h *held) Close() error { return nil }
