package carrier_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mmsgw/gateway"
	"mmsgw/gateway/carrier"
)

const (
	sender    = gateway.Number("+12125550123")
	recipient = gateway.Number("+14165550199")
)

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// album gives pictures by their place, and counts what it was asked for.
type album struct {
	mu    sync.Mutex
	bytes map[string][]byte
	errs  map[string]error
	asked int
}

func (a *album) open(_ context.Context, p gateway.Picture) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	return a.bytes[p.Place], a.errs[p.Place]
}

// add makes up a picture of a type and size: any bytes, all 256 values in them.
func (a *album) add(kind string, size int) gateway.Picture {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i*7 + i>>8)
	}
	copy(data, map[string]string{"image/gif": "GIF89a", "image/png": "\x89PNG\r\n\x1a\n", "image/jpeg": "\xff\xd8\xff"}[kind])
	place := fmt.Sprintf("p%d", len(a.bytes))
	if a.bytes == nil {
		a.bytes, a.errs = map[string][]byte{}, map[string]error{}
	}
	a.bytes[place] = data
	return gateway.Picture{ID: "med_" + place, Type: kind, Size: int64(size), Place: place, Name: "Größe & <more>.png"}
}

func (a *album) sum(p gateway.Picture) string {
	sum := sha256.Sum256(a.bytes[p.Place])
	return hex.EncodeToString(sum[:])
}

// message is one to one recipient.
func message(pictures ...gateway.Picture) *gateway.Message {
	return &gateway.Message{
		ID: gateway.ID{1}, From: sender, Channel: gateway.MMS, Subject: "Your receipt & <thanks>", Text: "Thanks for coming by! 漢\r\n—",
		Priority: gateway.Normal, Media: pictures, Report: true, CreatedAt: now, ValidUntil: now.Add(24 * time.Hour),
		Deliveries: []gateway.Delivery{{Recipient: recipient, WantsReport: true, ValidUntil: now.Add(24 * time.Hour)}},
	}
}

func dispatch(m *gateway.Message) gateway.Dispatch {
	a := gateway.Attempt{ID: gateway.NewID(), MessageID: m.ID, Covers: []int{0}, Lane: "north", Dials: 1, OpenedAt: now}
	return gateway.Dispatch{Attempt: a, Message: m, Deliveries: m.Deliveries}
}

// options are those of a carrier that takes everybody's reports.
func options(url string) carrier.Options {
	return carrier.Options{
		Name: "north", URL: url, Dialect: "rel-6-mm7-1-4", VASPID: "acme", VASID: "picture",
		ReportOpen: true, Now: func() time.Time { return now }, NewID: func() gateway.ID { return gateway.ID{9} },
	}
}

func link(t testing.TB, o carrier.Options, open carrier.Opener) *carrier.Link {
	t.Helper()
	l, err := carrier.New(o, open)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// send sends a message with a picture to url.
func send(t testing.TB, o carrier.Options) gateway.Result {
	t.Helper()
	var a album
	m := message(a.add("image/png", 2000))
	return link(t, o, a.open).Send(t.Context(), dispatch(m))
}

// serve answers every request with what answer writes, the body read before.
func serve(t testing.TB, answer http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

const samples = "../../testdata/mm7"

// sample reads a committed message: status and header too, where it has them.
func sample(t testing.TB, name string) (status int, header http.Header, body []byte) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(samples, name))
	if err != nil {
		t.Fatal(err)
	}
	status, header = http.StatusOK, http.Header{"Content-Type": {"text/xml"}}
	if !strings.HasSuffix(name, ".http") {
		return status, header, data
	}
	r := bufio.NewReader(bytes.NewReader(data))
	first, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, _ = fmt.Sscanf(first, "HTTP/1.1 %d", &status)
	for {
		line, err := r.ReadString('\n')
		key, value, found := strings.Cut(strings.TrimSpace(line), ":")
		if err != nil || !found {
			break
		}
		if key == "Content-Type" {
			header.Set(key, strings.TrimSpace(value))
		}
	}
	body, err = io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return status, header, body
}

// sampleNames are the committed messages that hold one of the words.
func sampleNames(t testing.TB, words ...string) (names []string) {
	t.Helper()
	for _, dir := range []string{"canonical", "quirks"} {
		entries, err := os.ReadDir(filepath.Join(samples, dir))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			data, err := os.ReadFile(filepath.Join(samples, dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			if slices.ContainsFunc(words, func(w string) bool { return bytes.Contains(data, []byte(w)) }) {
				names = append(names, dir+"/"+e.Name())
			}
		}
	}
	return names
}

// canned answers without a network.
type canned struct {
	status int
	retry  string
	body   []byte
}

func (c *canned) RoundTrip(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body)
	return &http.Response{
		StatusCode: c.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"text/xml"}, "Retry-After": {c.retry}}, Body: io.NopCloser(bytes.NewReader(c.body)),
	}, nil
}
