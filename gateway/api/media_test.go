package api_test

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"mmsgw/client"
)

func TestMedia(t *testing.T) {
	w := open(t)
	pic := picOf(5)
	a := w.do("POST", "/v1/media", bytes.NewReader(pic), "Content-Type", "image/jpeg")
	var m client.Media
	decode(t, a.body, &m)
	if a.status != http.StatusCreated || a.header.Get("Location") != "/v1/media/"+m.ID || m.Type != "image/png" || m.Size != int64(len(pic)) || m.Width != 4 || m.Height != 3 || m.Frames != 1 {
		t.Fatalf("HTTP %d %v: %s", a.status, a.header, a.body)
	}
	for _, method := range []string{"GET", "HEAD"} {
		got := w.do(method, "/v1/media/"+m.ID, nil)
		want := pic
		if method == "HEAD" {
			want = nil
		}
		if got.status != 200 || !bytes.Equal(got.body, want) {
			t.Errorf("%s: HTTP %d, %d bytes", method, got.status, len(got.body))
		}
		for name, want := range map[string]string{"Content-Type": "image/png", "Content-Length": strconv.Itoa(len(pic)), "X-Content-Type-Options": "nosniff",
			"Cache-Control": "private, immutable", "ETag": `"` + m.ID + `"`} {
			if got.header.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", method, name, got.header.Get(name), want)
			}
		}
	}
	if got := w.do("GET", "/v1/media/"+m.ID, nil, "If-None-Match", `"`+m.ID+`"`); got.status != 304 {
		t.Errorf("known already: HTTP %d", got.status)
	}
	// The same bytes are one picture, stored once, for whoever sends them.
	w.accounts = []string{"other"}
	if got := w.get("/v1/media/" + m.ID); got.status != 404 {
		t.Errorf("before other sent it: HTTP %d", got.status)
	}
	var again client.Media
	decode(t, w.do("POST", "/v1/media?account=other", bytes.NewReader(pic)).body, &again)
	if again != m || w.keeps != 1 {
		t.Errorf("%+v, want %+v; stored %d times", again, m, w.keeps)
	}
	if got := w.get("/v1/media/" + m.ID); got.status != 200 {
		t.Errorf("after other sent it: HTTP %d", got.status)
	}
}

func TestMediaRefused(t *testing.T) {
	w := open(t)
	for name, c := range map[string]struct {
		body   []byte
		header []string
		status int
		code   string
	}{
		"empty":            {nil, nil, 422, "media_empty"},
		"no picture":       {[]byte("%PDF-1.7"), []string{"Content-Type", "image/png"}, 422, "unsupported_media_type"},
		"cut short":        {picOf(1)[:12], nil, 422, "media_corrupt"},
		"a form":           {picOf(1), []string{"Content-Type", "multipart/form-data; boundary=x"}, 415, "unsupported_content_type"},
		"gzip":             {picOf(1), []string{"Content-Encoding", "gzip"}, 415, "unsupported_content_type"},
		"a byte too large": {bigPic(5<<20 + 1), nil, 413, "body_too_large"},
	} {
		a := w.do("POST", "/v1/media", bytes.NewReader(c.body), c.header...)
		if p := a.problem(t); a.status != c.status || p.Code != c.code {
			t.Errorf("%s: HTTP %d %s, want %d %s", name, a.status, p.Code, c.status, c.code)
		}
	}
	if a := w.do("POST", "/v1/media", bytes.NewReader(bigPic(5<<20))); a.status != 201 {
		t.Errorf("five MiB: HTTP %d: %s", a.status, a.body)
	}
	if p := w.do("POST", "/v1/media?acount=acme", bytes.NewReader(picOf(1))).problem(t); p.Code != "unknown_field" {
		t.Errorf("a typing error: %+v", p)
	}
	w.operator, w.accounts = true, nil
	if p := w.do("POST", "/v1/media?account=none", bytes.NewReader(picOf(1))).problem(t); p.Code != "account_unknown" {
		t.Errorf("no such account: %+v", p)
	}
}

// A stored picture that can't be read is our trouble, told as such, in words
// that do not speak of sending.
func TestMediaLost(t *testing.T) {
	for name, c := range map[string]struct {
		change       func(blobs map[string][]byte, place string)
		said, logged string
	}{
		"lost":    {func(blobs map[string][]byte, place string) { delete(blobs, place) }, "The storage did not answer. Try again in a moment.", "nothing at"},
		"damaged": {func(blobs map[string][]byte, place string) { blobs[place] = blobs[place][1:] }, "The stored picture is damaged or gone. An operator has to look at the storage.", "damaged or gone: at med_"},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			var m client.Media
			decode(t, w.do("POST", "/v1/media", bytes.NewReader(picOf(5))).body, &m)
			w.set(func() { c.change(w.blobs, "at "+m.ID) })
			if p := w.get("/v1/media/" + m.ID).problem(t); p.Status != 503 || p.Code != "storage_unavailable" || p.Detail != c.said {
				t.Errorf("%+v", p)
			}
			if !strings.Contains(w.log.String(), c.logged) {
				t.Errorf("logged: %s", w.log)
			}
		})
	}
}
