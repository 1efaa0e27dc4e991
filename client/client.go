package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// maxAnswer bounds what is read of one answer: a message with 1,000 recipients
// and a long attempt log each stays far below.
const maxAnswer = 64 << 20

// Client speaks to one daemon. It is safe for use by several goroutines.
type Client struct {
	http   *http.Client
	base   string
	target string
}

// New makes a client for a target: "unix:" and the path of a socket, or an
// http:// or https:// address. Nothing is dialled yet.
func New(target string) (*Client, error) {
	c := &Client{target: target, base: strings.TrimSuffix(target, "/")}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	dial := dialer.DialContext
	if path, ok := strings.CutPrefix(target, "unix:"); ok {
		path = filepath.Clean(path)
		c.base = "http://mmsgw"
		dial = func(ctx context.Context, _, _ string) (net.Conn, error) { return dialer.DialContext(ctx, "unix", path) }
	} else if u, err := url.Parse(target); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is no address of a daemon: want unix:/path/to/mmsgw.sock or http://host:port", target)
	}
	c.http = &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DisableCompression:  true,
			MaxIdleConnsPerHost: 64,
			IdleConnTimeout:     30 * time.Second, // below the daemon's
			WriteBufferSize:     64 << 10,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := dial(ctx, network, addr)
				if err != nil {
					return nil, &NotReachedError{Target: target, Err: err}
				}
				return conn, nil
			},
		},
	}
	return c, nil
}

// Close drops the idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Submitted is an accepted message.
type Submitted struct {
	Message  *Message
	Replayed bool   // the key was used before, for this very message
	Key      string // the idempotency key that went with it; set with errors too
}

// Submit sends a message. The errors it returns are described at the package.
func (c *Client) Submit(ctx context.Context, s Submission) (Submitted, error) {
	done := Submitted{Key: s.Key}
	if done.Key == "" {
		done.Key = NewKey()
	}
	p, err := s.pack()
	if err != nil {
		return done, err
	}
	req, err := c.post(ctx, "/v1/messages", p)
	if err != nil {
		return done, err
	}
	// The transport sends it again over a fresh connection when a kept one
	// turns out dead; the key makes that harmless.
	req.Header.Set("Idempotency-Key", done.Key)
	var m Message
	res, err := c.do(req, http.StatusAccepted, &m)
	if err != nil {
		return done, c.verdict(done.Key, p, err)
	}
	done.Message, done.Replayed = &m, res.Header.Get("Idempotent-Replayed") == "true"
	return done, nil
}

// verdict says what an error of a submission tells about the message.
func (c *Client) verdict(key string, p *parcel, err error) error {
	var problem *Problem
	var unreached *NotReachedError
	var local *fileError
	switch {
	case errors.As(err, &problem) && problem.settles():
		return problem
	case problem != nil:
		return &UncertainError{Key: key, Err: problem}
	case errors.As(err, &local):
		return local
	case errors.As(err, &unreached):
		return unreached
	case p.whole.Load():
		return &UncertainError{Key: key, Err: err}
	}
	return &NotReachedError{Target: c.target, Err: err}
}

// Check asks what would become of a message. Nothing is stored or sent.
func (c *Client) Check(ctx context.Context, s Submission) (*CheckResult, error) {
	p, err := s.pack()
	if err != nil {
		return nil, err
	}
	req, err := c.post(ctx, "/v1/messages/check", p)
	if err != nil {
		return nil, err
	}
	var r CheckResult
	if _, err := c.do(req, http.StatusOK, &r); err != nil {
		return nil, err
	}
	return &r, nil
}

// Message reads a message by its id.
func (c *Client) Message(ctx context.Context, id string) (*Message, error) {
	var m Message
	if err := c.get(ctx, "/v1/messages/"+url.PathEscape(id), nil, &m); err != nil {
		return nil, err
	}
	return &m, nil
}

// Timeline reads all events of a message, oldest first.
func (c *Client) Timeline(ctx context.Context, id string) ([]Event, error) {
	var all []Event
	q := url.Values{"limit": {"500"}}
	for {
		var page Page
		if err := c.get(ctx, "/v1/messages/"+url.PathEscape(id)+"/events", q, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.NextCursor == nil {
			return all, nil
		}
		q.Set("cursor", *page.NextCursor)
	}
}

// UploadMedia stores a picture for later messages of an account. The account
// may be empty where the caller has one.
func (c *Client) UploadMedia(ctx context.Context, account string, f File) (*Media, error) {
	p := &parcel{contentType: f.Type}
	if p.contentType == "" {
		p.contentType = "application/octet-stream"
	}
	p.add(f)
	path := "/v1/media"
	if account != "" {
		path += "?account=" + url.QueryEscape(account)
	}
	req, err := c.post(ctx, path, p)
	if err != nil {
		return nil, err
	}
	var m Media
	if _, err := c.do(req, http.StatusCreated, &m); err != nil {
		return nil, err
	}
	return &m, nil
}

// Media opens a stored picture. The caller closes the reader; kind is its true
// type and size its bytes.
func (c *Client) Media(ctx context.Context, id string) (r io.ReadCloser, kind string, size int64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/v1/media/"+url.PathEscape(id), nil)
	if err != nil {
		return nil, "", 0, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, "", 0, plain(err)
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		return nil, "", 0, problemIn(res)
	}
	return res.Body, res.Header.Get("Content-Type"), res.ContentLength, nil
}

func (c *Client) post(ctx context.Context, path string, p *parcel) (*http.Request, error) {
	body, _ := p.open()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, body)
	if err != nil {
		return nil, err
	}
	req.ContentLength, req.GetBody = p.size, p.open
	if p.size == 0 {
		req.Body = http.NoBody
	}
	req.Header.Set("Content-Type", p.contentType)
	return req, nil
}

func (c *Client) get(ctx context.Context, path string, q url.Values, out any) error {
	return c.call(ctx, http.MethodGet, path, q, nil, out)
}

// call sends a request, with in as its JSON body where there is one.
func (c *Client) call(ctx context.Context, method, path string, q url.Values, in, out any) error {
	u := c.base + path
	if len(q) > 0 {
		u += "?" + q.Encode()
	}
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode the request: %w", err)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, u, body)
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	_, err = c.do(req, http.StatusOK, out)
	return err
}

// values are the parts of a query that say something.
func values(pairs map[string]string) url.Values {
	v := url.Values{}
	for name, value := range pairs {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v
}

// do sends a request and reads its answer into out, or the problem it tells.
func (c *Client) do(req *http.Request, want int, out any) (*http.Response, error) {
	res, err := c.http.Do(req)
	if err != nil {
		return nil, plain(err)
	}
	defer res.Body.Close()
	if res.StatusCode != want {
		return nil, problemIn(res)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(out); err != nil {
		return nil, fmt.Errorf("read the answer to %s %s: %w", req.Method, req.URL.Path, err)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 4<<10)) // to its end, so that the connection can be used again
	return res, nil
}

// plain takes the method and address off an error of net/http, which for a
// socket are made up.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var unreached *NotReachedError
	if errors.As(err, &unreached) {
		return unreached
	}
	return err
}

// problemIn reads the problem an answer tells. What is no problem document
// (a proxy's page, say) becomes one without a code.
func problemIn(res *http.Response) error {
	p := &Problem{}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the answer (HTTP %d): %w", res.StatusCode, err)
	}
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "application/problem+json") || json.Unmarshal(body, p) != nil {
		*p = Problem{Title: res.Status, Detail: "the answer is not mmsgw's: is the address right?"}
	}
	p.Status = res.StatusCode
	if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && s > 0 && s < 1<<31 {
		p.RetryAfter = time.Duration(s) * time.Second
	}
	return p
}
