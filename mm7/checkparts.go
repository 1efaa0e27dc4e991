package mm7

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// parts checks the content entity and what is in it.
func (c *checker) parts() {
	s := c.s
	content := s.message.child("Content")
	if s.content == nil {
		c.want(content == nil, "SubmitReq/Content", "points to a part that is not there")
		return
	}
	if content == nil {
		c.report("SubmitReq/Content", "is missing, though there is a content part")
	} else {
		href := content.attr("href")
		c.want(strings.HasPrefix(href, "cid:"), "SubmitReq/Content", "its href does not begin with cid:")
		c.want("<"+strings.TrimPrefix(href, "cid:")+">" == s.content.header["content-id"], "SubmitReq/Content", "its href is not the Content-ID of the content part")
		if a := content.attr("allowAdaptations"); a != "" {
			c.want(boolForm.MatchString(a), "SubmitReq/Content", "its allowAdaptations is no boolean")
		}
	}
	c.contentEntity()
	ids := map[string]bool{}
	for i := range s.inner {
		c.innerPart(&s.inner[i], ids)
	}
}

// contentEntity checks the nested multipart.
func (c *checker) contentEntity() {
	s := c.s
	if s.inner == nil {
		c.report("content", "is a single medium; a multipart/related with SMIL is right")
		return
	}
	m := s.content.media
	c.want(m.name == "multipart/related", "content", "is not multipart/related")
	c.want(m.params["type"] == "application/smil", "content", `its type is not "application/smil"`)
	c.want(strings.Contains(s.content.header["content-type"], `boundary="`), "content", "its boundary is not quoted")
	c.want(s.content.crlf, "content", "its header lines do not end in CRLF")
	c.frame("content", s.content.body, m.params["boundary"], s.innerEnd)
	if s.smilPart == nil {
		c.report("content", "has no application/smil part")
		return
	}
	c.want(s.smilPart.ordinal == 1, "content", "its first part is not the SMIL")
	c.want(m.params["start"] == s.smilPart.header["content-id"], "content", "its start is not the Content-ID of the SMIL")
}

// innerPart checks one part's header and encoding.
func (c *checker) innerPart(p *rawPart, ids map[string]bool) {
	where := fmt.Sprintf("content part %d", p.ordinal)
	id := p.header["content-id"]
	c.want(p.crlf, where, "its header lines do not end in CRLF")
	c.want(p.media.name != "", where, "has no Content-Type")
	c.want(p.media.params["name"] != "", where, "its Content-Type has no name")
	c.want(strings.HasPrefix(id, "<") && strings.HasSuffix(id, ">") && len(id) > 2, where, "its Content-ID is missing or not in < and >")
	c.want(only(bareID(id), tokenChars+"@"), where, "its Content-ID would need escaping in a cid: URL")
	c.want(!ids[id], where, "its Content-ID occurs before")
	ids[id] = true
	c.want(p.header["content-location"] != "", where, "has no Content-Location")
	if p.header["content-transfer-encoding"] == "base64" {
		for line := range bytes.SplitSeq(p.body, []byte("\r\n")) {
			if len(line) > lineColumns {
				c.report(where, "a base64 line is longer than %d columns", lineColumns)
				break
			}
		}
	}
	if p.media.name == "text/plain" {
		c.want(strings.EqualFold(p.media.params["charset"], "utf-8"), where, "its charset is not utf-8")
		if data, err := p.decoded(); err == nil {
			c.want(utf8.Valid(data), where, "is not UTF-8")
		}
	}
}

// presentation checks the SMIL: a par for each slide with a duration and at most one
// medium and one text, every src a part and every part shown, the text above.
func (c *checker) presentation() {
	s := c.s
	if s.smilPart == nil {
		return
	}
	if len(s.req.SMIL) > MaxEnvelope {
		c.report("SMIL", "is longer than %d bytes", MaxEnvelope)
		return
	}
	root, err := readXML(s.req.SMIL, s.smilPart.media.params["charset"])
	if err != nil {
		c.report("SMIL", "cannot be read: %v", err)
		return
	}
	c.want(root.is("smil"), "SMIL", "its root is not smil")
	c.layout(root)
	shown := map[string]int{}
	if body := root.find("body"); body != nil {
		slide := 0
		for k := body.first; k != nil; k = k.next {
			slide++
			c.slide(k, fmt.Sprintf("SMIL, par %d", slide), shown)
		}
	}
	c.want(len(shown) > 0, "SMIL", "shows nothing")
	for i, p := range s.req.Parts {
		c.want(shown[p.ContentID]+shown[p.ContentLocation] > 0, "SMIL", "part %d is not shown", i+1)
	}
}

// layout checks the two regions every phone knows.
func (c *checker) layout(root *node) {
	c.want(root.find("root-layout") != nil, "SMIL", "has no root-layout")
	tops := map[string]int{}
	var walk func(*node)
	walk = func(n *node) {
		if n.is("region") {
			id := n.attr("id")
			c.want(id == "Text" || id == "Image", "SMIL", "has a region that is neither Text nor Image")
			top, err := strconv.Atoi(strings.TrimSuffix(n.attr("top"), "%"))
			c.want(err == nil, "SMIL", "a region has no top")
			tops[id] = top
		}
		for k := n.first; k != nil; k = k.next {
			walk(k)
		}
	}
	walk(root)
	text, hasText := tops["Text"]
	image, hasImage := tops["Image"]
	c.want(!hasText || !hasImage || text < image, "SMIL", "its Text region is not above its Image region")
}

func (c *checker) slide(par *node, where string, shown map[string]int) {
	c.want(par.local == "par", where, "is not a par")
	c.want(strings.HasSuffix(par.attr("dur"), "s"), where, "has no dur in s or ms")
	counts := map[string]int{}
	for k := par.first; k != nil; k = k.next {
		kind := strings.ToLower(k.local)
		switch kind {
		case "img", "video":
			kind = "image or video"
		case "text", "audio":
		default:
			c.report(where, "holds what is no img, video, text or audio")
			continue
		}
		counts[kind]++
		c.want(counts[kind] == 1, where, "has more than one %s", kind)
		c.source(k, where, shown)
	}
}

// source checks that a src names a part: by Content-ID with cid:, else by location.
func (c *checker) source(n *node, where string, shown map[string]int) {
	src := n.attr("src")
	id, byID := strings.CutPrefix(src, "cid:")
	for _, p := range c.s.req.Parts {
		if byID && p.ContentID == id || !byID && p.ContentLocation == src {
			shown[id]++
			return
		}
	}
	c.report(where, "its src %s is no part", headerValue(src))
}
