package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"mmsgw/gateway"
)

// Bounds of a request's body.
const (
	maxBody        = 16 << 20
	maxMessagePart = 64 << 10              // the JSON of a multipart submission
	maxUpload      = gateway.MaxMediaBytes // of one POST /v1/media

	idleBody   = 30 * time.Second // without a byte
	wholeBody  = 5 * time.Minute  // all of it
	budgetWait = 5 * time.Second  // for room in memory
	firstRead  = 64 << 10         // the buffer of a body of unknown length
)

// budget is the memory that all uploads have together.
type budget struct {
	*semaphore.Weighted
	taken atomic.Int64
}

// InFlight is how many bytes of submissions and uploads are in memory.
func (s *Server) InFlight() int64 { return s.budget.taken.Load() }

// share is one request's part of the budget.
type share struct {
	budget *budget
	n      int64
}

func (s *Server) share() *share { return &share{budget: &s.budget} }

// more takes n bytes of the budget, waiting a moment for others to finish.
func (h *share) more(ctx context.Context, n int64) error {
	if !h.budget.TryAcquire(n) {
		ctx, cancel := context.WithTimeout(ctx, budgetWait)
		defer cancel()
		if h.budget.Acquire(ctx, n) != nil {
			return later(http.StatusTooManyRequests, "rate_limited", "Too many uploads are under way at once; nothing was accepted. Try again in a moment.")
		}
	}
	h.n += n
	h.budget.taken.Add(n)
	return nil
}

// free gives everything back.
func (h *share) free() {
	h.budget.taken.Add(-h.n)
	h.budget.Release(h.n)
	h.n = 0
}

// body is what a caller sends, read under the share and against the clock.
type body struct {
	r       *http.Request
	control *http.ResponseController
	limit   int64
	share   *share
	end     time.Time // of all patience
	renewed time.Time // when the deadline was last moved
}

func (s *Server) body(w http.ResponseWriter, r *http.Request, limit int64, h *share) *body {
	now := time.Now()
	return &body{r: r, control: http.NewResponseController(w), limit: limit, share: h, end: now.Add(wholeBody), renewed: now}
}

// errCut is a body that ended before its end.
var errCut = errors.New("the body ended early")

// all reads the body into one buffer of its own. It is errCut where the
// connection ended first, or a problem.
func (b *body) all() ([]byte, error) {
	size := b.r.ContentLength
	switch {
	case size > b.limit:
		return nil, b.tooLarge()
	case size < 0:
		return b.grow()
	}
	if err := b.share.more(b.r.Context(), size); err != nil {
		return nil, err
	}
	buf := make([]byte, size)
	n, err := b.fill(buf)
	if err == io.EOF && int64(n) == size {
		return buf, nil
	}
	return nil, b.fault(err)
}

// grow reads a body whose length is not told (chunked).
func (b *body) grow() ([]byte, error) {
	var buf []byte
	room := int64(firstRead)
	for n := 0; ; {
		if err := b.share.more(b.r.Context(), room-int64(len(buf))); err != nil {
			return nil, err
		}
		larger := make([]byte, room)
		copy(larger, buf[:n])
		buf = larger
		more, err := b.fill(buf[n:])
		n += more
		switch {
		case err == io.EOF && int64(n) <= b.limit:
			return buf[:n:n], nil
		case err != nil && err != io.EOF:
			return nil, b.fault(err)
		case int64(n) > b.limit:
			return nil, b.tooLarge()
		}
		room = min(2*room, b.limit+1)
	}
}

// fill reads until p is full or the body ends, which it tells as io.EOF even
// where p is just full.
func (b *body) fill(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		b.renew()
		var more int
		more, err = b.r.Body.Read(p[n:])
		n += more
	}
	if err == nil && b.r.ContentLength >= 0 {
		b.renew()
		if _, err = b.r.Body.Read(make([]byte, 1)); err == nil {
			err = errCut
		}
	}
	if err == io.EOF {
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// renew gives the caller time for more, once a second.
func (b *body) renew() {
	if now := time.Now(); now.Sub(b.renewed) > time.Second {
		b.renewed = now
		deadline := now.Add(idleBody)
		if deadline.After(b.end) {
			deadline = b.end
		}
		_ = b.control.SetReadDeadline(deadline)
	}
}

func (b *body) tooLarge() error {
	return problem(http.StatusRequestEntityTooLarge, "body_too_large", fmt.Sprintf("The body is larger than %d bytes; nothing was accepted.", b.limit))
}

func (b *body) fault(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return problem(http.StatusRequestTimeout, "request_timeout", "The body did not arrive in time; nothing was accepted.")
	}
	return errCut
}

// contentType reads what a body is said to be. Bodies are taken as they are:
// an encoding such as gzip is refused.
func contentType(h http.Header) (kind string, params map[string]string, err error) {
	for _, e := range h["Content-Encoding"] {
		if e != "" && !strings.EqualFold(e, "identity") {
			return "", nil, problem(http.StatusUnsupportedMediaType, "unsupported_content_type", "Bodies are taken without a Content-Encoding.")
		}
	}
	text := h.Get("Content-Type")
	if text == "application/json" {
		return text, nil, nil
	}
	kind, params, err = mime.ParseMediaType(text)
	if err != nil && strings.HasPrefix(strings.ToLower(text), "multipart/form-data") {
		return "", nil, malformedMultipart("The Content-Type's parameters can't be read.")
	}
	return kind, params, nil
}
