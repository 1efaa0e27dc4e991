package mm7

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// dump writes a tree, with its lines.
func dump(n *node) string {
	var b strings.Builder
	var walk func(n *node, indent string)
	walk = func(n *node, indent string) {
		fmt.Fprintf(&b, "%s%q:%q %q line %d", indent, n.prefix, n.local, n.text, n.line)
		for _, a := range n.attrs {
			fmt.Fprintf(&b, " %q:%q=%q", a.prefix, a.local, a.value)
		}
		b.WriteByte('\n')
		for k := n.first; k != nil; k = k.next {
			if k.parent != n {
				b.WriteString("ORPHAN ")
			}
			walk(k, indent+" ")
		}
	}
	walk(n, "")
	return b.String()
}

// TestScanIsSure wants the scan to take what is on the hot path: a success, a report.
func TestScanIsSure(t *testing.T) {
	for _, name := range []string{
		"canonical/submit-rsp.xml", "canonical/submit-rsp-partial.xml", "canonical/delivery-report-req-retrieved.xml",
		"canonical/fault-rserror-4006.xml", "quirks/q10-dlr-american-and-vendor-status.xml", "quirks/q06-dlr-rfc2822-plmn-addresses.xml",
		"../mbuni-submitrsp.http", "../mbuni-deliveryreportreq-retrieved.http", "../sinch/mm7_submit-2.xml", "../sinch/mm7_deliveryreport-1.xml",
	} {
		_, _, body := message(t, name, anySample(t, name))
		root, sure := scanXML(body)
		if !sure {
			t.Errorf("%s: not sure", name)
			continue
		}
		judge, err := parseSlow(body)
		if err != nil || dump(root) != dump(judge) {
			t.Errorf("%s: %v\n%s\nagainst\n%s", name, err, dump(root), dump(judge))
		}
	}
	d := preset(t, "rel-5-mm7-1-2")
	for i, own := range answers(d) {
		if _, sure := scanXML(own); !sure && !bytes.Contains(own, []byte("&")) {
			t.Errorf("our own answer %d: not sure\n%s", i, own)
		}
	}
}

func FuzzScanAgainstEncodingXML(f *testing.F) {
	seeds(f, func(name string, data []byte) {
		_, _, body := message(f, name, data)
		f.Add(body)
	})
	for _, s := range []string{`<a b='c' d="e"><f/>g</a>`, `<a:b xmlns:a="x"></a:b >`, "<?xml version='1.0'?>\r\n<a\n>\t</a>", `<a b=">">]</a>`, `<a b="1"b="2"/>`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		root, sure := scanXML(data)
		if !sure {
			return
		}
		judge, err := parseSlow(data)
		if err != nil {
			t.Fatalf("%q is taken, but %v", data, err)
		}
		if got, want := dump(root), dump(judge); got != want {
			t.Errorf("%q\n%s\nagainst\n%s", data, got, want)
		}
	})
}

func BenchmarkReadReport(b *testing.B) {
	data := sample(b, "canonical/delivery-report-req-retrieved.xml")
	b.Run("scan", func(b *testing.B) {
		for b.Loop() {
			if _, sure := scanXML(data); !sure {
				b.Fatal("not sure")
			}
		}
		b.ReportAllocs()
	})
	b.Run("encoding/xml", func(b *testing.B) {
		for b.Loop() {
			if _, err := parseSlow(data); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportAllocs()
	})
	b.Run("whole", func(b *testing.B) {
		for b.Loop() {
			if _, err := ParseRequest(`text/xml; charset="utf-8"`, data); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportAllocs()
	})
}

func BenchmarkEncode(b *testing.B) {
	d := preset(b, "rel-6-mm7-1-4")
	r := minimalSubmit()
	r.Parts = []Part{{ContentType: "text/plain", Data: []byte("hello")}, {ContentType: "image/jpeg", Data: make([]byte, 20_000)}}
	for b.Loop() {
		body, err := Encode(d, r, seed)
		if err == nil {
			_, err = body.Bytes()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
}
