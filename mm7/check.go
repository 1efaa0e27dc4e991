package mm7

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// checker lists what is wrong with a received SubmitReq.
type checker struct {
	s        *submission
	problems []Problem
}

// maxProblems bounds the list: whoever makes more mistakes reads no further.
const maxProblems = 50

func (c *checker) report(where, format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, Problem{where, fmt.Sprintf(format, args...)})
	}
}

// want reports unless ok.
func (c *checker) want(ok bool, where, format string, args ...any) {
	if !ok {
		c.report(where, format, args...)
	}
}

// http checks the headers and the outer multipart.
func (c *checker) http() {
	h, s := c.s.header, c.s
	length := h.Get("Content-Length")
	c.want(length != "", "HTTP Content-Length", "is missing; several MMSCs refuse a chunked body")
	if length != "" {
		c.want(length == strconv.Itoa(len(s.body)), "HTTP Content-Length", "is %.20q, but the body has %d bytes", length, len(s.body))
	}
	c.want(h.Get("Expect") == "", "HTTP Expect", "is sent; an MMSC need not answer it")
	_, action := h[http.CanonicalHeaderKey("SOAPAction")]
	c.want(action, "HTTP SOAPAction", `is missing; the null string, "", is the standard's`)
	if s.outer == nil {
		c.want(s.media.name == "text/xml", "HTTP Content-Type", "is not text/xml, though the body is an envelope alone")
		return
	}
	raw := h.Get("Content-Type")
	boundary := s.media.params["boundary"]
	c.want(s.media.name == "multipart/related", "HTTP Content-Type", "is not multipart/related")
	c.want(strings.Contains(raw, `boundary="`), "HTTP Content-Type", "its boundary is not quoted")
	c.want(!strings.Contains(boundary, " "), "HTTP Content-Type", "its boundary has a blank")
	c.want(s.media.params["type"] == "text/xml", "HTTP Content-Type", `its type is not "text/xml"`)
	start := s.media.params["start"]
	c.want(strings.HasPrefix(start, "<") && strings.HasSuffix(start, ">"), "HTTP Content-Type", "its start is missing or not in < and >")
	c.frame("HTTP body", s.body, boundary, s.closed)
	c.want(len(s.outer) == 2 || len(s.outer) == 1, "HTTP body", "has %d parts; the envelope and one content entity are right", len(s.outer))
	first := &s.outer[0]
	c.want(first == s.soap, "part 1", "is not the envelope")
	c.want(first.header["content-id"] == start, "part 1", "its Content-ID is not what start names")
	c.want(first.media.name == "text/xml", "part 1", "its Content-Type is not text/xml")
}

// frame checks the lines around the parts of a multipart.
func (c *checker) frame(where string, body []byte, boundary string, closed bool) {
	c.want(bytes.HasPrefix(body, []byte("--"+boundary+"\r\n")), where, "does not begin with its boundary and CRLF")
	c.want(closed, where, "its closing boundary is missing")
	c.want(!closed || bytes.HasSuffix(bytes.TrimSuffix(body, []byte("\r\n")), []byte("\r\n--"+boundary+"--")), where, "does not end with CRLF and its closing boundary")
}

// envelope checks the SOAP of it.
func (c *checker) envelope() {
	root := c.s.root
	c.want(root.local == "Envelope", "envelope", "its root is not Envelope")
	c.want(root.namespace() == soapNamespace, "Envelope", "its namespace is not %s", soapNamespace)
	c.want(root.first != nil && root.first.is("Header"), "Envelope", "its first child is not Header")
	c.want(root.last != nil && root.last.is("Body"), "Envelope", "its last child is not Body")
	header, body := root.child("Header"), root.child("Body")
	if header == nil || header.child("TransactionID") == nil {
		c.report("Header", "has no TransactionID")
	} else {
		c.transactionID(header.child("TransactionID"))
	}
	c.want(body != nil && body.first == body.last, "Body", "has more than one child")
	c.namespaces()
}

func (c *checker) transactionID(n *node) {
	const where = "Header/TransactionID"
	c.want(n.text != "", where, "is empty")
	c.want(n.namespace() == c.s.message.namespace(), where, "is not in the namespace of the message")
	marked := false
	for _, a := range n.attrs {
		if a.local == "mustUnderstand" {
			marked = a.value == "1" && n.lookup(a.prefix) == soapNamespace
		}
		c.want(a.local != "actor", where, "has an actor")
	}
	c.want(marked, where, `has no mustUnderstand="1" of the SOAP namespace`)
}

// versions are the MM7Version values of the schemas known here.
var versions = map[string][]string{
	namespaceBase + "REL-5-MM7-1-2": {"5.3.0"},
	namespaceBase + "REL-6-MM7-1-4": {"6.8.0", "6.6.0", "6.5.0", "6.4.0", "6.3.0", "5.10.0", "5.8.0", "5.6.0", "5.5.0", "5.3.0"},
}

// namespaces checks the message's own and that its children all take part in one of
// the three styles.
func (c *checker) namespaces() {
	m := c.s.message
	ns := m.namespace()
	c.want(strings.Contains(ns, "23.140/schema/REL-"), string(OpSubmitReq), "its namespace is not one of TS 23.140")
	if known := versions[ns]; known != nil {
		c.want(slices.Contains(known, c.s.req.MM7Version), "SubmitReq/MM7Version", "%.20q does not go with the namespace; %s would", c.s.req.MM7Version, known[0])
	}
	mixed := false
	var walk func(n *node, want string)
	walk = func(n *node, want string) {
		for k := n.first; k != nil; k = k.next {
			mixed = mixed || k.namespace() != want
			walk(k, want)
		}
	}
	if m.first != nil {
		want := m.first.namespace()
		c.want(want == ns || want == "" && m.prefix != "", string(OpSubmitReq), "its children are in another namespace")
		walk(m, want)
	}
	c.want(!mixed, string(OpSubmitReq), "some of its elements are in another namespace than the others")
}

// Forms of values, by the schema's types; a zone is optional in xs:dateTime, but most
// MMSCs want one.
var (
	dateTimeForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`)
	durationForm = regexp.MustCompile(`^-?P(\d+Y)?(\d+M)?(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?$`)
	boolForm     = regexp.MustCompile(`^(true|false|1|0)$`)
	numberForm   = regexp.MustCompile(`^\+?[1-9][0-9]{4,14}$`)
)

// forms are the values elements may have.
var forms = map[string]func(string) bool{
	"TimeStamp":             dateTimeForm.MatchString,
	"EarliestDeliveryTime":  isDate,
	"ExpiryDate":            isDate,
	"DeliveryReport":        boolForm.MatchString,
	"ReadReply":             boolForm.MatchString,
	"DistributionIndicator": boolForm.MatchString,
	"DRMContent":            boolForm.MatchString,
	"Priority":              oneOf("Low", "Normal", "High"),
	"MessageClass":          oneOf("Personal", "Informational", "Advertisement", "Auto"),
	"ChargedParty":          oneOf("Sender", "Recipient", "Both", "Neither", "ThirdParty"),
	"ContentClass":          oneOf("text", "image-basic", "image-rich", "video-basic", "video-rich", "megapixel", "content-basic", "content-rich"),
}

func isDate(s string) bool {
	return dateTimeForm.MatchString(s) || len(s) > 2 && !strings.HasSuffix(s, "T") && durationForm.MatchString(s)
}

func oneOf(values ...string) func(string) bool {
	return func(s string) bool { return slices.Contains(values, s) }
}

// fields checks the elements of SubmitReq: known, in order, once, of the release, and
// of the right form.
func (c *checker) fields() {
	m := c.s.message
	c.want(m.first != nil && m.first.local == "MM7Version", string(OpSubmitReq), "its first child is not MM7Version")
	release6 := Dialect{Namespace: m.namespace()}.release6()
	at := -1
	for k := m.first; k != nil; k = k.next {
		where := "SubmitReq/" + k.local[:min(len(k.local), 40)]
		if k.local == "MM7Version" {
			c.want(k == m.first, where, "is not the first")
			continue
		}
		i := slices.IndexFunc(submitElements, func(e submitElement) bool { return e.name == k.local })
		if i < 0 {
			c.report(where, "is no element of SubmitReq")
			continue
		}
		c.want(i != at, where, "occurs twice")
		c.want(i >= at, where, "stands after %s; the schema has it before", submitElements[max(at, 0)].name)
		c.want(release6 || !submitElements[i].release6, where, "is of Release 6, the namespace of Release 5")
		if form := forms[k.local]; form != nil {
			c.want(form(k.text), where, "its value is not one the schema allows")
		}
		at = max(at, i)
	}
	c.want(m.child("SenderIdentification") != nil, string(OpSubmitReq), "has no SenderIdentification")
	c.addresses()
}

func (c *checker) addresses() {
	r := c.s.req.Recipients
	all := slices.Concat(r.To, r.Cc, r.Bcc)
	c.want(len(all) > 0, "SubmitReq/Recipients", "has no address")
	if n := c.s.message.child("Recipients"); n != nil {
		for block := n.first; block != nil; block = block.next {
			c.children("SubmitReq/Recipients", block, "Number", "ShortCode", "RFC2822Address")
		}
		c.children("SubmitReq", n, "To", "Cc", "Bcc")
	}
	if n := c.s.message.child("SenderIdentification"); n != nil {
		c.children("SubmitReq", n, "VASPID", "VASID", "SenderAddress")
	}
	if c.s.req.SenderAddress.Value != "" {
		c.address("SenderAddress", c.s.req.SenderAddress)
	}
	for i, a := range all {
		c.address(fmt.Sprintf("Recipients, address %d", i+1), a)
	}
}

// children checks that an element has none but these.
func (c *checker) children(where string, n *node, names ...string) {
	for k := n.first; k != nil; k = k.next {
		c.want(slices.Contains(names, k.local), where+"/"+n.local, "has a child that is none of %s", strings.Join(names, ", "))
	}
}

// address never prints the address: it is a subscriber's.
func (c *checker) address(where string, a Address) {
	switch a.Kind {
	case Number:
		c.want(numberForm.MatchString(a.Value), "SubmitReq/"+where, "is not a Number of E.164: digits after an optional +")
	case ShortCode:
		c.want(a.Value != "", "SubmitReq/"+where, "is empty")
	case RFC2822:
		c.want(strings.Contains(a.Value, "@"), "SubmitReq/"+where, "is not an RFC2822Address")
	}
}
