package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mmsgw/client"
	"mmsgw/gateway"
	"mmsgw/gateway/api"
	"mmsgw/picture"
)

// memory stands in for the store and the media room: it keeps everything in
// maps, with the promises that the API relies on.
type memory struct {
	mu       sync.Mutex
	messages map[gateway.ID]*gateway.Message
	attempts map[gateway.ID][]gateway.Attempt
	keys     map[string]gateway.ID
	events   []gateway.Event
	news     chan struct{} // closed and renewed with each event
	blobs    map[string][]byte
	pictures map[string]gateway.Picture
	users    map[string]bool // account and picture
	keeps    int
	out      map[gateway.Number]bool // who opted out
	forget   bool                    // keep nothing, for benchmarks
	fail     error                   // what every write answers
	gate     chan struct{}           // where not nil, Accept waits for it
	entered  chan struct{}           // Accept got here
}

func newMemory() *memory {
	return &memory{messages: map[gateway.ID]*gateway.Message{}, attempts: map[gateway.ID][]gateway.Attempt{}, keys: map[string]gateway.ID{},
		news: make(chan struct{}), blobs: map[string][]byte{}, pictures: map[string]gateway.Picture{}, users: map[string]bool{}, out: map[gateway.Number]bool{},
		entered: make(chan struct{}, 1000)}
}

func (m *memory) set(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

func (m *memory) Accept(ctx context.Context, a gateway.Accept) (gateway.Accepting, error) {
	m.entered <- struct{}{}
	if m.gate != nil {
		<-m.gate
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return gateway.Accepting{}, m.fail
	}
	msg := a.Message
	if m.forget {
		<-m.entered
		return gateway.Accepting{ID: msg.ID}, nil
	}
	if msg.IdemKey != "" {
		if id, ok := m.keys[msg.Account+"\x00"+msg.IdemKey]; ok {
			return gateway.Accepting{ID: id, IdemHash: m.messages[id].IdemHash, Replayed: true}, nil
		}
		m.keys[msg.Account+"\x00"+msg.IdemKey] = msg.ID
	}
	m.messages[msg.ID] = msg
	for _, p := range msg.Media {
		m.pictures[p.ID], m.users[msg.Account+" "+p.ID] = p, true
	}
	m.tell(gateway.Event{At: msg.CreatedAt, Type: "message.accepted", Account: msg.Account, MessageID: msg.ID, N: -1,
		Data: gateway.EventData{Reference: msg.Reference}.JSON()})
	for _, at := range a.Attempts {
		m.tell(msg.Deliveries[at.Covers[0]].Depart(&at, at.OpenedAt))
		m.attempts[msg.ID] = append(m.attempts[msg.ID], at)
	}
	return gateway.Accepting{ID: msg.ID, Boarded: len(a.Attempts) > 0}, nil
}

// tell appends an event; the caller holds the lock.
func (m *memory) tell(e gateway.Event) {
	e.Seq = int64(len(m.events)) + 1
	m.events = append(m.events, e)
	close(m.news)
	m.news = make(chan struct{})
}

func (m *memory) Message(_ context.Context, id gateway.ID) (*gateway.Message, []gateway.Attempt, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	msg, ok := m.messages[id]
	if !ok {
		return nil, nil, gateway.ErrNotFound
	}
	return msg, m.attempts[id], nil
}

func (m *memory) Timeline(ctx context.Context, id gateway.ID) ([]gateway.Event, error) {
	page, err := m.After(ctx, gateway.FeedQuery{Message: id, Limit: 1 << 30})
	return page.Events, err
}

func (m *memory) ByKey(_ context.Context, account, key string) (gateway.Accepting, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := m.keys[account+"\x00"+key]
	if msg := m.messages[id]; msg != nil {
		return gateway.Accepting{ID: id, IdemHash: msg.IdemHash}, nil
	}
	return gateway.Accepting{}, nil
}

func (m *memory) After(ctx context.Context, q gateway.FeedQuery) (page gateway.FeedPage, err error) {
	if ctx.Err() != nil { // told as a database does that was interrupted
		return page, gateway.ErrStorage
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	page.Seen = q.After
	for _, e := range m.events[min(q.After, int64(len(m.events))):] {
		if len(page.Events) == q.Limit {
			return page, nil
		}
		page.Seen = e.Seq
		mine := q.Accounts == nil
		for _, a := range q.Accounts {
			mine = mine || a == e.Account
		}
		if mine && (q.Message.IsZero() || q.Message == e.MessageID) && (q.Carrier == "" || q.Carrier == e.Carrier) && (q.Type == "" || q.Type == e.Type) {
			page.Events = append(page.Events, e)
		}
	}
	return page, nil
}

func (m *memory) Wait(ctx context.Context, after int64) error {
	m.mu.Lock()
	news, there := m.news, int64(len(m.events)) > after
	m.mu.Unlock()
	if there {
		return nil
	}
	m.entered <- struct{}{}
	select {
	case <-news:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *memory) Latest(context.Context) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int64(len(m.events)), nil
}

func (m *memory) Receive(b []byte) *gateway.Upload {
	info, err := picture.Inspect(b)
	u := &gateway.Upload{Handle: b, Picture: gateway.Picture{ID: fmt.Sprintf("med_%x", len(b)) + strconv.Itoa(int(crc32.ChecksumIEEE(b))), Type: info.Type,
		Size: int64(len(b)), Width: info.Width, Height: info.Height, Frames: info.Frames}}
	switch {
	case errors.Is(err, picture.ErrEmpty):
		u.Fault = "media_empty"
	case errors.Is(err, picture.ErrUnsupported):
		u.Fault = "unsupported_media_type"
	case err != nil:
		u.Fault = "media_corrupt"
	}
	return u
}

func (m *memory) Keep(_ context.Context, uploads []*gateway.Upload) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	for _, u := range uploads {
		if u.Place == "" && !m.forget {
			m.keeps++
			u.Place = "at " + u.ID
			m.blobs[u.Place] = u.Handle.([]byte)
		}
	}
	return nil
}

func (m *memory) Bytes(_ context.Context, p gateway.Picture) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.blobs[p.Place]
	if !ok {
		return nil, errors.New("nothing at " + p.Place)
	}
	if int64(len(b)) != p.Size {
		return nil, fmt.Errorf("%w: %s", gateway.ErrMediaCorrupt, p.Place)
	}
	return b, nil
}

func (m *memory) Picture(_ context.Context, account, id string) (gateway.Picture, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.pictures[id]
	if !ok || account != "" && !m.users[account+" "+id] {
		return gateway.Picture{}, gateway.ErrNotFound
	}
	return p, nil
}

func (m *memory) AddPicture(_ context.Context, account string, p gateway.Picture) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p.Name = ""
	m.pictures[p.ID], m.users[account+" "+p.ID] = p, true
	return nil
}

// numbers answers lookups: the first answer for every number but those named,
// which have one each. R is whatever the domain takes for an answer, so that
// this room need not know the room it comes from.
type numbers[R any] struct {
	answers []R
	named   []string
}

func (n numbers[R]) Lookup(_ context.Context, asked []string) []R {
	found := make([]R, len(asked))
	for i, a := range asked {
		found[i] = n.answers[1+slices.Index(n.named, a)]
	}
	return found
}

// numbersOf makes numbers with a blank answer for all, and one for each named.
func numbersOf[R any](_ func(gateway.Numbers, context.Context, []string) []R, named ...string) numbers[R] {
	return numbers[R]{answers: make([]R, 1+len(named)), named: named}
}

// carriers: one, which takes any size.
type carriers struct{ cap int64 }

func (carriers) Measure(_ string, m *gateway.Message) int64 { return 2000 + m.MediaBytes() }
func (c carriers) Cap(string) int64                         { return c.cap }

// lanes have a seat for everybody, or for nobody.
type lanes struct{ free bool }

func (l lanes) Board(_ string, _ gateway.Number, n int) (gateway.Seat, bool) {
	return gateway.Seat{Owner: "me", Room: n, Go: func(gateway.Dispatch) {}, Free: func() {}}, l.free
}

func (lanes) Goes(string) bool { return true }

// world is a whole API on a socket of its own, for one caller.
type world struct {
	t testing.TB
	*memory
	*desk
	gateway  *gateway.Gateway
	server   *api.Server
	socket   string
	dial     func() net.Conn // in a bubble
	http     *http.Client
	accounts []string
	operator bool
	draining bool
	log      *lines
}

// lines collects what is logged.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// The numbers of the tests: acme's, and recipients'.
const (
	via   = "+12125550123"
	to    = "+14165550199"
	to2   = "+13125550142"
	noMMS = "+13125550143"
	mute  = "+13125550144" // nobody can be asked about it
)

func account(id string, own ...gateway.Number) *gateway.Account {
	a := &gateway.Account{ID: id, Numbers: map[gateway.Number]gateway.OwnNumber{}, DefaultRegion: "US", Freshness: 24 * time.Hour}
	a.Standing.Plan, a.Standing.MMSEnabled, a.Standing.SMSEnabled = "paid", true, true
	for _, n := range own {
		a.Numbers[n] = gateway.OwnNumber{Registered: true}
	}
	return a
}

// testGateway is the real domain over the stand-ins.
func testGateway(m *memory) *gateway.Gateway {
	n := numbersOf(gateway.Numbers.Lookup, noMMS, mute)
	n.answers[0].Profile.MMS, n.answers[0].Profile.Network = "yes", "bell"
	n.answers[1].Profile.MMS = "no"
	n.answers[2].Err = errors.New("lookup down")
	g := &gateway.Gateway{
		Numbers: n, Carriers: carriers{cap: 600 << 10}, Media: m, Messages: m, Lanes: lanes{}, Now: time.Now, NewID: gateway.NewID,
	}
	g.Rules.Store(&gateway.Rules{
		Accounts: map[string]*gateway.Account{"acme": account("acme", via), "other": account("other", "+12125550177")},
		Routes:   []gateway.Route{{Kind: gateway.MMS, To: []string{"+1"}, Carriers: []string{"north"}}, {Kind: gateway.SMS, To: []string{"+1"}, Carriers: []string{"texts"}}},
		Unknown:  gateway.Block, Failed: gateway.Block,
	})
	return g
}

// open starts a world whose caller may use the account acme.
func open(t testing.TB) *world {
	t.Helper()
	w := newWorld(t)
	w.listen()
	return w
}

// listen opens the world's socket.
func (w *world) listen() {
	t := w.t
	t.Helper()
	dir, err := os.MkdirTemp("", "api")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	w.socket = filepath.Join(dir, "s")
	l, err := api.Listen(w.socket)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- w.server.Serve(l) }()
	w.http = &http.Client{Transport: &http.Transport{DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", w.socket)
		}}}
	t.Cleanup(func() { w.close(served) })
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, memory: newMemory(), accounts: []string{"acme"}, log: &lines{}}
	w.desk = newDesk(w.memory)
	w.gateway = testGateway(w.memory)
	w.gateway.Consent = w.desk
	w.server = api.New(w.options())
	return w
}

// options are a server's that stands on the stand-ins alone.
func (w *world) options() api.Options {
	return api.Options{
		Gateway: w.gateway, Media: w.memory, Pictures: w.memory, Feed: w.memory, Log: logger(w.log),
		InFlight:   1, // the least there is
		Operations: w.desk, Links: func() []api.Link { return w.desk.links },
		Reload: func(_ context.Context, who string) ([]string, error) { return w.desk.reload(who) },
		Accounts: func(uid uint32) []string {
			if uid != uint32(os.Getuid()) {
				w.t.Errorf("the caller's uid is %d, want %d", uid, os.Getuid())
			}
			return w.accounts
		},
		Operator: func(api.Peer) bool { return w.operator },
		Draining: func() bool { return w.draining },
	}
}

func (w *world) close(served <-chan error) {
	w.http.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := w.server.Shutdown(ctx); err != nil {
		w.t.Errorf("shutdown: %v", err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		w.t.Errorf("serve: %v", err)
	}
	if n := w.server.InFlight(); n != 0 {
		w.t.Errorf("%d bytes are in flight when all is over", n)
	}
}

// bubble runs a test in fake time, over pipes instead of a socket.
func bubble(t *testing.T, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		conns := make(chan net.Conn)
		served := make(chan error, 1)
		go func() { served <- w.server.ServePipes(conns, api.Peer{UID: uint32(os.Getuid())}) }()
		w.dial = func() net.Conn {
			mine, theirs := net.Pipe()
			conns <- theirs
			return mine
		}
		w.http = &http.Client{Transport: &http.Transport{DisableCompression: true,
			DialContext: func(context.Context, string, string) (net.Conn, error) { return w.dial(), nil }}}
		defer w.close(served)
		test(t, w)
	})
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) problem(t testing.TB) client.Problem {
	t.Helper()
	if kind := a.header.Get("Content-Type"); kind != "application/problem+json" {
		t.Fatalf("HTTP %d of type %q, want a problem: %s", a.status, kind, a.body)
	}
	var p client.Problem
	decode(t, a.body, &p)
	if p.Status != a.status || p.Code == "" || p.Title == "" || p.Type == "" || p.Detail == "" {
		t.Errorf("the problem is not whole: %s", a.body)
	}
	return p
}

// decode reads JSON into a wire type that must know every member.
func decode(t testing.TB, b []byte, out any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(out); err != nil {
		t.Fatalf("decode: %v in %s", err, b)
	}
}

// do sends a request; header comes in pairs.
func (w *world) do(method, path string, body io.Reader, header ...string) answer {
	w.t.Helper()
	req, err := http.NewRequest(method, "http://mmsgw"+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	res, err := w.http.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer{status: res.StatusCode, header: res.Header, body: b}
}

func (w *world) get(path string) answer { w.t.Helper(); return w.do("GET", path, nil) }

func (w *world) json(path, body string, header ...string) answer {
	w.t.Helper()
	return w.do("POST", path, strings.NewReader(body), append([]string{"Content-Type", "application/json"}, header...)...)
}

// send submits JSON and expects it to be accepted.
func (w *world) send(body string, header ...string) *client.Message {
	w.t.Helper()
	a := w.json("/v1/messages", body, header...)
	if a.status != http.StatusAccepted {
		w.t.Fatalf("HTTP %d, want 202: %s", a.status, a.body)
	}
	var m client.Message
	decode(w.t, a.body, &m)
	return &m
}

func (w *world) stored() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.messages)
}

// piece is one part of a form.
type piece struct {
	name, filename, kind string
	data                 []byte
}

// form builds a multipart body.
func form(pieces ...piece) (body []byte, contentType string) {
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for _, p := range pieces {
		h := textproto.MIMEHeader{}
		d := `form-data; name="` + p.name + `"`
		if p.filename != "" {
			d += `; filename="` + p.filename + `"`
		}
		h.Set("Content-Disposition", d)
		if p.kind != "" {
			h.Set("Content-Type", p.kind)
		}
		part, err := m.CreatePart(h)
		if err != nil {
			panic(err)
		}
		part.Write(p.data)
	}
	m.Close()
	return b.Bytes(), m.FormDataContentType()
}

func (w *world) form(path string, pieces ...piece) answer {
	w.t.Helper()
	body, kind := form(pieces...)
	return w.do("POST", path, bytes.NewReader(body), "Content-Type", kind)
}

func message(json string) piece { return piece{name: "message", data: []byte(json)} }

// picOf makes a real PNG, a different one for each shade.
func picOf(shade uint8) []byte {
	img := image.NewGray(image.Rect(0, 0, 4, 3))
	for i := range img.Pix {
		img.Pix[i] = shade
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// bigPic is a PNG of n bytes, most of them behind its end.
func bigPic(n int) []byte {
	p := picOf(1)
	return append(p, make([]byte, n-len(p))...)
}

func logger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
