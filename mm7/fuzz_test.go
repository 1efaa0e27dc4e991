package mm7

import (
	"bytes"
	"net/http"
	"testing"
	"unicode/utf8"
)

func FuzzParseResponse(f *testing.F) {
	seeds(f, func(name string, data []byte) {
		status, header, body := message(f, name, data)
		f.Add(status, header.Get("Content-Type"), body)
	})
	f.Fuzz(func(t *testing.T, status int, contentType string, body []byte) {
		r, err := ParseResponse(status, http.Header{"Content-Type": {contentType}}, body)
		if r == nil || r.Status.Code < 0 || err == nil && r.Status.Code == 0 && status >= 200 && status <= 299 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func FuzzParseRequest(f *testing.F) {
	seeds(f, func(name string, data []byte) {
		_, header, body := message(f, name, data)
		f.Add(header.Get("Content-Type"), body)
	})
	d := preset(f, "rel-6-mm7-1-4")
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		r, err := ParseRequest(contentType, body)
		if err != nil || r.DeliveryReport == nil {
			return
		}
		// What was read can be written, and is read alike again.
		want := *r.DeliveryReport
		again, err := ParseRequest("text/xml", want.Encode(d))
		if len(want.Encode(d)) > MaxEnvelope {
			return
		}
		if err != nil {
			t.Fatalf("what was read is not written readably: %v", err)
		}
		got := *again.DeliveryReport
		if got.MessageID != want.MessageID || got.Recipient != want.Recipient && !got.Recipient.DisplayOnly && want.Recipient.Value != "" || got.MMStatus != want.MMStatus {
			t.Errorf("\ngot  %+v\nwant %+v", got, want)
		}
	})
}

func FuzzParseSubmit(f *testing.F) {
	seeds(f, func(name string, data []byte) {
		_, header, body := message(f, name, data)
		f.Add(header.Get("Content-Type"), body)
	})
	b, data := encode(f, preset(f, "rel-6-mm7-1-4"), fullSubmit())
	f.Add(b.ContentType, data)
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		header := http.Header{"Content-Type": {contentType}}
		lenient, _, err := ParseSubmit(header, bytes.NewReader(body), false)
		strict, problems, err2 := ParseSubmit(header, bytes.NewReader(body), true)
		if (err == nil) != (err2 == nil) || lenient.Subject != strict.Subject || len(lenient.Parts) != len(strict.Parts) || len(problems) > maxProblems {
			t.Errorf("strict and lenient read differently: %v, %v", err, err2)
		}
	})
}

func FuzzEncodeText(f *testing.F) {
	f.Add("Café & <more>", "name.gif")
	f.Add("\x00\xff\r\n--mm7", "a\r\nb\"")
	d := preset(f, "rel-5-mm7-1-2")
	f.Fuzz(func(t *testing.T, subject, name string) {
		r := minimalSubmit()
		r.Subject, r.TransactionID = subject, "t"
		r.Parts = []Part{{ContentType: "image/gif", Name: name, Data: []byte(subject)}}
		b, data := encode(t, d, r)
		if len(subject) > MaxEnvelope/8 {
			return
		}
		got, problems, err := ParseSubmit(httpHeader(d, b), bytes.NewReader(data), true)
		if err != nil || len(problems) > 0 || string(got.Parts[0].Data) != subject || !utf8.ValidString(got.Subject) {
			t.Errorf("%+v, %v, %v", got, problems, err)
		}
	})
}

func FuzzParseMediaType(f *testing.F) {
	f.Add(`multipart/related; boundary=----=_Part_1; type="text/xml"; start="<a\"b>"`)
	f.Add(`a;b="`)
	f.Add(`a;=;;b="\`)
	f.Fuzz(func(t *testing.T, s string) {
		m := parseMediaType(s)
		for k, v := range m.params {
			if k == "" || len(v) > len(s) {
				t.Errorf("%q: %q", k, v)
			}
		}
	})
}

func FuzzToUTF8(f *testing.F) {
	seeds(f, func(_ string, data []byte) { f.Add(data, "utf-8") })
	f.Add([]byte("\xff\xfe<\x00a\x00/\x00>\x00"), "gb18030")
	f.Fuzz(func(t *testing.T, data []byte, charset string) {
		out, err := toUTF8(data, charset)
		if err == nil && !utf8.Valid(out) {
			t.Errorf("%q is no UTF-8", out)
		}
	})
}
