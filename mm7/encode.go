package mm7

import (
	"encoding/hex"
	"fmt"
	"mime"
	"strconv"
	"strings"
)

// Encode makes the HTTP body of a submission: multipart/related with the SOAP part
// first and then one content entity, a nested multipart/related that begins with a
// SMIL presentation and goes on with the parts in order (TS 23.140 MM7 SOAP binding,
// RFC 2387). Without parts it is the envelope alone. No part is opened.
//
// boundary is 128 random bits, fresh for every call, that make the MIME boundaries.
// They are not searched for in the content: who made the content could not know
// them, and by chance they occur once in 2^128 tries.
func Encode(d Dialect, r *SubmitReq, boundary [16]byte) (*Body, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	if len(r.Recipients.To)+len(r.Recipients.Cc)+len(r.Recipients.Bcc) == 0 {
		return nil, fmt.Errorf("encode SubmitReq: Recipients is empty; at least one address is needed")
	}
	envelope := submitEnvelope(d, r)
	if len(r.Parts) == 0 {
		return bareBody(envelope), nil
	}
	id := hex.EncodeToString(boundary[:])
	return encodeParts(d, r.Parts, envelope, id)
}

// bareBody is a body of the envelope alone (TS 23.140, MM7 SOAP binding).
func bareBody(envelope []byte) *Body {
	b := &Body{ContentType: `text/xml; charset="utf-8"`}
	b.add(piece{data: envelope})
	return b
}

// Measure is the length of the body [Encode] makes for r, to the byte and for every
// boundary, without opening a part. A TransactionID not yet known counts with the
// length it has in r.
func Measure(d Dialect, r *SubmitReq) (int64, error) {
	b, err := Encode(d, r, [16]byte{})
	if err != nil {
		return 0, err
	}
	return b.Len(), nil
}

func encodeParts(d Dialect, parts []Part, envelope []byte, id string) (*Body, error) {
	outer, inner := "mm7-"+id, "mms-"+id
	entities, err := entitiesOf(parts)
	if err != nil {
		return nil, err
	}
	b := &Body{
		ContentType: `multipart/related; boundary="` + outer + `"; type="text/xml"; start="<` + d.EnvelopeContentID + `>"`,
		pieces:      make([]piece, 0, 2*len(parts)+2),
	}
	buf := make([]byte, 0, len(envelope)+2048)
	put := func(lines ...string) {
		for _, s := range lines {
			buf = append(buf, s...)
		}
	}
	put("--", outer, "\r\nContent-Type: text/xml; charset=utf-8\r\nContent-ID: <", d.EnvelopeContentID, ">\r\n\r\n")
	put(string(envelope), "\r\n--", outer, "\r\nContent-Type: multipart/related; boundary=\"", inner)
	put("\"; type=\"application/smil\"; start=\"<smil>\"\r\nContent-ID: <", contentID, ">\r\n\r\n")
	put("--", inner, "\r\nContent-Type: application/smil; charset=utf-8; name=\"smil.xml\"\r\n")
	put("Content-ID: <smil>\r\nContent-Location: smil.xml\r\n\r\n", smil(entities))
	for i := range parts {
		e := entities[i]
		put("\r\n--", inner, "\r\nContent-Type: ", e.contentType, "; name=\"", e.name, "\"\r\nContent-ID: <", e.id)
		put(">\r\nContent-Location: ", e.id, "\r\nContent-Transfer-Encoding: ", string(d.CTE), "\r\n\r\n")
		b.add(piece{data: buf})
		buf = buf[len(buf):]
		b.addPart(&parts[i], d.CTE)
	}
	put("\r\n--", inner, "--\r\n--", outer, "--\r\n")
	b.add(piece{data: buf})
	return b, nil
}

// entity is what is said about a part in its MIME header and in the SMIL. Ids are
// ours, and equal to the location, as some MMSCs demand; only name comes, cleaned,
// from outside.
type entity struct {
	contentType string
	element     string // of SMIL: text, img, audio, video
	id, name    string
}

func entitiesOf(parts []Part) ([]entity, error) {
	list := make([]entity, len(parts))
	counts := map[string]int{}
	for i, p := range parts {
		e := &list[i]
		if e.element = smilElement(p.ContentType); e.element == "" {
			return nil, fmt.Errorf("encode SubmitReq: part %d has Content-Type %q; text/plain, image/…, audio/… and video/… without parameters can be sent", i+1, p.ContentType)
		}
		e.contentType = p.ContentType
		stem := e.element
		if stem == "text" {
			e.contentType, stem = "text/plain; charset=utf-8", "txt"
		}
		counts[stem]++
		e.id = stem + strconv.Itoa(counts[stem]) + extension(p.ContentType)
		if e.name = cleanName(p.Name); e.name == "" {
			e.name = e.id
		}
	}
	return list, nil
}

// smilElement is the SMIL element that shows a media type; empty for what is not a
// bare type/subtype of a kind that a phone shows.
func smilElement(contentType string) string {
	major, minor, _ := strings.Cut(contentType, "/")
	if minor == "" || !only(minor, tokenChars+"+") {
		return ""
	}
	switch major {
	case "image":
		return "img"
	case "audio", "video":
		return major
	case "text":
		if minor == "plain" {
			return major
		}
	}
	return ""
}

func extension(contentType string) string {
	switch contentType {
	case "text/plain":
		return ".txt"
	case "image/jpeg":
		return ".jpg"
	case "image/gif":
		return ".gif"
	case "image/png":
		return ".png"
	case "video/3gpp":
		return ".3gp"
	case "video/mp4":
		return ".mp4"
	case "audio/amr":
		return ".amr"
	}
	return ".bin"
}

// cleanName makes a file name that needs no escaping in a MIME header: nothing from
// outside may end a line or a quote there.
func cleanName(s string) string {
	const longest = 64
	s = strings.Map(func(r rune) rune {
		if strings.ContainsRune(tokenChars, r) {
			return r
		}
		return '_'
	}, s[max(strings.LastIndexByte(s, '/'), strings.LastIndexByte(s, '\\'))+1:])
	return s[max(0, len(s)-longest):]
}

// headerValue is a Content-Type for messages in errors, bounded and quoted.
func headerValue(s string) string {
	const longest = 80
	return strconv.Quote(mime.QEncoding.Encode("utf-8", s[:min(len(s), longest)]))
}
