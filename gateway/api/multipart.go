package api

import (
	"bufio"
	"bytes"
	"fmt"
	"mime"
	"net/textproto"
	"strings"
)

// Bounds of a multipart body.
const (
	maxBoundary   = 70 // RFC 2046, 5.1.1
	maxParts      = 64 // files; over the ten allowed they are counted, so that the flag can say how many
	maxPartHeader = 4 << 10
)

// part is one part of a multipart body. Its bytes are a slice of the body.
type part struct {
	name        string // of the form field
	filename    string
	contentType string
	bytes       []byte
}

// splitParts takes a multipart/form-data body (RFC 7578) apart where it lies:
// nothing is copied, and the search for a boundary is one pass over the bytes.
// It is stricter than RFC 2046 asks readers to be: lines end in CRLF, nothing
// stands before the first part, and the closing boundary must be there, for
// without it nobody knows what is missing.
func splitParts(body []byte, boundary string) ([]part, error) {
	if boundary == "" || len(boundary) > maxBoundary {
		return nil, malformedMultipart(fmt.Sprintf("The Content-Type must name a boundary of 1 to %d characters.", maxBoundary))
	}
	delimiter := []byte("\r\n--" + boundary)
	rest, ok := bytes.CutPrefix(bytes.TrimPrefix(body, delimiter[:2]), delimiter[2:])
	if !ok {
		return nil, malformedMultipart("The body does not begin with the boundary that the Content-Type names.")
	}
	var parts []part
	for n := 1; ; n++ {
		var last bool
		rest, last, ok = endOfDelimiter(rest)
		switch {
		case !ok:
			return nil, malformedMultipart(fmt.Sprintf("The line of boundary %d does not end as it must.", n))
		case last:
			return parts, nil
		case n > maxParts+1:
			return nil, malformedMultipart(fmt.Sprintf("There are more than %d parts.", maxParts+1))
		}
		content, after, ok := bytes.Cut(rest, delimiter)
		if !ok {
			return nil, malformedMultipart(fmt.Sprintf("The end is missing: no boundary follows part %d.", n))
		}
		p, err := readPart(content, n)
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
		rest = after
	}
}

// endOfDelimiter reads what follows a boundary: two dashes after the last
// part, then padding and a line end, which the last may lack.
func endOfDelimiter(b []byte) (rest []byte, last, ok bool) {
	b, last = bytes.CutPrefix(b, []byte("--"))
	padding := 0
	for padding < min(len(b), maxBoundary) && (b[padding] == ' ' || b[padding] == '\t') {
		padding++
	}
	rest, ok = bytes.CutPrefix(b[padding:], []byte("\r\n"))
	return rest, last, ok || last && padding == len(b)
}

// readPart reads a part's header (RFC 7578, 4.2, 4.4 and 4.7).
func readPart(content []byte, n int) (part, error) {
	bad := func(why string) (part, error) { return part{}, malformedMultipart(fmt.Sprintf("Part %d %s.", n, why)) }
	end := bytes.Index(content[:min(len(content), maxPartHeader)], []byte("\r\n\r\n"))
	if end < 0 {
		return bad(fmt.Sprintf("has no header, or one larger than %d bytes", maxPartHeader))
	}
	p := part{bytes: content[end+4 : len(content) : len(content)]}
	head := content[:end+4]
	lines := bytes.Count(head, []byte("\r\n"))
	header, err := textproto.NewReader(bufio.NewReaderSize(bytes.NewReader(head), len(head))).ReadMIMEHeader()
	if err != nil || lines != bytes.Count(head, []byte("\n")) || lines != bytes.Count(head, []byte("\r")) {
		return bad("has a header that can't be read; its lines end in CRLF")
	}
	switch coding := strings.ToLower(header.Get("Content-Transfer-Encoding")); coding {
	case "", "7bit", "8bit", "binary":
	default:
		return bad("has a Content-Transfer-Encoding; send the bytes as they are")
	}
	kind, params, err := mime.ParseMediaType(header.Get("Content-Disposition"))
	if err != nil || kind != "form-data" {
		return bad("needs a Content-Disposition of form-data")
	}
	p.name, p.filename, p.contentType = params["name"], params["filename"], header.Get("Content-Type")
	return p, nil
}
