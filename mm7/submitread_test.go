package mm7

import (
	"bytes"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

func TestParseSubmitSamples(t *testing.T) {
	type part struct {
		contentType, id string
		size            int
	}
	type want struct {
		tid, recipient, subject string
		parts                   []part
		smil                    bool
	}
	two := []part{{"image/gif", "img1", 43}, {"text/plain", "txt1", 10}}
	for name, w := range map[string]want{
		"canonical/submit-req.xml":                       {"tx-submit-req", "+15555550101", "Café & more", nil, false},
		"canonical/rel5-submit-req.xml":                  {"tx-5s", "+15555550101", "T", nil, false},
		"canonical/submit-req-binary.http":               {"tx-http-1", "+15555550101", "Café & more", two, true},
		"canonical/submit-req-base64.http":               {"tx-http-1", "+15555550101", "Café & more", two, true},
		"quirks/q25-submit-xop-style-envelope-part.http": {"tq25", "+15555550101", "Café & more", []part{{"image/gif", "content-1", 43}}, false},
		"../sinch/mm7_submit-1.xml":                      {"1000001", "16172383232", "My first MM7 Message", nil, false},
		"../sinch/mm7_submit-4.http":                     {"555e29f8879be", "16179593069", "My first MM7 Message", []part{{"text/plain", "132c4ca56a209475", 13}}, true},
		"../mbuni-submitreq.http": {"qf4751.1.x21.65", "+256770000000", "Holiday0000000",
			[]part{{"text/plain", "text0.txt", 68}, {"image/jpeg", "image0.jpg", 0}, {"image/jpeg", "image1.jpg", 0}}, false},
	} {
		t.Run(strings.TrimPrefix(name, "../"), func(t *testing.T) {
			_, header, body := message(t, name, anySample(t, name))
			r, problems, err := ParseSubmit(header, bytes.NewReader(body), false)
			if err != nil || problems != nil {
				t.Fatalf("%v, %v", err, problems)
			}
			got := want{r.TransactionID, r.Recipients.To[0].Value, r.Subject, nil, len(r.SMIL) > 0}
			for i, p := range r.Parts {
				size := len(p.Data)
				if i < len(w.parts) && w.parts[i].size == 0 {
					size = 0
					if !bytes.HasPrefix(p.Data, []byte("\xff\xd8")) {
						t.Errorf("part %d does not begin as a JPEG", i+1)
					}
				}
				got.parts = append(got.parts, part{p.ContentType, p.ContentID, size})
			}
			if !reflect.DeepEqual(got, w) {
				t.Errorf("\ngot  %+v\nwant %+v", got, w)
			}
		})
	}
}

func TestParseSubmitFull(t *testing.T) {
	r, _, err := ParseSubmit(http.Header{}, bytes.NewReader(sample(t, "canonical/submit-req-full.xml")), false)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Recipients.To) != 2 || !r.Recipients.To[1].DisplayOnly || r.Recipients.Cc[0].Value != "+15555550102" || r.Recipients.Bcc[0].Kind != ShortCode {
		t.Errorf("recipients %+v", r.Recipients)
	}
	if !reflect.DeepEqual(r.ReplyCharging, &ReplyCharging{"30000", "P1D"}) || !reflect.DeepEqual(r.DeliveryCondition, []int{1}) ||
		!*r.DistributionIndicator || *r.DRMContent || *r.AllowAdaptations || r.ChargedPartyID != "+15555550199" || r.Priority != "High" {
		t.Errorf("got %+v", r)
	}
}

func TestParseSubmitOtherOperation(t *testing.T) {
	r, _, err := ParseSubmit(http.Header{}, bytes.NewReader(sample(t, "canonical/cancel-req.xml")), true)
	var other *UnsupportedError
	if !errors.As(err, &other) || other.Operation != "CancelReq" || r.TransactionID != "tx-cancel-req" || r.Namespace != ns6 {
		t.Errorf("%v, %+v", err, r)
	}
}

// TestStrict changes one thing at a time in a good request and looks for the one
// complaint it should bring.
func TestStrict(t *testing.T) {
	d := preset(t, "rel-6-mm7-1-4")
	r := fullSubmit()
	r.Parts = r.Parts[:2]
	r.Parts[1].Data = []byte("GIF89a")
	b, data := encode(t, d, r)
	for name, tc := range map[string]struct {
		old, new string // in the body
		header   func(http.Header)
		problem  string // part of it; empty: none
	}{
		"nothing":           {"", "", nil, ""},
		"no length":         {"", "", func(h http.Header) { h.Del("Content-Length") }, "HTTP Content-Length: is missing"},
		"wrong length":      {"", "", func(h http.Header) { h.Set("Content-Length", "7") }, `HTTP Content-Length: is "7"`},
		"expect":            {"", "", func(h http.Header) { h.Set("Expect", "100-continue") }, "HTTP Expect"},
		"no action":         {"", "", func(h http.Header) { h.Del("SOAPAction") }, "HTTP SOAPAction"},
		"unquoted boundary": {"", "", func(h http.Header) { h.Set("Content-Type", strings.ReplaceAll(b.ContentType, `"`, "")) }, "not quoted"},
		"start": {"", "", func(h http.Header) {
			h.Set("Content-Type", strings.Replace(b.ContentType, "<mm7-soap>", "mm7-soap", 1))
		}, "start is missing or not in"},
		"type":                {"", "", func(h http.Header) { h.Set("Content-Type", strings.Replace(b.ContentType, "text/xml", "x", 1)) }, `type is not "text/xml"`},
		"preamble":            {"--mm7-dead", "x\r\n--mm7-dead", nil, "does not begin with its boundary"},
		"envelope namespace":  {soapNamespace, "http://schemas.xmlsoap.org/soap/soap-envelope", nil, "Envelope: its namespace"},
		"mustUnderstand":      {`env:mustUnderstand="1"`, `mustUnderstand="1"`, nil, "no mustUnderstand"},
		"no transaction":      {">tx-1<", "><", nil, "TransactionID: is empty"},
		"version":             {"6.8.0", "6.7.0", nil, "does not go with the namespace"},
		"namespace":           {"REL-6-MM7-1-4\"><MM7V", "REL-5-MM7-1-2\"><MM7V", nil, "is of Release 6, the namespace of Release 5"},
		"order":               {"<ServiceCode>s</ServiceCode><LinkedID>link-1</LinkedID>", "<LinkedID>link-1</LinkedID><ServiceCode>s</ServiceCode>", nil, "ServiceCode: stands after LinkedID"},
		"twice":               {"<Priority>High</Priority>", "<Priority>High</Priority><Priority>Low</Priority>", nil, "Priority: occurs twice"},
		"unknown":             {"<Priority>", "<Foo/><Priority>", nil, "Foo: is no element"},
		"enumeration":         {"<Priority>High", "<Priority>high", nil, "Priority: its value"},
		"boolean":             {"<ReadReply>true", "<ReadReply>True", nil, "ReadReply: its value"},
		"date without zone":   {"2026-01-02T03:04:05Z", "2026-01-02T03:04:05", nil, "TimeStamp: its value"},
		"duration":            {"P3D", "P", nil, "ExpiryDate: its value"},
		"number":              {"+15555550102", "0555550102", nil, "address 3: is not a Number"},
		"no recipients":       {"Number>", "Nomber>", nil, "Recipients/To: has a child that is none of"},
		"no cid":              {"cid:content-1", "content-1", nil, "does not begin with cid:"},
		"href":                {"cid:content-1", "cid:content-2", nil, "is not the Content-ID"},
		"no content":          {`<Content href="cid:content-1" allowAdaptations="false"/>`, "", nil, "Content: is missing"},
		"a child elsewhere":   {"<Priority>", `<Priority xmlns="">`, nil, "another namespace than the others"},
		"inner type":          {`type="application/smil"`, `type="text/xml"`, nil, `type is not "application/smil"`},
		"inner start":         {`start="<smil>"`, `start="<other>"`, nil, "start is not the Content-ID of the SMIL"},
		"no SMIL":             {"Content-Type: application/smil", "Content-Type: text/plain", nil, "no application/smil part"},
		"name":                {`; name="txt1.txt"`, "", nil, "content part 2: its Content-Type has no name"},
		"charset":             {`text/plain; charset=utf-8`, "text/plain; charset=latin1", nil, "charset is not utf-8"},
		"not UTF-8":           {"Caf\xc3", "Caf\xff", nil, "is not UTF-8"},
		"id without brackets": {"Content-ID: <img1.gif>", "Content-ID: img1.gif", nil, "Content-ID is missing or not in"},
		"location":            {"Content-Location: img1.gif\r\n", "", nil, "no Content-Location"},
		"same id":             {"Content-ID: <img1.gif>", "Content-ID: <txt1.txt>", nil, "occurs before"},
		"src":                 {"cid:img1.gif", "cid:img9.gif", nil, "is no part"},
		"not shown":           {`<img src="cid:img1.gif" region="Image"/>`, "", nil, "part 2 is not shown"},
		"dur":                 {` dur="5000ms"`, "", nil, "has no dur"},
		"two images in one":   {`<img src`, `<img src="cid:img1.gif"/><img src`, nil, "more than one image"},
		"text below":          {`id="Text" left="0" top="0"`, `id="Text" left="0" top="240"`, nil, "not above"},
		"region":              {`id="Text"`, `id="Words"`, nil, "neither Text nor Image"},
		"broken SMIL":         {"</body></smil>", "</smil>", nil, "SMIL: cannot be read"},
		"transition":          {"<text src", "<transition/><text src", nil, "no img, video, text or audio"},
		"no closing boundary": {"--mm7-dead00000000000000000000000000ef--", "", nil, "closing boundary is missing"},
		"no inner closing":    {"--mms-dead00000000000000000000000000ef--", "", nil, "content: its closing boundary is missing"},
		"an extra outer part": {"\r\n--mm7-dead00000000000000000000000000ef--", "\r\n--mm7-dead00000000000000000000000000ef\r\nA: b\r\n\r\n\r\n--mm7-dead00000000000000000000000000ef--", nil, "has 3 parts"},
		"two in the body":     {"</SubmitReq>", "</SubmitReq><x/>", nil, "Body: has more than one child"},
	} {
		t.Run(name, func(t *testing.T) {
			body := strings.Replace(string(data), tc.old, tc.new, 1)
			if tc.old == "Number>" || tc.old == "REL-6-MM7-1-4\"><MM7V" {
				body = strings.ReplaceAll(string(data), tc.old, tc.new)
			}
			if tc.old != "" && body == string(data) {
				t.Fatalf("%q does not occur", tc.old)
			}
			h := httpHeader(d, b)
			h.Set("Content-Length", itoa(len(body)))
			if tc.header != nil {
				tc.header(h)
			}
			_, problems, err := ParseSubmit(h, strings.NewReader(body), true)
			if err != nil {
				t.Fatal(err)
			}
			if tc.problem == "" {
				if len(problems) > 0 {
					t.Errorf("complains: %v", problems)
				}
				return
			}
			for _, p := range problems {
				if strings.Contains(p.String(), tc.problem) {
					return
				}
			}
			t.Errorf("no %q in %v", tc.problem, problems)
		})
	}
}

func TestStrictSamples(t *testing.T) {
	// Written for this project as right; only the content of the binary sample was made
	// without the parts' order and layout that the strict reader wants.
	_, header, body := message(t, "x.http", sample(t, "canonical/submit-req-binary.http"))
	_, problems, err := ParseSubmit(header, bytes.NewReader(body), true)
	if err != nil || len(problems) != 1 || !strings.Contains(problems[0].What, "not above") {
		t.Errorf("%v, %v", err, problems)
	}
}

func TestParseSubmitContentMatching(t *testing.T) {
	frame := func(href, id string) string {
		return "--b\r\nContent-Type: text/xml\r\n\r\n" + envelopeWith(`<SubmitReq xmlns="`+ns6+`"><Content href="`+href+`"/></SubmitReq>`) +
			"\r\n--b\r\nContent-Type: text/plain\r\nContent-ID: <first>\r\n\r\nfirst\r\n--b\r\nContent-Type: text/plain\r\nContent-ID: " + id + "\r\n\r\nsecond\r\n--b--"
	}
	for name, tc := range map[string][3]string{
		"exact":            {"cid:a@b", "<a@b>", "second"},
		"without brackets": {"cid:a", "a", "second"},
		"without cid":      {"a", "<a>", "second"},
		"escaped":          {"cid:a%2Bb", "<a+b>", "second"},
		"another case":     {"CID:A", "<a>", "second"},
		"none":             {"cid:zzz", "<a>", "first"},
		"empty":            {"", "", "first"},
	} {
		r, _, err := ParseSubmit(http.Header{"Content-Type": {"multipart/related; boundary=b"}}, strings.NewReader(frame(tc[0], tc[1])), false)
		if err != nil || len(r.Parts) != 1 || string(r.Parts[0].Data) != tc[2] {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func TestParseSubmitLimits(t *testing.T) {
	nested := "x"
	for i := range 5 {
		b := "n" + itoa(i)
		nested = "Content-Type: multipart/mixed; boundary=" + b + "\r\n\r\n--" + b + "\r\n" + nested + "\r\n--" + b + "--"
	}
	soap := "--b\r\nContent-Type: text/xml\r\n\r\n" + envelopeWith(`<SubmitReq/>`) + "\r\n--b\r\n"
	for name, body := range map[string]string{
		"parts":    soap + strings.Repeat("\r\n\r\n--b\r\n", maxParts),
		"nesting":  soap + nested + "\r\n--b--",
		"header":   soap + "A: " + strings.Repeat("x", maxPartHeader) + "\r\n\r\n\r\n--b--",
		"no end":   soap + "A: x",
		"encoding": soap + "Content-Transfer-Encoding: x-uuencode\r\n\r\n\r\n--b--",
		"base64":   soap + "Content-Transfer-Encoding: base64\r\n\r\n!!!!\r\n--b--",
		"envelope": "--b\r\nContent-Type: text/xml\r\n\r\n" + strings.Repeat(" ", MaxEnvelope+1) + "\r\n--b--",
		"boundary": "--c\r\n\r\n\r\n--c--",
	} {
		_, _, err := ParseSubmit(http.Header{"Content-Type": {"multipart/related; boundary=b"}}, strings.NewReader(body), true)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestQuotedPrintableAndLooseBase64(t *testing.T) {
	soap := "--b\r\nContent-Type: text/xml\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\n" +
		strings.ReplaceAll(envelopeWith(`<SubmitReq><Subject>caf=C3=A9</Subject></SubmitReq>`), `="`, `=3D"`)
	for name, content := range map[string]string{
		"60 columns, upper case": "Content-Transfer-Encoding: BASE64\r\n\r\nSGVsbG8g\r\nd29ybGQ=\r\n",
		"LF, no padding":         "Content-Transfer-Encoding: base64\n\nSGVsbG8g\nd29ybGQ\n",
		"binary":                 "\r\nHello world\r\n",
	} {
		r, _, err := ParseSubmit(http.Header{"Content-Type": {"multipart/related; boundary=b"}}, strings.NewReader(soap+"\r\n--b\r\n"+content+"--b--"), false)
		if err != nil || r.Subject != "café" || string(r.Parts[0].Data) != "Hello world" {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}
