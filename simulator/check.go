package simulator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"mmsgw/mm7"
)

// Problem is what is wrong with a submission: the place, and what would be right.
// It names no number and no content.
type Problem struct {
	Where string `json:"where"`
	What  string `json:"what"`
}

// arrival is a submission as received, or a CancelReq.
type arrival struct {
	http   *http.Request
	plan   *plan // in force when it came
	req    *mm7.SubmitReq
	record *Submission
	cancel *mm7.CancelReq // nil: it is a submission
}

// receive reads a submission, checks it and begins its record; a CancelReq likewise.
func (m *MMSC) receive(r *http.Request, at time.Time) (*arrival, *refusal) {
	s := &arrival{http: r, plan: m.plan.Load(), req: &mm7.SubmitReq{}, record: &Submission{At: at.UTC()}}
	if m.o.Lax {
		return s, m.skim(r, s)
	}
	body, refused := m.body(r)
	s.record.Size = int64(len(body))
	if refused != nil {
		return s, refused
	}
	req, problems, err := mm7.ParseSubmit(headerOf(r), bytes.NewReader(body), true)
	c := checker{o: &m.o, op: mm7.OpSubmitReq, req: req}
	for _, p := range problems {
		c.problems = append(c.problems, Problem(p))
	}
	c.http(r)
	if s.cancel = cancelIn(r, body, err); s.cancel != nil {
		return s, c.canceling(s.cancel, body)
	}
	s.req = req
	s.record.fill(req)
	if err != nil {
		return s, whyUnread(err)
	}
	c.dialect(body)
	c.identity()
	c.content()
	return s, c.verdict()
}

// body reads a body of at most MaxMessage bytes whole; of a longer one the rest too,
// within reason: an answer must not cross a request still being written.
func (m *MMSC) body(r *http.Request) ([]byte, *refusal) {
	var buf bytes.Buffer
	if r.ContentLength <= m.o.MaxMessage {
		buf.Grow(int(max(r.ContentLength, 0)) + bytes.MinRead)
		_, err := buf.ReadFrom(io.LimitReader(r.Body, m.o.MaxMessage+1))
		if err != nil {
			return buf.Bytes(), brokenOff
		}
		if int64(buf.Len()) <= m.o.MaxMessage {
			return buf.Bytes(), nil
		}
	}
	m.drain(r)
	what := fmt.Sprintf("has more than the %d bytes this MMSC takes", m.o.MaxMessage)
	return buf.Bytes(), &refusal{2004, []Problem{{"HTTP body", what}}}
}

// brokenOff is for whoever did not send all of it; nobody may be there to read it.
var brokenOff = &refusal{4004, []Problem{{"HTTP body", "broke off before the end that Content-Length tells"}}}

// drain reads what is left of a body that will be refused.
func (m *MMSC) drain(r *http.Request) {
	_, _ = io.CopyN(io.Discard, r.Body, 2*mm7.MaxSubmit) // whatever ends it
}

// headerOf are the headers as a socket gives them: a request handed over in process
// has names in other cases, and its length beside them.
func headerOf(r *http.Request) http.Header {
	h := make(http.Header, len(r.Header)+1)
	for name, values := range r.Header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	if r.ContentLength >= 0 {
		h.Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	}
	return h
}

// checker adds to what is wrong by the standard what is wrong for this MMSC.
type checker struct {
	o        *Options
	op       mm7.Operation
	req      *mm7.SubmitReq // of a CancelReq: what both have
	stranger bool           // the VASPID or VASID is another's
	problems []Problem
}

func (c *checker) want(ok bool, where, format string, args ...any) {
	if !ok {
		c.problems = append(c.problems, Problem{where, fmt.Sprintf(format, args...)})
	}
}

// verdict is nil for a submission without problems.
func (c *checker) verdict() *refusal {
	switch {
	case len(c.problems) == 0:
		return nil
	case c.req.TransactionID == "":
		return &refusal{0, c.problems}
	case c.stranger:
		return &refusal{4001, c.problems}
	}
	return &refusal{2007, c.problems}
}

func (c *checker) http(r *http.Request) {
	h := headerOf(r)
	c.want(len(r.TransferEncoding) == 0, "HTTP Transfer-Encoding", "is sent; a body of known length is right")
	c.want(h.Get("Content-Encoding") == "", "HTTP Content-Encoding", "is sent; MM7 bodies are plain")
	if _, sent := h[http.CanonicalHeaderKey("SOAPAction")]; sent {
		c.want(h.Get("SOAPAction") == c.o.Dialect.SOAPAction, "HTTP SOAPAction", "is not %s", c.o.Dialect.SOAPAction)
	}
}

// rootTag and versionTag find how two elements are prefixed.
var (
	rootTag    = regexp.MustCompile(`<([\w.-]+:)?(?:Submit|Cancel)Req[\s>]`)
	versionTag = regexp.MustCompile(`<([\w.-]+:)?MM7Version[\s>]`)
)

// in is the place of an element of the message.
func (c *checker) in(element string) string { return string(c.op) + "/" + element }

// dialect holds the message against what this MMSC speaks.
func (c *checker) dialect(body []byte) {
	d, r := c.o.Dialect, c.req
	c.want(r.Namespace == d.Namespace, string(c.op), "its namespace is not %s", d.Namespace)
	c.want(r.MM7Version == d.MM7Version, c.in("MM7Version"), "is not %s", d.MM7Version)
	body = body[:min(len(body), mm7.MaxEnvelope)]
	root, version := rootTag.FindSubmatch(body), versionTag.FindSubmatch(body)
	if root != nil && version != nil {
		c.want(styleOf(len(root[1]) > 0, len(version[1]) > 0) == d.XMLStyle, string(c.op), "its namespaces are not written in the style %s", d.XMLStyle)
	}
	has := r.SenderAddress.Value != ""
	c.want(!has || !d.OmitSenderAddress, c.in("SenderAddress"), "is sent; this MMSC takes the sender from the login")
	c.want(has || d.OmitSenderAddress, c.in("SenderAddress"), "is missing; reports need it")
	c.number("SenderAddress", r.SenderAddress)
	for i, a := range slices.Concat(r.Recipients.To, r.Recipients.Cc, r.Recipients.Bcc) {
		c.number(fmt.Sprintf("Recipients, address %d", i+1), a)
	}
}

func styleOf(root, kid bool) mm7.XMLStyle {
	switch {
	case root && kid:
		return mm7.StylePrefix
	case root:
		return mm7.StyleRootPrefixOnly
	}
	return mm7.StyleDefaultNamespace
}

func (c *checker) number(where string, a mm7.Address) {
	if a.Kind != mm7.Number || a.Value == "" {
		return
	}
	plus := c.o.Dialect.NumberFormat == mm7.NumberE164Plus
	c.want(!plus || strings.HasPrefix(a.Value, "+"), c.in(where), "has no + before the digits")
	c.want(plus || !strings.HasPrefix(a.Value, "+"), c.in(where), "has a + before the digits")
}

// identity holds who the VASP says it is against who it should be.
func (c *checker) identity() {
	known := len(c.problems)
	c.want(c.o.VASPID == "" || c.req.VASPID == c.o.VASPID, c.in("SenderIdentification/VASPID"), "is missing or not yours")
	c.want(c.o.VASID == "" || c.req.VASID == c.o.VASID, c.in("SenderIdentification/VASID"), "is missing or not yours")
	c.stranger = len(c.problems) > known
}

// content checks that there is some and that pictures are what they say they are.
func (c *checker) content() {
	c.want(len(c.req.Parts) > 0, "content", "is missing; there is nothing to show")
	for i, p := range c.req.Parts {
		if !strings.HasPrefix(p.ContentType, "image/") {
			c.want(len(p.Data) > 0, fmt.Sprintf("medium %d", i+1), "is empty")
			continue
		}
		is, err := pictureType(p.Data)
		if err != nil {
			c.want(false, fmt.Sprintf("medium %d", i+1), "%v", err)
			continue
		}
		c.want(is == p.ContentType, fmt.Sprintf("medium %d", i+1), "its Content-Type is another than its bytes, which are %s", is)
	}
}

// pictureType is the media type by the first bytes.
func pictureType(data []byte) (string, error) {
	for _, known := range []struct{ magic, name string }{
		{"GIF87a", "image/gif"},
		{"GIF89a", "image/gif"},
		{"\x89PNG\r\n\x1a\n", "image/png"},
		{"\xff\xd8\xff", "image/jpeg"},
	} {
		if bytes.HasPrefix(data, []byte(known.magic)) {
			return known.name, nil
		}
	}
	return "", errors.New("is said to be a picture, but its bytes are no GIF, PNG or JPEG")
}
