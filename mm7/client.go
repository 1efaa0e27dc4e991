package mm7

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// Basic is an HTTP Basic login, sent with the first request already.
type Basic struct {
	Username, Password string
}

// ClientOptions say to whom and how a [Client] submits.
type ClientOptions struct {
	URL     string // of the MMSC, http or https
	Dialect Dialect
	Basic   *Basic // nil for none
	// Transport carries the requests; [NewTransport] with defaults when nil. With
	// another, a request counts as possibly sent unless dialling failed.
	Transport http.RoundTripper
	// Response bounds a whole exchange, from dialling to the answer's end; two
	// minutes when zero.
	Response time.Duration
	// Redial is the pause before the one second try at a connection; 200 ms when zero.
	Redial time.Duration
	// Rand gives the boundaries; crypto/rand when nil.
	Rand io.Reader
}

// Client submits messages to one MMSC, and cancels them there. It may be used by many goroutines.
type Client struct {
	url     string
	host    string // for errors: the URL itself may hold credentials
	dialect Dialect
	auth    string
	http    *http.Client
	tracked bool
	redial  time.Duration
	rand    io.Reader
}

// NewClient checks the options and makes a client. It does not connect.
func NewClient(o ClientOptions) (*Client, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("MM7 client: the URL is not http://host/path or https://host/path")
	}
	if err := o.Dialect.Check(); err != nil {
		return nil, fmt.Errorf("MM7 client for %s: %w", u.Host, err)
	}
	c := &Client{url: o.URL, host: u.Scheme + "://" + u.Host, dialect: o.Dialect, redial: o.Redial, rand: o.Rand}
	if o.Basic != nil {
		c.auth = "Basic " + base64.StdEncoding.EncodeToString([]byte(o.Basic.Username+":"+o.Basic.Password))
	}
	if c.rand == nil {
		c.rand = rand.Reader
	}
	if c.redial == 0 {
		c.redial = 200 * time.Millisecond
	}
	transport := o.Transport
	if transport == nil {
		transport = NewTransport(TransportOptions{})
	}
	_, c.tracked = transport.(*Transport)
	c.http = &http.Client{Transport: transport, Timeout: o.Response, CheckRedirect: keepRedirect}
	if c.http.Timeout == 0 {
		c.http.Timeout = 2 * time.Minute
	}
	return c, nil
}

// keepRedirect hands a redirect over as the answer: followed, a 302 would turn the
// message into a GET that looks sent, and a 307 would take it, with the login, elsewhere.
func keepRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Close closes the connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Submit sends one SubmitReq and gives the MMSC's answer, of whatever status code:
// where the MMSC gave none, Status.Code is 0 and HTTPStatus tells the failure. An
// error is a *[NotSentError], when provably no byte of the request left, or a
// *[NoAnswerError], when one may have. A request of which nothing was written is tried
// once more; beyond that nothing is ever sent twice.
func (c *Client) Submit(ctx context.Context, r *SubmitReq) (*Response, error) {
	return c.ask(ctx, OpSubmitRsp, func() (*Body, error) { return c.submission(r) })
}

// Cancel sends one CancelReq and gives the MMSC's answer: 1000 where nobody will get
// the message any more, 2005 where it has no such MessageID, 3001 where it is too late.
// What is said of [Client.Submit] about answers and errors is true of it word for word.
func (c *Client) Cancel(ctx context.Context, r *CancelReq) (*Response, error) {
	return c.ask(ctx, OpCancelRsp, func() (*Body, error) { return c.cancellation(r) })
}

func (c *Client) submission(r *SubmitReq) (*Body, error) {
	var boundary [16]byte
	if _, err := io.ReadFull(c.rand, boundary[:]); err != nil {
		return nil, fmt.Errorf("make a MIME boundary: %w", err)
	}
	return Encode(c.dialect, r, boundary)
}

func (c *Client) cancellation(r *CancelReq) (*Body, error) {
	if r.MessageID == "" {
		return nil, errors.New("encode CancelReq: MessageID is empty; the one of the SubmitRsp is needed")
	}
	return bareBody(r.Encode(c.dialect)), nil
}

// ask sends one request, of what encode makes, whose answer should be a want.
func (c *Client) ask(ctx context.Context, want Operation, encode func() (*Body, error)) (*Response, error) {
	d := &departure{tracked: c.tracked}
	req, err := c.request(d.trace(ctx), encode)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, &NotSentError{c.host, err}
	}
	resp, err := c.exchange(req, d)
	if err != nil {
		var outer *url.Error // it repeats the URL
		if errors.As(err, &outer) {
			err = outer.Err
		}
		if d.possible(err) {
			return nil, &NoAnswerError{c.host, 0, err}
		}
		if ctx.Err() != nil { // whatever it made fail
			err = ctx.Err()
		}
		return nil, &NotSentError{c.host, err}
	}
	defer resp.Body.Close()
	return c.answer(resp, want)
}

// request makes the HTTP request. Its length is exact and its GetBody nil, so that the
// transport can neither send it in chunks nor send it again by itself.
func (c *Client) request(ctx context.Context, encode func() (*Body, error)) (*retryablehttp.Request, error) {
	body, err := encode()
	if err != nil {
		return nil, err
	}
	open := func() (io.Reader, error) { return body.Reader() }
	if body.Len() <= Contiguous {
		data, err := body.Bytes()
		if err != nil {
			return nil, err
		}
		open = func() (io.Reader, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	}
	made := false
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, c.url, func() (io.Reader, error) {
		if !made { // asked for a length only, which this is not
			return http.NoBody, nil
		}
		return open()
	})
	if err != nil {
		return nil, err
	}
	made = true
	req.ContentLength = body.Len()
	req.GetBody = nil
	req.Header["Content-Type"] = []string{body.ContentType}
	req.Header["SOAPAction"] = []string{c.dialect.SOAPAction} // not in Go's canonical case
	if c.auth != "" {
		req.Header["Authorization"] = []string{c.auth}
	}
	return req, nil
}

// exchange sends the request, a second time where nothing of the first was written.
func (c *Client) exchange(req *retryablehttp.Request, d *departure) (*http.Response, error) {
	again := retryablehttp.Client{
		HTTPClient: c.http,
		RetryMax:   1,
		CheckRetry: func(ctx context.Context, _ *http.Response, err error) (bool, error) {
			return err != nil && ctx.Err() == nil && !d.possible(err), nil
		},
		Backoff:      func(time.Duration, time.Duration, int, *http.Response) time.Duration { return c.redial },
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	return again.Do(req)
}

// answer reads what the MMSC said. A success counts only in the Rsp to what was asked.
func (c *Client) answer(resp *http.Response, want Operation) (*Response, error) {
	answered := io.Reader(resp.Body)
	if resp.StatusCode == http.StatusSwitchingProtocols { // what follows is none, has no end, and heeds no timeout
		answered = http.NoBody
	}
	body, err := io.ReadAll(io.LimitReader(answered, MaxEnvelope+1))
	good := resp.StatusCode >= 200 && resp.StatusCode <= 299
	if err != nil && good {
		return nil, &NoAnswerError{c.host, resp.StatusCode, fmt.Errorf("the answer broke off after %d bytes: %w", len(body), err)}
	}
	r, err := ParseResponse(resp.StatusCode, resp.Header, body)
	if err != nil {
		return nil, &NoAnswerError{c.host, resp.StatusCode, err}
	}
	if r.Status.Code/1000 == 1 && (r.Operation != want || r.Fault != nil) {
		return nil, &NoAnswerError{c.host, resp.StatusCode, fmt.Errorf("it tells success, but is a %.40q and no %s", string(r.Operation), want)}
	}
	return r, nil
}
