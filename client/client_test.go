package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mmsgw/client"
)

// daemon serves a scripted handler on a socket and gives a client to it.
func daemon(t *testing.T, h http.HandlerFunc) *client.Client {
	t.Helper()
	dir, err := os.MkdirTemp("", "client")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(l) }()
	c, err := client.New("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		s.Close()
		<-done
		os.RemoveAll(dir)
	})
	return c
}

func tell(w http.ResponseWriter, status int, kind, body string) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	io.WriteString(w, body)
}

func submission() client.Submission {
	return client.Submission{From: "+12125550123", To: []string{"+14165550199"}, Text: "hi"}
}

// What an error tells of the message decides the exit code of the command line.
func TestSubmitErrors(t *testing.T) {
	problem := func(status int, code string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Retry-After", "5")
			tell(w, status, "application/problem+json", `{"type":"about:blank","title":"x","status":1,"detail":"d","code":"`+code+`","flags":[{"code":"to_invalid","severity":"block","field":"/to/0","message":"m"}]}`)
		}
	}
	for name, c := range map[string]struct {
		answer  http.HandlerFunc
		refused string // code of a *Problem
		unsure  bool
	}{
		"refused":     {problem(422, "to_invalid"), "to_invalid", false},
		"lookup down": {problem(503, "capability_lookup_failed"), "capability_lookup_failed", false},
		"draining":    {problem(503, "draining"), "draining", false},
		"full":        {problem(507, "storage_full"), "storage_full", false},
		"conflict":    {problem(409, "idempotency_conflict"), "idempotency_conflict", false},
		"in progress": {problem(409, "idempotency_in_progress"), "", true},
		"storage":     {problem(503, "storage_unavailable"), "", true},
		"internal":    {problem(500, "oops"), "", true},
		"a proxy": {func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			tell(w, 502, "text/html", "<h1>")
		}, "", true},
		"a proxy, unavailable": {func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			tell(w, 503, "text/html", "<h1>")
		}, "", true},
		"hung up after": {func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); panic(http.ErrAbortHandler) }, "", true},
		"half an answer": {func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Length", "100")
			tell(w, 202, "application/json", `{"id":`)
		}, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			done, err := daemon(t, c.answer).Submit(t.Context(), submission())
			var p *client.Problem
			var u *client.UncertainError
			switch {
			case done.Key == "" || done.Message != nil:
				t.Errorf("%+v", done)
			case c.unsure && (!errors.As(err, &u) || u.Key != done.Key || !strings.Contains(err.Error(), done.Key)):
				t.Errorf("%v, want uncertain", err)
			case !c.unsure && (errors.As(err, &u) || !errors.As(err, &p) || p.Code != c.refused || p.RetryAfter != 5*time.Second || len(p.Flags) != 1 || !strings.Contains(err.Error(), "/to/0")):
				t.Errorf("%v, want %s", err, c.refused)
			}
		})
	}
}

func TestNotReached(t *testing.T) {
	var n *client.NotReachedError
	c, err := client.New("unix:" + filepath.Join(t.TempDir(), "none"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Submit(t.Context(), submission()); !errors.As(err, &n) {
		t.Errorf("no socket: %v", err)
	}
	if _, err := c.Message(t.Context(), "msg_x"); !errors.As(err, &n) {
		t.Errorf("no socket: %v", err)
	}
	// A connection that breaks within the body brought nothing whole.
	c = daemon(t, func(w http.ResponseWriter, r *http.Request) {
		r.Body.Read(make([]byte, 100))
		conn, _, _ := http.NewResponseController(w).Hijack()
		conn.Close()
	})
	s := submission()
	s.Files = []client.File{client.FileOf("a", make([]byte, 20<<20))}
	if _, err := c.Submit(t.Context(), s); !errors.As(err, &n) {
		t.Errorf("broken within the body: %v", err)
	}
	for _, target := range []string{"", "/run/x.sock", "ftp://host", "http://", "host:80"} {
		if _, err := client.New(target); err == nil {
			t.Errorf("%q is taken", target)
		}
	}
}

func TestSubmitUntilTheContextEnds(t *testing.T) {
	got := make(chan struct{})
	c := daemon(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		close(got)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-got; cancel() }()
	var u *client.UncertainError
	if _, err := c.Submit(ctx, submission()); !errors.As(err, &u) || !errors.Is(err, context.Canceled) {
		t.Errorf("after sending: %v", err)
	}
	var n *client.NotReachedError
	if _, err := c.Submit(ctx, submission()); !errors.As(err, &n) {
		t.Errorf("before sending: %v", err)
	}
}

func TestSubmitFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ph\"o\r\nto é.png")
	if err := os.WriteFile(path, []byte("bytes of a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := client.FileAt(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int64{file.Size, -1} {
		file.Size = size
		c := daemon(t, func(w http.ResponseWriter, r *http.Request) {
			if (r.ContentLength < 0) != (size < 0) || r.Header.Get("Idempotency-Key") != "mine" {
				t.Errorf("length %d, key %q", r.ContentLength, r.Header.Get("Idempotency-Key"))
			}
			_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
			if err != nil {
				t.Error(err)
			}
			parts := multipart.NewReader(r.Body, params["boundary"])
			var got []string
			for {
				p, err := parts.NextRawPart()
				if err != nil {
					break
				}
				b, _ := io.ReadAll(p)
				_, params, err := mime.ParseMediaType(p.Header.Get("Content-Disposition"))
				if err != nil {
					t.Error(err)
				}
				got = append(got, params["name"]+"|"+params["filename"]+"|"+p.Header.Get("Content-Type")+"|"+string(b))
			}
			want := []string{`message||application/json|{"from":"+12125550123","to":["+14165550199"],"text":"hi","media":[{"id":"med_1"}],"delivery_report":false}`,
				"media|" + filepath.Base(path) + "|application/octet-stream|bytes of a file", "media|b.gif|image/gif|two"}
			if !slices.Equal(got, want) {
				t.Errorf("got %q\nwant %q", got, want)
			}
			w.Header().Set("Idempotent-Replayed", "true")
			tell(w, 202, "application/json", `{"id":"msg_1","state":"queued","new_member":1}`)
		})
		s := submission()
		two := client.FileOf("b.gif", []byte("two"))
		two.Type = "image/gif"
		s.Key, s.Media, s.DeliveryReport, s.Files = "mine", []client.Stored{{ID: "med_1"}}, new(false), []client.File{file, two}
		done, err := c.Submit(t.Context(), s)
		if err != nil || !done.Replayed || done.Key != "mine" || done.Message.ID != "msg_1" {
			t.Errorf("%+v, %v", done, err)
		}
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	c := daemon(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			t.Error("a whole body arrived")
		}
	})
	path := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := client.FileAt(path)
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(path)
	s := submission()
	s.Files = []client.File{f}
	if _, err := c.Submit(t.Context(), s); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "read picture") {
		t.Errorf("a file that went away: %v", err)
	}
	var u *client.UncertainError
	f = client.FileOf("a", []byte("short"))
	f.Size = 100
	s.Files = []client.File{f}
	if _, err := c.Submit(t.Context(), s); err == nil || errors.As(err, &u) || !strings.Contains(err.Error(), "not 100 bytes") {
		t.Errorf("a file that shrank: %v", err)
	}
	s.Files[0].Size = 3
	if _, err := c.Submit(t.Context(), s); err == nil || errors.As(err, &u) || !strings.Contains(err.Error(), "not 3 bytes") {
		t.Errorf("a file that grew: %v", err)
	}
	if _, err := client.FileAt(path); err == nil {
		t.Error("no file: no error")
	}
	if _, err := client.FileAt(t.TempDir()); err == nil || !strings.Contains(err.Error(), "directory") {
		t.Errorf("a directory: %v", err)
	}
}

// A kept connection that died is replaced, with the same key and the files
// from their beginning.
func TestSubmitOverADeadConnection(t *testing.T) {
	var mu sync.Mutex
	var keys []string
	var bodies [][]byte
	c := daemon(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		b, _ := io.ReadAll(r.Body)
		keys, bodies = append(keys, r.Header.Get("Idempotency-Key")), append(bodies, b)
		if len(keys) == 2 { // a connection used before: the client can't tell when it died
			conn, _, _ := http.NewResponseController(w).Hijack()
			conn.Close()
			return
		}
		tell(w, 202, "application/json", `{"id":"msg_1"}`)
	})
	s := submission()
	s.Files = []client.File{client.FileOf("a", bytes.Repeat([]byte("x"), 100_000))}
	for range 2 {
		if _, err := c.Submit(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if len(keys) != 3 || keys[1] != keys[2] || keys[0] == keys[1] || !bytes.Equal(bodies[1], bodies[2]) {
		t.Errorf("keys %q, %d bodies", keys, len(bodies))
	}
}

func TestEvents(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	steps := []http.HandlerFunc{
		func(w http.ResponseWriter, r *http.Request) {
			tell(w, 200, "application/json", `{"items":[{"id":"c1","type":"a","data":{"state":"sent"}},{"id":"c2","type":"b"}],"next_cursor":"c2"}`)
		},
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		func(w http.ResponseWriter, r *http.Request) {
			tell(w, 503, "application/problem+json", `{"code":"storage_unavailable"}`)
		},
		func(w http.ResponseWriter, r *http.Request) {
			tell(w, 200, "application/json", `{"items":[],"next_cursor":"c7"}`)
		},
		func(w http.ResponseWriter, r *http.Request) {
			tell(w, 200, "application/json", `{"items":[{"id":"c8","type":"c"}],"next_cursor":"c8"}`)
		},
		func(w http.ResponseWriter, r *http.Request) {
			tell(w, 400, "application/problem+json", `{"code":"bad_cursor"}`)
		},
	}
	c := daemon(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		q := r.URL.Query()
		asked = append(asked, q.Get("after"))
		if q.Get("message") != "msg_1" || q.Get("wait") == "" || q.Get("type") != "" {
			t.Errorf("query %v", q)
		}
		steps[len(asked)-1](w, r)
	})
	var got []string
	for e, err := range c.Events(t.Context(), client.EventQuery{After: "latest", Message: "msg_1"}) {
		if err != nil {
			got = append(got, err.Error())
			break
		}
		if e.Type == "a" {
			if d, err := e.Details(); err != nil || d.State != "sent" {
				t.Errorf("%+v, %v", d, err)
			}
		}
		got = append(got, e.ID)
	}
	// net/http repeats a GET over a dead connection by itself.
	asked = slices.Compact(asked)
	if !slices.Equal(got, []string{"c1", "c2", "c8", "bad_cursor (HTTP 400)"}) || !slices.Equal(asked, []string{"latest", "c2", "c7", "c8"}) {
		t.Errorf("got %q, asked after %q", got, asked)
	}
}

func TestEventsEnd(t *testing.T) {
	c, _ := client.New("unix:" + filepath.Join(t.TempDir(), "none"))
	var n *client.NotReachedError
	for _, err := range c.Events(t.Context(), client.EventQuery{}) {
		if !errors.As(err, &n) {
			t.Errorf("never reached: %v", err)
		}
	}
	if n == nil {
		t.Error("never reached, but no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	c = daemon(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("after") == "c1" {
			cancel()
			<-r.Context().Done()
			return
		}
		tell(w, 200, "application/json", `{"items":[{"id":"c1","type":"a"}],"next_cursor":"c1"}`)
	})
	for e, err := range c.Events(ctx, client.EventQuery{}) {
		if err != nil || e.ID != "c1" {
			t.Errorf("%+v, %v", e, err)
		}
	}
}

func TestTimelinePages(t *testing.T) {
	c := daemon(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("cursor") == "" {
			tell(w, 200, "application/json", `{"items":[{"id":"1"}],"next_cursor":"1"}`)
			return
		}
		tell(w, 200, "application/json", `{"items":[{"id":"2"}],"next_cursor":null}`)
	})
	if e, err := c.Timeline(t.Context(), "msg_1"); err != nil || len(e) != 2 || e[1].ID != "2" {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestWireForms(t *testing.T) {
	b, err := json.Marshal(client.Delivery{})
	if err != nil || !strings.Contains(string(b), `"reason":null`) || !strings.Contains(string(b), `"sent_at":null`) {
		t.Errorf("%s, %v", b, err)
	}
	if a, b := client.NewKey(), client.NewKey(); a == b || len(a) < 26 || len(a) > 255 {
		t.Errorf("keys %q, %q", a, b)
	}
}
