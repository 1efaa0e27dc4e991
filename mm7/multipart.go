package mm7

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime/quotedprintable"
	"strings"
)

// Bounds of a multipart body.
const (
	maxParts      = 64
	maxPartHeader = 4 << 10
)

// rawPart is one part of a multipart body, still encoded.
type rawPart struct {
	header  map[string]string // by lower-case name; the first of a repeated one
	body    []byte
	crlf    bool // all its header lines, and the line before its body, end in CRLF
	media   mediaType
	ordinal int // from 1
}

// splitParts cuts a multipart body without copying it. It takes a preamble, blanks
// after a boundary, lines that end in LF alone, and a missing last boundary (RFC 2046
// section 5.1.1 and what peers make of it); closed tells whether that was there.
func splitParts(body []byte, boundary string) (parts []rawPart, closed bool, err error) {
	delimiter := []byte("--" + boundary)
	_, rest, last := cutAtDelimiter(body, delimiter)
	for rest != nil && !last {
		if len(parts) == maxParts {
			return nil, false, &SyntaxError{"multipart body", fmt.Sprintf("has more than %d parts", maxParts)}
		}
		var content []byte
		content, rest, last = cutAtDelimiter(rest, delimiter)
		p, err := parsePart(content, len(parts)+1)
		if err != nil {
			return nil, false, err
		}
		parts = append(parts, p)
	}
	if len(parts) == 0 {
		return nil, false, &SyntaxError{"multipart body", "the boundary that Content-Type names does not occur in it"}
	}
	return parts, last, nil
}

// cutAtDelimiter gives what is before the next delimiter line, without the line end
// that belongs to the delimiter, and what is after it; nil when there is none. last
// tells that it was the closing one.
func cutAtDelimiter(body, delimiter []byte) (before, after []byte, last bool) {
	for from := 0; ; {
		i := bytes.Index(body[from:], delimiter)
		if i < 0 {
			return body, nil, false
		}
		at := from + i
		from = at + 1
		if at > 0 && body[at-1] != '\n' {
			continue
		}
		line, rest, _ := bytes.Cut(body[at+len(delimiter):], []byte("\n"))
		switch string(bytes.TrimRight(line, " \t\r")) {
		case "":
			return trimLineEnd(body[:at]), rest, false
		case "--":
			return trimLineEnd(body[:at]), rest, true
		}
	}
}

func trimLineEnd(b []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
}

func parsePart(content []byte, ordinal int) (rawPart, error) {
	p := rawPart{header: map[string]string{}, crlf: true, ordinal: ordinal}
	used, key := 0, ""
	for {
		line, rest, found := bytes.Cut(content[used:], []byte("\n"))
		if used += len(line) + 1; used > maxPartHeader || !found && len(line) > 0 {
			return p, &SyntaxError{fmt.Sprintf("part %d", ordinal), fmt.Sprintf("its header does not end within %d bytes", maxPartHeader)}
		}
		trimmed := bytes.TrimSuffix(line, []byte("\r"))
		p.crlf = p.crlf && len(trimmed) < len(line)
		switch {
		case len(trimmed) == 0:
			p.body = rest
			p.media = parseMediaType(p.header["content-type"])
			return p, nil
		case (trimmed[0] == ' ' || trimmed[0] == '\t') && key != "":
			p.header[key] += " " + strings.TrimSpace(string(trimmed))
		default:
			name, value, _ := strings.Cut(string(trimmed), ":")
			key = strings.ToLower(strings.TrimSpace(name))
			if _, twice := p.header[key]; twice {
				key = "" // and its continuation lines are dropped with it
				continue
			}
			p.header[key] = strings.TrimSpace(value)
		}
	}
}

func (p *rawPart) id() string { return bareID(p.header["content-id"]) }

// isXML tells a SOAP part from a medium.
func (p *rawPart) isXML() bool {
	return strings.Contains(p.media.name, "xml") || p.media.name == "" && looksLikeXML(p.body)
}

// decoded undoes the Content-Transfer-Encoding, whose name peers write in any case.
func (p *rawPart) decoded() ([]byte, error) {
	where := fmt.Sprintf("part %d", p.ordinal)
	switch cte := strings.ToLower(p.header["content-transfer-encoding"]); cte {
	case "", "binary", "8bit", "7bit", "none":
		return p.body, nil
	case "base64":
		out, err := decodeBase64(p.body)
		if err != nil {
			return nil, &SyntaxError{where, "is not the base64 it claims to be"}
		}
		return out, nil
	case "quoted-printable":
		out, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(p.body)))
		if err != nil {
			return nil, &SyntaxError{where, "is not the quoted-printable it claims to be"}
		}
		return out, nil
	default:
		return nil, &SyntaxError{where, "its Content-Transfer-Encoding " + headerValue(cte) + " is none of binary, 8bit, 7bit, base64, quoted-printable"}
	}
}

// decodeBase64 takes lines of any length, and missing padding.
func decodeBase64(data []byte) ([]byte, error) {
	clean := make([]byte, 0, len(data))
	for _, c := range data {
		if !strings.ContainsRune(xmlSpace, rune(c)) {
			clean = append(clean, c)
		}
	}
	clean = bytes.TrimRight(clean, "=")
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(clean)))
	n, err := base64.RawStdEncoding.Decode(out, clean)
	return out[:n], err
}

// looksLikeXML tells whether a body begins with a tag, in UTF-8 or UTF-16.
func looksLikeXML(body []byte) bool {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if bytes.HasPrefix(body, []byte("\xff\xfe")) || bytes.HasPrefix(body, []byte("\xfe\xff")) {
		return true
	}
	body = bytes.TrimLeft(body, xmlSpace+"\x00")
	return len(body) > 0 && body[0] == '<'
}

// soapPart finds the envelope: the part start names, else the first XML part, else
// the first. Peers leave start out and misspell it.
func soapPart(parts []rawPart, start string) *rawPart {
	start = bareID(start)
	for i := range parts {
		if start != "" && parts[i].id() == start {
			return &parts[i]
		}
	}
	for i := range parts {
		if parts[i].isXML() {
			return &parts[i]
		}
	}
	return &parts[0]
}
