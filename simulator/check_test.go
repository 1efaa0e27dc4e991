package simulator_test

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mmsgw/mm7"
	"mmsgw/simulator"
)

// TestProblems breaks a sound request in one way at a time. The table of what is
// checked by the standard is mm7's; here is one of each kind, and all that is this
// MMSC's own.
func TestProblems(t *testing.T) {
	const rel5 = "http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/REL-5-MM7-1-2"
	for name, c := range map[string]struct {
		break_ func(*post)
		want   string // answer
		where  string // of the one problem
	}{
		"nothing":             {func(*post) {}, "status 1000", ""},
		"GET":                 {func(p *post) { p.method = http.MethodGet }, "HTTP 405", ""},
		"no Content-Length":   {func(p *post) { p.length = -1 }, "fault 2007", "HTTP Content-Length"},
		"too long a length":   {func(p *post) { p.length++ }, "fault 2007", "HTTP Content-Length"},
		"no SOAPAction":       {func(p *post) { p.header.Del("SOAPAction") }, "fault 2007", "HTTP SOAPAction"},
		"another SOAPAction":  {func(p *post) { p.header.Set("SOAPAction", "Submit") }, "fault 2007", "HTTP SOAPAction"},
		"Expect":              {func(p *post) { p.header.Set("Expect", "100-continue") }, "fault 2007", "HTTP Expect"},
		"gzip":                {func(p *post) { p.header.Set("Content-Encoding", "gzip") }, "fault 2007", "HTTP Content-Encoding"},
		"type missing":        {func(p *post) { cutHeader(p, ` type="text/xml";`) }, "fault 2007", "HTTP Content-Type"},
		"start missing":       {func(p *post) { cutHeader(p, `; start="<mm7-soap>"`) }, "fault 2007", "HTTP Content-Type"},
		"boundary not quoted": {func(p *post) { unquote(p) }, "fault 2007", "HTTP Content-Type"},
		"no such boundary": {func(p *post) {
			p.header.Set("Content-Type", `multipart/related; boundary="x"; type="text/xml"; start="<mm7-soap>"`)
		}, "fault 4004", "multipart body"},
		"no envelope":       {func(p *post) { p.body, p.length = "", 0 }, "fault 4004", "multipart body"},
		"broken XML":        {func(p *post) { p.replace("</SubmitReq>", "") }, "fault 4004", "envelope, line 2"},
		"another operation": {func(p *post) { p.replace("<SubmitReq", "<ReplaceReq"); p.replace("</SubmitReq", "</ReplaceReq") }, "fault 4003", "envelope"},
		"no TransactionID":  {func(p *post) { cutElement(p, "TransactionID") }, "fault 2000", "Header"},
		"no mustUnderstand": {func(p *post) { p.replace(` env:mustUnderstand="1"`, "") }, "fault 2007", "Header/TransactionID"},
		"another namespace": {func(p *post) {
			p.body = strings.ReplaceAll(p.body, mustPreset().Namespace, rel5+"0")
			p.length = int64(len(p.body))
		}, "fault 2007", "SubmitReq"},
		"another version": {func(p *post) { p.replace(">6.8.0<", ">6.6.0<") }, "fault 2007", "SubmitReq/MM7Version"},
		"elements out of order": {func(p *post) {
			cutElement(p, "Subject")
			p.replace("<DeliveryReport>", "<Subject>S</Subject><DeliveryReport>")
		}, "fault 2007", "SubmitReq/DeliveryReport"},
		"no VASPID":           {func(p *post) { cutElement(p, "VASPID") }, "fault 4001", "SubmitReq/SenderIdentification/VASPID"},
		"another VASID":       {func(p *post) { p.replace(">picture<", ">pictures<") }, "fault 4001", "SubmitReq/SenderIdentification/VASID"},
		"no sender":           {func(p *post) { cutElement(p, "SenderAddress") }, "fault 2007", "SubmitReq/SenderAddress"},
		"sender without +":    {func(p *post) { p.replace(sender, sender[1:]) }, "fault 2007", "SubmitReq/SenderAddress"},
		"recipient without +": {func(p *post) { p.replace(recipient, recipient[1:]) }, "fault 2007", "SubmitReq/Recipients, address 1"},
		"recipient no number": {func(p *post) { p.replace(recipient, "+1416555ABCD") }, "fault 2007", "SubmitReq/Recipients, address 1"},
		"no recipient":        {func(p *post) { cutElement(p, "To") }, "fault 2007", "SubmitReq/Recipients"},
		"href of no part":     {func(p *post) { p.replace(`href="cid:content-1"`, `href="cid:content-2"`) }, "fault 2007", "SubmitReq/Content"},
		"no SMIL":             {func(p *post) { p.replace("application/smil; charset", "text/html; charset") }, "fault 2007", "content"},
		"src of no part":      {func(p *post) { p.replace(`src="cid:img1.gif"`, `src="cid:img2.gif"`) }, "fault 2007", "SMIL, par 1"},
		"not a picture":       {func(p *post) { p.replace("GIF89a", "GIF88a") }, "fault 2007", "medium 2"},
		"another picture":     {func(p *post) { p.replace("GIF89a", "\xff\xd8\xff\xe0\x00\x10") }, "fault 2007", "medium 2"},
		"text is empty":       {func(p *post) { p.replace("Thanks for coming by!", "") }, "fault 2007", "medium 1"},
		"style of another": {func(p *post) {
			p.replace("<SubmitReq xmlns=", "<a:SubmitReq xmlns:a=")
			p.replace("</SubmitReq", "</a:SubmitReq")
		}, "fault 2007", "SubmitReq"},
	} {
		t.Run(name, func(t *testing.T) {
			m := open(t, nil, simulator.Options{VASPID: "acme", VASID: "picture"})
			p := posted(t, preset(t, "rel-6-mm7-1-4"), message("tx-1"))
			c.break_(p)
			o := submit(m, p, nil)
			if o.String() != c.want {
				t.Errorf("answered %s, want %s:\n%s", o, c.want, o.body)
			}
			if c.where == "" {
				return
			}
			s := m.Seen()[0]
			if !slices.ContainsFunc(s.Problems, func(p simulator.Problem) bool { return p.Where == c.where }) {
				t.Errorf("problems %v, want one of %s", s.Problems, c.where)
			}
			if s.Accepted || m.Totals().Refused != 1 || o.code != 500 {
				t.Errorf("accepted %v, HTTP %d, totals %+v", s.Accepted, o.code, m.Totals())
			}
			if s.TransactionID != "" && !strings.Contains(o.rsp.Status.Details, c.where) {
				t.Errorf("the answer does not tell: %s", o.body)
			}
			if strings.Contains(string(o.body), recipient[2:]) || strings.Contains(string(o.body), "Thanks") {
				t.Errorf("the answer tells too much: %s", o.body)
			}
		})
	}
}

func cutHeader(p *post, what string) {
	p.header.Set("Content-Type", strings.Replace(p.header.Get("Content-Type"), what, "", 1))
}

func unquote(p *post) {
	p.header.Set("Content-Type", strings.Replace(strings.Replace(p.header.Get("Content-Type"), `boundary="`, "boundary=", 1), `";`, ";", 1))
}

func cutElement(p *post, name string) {
	from, to := strings.Index(p.body, "<"+name), strings.Index(p.body, "</"+name+">")
	p.replace(p.body[from:to+len(name)+3], "")
}

// TestTransactionIDMissing: a fault without detail (TS 23.140, on the TransactionID).
func TestTransactionIDMissing(t *testing.T) {
	m := open(t, nil, simulator.Options{})
	p := posted(t, preset(t, "rel-6-mm7-1-4"), message("tx-1"))
	cutElement(p, "TransactionID")
	o := submit(m, p, nil)
	if o.rsp == nil || o.rsp.Fault.Code != "Client.TransactionID" || strings.Contains(string(o.body), "detail") {
		t.Errorf("answered %s", o.body)
	}
}

func TestTooLarge(t *testing.T) {
	p := posted(t, preset(t, "rel-6-mm7-1-4"), message("tx-1"))
	for _, c := range []struct {
		most, said int64
		want       string
	}{
		{p.length, p.length, "status 1000"},
		{p.length - 1, p.length, "fault 2004"},
		{p.length - 1, -1, "fault 2004"},
	} {
		m := open(t, nil, simulator.Options{MaxMessage: c.most})
		q := *p
		q.length = c.said
		if got := submit(m, &q, nil); got.String() != c.want {
			t.Errorf("%d bytes, %d allowed, %d said: %s, want %s", p.length, c.most, c.said, got, c.want)
		}
	}
}

// TestEachDialect: an MMSC takes what is encoded in its dialect, and nothing else.
func TestEachDialect(t *testing.T) {
	dialects := map[string]mm7.Dialect{}
	for _, name := range mm7.Presets() {
		dialects[name] = preset(t, name)
	}
	change := func(name string, set func(*mm7.Dialect)) {
		d := mustPreset()
		set(&d)
		dialects[name] = d
	}
	change("prefix", func(d *mm7.Dialect) { d.XMLStyle = mm7.StylePrefix })
	change("root prefix", func(d *mm7.Dialect) { d.XMLStyle = mm7.StyleRootPrefixOnly })
	change("action", func(d *mm7.Dialect) { d.SOAPAction = "Submit" })
	change("no plus", func(d *mm7.Dialect) { d.NumberFormat = mm7.NumberE164 })
	change("no sender", func(d *mm7.Dialect) { d.OmitSenderAddress = true })
	for spoken, d := range dialects {
		m := open(t, nil, simulator.Options{Dialect: d})
		for written, w := range dialects {
			want := "fault 2007"
			if spoken == written {
				want = "status 1000"
			}
			if got := submit(m, posted(t, w, message("tx-1")), nil); got.String() != want {
				t.Errorf("%s to an MMSC of %s: %s, want %s\n%s", written, spoken, got, want, got.body)
			}
		}
	}
}

// TestSamples: messages of other makes are refused for what is other about them.
func TestSamples(t *testing.T) {
	for _, c := range []struct {
		path   func() string
		images int
		where  []string
	}{
		{func() string {
			return filepath.Join("..", "testdata", "mm7", "canonical", "submit-req-binary.http")
		}, 1, []string{"SMIL"}}, // its text is below the picture
		{func() string { return filepath.Join(shared(t), "mbuni-submitreq.http") }, 2, []string{
			"HTTP Content-Type",    // boundary not quoted
			"SubmitReq",            // REL-5-MM7-1-0, mm7: everywhere
			"SubmitReq/MM7Version", // 5.3.0
			"content",              // no SMIL
		}},
	} {
		path := c.path()
		t.Run(filepath.Base(path), func(t *testing.T) {
			m := open(t, nil, simulator.Options{})
			o := submit(m, sample(t, path), nil)
			s := m.Seen()[0]
			if o.String() != "fault 2007" || len(s.Images) != c.images || s.TransactionID == "" || s.From == "" {
				t.Errorf("answered %s, saw %+v", o, s)
			}
			var where []string
			for _, p := range s.Problems {
				where = append(where, p.Where)
			}
			for _, want := range c.where {
				if !slices.Contains(where, want) {
					t.Errorf("no problem of %s in %v", want, s.Problems)
				}
			}
		})
	}
}
