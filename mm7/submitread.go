package mm7

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// MaxSubmit bounds the body of a SubmitReq that [ParseSubmit] reads.
const MaxSubmit = 32 << 20

// maxNesting bounds multiparts inside multiparts.
const maxNesting = 3

// submission is a received SubmitReq on its way from HTTP body to fields, with all
// that the strict check wants to see.
type submission struct {
	header   http.Header
	body     []byte
	media    mediaType
	outer    []rawPart
	closed   bool // the last outer boundary was there
	soap     *rawPart
	root     *node
	message  *node
	content  *rawPart
	inner    []rawPart // the content's own parts; none when it is a single medium
	innerEnd bool      // the last inner boundary was there
	smilPart *rawPart
	req      *SubmitReq
}

// ParseSubmit reads a SubmitReq as an MMSC receives it, leniently: what a sensible
// MMSC could understand is understood. With strict, the problems list everything that
// is not as the standard, the schema and the strictest deployed MMSCs want it. The
// parts share the memory of the body. An error means that there is no message to
// speak of; the SubmitReq then holds the Head as far as it could be read, and an
// [UnsupportedError] says that it was another operation.
func ParseSubmit(header http.Header, body io.Reader, strict bool) (*SubmitReq, []Problem, error) {
	s := &submission{header: header, media: parseMediaType(header.Get("Content-Type")), req: &SubmitReq{}}
	err := s.read(body)
	if !strict {
		return s.req, nil, err
	}
	c := checker{s: s}
	c.http()
	if err == nil {
		c.envelope()
		c.fields()
		c.parts()
		c.presentation()
	}
	return s.req, c.problems, err
}

func (s *submission) read(body io.Reader) error {
	if err := s.readBody(body); err != nil {
		return err
	}
	if err := s.readEnvelope(); err != nil {
		return err
	}
	return s.readParts()
}

func (s *submission) readBody(body io.Reader) error {
	var buf bytes.Buffer
	if n, err := strconv.Atoi(s.header.Get("Content-Length")); err == nil && n > 0 && n <= MaxSubmit {
		buf.Grow(n + bytes.MinRead)
	}
	_, err := buf.ReadFrom(io.LimitReader(body, MaxSubmit+1))
	s.body = buf.Bytes()
	switch {
	case err != nil:
		return fmt.Errorf("read the body of a SubmitReq, %d bytes in: %w", len(s.body), err)
	case len(s.body) > MaxSubmit:
		return tooLarge("body", MaxSubmit)
	}
	if looksLikeXML(s.body) || !s.media.isMultipart() {
		s.soap = &rawPart{body: s.body, media: s.media, ordinal: 1}
		return nil
	}
	if s.outer, s.closed, err = splitParts(s.body, s.media.params["boundary"]); err != nil {
		return err
	}
	s.soap = soapPart(s.outer, s.media.params["start"])
	return nil
}

func (s *submission) readEnvelope() error {
	text, err := s.soap.decoded()
	if err != nil {
		return err
	}
	if s.root, err = readXML(text, s.soap.media.params["charset"]); err != nil {
		return err
	}
	s.message = s.req.Head.read(s.root)
	if s.message == nil {
		return &SyntaxError{"envelope", "its Body holds no message"}
	}
	if op := operation(s.message); op != OpSubmitReq {
		return &UnsupportedError{op}
	}
	for _, e := range submitElements {
		if n := s.message.child(e.name); n != nil {
			e.read(n, s.req)
		}
	}
	return nil
}

// readParts finds the content and takes it apart.
func (s *submission) readParts() error {
	s.content = s.findContent()
	if s.content == nil {
		return nil
	}
	if !s.content.media.isMultipart() {
		part, err := s.content.part()
		s.req.Parts = []Part{part}
		return err
	}
	return s.flatten(s.content, 1)
}

// findContent is the part that Content points to, by and by less exactly, else the
// first that is not the envelope (TS 23.140's own DeliverReq example does not match).
func (s *submission) findContent() *rawPart {
	href := ""
	if n := s.message.child("Content"); n != nil {
		href = bareID(n.attr("href"))
	}
	unescaped, err := url.PathUnescape(href)
	if err != nil {
		unescaped = href
	}
	same := []func(id string) bool{
		func(id string) bool { return href != "" && id == href },
		func(id string) bool { return href != "" && id == unescaped },
		func(id string) bool { return href != "" && strings.EqualFold(id, href) },
		func(string) bool { return true },
	}
	for _, matches := range same {
		for i := range s.outer {
			if p := &s.outer[i]; p != s.soap && matches(p.id()) {
				return p
			}
		}
	}
	return nil
}

// flatten takes the media out of a multipart, through those nested in it.
func (s *submission) flatten(p *rawPart, level int) error {
	if level > maxNesting {
		return &SyntaxError{"content", fmt.Sprintf("multiparts are nested deeper than %d", maxNesting)}
	}
	body, err := p.decoded()
	if err != nil {
		return err
	}
	parts, closed, err := splitParts(body, p.media.params["boundary"])
	if err != nil {
		return err
	}
	if level == 1 {
		s.inner, s.innerEnd = parts, closed
	}
	for i := range parts {
		if err := s.take(&parts[i], level); err != nil {
			return err
		}
	}
	return nil
}

func (s *submission) take(p *rawPart, level int) error {
	if len(s.req.Parts) >= maxParts {
		return &SyntaxError{"content", fmt.Sprintf("has more than %d parts", maxParts)}
	}
	if p.media.isMultipart() {
		return s.flatten(p, level+1)
	}
	part, err := p.part()
	if err != nil {
		return err
	}
	if p.media.name == "application/smil" && s.smilPart == nil {
		s.smilPart, s.req.SMIL = p, part.Data
		return nil
	}
	s.req.Parts = append(s.req.Parts, part)
	return nil
}

// part is the decoded part. One without a type is text (RFC 2045 section 5.2).
func (p *rawPart) part() (Part, error) {
	data, err := p.decoded()
	part := Part{
		ContentType:     p.media.name,
		Name:            p.media.params["name"],
		Data:            data,
		ContentID:       p.id(),
		ContentLocation: p.header["content-location"],
	}
	if part.ContentType == "" {
		part.ContentType = "text/plain"
	}
	return part, err
}
