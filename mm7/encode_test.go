package mm7

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
)

// allBytes are all byte values, ending in what a careless reader takes for a line end
// or a boundary.
func allBytes() []byte {
	var b []byte
	for i := range 256 {
		b = append(b, byte(i))
	}
	return append(b, "\r\n--mm7-\r\n--\r\r\n"...)
}

// opened is a part of data that must be opened.
func opened(contentType string, data []byte) Part {
	return Part{ContentType: contentType, Size: int64(len(data)), Open: func() (io.ReadCloser, error) {
		var r io.Reader = bytes.NewReader(data)
		if len(data) < 1000 {
			r = iotest.OneByteReader(r)
		}
		return io.NopCloser(r), nil
	}}
}

func fullSubmit() *SubmitReq {
	return &SubmitReq{
		Head:          Head{TransactionID: "tx-1"},
		VASPID:        "vasp-1",
		VASID:         "svc-1",
		SenderAddress: Address{Kind: ShortCode, Value: "77700"},
		Recipients: Recipients{
			To:  []Address{{Value: "+15555550101"}, {Kind: RFC2822, Value: "a@example.com", DisplayOnly: true}},
			Cc:  []Address{{Value: "+15555550102"}},
			Bcc: []Address{{Kind: ShortCode, Value: "4455"}},
		},
		ServiceCode: "s", LinkedID: "link-1", MessageClass: "Advertisement", TimeStamp: "2026-01-02T03:04:05Z",
		ReplyCharging:        &ReplyCharging{Size: "30000", Deadline: "P1D"},
		EarliestDeliveryTime: "2026-01-02T04:00:00Z", ExpiryDate: "P3D",
		DeliveryReport: true, ReadReply: true, Priority: "High", Subject: "All & optional",
		ChargedParty: "Sender", ChargedPartyID: "+15555550199", DistributionIndicator: new(true),
		DeliveryCondition: []int{1, 2}, ApplicID: "app.a", ReplyApplicID: "app.b", AuxApplicInfo: "x=1",
		ContentClass: "image-rich", DRMContent: new(false), AllowAdaptations: new(false),
		Parts: []Part{
			{ContentType: "text/plain", Data: []byte("Café time\r\n--")},
			{ContentType: "image/gif", Name: "träger\r\nX: y\".gif", Data: allBytes()},
			opened("image/jpeg", allBytes()),
		},
	}
}

func minimalSubmit() *SubmitReq {
	return &SubmitReq{Head: Head{TransactionID: "t"}, Recipients: Recipients{To: []Address{{Value: "+15555550101"}}}}
}

// dialects are all combinations of what changes the form.
func dialects(t testing.TB) map[string]Dialect {
	all := map[string]Dialect{}
	for _, name := range Presets() {
		for _, style := range []XMLStyle{StyleDefaultNamespace, StylePrefix, StyleRootPrefixOnly} {
			for _, cte := range []CTE{CTEBinary, CTEBase64} {
				d := preset(t, name)
				d.XMLStyle, d.CTE = style, cte
				all[fmt.Sprintf("%s %s %s", name, style, cte)] = d
			}
		}
	}
	return all
}

var seed = [16]byte{0xde, 0xad, 15: 0xef}

func encode(t testing.TB, d Dialect, r *SubmitReq) (*Body, []byte) {
	t.Helper()
	b, err := Encode(d, r, seed)
	if err != nil {
		t.Fatal(err)
	}
	data, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return b, data
}

// httpHeader is the header a Client sends with the body.
func httpHeader(d Dialect, b *Body) http.Header {
	return http.Header{
		"Content-Type":   {b.ContentType},
		"Content-Length": {strconv.FormatInt(b.Len(), 10)},
		"Soapaction":     {d.SOAPAction},
	}
}

func TestSubmitRoundTrip(t *testing.T) {
	for name, d := range dialects(t) {
		t.Run(name, func(t *testing.T) {
			sent := fullSubmit()
			b, data := encode(t, d, sent)
			got, problems, err := ParseSubmit(httpHeader(d, b), bytes.NewReader(data), true)
			if err != nil || len(problems) > 0 {
				t.Fatalf("%v, problems %v\n%s", err, problems, data)
			}
			wantParts := [][]byte{sent.Parts[0].Data, sent.Parts[1].Data, allBytes()}
			for i, p := range got.Parts {
				if !bytes.Equal(p.Data, wantParts[i]) {
					t.Errorf("part %d is not byte for byte what was sent: %q", i+1, p.Data)
				}
			}
			if n := got.Parts[1].Name; n != "tr_ger__X__y_.gif" {
				t.Errorf("name %q", n)
			}
			want := *sent
			want.Namespace, want.MM7Version = d.Namespace, d.MM7Version
			if !d.release6() {
				want.ChargedPartyID, want.ApplicID, want.ReplyApplicID, want.AuxApplicInfo, want.ContentClass = "", "", "", "", ""
				want.DeliveryCondition, want.DRMContent = nil, nil
			}
			if len(got.Parts) != 3 {
				t.Fatalf("%d parts", len(got.Parts))
			}
			got.Parts, want.Parts, got.SMIL = nil, nil, nil
			if !reflect.DeepEqual(*got, want) {
				t.Errorf("\ngot  %+v\nwant %+v", *got, want)
			}
		})
	}
}

func TestEnvelopeStyles(t *testing.T) {
	d := preset(t, "rel-5-mm7-1-2")
	for style, want := range map[XMLStyle]string{
		StyleDefaultNamespace: `<SubmitReq xmlns="NS"><MM7Version>5.3.0</MM7Version><SenderIdentification><VASID>v</VASID></SenderIdentification><Recipients><To><Number>+15555550101</Number></To></Recipients><DeliveryReport>false</DeliveryReport><ReadReply>false</ReadReply></SubmitReq>`,
		StylePrefix:           `<mm7:SubmitReq xmlns:mm7="NS"><mm7:MM7Version>5.3.0</mm7:MM7Version><mm7:SenderIdentification><mm7:VASID>v</mm7:VASID></mm7:SenderIdentification><mm7:Recipients><mm7:To><mm7:Number>+15555550101</mm7:Number></mm7:To></mm7:Recipients><mm7:DeliveryReport>false</mm7:DeliveryReport><mm7:ReadReply>false</mm7:ReadReply></mm7:SubmitReq>`,
		StyleRootPrefixOnly:   `<mm7:SubmitReq xmlns:mm7="NS"><MM7Version>5.3.0</MM7Version><SenderIdentification><VASID>v</VASID></SenderIdentification><Recipients><To><Number>+15555550101</Number></To></Recipients><DeliveryReport>false</DeliveryReport><ReadReply>false</ReadReply></mm7:SubmitReq>`,
	} {
		d.XMLStyle, d.EnvelopePrefix = style, "SOAP-ENV"
		r := minimalSubmit()
		r.VASID = "v"
		p, decl := "", "xmlns"
		if style != StyleDefaultNamespace {
			p, decl = "mm7:", "xmlns:mm7"
		}
		full := `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<SOAP-ENV:Envelope xmlns:SOAP-ENV="` + soapNamespace + `"><SOAP-ENV:Header><` + p + `TransactionID ` + decl + `="NS" SOAP-ENV:mustUnderstand="1">t</` + p + `TransactionID></SOAP-ENV:Header><SOAP-ENV:Body>` + want + "</SOAP-ENV:Body></SOAP-ENV:Envelope>\n"
		full = strings.ReplaceAll(full, `"NS"`, `"`+ns5+`"`)
		if got := string(submitEnvelope(d, r)); got != full {
			t.Errorf("%s\ngot  %s\nwant %s", style, got, full)
		}
	}
}

func TestSingleQuirks(t *testing.T) {
	r := fullSubmit()
	d := preset(t, "rel-6-mm7-1-4")
	d.NumberFormat = NumberE164
	d.OmitSenderAddress = true
	d.EnvelopeContentID = "/tnn-200102/mm7-submit"
	b, data := encode(t, d, r)
	if strings.Contains(string(data), "<Number>+") || !strings.Contains(string(data), "<Number>15555550101</Number>") {
		t.Error("NumberE164 leaves a +")
	}
	if strings.Contains(string(data), "SenderAddress") {
		t.Error("OmitSenderAddress leaves it in")
	}
	if !strings.Contains(b.ContentType, `start="</tnn-200102/mm7-submit>"`) || !strings.Contains(string(data), "Content-ID: </tnn-200102/mm7-submit>\r\n") {
		t.Errorf("EnvelopeContentID is not used: %s", b.ContentType)
	}
	if _, problems, err := ParseSubmit(httpHeader(d, b), bytes.NewReader(data), true); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", err, problems)
	}
}

func TestContentTypeOfTheWhole(t *testing.T) {
	b, data := encode(t, preset(t, "rel-6-mm7-1-4"), fullSubmit())
	want := `multipart/related; boundary="mm7-dead00000000000000000000000000ef"; type="text/xml"; start="<mm7-soap>"`
	if b.ContentType != want {
		t.Errorf("got %s", b.ContentType)
	}
	for _, line := range []string{
		"\r\n--mm7-dead00000000000000000000000000ef\r\nContent-Type: multipart/related; boundary=\"mms-dead00000000000000000000000000ef\"; type=\"application/smil\"; start=\"<smil>\"\r\nContent-ID: <content-1>\r\n\r\n--mms-",
		"Content-Type: application/smil; charset=utf-8; name=\"smil.xml\"\r\nContent-ID: <smil>\r\nContent-Location: smil.xml\r\n\r\n<smil>",
		"Content-Type: text/plain; charset=utf-8; name=\"txt1.txt\"\r\nContent-ID: <txt1.txt>\r\nContent-Location: txt1.txt\r\nContent-Transfer-Encoding: binary\r\n\r\nCaf",
		"Content-Type: image/jpeg; name=\"img2.jpg\"\r\nContent-ID: <img2.jpg>\r\nContent-Location: img2.jpg\r\n",
		`href="cid:content-1" allowAdaptations="false"/>`,
	} {
		if !strings.Contains(string(data), line) {
			t.Errorf("missing: %q", line)
		}
	}
}

func TestSMIL(t *testing.T) {
	text := Part{ContentType: "text/plain"}
	gif := Part{ContentType: "image/gif"}
	for name, tc := range map[string]struct {
		parts []Part
		body  string
	}{
		"text only":           {[]Part{text}, `<par dur="5000ms"><text src="cid:txt1.txt" region="Text"/></par>`},
		"image only":          {[]Part{gif}, `<par dur="5000ms"><img src="cid:img1.gif" region="Image"/></par>`},
		"text and two images": {[]Part{text, gif, gif}, `<par dur="5000ms"><text src="cid:txt1.txt" region="Text"/><img src="cid:img1.gif" region="Image"/></par><par dur="5000ms"><img src="cid:img2.gif" region="Image"/></par>`},
		"audio":               {[]Part{{ContentType: "audio/amr"}}, `<par dur="5000ms"><audio src="cid:audio1.amr"/></par>`},
	} {
		entities, err := entitiesOf(tc.parts)
		if err != nil {
			t.Fatal(err)
		}
		if got := smil(entities); got != smilHead+tc.body+"</body></smil>" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestWithoutParts(t *testing.T) {
	d := preset(t, "rel-6-mm7-1-4")
	b, data := encode(t, d, minimalSubmit())
	if b.ContentType != `text/xml; charset="utf-8"` || strings.Contains(string(data), "Content") {
		t.Errorf("%s\n%s", b.ContentType, data)
	}
	if _, problems, err := ParseSubmit(httpHeader(d, b), bytes.NewReader(data), true); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", err, problems)
	}
}

func TestTextIsLegalXML(t *testing.T) {
	for in, want := range map[string]string{
		`& < > " '`:                 `& < > " '`,
		"é 漢 😀":                     "é 漢 😀",
		"a\x00b\x1fc\x7fd":          "abc\x7fd",
		"a\uFFFEb\uFFFFc\xffd":      "abcd",
		"\xed\xa0\x80surrogate":     "surrogate",
		"a\tb\r\nc]]>d":             "a\tb\r\nc]]>d",
		"kept: \uFFFD":              "kept: \uFFFD",
		"</Subject><Priority>Low</": "</Subject><Priority>Low</",
	} {
		r := minimalSubmit()
		r.Subject, r.ServiceCode = in, in
		d := preset(t, "rel-6-mm7-1-4")
		b, data := encode(t, d, r)
		got, problems, err := ParseSubmit(httpHeader(d, b), bytes.NewReader(data), true)
		if err != nil || len(problems) > 0 || got.Subject != want || got.Priority != "" {
			t.Errorf("%q: %q, %v, %v", in, got.Subject, problems, err)
		}
	}
}

func TestBase64Lines(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 56, 57, 58, 114, 115, lineBytes * lineCount, lineBytes*lineCount + 1, 100_000} {
		data := bytes.Repeat([]byte{0xfb}, n)
		got, err := io.ReadAll(iotest.OneByteReader(newBase64Reader(bytes.NewReader(data))))
		if err != nil || int64(len(got)) != base64Len(int64(n)) {
			t.Fatalf("%d bytes: %d long, announced %d, %v", n, len(got), base64Len(int64(n)), err)
		}
		lines := bytes.Split(got, []byte("\r\n"))
		for i, line := range lines {
			if len(line) > 76 || i < len(lines)-1 && len(line) != 76 {
				t.Fatalf("%d bytes: line %d has %d columns", n, i+1, len(line))
			}
		}
		back, err := base64.StdEncoding.DecodeString(string(bytes.Join(lines, nil)))
		if err != nil || !bytes.Equal(back, data) {
			t.Fatalf("%d bytes do not come back: %v", n, err)
		}
	}
}

// TestLength sends random messages in every dialect: the announced length is the
// written one, opening nothing before, and a strict reader has no complaint.
func TestLength(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	types := []string{"text/plain", "image/jpeg", "image/gif", "image/png", "video/mp4"}
	names := dialects(t)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		d := names[name]
		for range 8 {
			r := randomSubmit(rnd, types)
			closed := forbidOpen(r)
			length, err := Measure(d, closed)
			if err != nil {
				t.Fatal(err)
			}
			b, data := encode(t, d, r)
			if length != int64(len(data)) || b.Len() != length {
				t.Fatalf("%s: measured %d, Len %d, sent %d", name, length, b.Len(), len(data))
			}
			stream, err := b.Reader()
			if err != nil {
				t.Fatal(err)
			}
			streamed, err := io.ReadAll(iotest.HalfReader(stream))
			if err != nil || !bytes.Equal(streamed, data) {
				t.Fatalf("%s: streamed otherwise: %v", name, err)
			}
			_, problems, err := ParseSubmit(httpHeader(d, b), bytes.NewReader(data), true)
			if err != nil || len(problems) > 0 {
				t.Fatalf("%s: %v, %v", name, err, problems)
			}
		}
	}
}

// randomSubmit has a random subset of the optional elements and random parts.
func randomSubmit(rnd *rand.Rand, types []string) *SubmitReq {
	r := fullSubmit()
	coin := func() bool { return rnd.IntN(2) == 0 }
	for _, field := range []*string{&r.VASPID, &r.VASID, &r.SenderAddress.Value, &r.ServiceCode, &r.LinkedID, &r.MessageClass, &r.TimeStamp,
		&r.EarliestDeliveryTime, &r.ExpiryDate, &r.Priority, &r.Subject, &r.ChargedParty, &r.ChargedPartyID, &r.ApplicID, &r.ReplyApplicID, &r.AuxApplicInfo, &r.ContentClass} {
		if coin() {
			*field = ""
		}
	}
	if coin() {
		r.ReplyCharging, r.DistributionIndicator, r.DRMContent = nil, nil, nil
	}
	if coin() {
		r.Recipients.Cc, r.DeliveryCondition, r.AllowAdaptations = nil, nil, nil
	}
	r.Parts = nil
	for i := range 1 + rnd.IntN(8) {
		data := make([]byte, rnd.IntN(20_000))
		kind := types[1+rnd.IntN(len(types)-1)]
		if i == 0 && coin() {
			kind = "text/plain"
		}
		for j := range data {
			if data[j] = byte(rnd.Uint32()); kind == "text/plain" {
				data[j] = ' ' + data[j]%90
			}
		}
		if coin() {
			r.Parts = append(r.Parts, opened(kind, data))
		} else {
			r.Parts = append(r.Parts, Part{ContentType: kind, Data: data, Name: "n" + strconv.Itoa(i)})
		}
	}
	return r
}

// forbidOpen is r with parts that must not be opened.
func forbidOpen(r *SubmitReq) *SubmitReq {
	c := *r
	c.Parts = slices.Clone(r.Parts)
	for i := range c.Parts {
		if c.Parts[i].Open != nil {
			c.Parts[i].Open = func() (io.ReadCloser, error) { panic("opened") }
		}
	}
	return &c
}

func TestPartOfAnotherSize(t *testing.T) {
	for _, size := range []int64{0, 4, 6} {
		for _, cte := range []CTE{CTEBinary, CTEBase64} {
			r, d := minimalSubmit(), preset(t, "rel-6-mm7-1-4")
			d.CTE = cte
			p := opened("image/gif", []byte("12345"))
			p.Size = size
			r.Parts = []Part{p}
			b, err := Encode(d, r, seed)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.Bytes(); err == nil {
				t.Errorf("%s: 5 bytes pass for %d", cte, size)
			}
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	good := preset(t, "rel-6-mm7-1-4")
	for name, change := range map[string]func(*Dialect, *SubmitReq){
		"no recipient":         func(_ *Dialect, r *SubmitReq) { r.Recipients = Recipients{} },
		"type with parameters": func(_ *Dialect, r *SubmitReq) { r.Parts = []Part{{ContentType: "image/gif; name=x"}} },
		"type with a line":     func(_ *Dialect, r *SubmitReq) { r.Parts = []Part{{ContentType: "image/gif\r\nX: y"}} },
		"type of no medium":    func(_ *Dialect, r *SubmitReq) { r.Parts = []Part{{ContentType: "application/zip"}} },
		"no type":              func(_ *Dialect, r *SubmitReq) { r.Parts = []Part{{}} },
		"namespace":            func(d *Dialect, _ *SubmitReq) { d.Namespace = `x" y="` },
		"version":              func(d *Dialect, _ *SubmitReq) { d.MM7Version = "six" },
		"style":                func(d *Dialect, _ *SubmitReq) { d.XMLStyle = "c" },
		"prefix":               func(d *Dialect, _ *SubmitReq) { d.EnvelopePrefix = "1a" },
		"prefix taken":         func(d *Dialect, _ *SubmitReq) { d.EnvelopePrefix = "mm7" },
		"action":               func(d *Dialect, _ *SubmitReq) { d.SOAPAction = "a\r\nb" },
		"number format":        func(d *Dialect, _ *SubmitReq) { d.NumberFormat = "national" },
		"encoding":             func(d *Dialect, _ *SubmitReq) { d.CTE = "none" },
		"envelope id":          func(d *Dialect, _ *SubmitReq) { d.EnvelopeContentID = "<a>" },
		"nothing":              func(d *Dialect, _ *SubmitReq) { *d = Dialect{} },
	} {
		d, r := good, minimalSubmit()
		change(&d, r)
		if _, err := Encode(d, r, seed); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestPresets(t *testing.T) {
	for _, name := range Presets() {
		if err := preset(t, name).Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, ok := Preset("rel-7"); ok {
		t.Error("rel-7 is known")
	}
}

// TestSchema validates what is written against the schemas, where MMSGW_MM7_SCHEMA
// names their folder.
func TestSchema(t *testing.T) {
	dir := os.Getenv("MMSGW_MM7_SCHEMA")
	if dir == "" {
		if os.Getenv("MMSGW_TEST_ALL") == "1" {
			t.Fatal("MMSGW_MM7_SCHEMA does not name the folder with all.xsd")
		}
		t.Skip("MMSGW_MM7_SCHEMA does not name the folder with all.xsd")
	}
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Fatalf("MMSGW_MM7_SCHEMA is set, but xmllint is not to be found: install libxml2-utils: %v", err)
	}
	folder := t.TempDir()
	var files []string
	write := func(data []byte) {
		file := filepath.Join(folder, fmt.Sprintf("%03d.xml", len(files)))
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, name := range Presets() {
		d := preset(t, name)
		for _, style := range []XMLStyle{StyleDefaultNamespace, StylePrefix} {
			d.XMLStyle = style
			write(submitEnvelope(d, fullSubmit()))
			write(submitEnvelope(d, minimalSubmit()))
			for range 20 {
				write(submitEnvelope(d, randomSubmit(rnd, []string{"text/plain", "image/gif"})))
			}
			for _, data := range answers(d) {
				write(data)
			}
		}
	}
	args := append([]string{"--nonet", "--noout", "--schema", filepath.Join(dir, "all.xsd")}, files...)
	if out, err := exec.Command(xmllint, args...).CombinedOutput(); err != nil {
		t.Errorf("xmllint: %v\n%s", err, out[:min(len(out), 4000)])
	}
}

// answers is one of each message but SubmitReq.
func answers(d Dialect) [][]byte {
	report := DeliveryReportReq{Head: Head{TransactionID: "t"}, MMSRelayServerID: "r", MessageID: "m", Recipient: Address{Value: "+15555550101"},
		Sender: Address{Kind: ShortCode, Value: "77700"}, Date: "2026-01-02T03:04:05Z", MMStatus: "Rejected", MMStatusExtension: "RejectionByOtherRS", StatusText: "no & no", UAProf: "u"}
	read := ReadReplyReq{Head: Head{TransactionID: "t"}, MessageID: "m", Recipient: Address{Value: "+15555550101"},
		Sender: Address{Kind: RFC2822, Value: "a@example.com"}, TimeStamp: "2026-01-02T03:04:05Z", MMStatus: "Read"}
	if !d.release6() {
		report.MMStatus = "Retrieved"
	}
	head := Head{TransactionID: "t"}
	return [][]byte{
		report.Encode(d),
		read.Encode(d),
		EncodeResponse(d, &Response{Head: head, Operation: OpSubmitRsp, Status: Status{Code: 1000}, MessageID: "m"}),
		EncodeResponse(d, &Response{Head: head, Operation: OpSubmitRsp, Status: Status{Code: 1100, Details: "+15555550102 <unknown>"}, MessageID: "m"}),
		EncodeResponse(d, &Response{Head: head, Operation: OpDeliveryReportRsp, Status: Status{Code: 1000}}),
		EncodeResponse(d, &Response{Head: head, Operation: OpCancelRsp, Status: Status{Code: 3001}}),
		fullCancel().Encode(d),
		(&CancelReq{Head: head, MessageID: "m"}).Encode(d),
		EncodeResponse(d, &Response{Head: head, Operation: OpReadReplyRsp, Status: Status{Code: 1000, Text: "fine"}}),
		EncodeResponse(d, &Response{Head: head, Operation: OpRSErrorRsp, Status: Status{Code: 4006}, Fault: &Fault{"Server", "Server error"}}),
		EncodeResponse(d, &Response{Operation: OpRSErrorRsp, Fault: &Fault{"Client.TransactionID", "missing"}}),
	}
}
