package mm7

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
)

const (
	ns5 = namespaceBase + "REL-5-MM7-1-2"
	ns6 = namespaceBase + "REL-6-MM7-1-4"
)

func TestParseResponseSamples(t *testing.T) {
	type want struct {
		op        Operation
		code      int
		text      string
		details   string
		messageID string
		tid       string
		fault     string
	}
	ok := func(op Operation, tid, id string) want {
		return want{op: op, code: 1000, text: "Success", messageID: id, tid: tid}
	}
	rs := func(tid string, code int, text, fault string) want {
		return want{op: OpRSErrorRsp, code: code, text: text, tid: tid, fault: fault}
	}
	for name, w := range map[string]want{
		"canonical/submit-rsp.xml":           ok(OpSubmitRsp, "tx-submit-rsp", "msg-0001"),
		"canonical/submit-rsp-200.http":      ok(OpSubmitRsp, "tx-http-1", "msg-0001"),
		"canonical/rel5-submit-rsp.xml":      ok(OpSubmitRsp, "tx-5r", "m5"),
		"canonical/submit-rsp-partial.xml":   {op: OpSubmitRsp, code: 1100, text: "Partial success", details: "+15555550102", messageID: "msg-0001", tid: "tx-submit-rsp-partial"},
		"canonical/delivery-report-rsp.xml":  ok(OpDeliveryReportRsp, "tx-delivery-report-rsp", ""),
		"canonical/read-reply-rsp.xml":       ok(OpReadReplyRsp, "tx-read-reply-rsp", ""),
		"canonical/deliver-rsp.xml":          ok("DeliverRsp", "tx-deliver-rsp", ""),
		"canonical/cancel-rsp.xml":           ok("CancelRsp", "tx-cancel-rsp", ""),
		"canonical/replace-rsp.xml":          {op: "ReplaceRsp", code: 3001, text: "Not Possible", tid: "tx-replace-rsp"},
		"canonical/fault-200.http":           rs("tx-http-1", 2002, "Address Error", "Client"),
		"canonical/fault-500.http":           rs("tx-http-1", 2007, "Message format corrupt", "Client"),
		"canonical/fault-rserror-2007.xml":   rs("tx-f1", 2007, "Message format corrupt", "Client"),
		"canonical/fault-rserror-3000.xml":   rs("tx-f2", 3000, "Server Error", "Server"),
		"canonical/fault-rserror-4006.xml":   rs("tx-f3", 4006, "Service unavailable", "Server"),
		"canonical/fault-vasperror-4003.xml": {op: OpVASPErrorRsp, code: 4003, text: "Unsupported operation", tid: "tx-f4", fault: "Client"},
		"canonical/fault-transactionid.xml":  {op: OpFault, code: 2000, fault: "Client.TransactionID"},

		"quirks/q02-rserror-without-fault-or-status-wrapper.xml":           {op: OpRSErrorRsp, code: 6102, text: "SUBS is ported", tid: "tid"},
		"quirks/q07-fault-qualified-children.xml":                          rs("t7", 2002, "Address Error", "Client"),
		"quirks/q08-submitrsp-error-with-messageid-text.xml":               {op: OpSubmitRsp, code: 2101, text: "Invalid Content", messageID: "y_r2P9IB27N", tid: "t8"},
		"quirks/q09-fault-as-child-of-envelope.xml":                        rs("t9", 2000, "Client error", "Client"),
		"quirks/q11-header-default-namespace-transactionid-whitespace.xml": {op: OpSubmitRsp, code: 1000, text: "Success", messageID: "369500617770864640", tid: "t11"},
		"quirks/q12-envelope-namespace-typo.xml":                           ok(OpSubmitRsp, "t12", "m12"),
		"quirks/q13-details-as-plain-text.xml":                             {op: OpSubmitRsp, code: 1100, text: "Partial success", details: "+15555550102: unknown", messageID: "msg-0001", tid: "tx-submit-rsp-partial"},
		"quirks/q26-response-multipart-with-only-soap-part.http":           ok(OpSubmitRsp, "tq26", "msg-0001"),
		"quirks/q27-response-application-xml.http":                         ok(OpSubmitRsp, "tq27", "msg-0001"),
		"quirks/q30-response-submitrsp-with-4006-in-200.http":              {op: OpSubmitRsp, code: 4006, text: "Service unavailable", tid: "tq30"},

		"../instantcom/submit-rsp.xml":       ok(OpSubmitRsp, "vas00001-sub", "041502073667"),
		"../instantcom/fault.xml":            rs("123456", 4002, "Unsupported version", "Client"),
		"../instantcom/fault_02.xml":         rs("0_1500103103727", 2002, "Address Error", "Client"),
		"../sinch/mm7_submit-2.xml":          {op: OpSubmitRsp, code: 1000, text: "Successfully parsed and validated request", messageID: "369500617770864640", tid: "1000001"},
		"../sinch/mm7_submit-3.xml":          {op: OpRSErrorRsp, code: 2007, text: "Unable to parse request", details: "Message format corrupt", tid: "1000001", fault: "Client"},
		"../sinch/mm7_submit-5.http":         {op: OpSubmitRsp, code: 1000, text: "Successfully parsed and validated request", messageID: "369500617770864640", tid: "1000001"},
		"../sinch/mm7_deliveryreport-4.http": {op: OpDeliveryReportRsp, code: 1000, text: "Successfully Received MMS.", tid: "1000001"},
		"../mbuni-submitrsp.http":            ok(OpSubmitRsp, "tx-bin", "qf5784.1.x311.39@mmsc.example"),
		"../mbuni-deliveryreportrsp.http":    ok(OpDeliveryReportRsp, "dr-1", ""),
		"../mbuni-rserrorrsp-2007.http":      rs("0000", 2007, "Message format corrupt", "Server"),
	} {
		t.Run(strings.TrimPrefix(name, "../"), func(t *testing.T) {
			status, header, body := message(t, name, anySample(t, name))
			r, err := ParseResponse(status, header, body)
			if err != nil {
				t.Fatal(err)
			}
			got := want{r.Operation, r.Status.Code, r.Status.Text, r.Status.Details, r.MessageID, r.TransactionID, ""}
			if r.Fault != nil {
				got.fault = r.Fault.Code
			}
			if got != w {
				t.Errorf("got  %+v\nwant %+v", got, w)
			}
			if r.HTTPStatus != status {
				t.Errorf("HTTPStatus %d, want %d", r.HTTPStatus, status)
			}
		})
	}
}

// anySample reads a committed sample, or with ../ one that lies beside the project.
func anySample(t testing.TB, name string) []byte {
	if outside, found := strings.CutPrefix(name, "../"); found {
		return shared(t, outside)
	}
	return sample(t, name)
}

func TestParseResponseWithoutUse(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
		usable bool
	}{
		"empty 200":         {200, "", false},
		"204":               {204, "", false},
		"html 200":          {200, "<html><body>oops</body></html>", false},
		"truncated 200":     {200, string(sample(t, "canonical/submit-rsp.xml")[:500]), false},
		"letters for code":  {200, envelopeWith(`<SubmitRsp><Status><StatusCode>abc</StatusCode></Status></SubmitRsp>`), false},
		"zero":              {200, envelopeWith(`<SubmitRsp><Status><StatusCode>0</StatusCode></Status></SubmitRsp>`), false},
		"negative":          {200, envelopeWith(`<SubmitRsp><Status><StatusCode>-1</StatusCode></Status></SubmitRsp>`), false},
		"beyond an int":     {200, envelopeWith(`<SubmitRsp><Status><StatusCode>99999999999999999999</StatusCode></Status></SubmitRsp>`), false},
		"html 500":          {500, "<html><body>oops</body></html>", true},
		"nothing, 503":      {503, "", true},
		"redirect":          {302, "", true},
		"too long for 200":  {200, strings.Repeat(" ", MaxEnvelope+1), false},
		"Body without kids": {200, envelopeWith(""), false},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := ParseResponse(tc.status, http.Header{"Retry-After": {"7"}}, []byte(tc.body))
			if (err == nil) != tc.usable {
				t.Fatalf("error %v, usable %v", err, tc.usable)
			}
			if r.Status.Code != 0 || r.HTTPStatus != tc.status || r.RetryAfter != "7" {
				t.Errorf("got %+v", r)
			}
		})
	}
}

func envelopeWith(body string) string {
	return `<e:Envelope xmlns:e="` + soapNamespace + `"><e:Body>` + body + `</e:Body></e:Envelope>`
}

func TestParseResponseCodeOrder(t *testing.T) {
	for name, tc := range map[string]struct {
		body string
		want int
	}{
		"StatusCode first":    {`<e:Fault><faultcode>e:Client</faultcode><faultstring>4006 busy</faultstring><detail><RSErrorRsp><Status><StatusCode> 2002 </StatusCode></Status></RSErrorRsp></detail></e:Fault>`, 2002},
		"then faultstring":    {`<e:Fault><faultcode>e:Client</faultcode><faultstring>4006 busy</faultstring></e:Fault>`, 4006},
		"then class":          {`<e:Fault><faultcode>e:Server</faultcode><faultstring>busy 4006</faultstring></e:Fault>`, 3000},
		"class without colon": {`<e:Fault><faultcode>Client</faultcode></e:Fault>`, 2000},
		"class with detail":   {`<e:Fault><faultcode>e:Server.busy</faultcode></e:Fault>`, 3000},
		"bad code, class":     {`<e:Fault><faultcode>e:Client</faultcode><detail><StatusCode>x</StatusCode></detail></e:Fault>`, 2000},
	} {
		r, err := ParseResponse(200, http.Header{}, []byte(envelopeWith(tc.body)))
		if err != nil || r.Status.Code != tc.want {
			t.Errorf("%s: %+v, %v; want %d", name, r.Status, err, tc.want)
		}
	}
}

func TestParseRequestSamples(t *testing.T) {
	number := func(s string) Address { return Address{Kind: Number, Value: s} }
	short := Address{Kind: ShortCode, Value: "77700"}
	report := func(tid, status string) DeliveryReportReq {
		return DeliveryReportReq{Head: Head{tid, ns6, "6.8.0"}, MMSRelayServerID: "mmsc-1", MessageID: "msg-0001",
			Recipient: number("+15555550101"), Sender: short, Date: "2026-01-02T03:05:00Z", MMStatus: status}
	}
	rejected := report("tx-delivery-report-req-rejected-ext", "Rejected")
	rejected.MMStatusExtension, rejected.StatusText = "RejectionByMMSRecipient", "declined"
	q24 := report("tq24", "Retrieved")
	sinch := DeliveryReportReq{Head: Head{"10000001", ns6, "6.8.0"}, MessageID: "369500617770864640", Recipient: number("16175550123"),
		Sender: number("111122"), Date: "2015-03-16T14:03:51.749Z", MMStatus: "Retrieved", StatusText: "Success", UAProf: "Samsung Galaxy"}
	mbuni := func(id, status, date, sender string) DeliveryReportReq {
		return DeliveryReportReq{Head: Head{id, namespaceBase + "REL-5-MM7-1-0", "5.3.0"}, MessageID: id,
			Recipient: Address{Kind: ShortCode, Value: "111"}, Sender: number(sender), Date: date, MMStatus: status}
	}
	for name, want := range map[string]DeliveryReportReq{
		"canonical/delivery-report-req.http":                        report("tx-dr", "Retrieved"),
		"canonical/delivery-report-req-retrieved.xml":               report("tx-delivery-report-req-retrieved", "Retrieved"),
		"canonical/delivery-report-req-expired.xml":                 report("tx-delivery-report-req-expired", "Expired"),
		"canonical/delivery-report-req-forwarded.xml":               report("tx-delivery-report-req-forwarded", "Forwarded"),
		"canonical/delivery-report-req-deferred.xml":                report("tx-delivery-report-req-deferred", "Deferred"),
		"canonical/delivery-report-req-indeterminate.xml":           report("tx-delivery-report-req-indeterminate", "Indeterminate"),
		"canonical/delivery-report-req-unrecognised.xml":            report("tx-delivery-report-req-unrecognised", "Unrecognised"),
		"canonical/delivery-report-req-deliveryconditionnotmet.xml": report("tx-delivery-report-req-deliveryconditionnotmet", "DeliveryConditionNotMet"),
		"canonical/delivery-report-req-rejected.xml":                report("tx-delivery-report-req-rejected", "Rejected"),
		"canonical/delivery-report-req-rejected-ext.xml":            rejected,
		"canonical/rel5-delivery-report-req.xml": {Head: Head{"tx-5d", ns5, "5.3.0"}, MessageID: "m5",
			Recipient: number("+15555550101"), Sender: short, Date: "2026-01-02T03:05:00Z", MMStatus: "Retrieved"},
		"quirks/q01-dlr-unqualified-children-recipients-timestamp.xml": {Head: Head{"-675086d4:1912:-25b6", ns5, "5.3.0"}, MMSRelayServerID: "relay",
			MessageID: "65_20260102_B_1", Recipient: number("0105550002"), Sender: number("0105550001"), Date: "2026-01-02T22:22:54+09:00", MMStatus: "Retrieved", StatusText: "OK"},
		"quirks/q03-dlr-fields-out-of-order-statustext-numeric.xml": {Head: Head{"0640000225669100609102226303", namespaceBase + "REL-6-MM7-1-0", "6.3.0"},
			MMSRelayServerID: "600003", MessageID: "08171042446000030927018671407892", Recipient: number("+8613000000002"), Sender: number("13000000001"),
			Date: "2026-06-09T10:22:46+08:00", MMStatus: "Retrieved", StatusText: "1000"},
		"quirks/q06-dlr-rfc2822-plmn-addresses.xml": {Head: Head{"t6", ns6, "6.8.0"}, MMSRelayServerID: "r", MessageID: "m6.mmsc.example.com",
			Recipient: Address{Kind: RFC2822, Value: "+61400000001/TYPE=PLMN@mm7.example.com"}, Sender: Address{Kind: RFC2822, Value: "+61400000002/TYPE=PLMN@mm7.example.com"},
			Date: "2026-01-02T03:04:05", MMStatus: "Retrieved", StatusText: "The message was retrieved by the recipient", UAProf: "phone_12"},
		"quirks/q10-dlr-american-and-vendor-status.xml": {Head: Head{"t10", ns6, "6.8.0"}, MessageID: "m10", Recipient: number("15555550101"),
			Sender: number("111122"), Date: "2026-03-16T14:03:51.749Z", MMStatus: "Unrecognized", StatusText: "Unrecognized"},
		"quirks/q24-dlr-as-multipart-type-but-plain-xml-body.http": q24,
		"../sinch/mm7_deliveryreport-1.xml":                        sinch,
		"../sinch/mm7_deliveryreport-3.http":                       sinch,
		"../mbuni-deliveryreportreq-rejected.http":                 mbuni("q-6o-qf5784.4.x311.43@mmsc.example", "Rejected", "2026-11-23T14:56:25Z", "+4412345678"),
		"../mbuni-deliveryreportreq-retrieved.http":                mbuni("qf5839.1.x901.16@mmsc.example", "Retrieved", "2026-11-23T14:57:36Z", "+256771234567"),
	} {
		t.Run(strings.TrimPrefix(name, "../"), func(t *testing.T) {
			_, header, body := message(t, name, anySample(t, name))
			r, err := ParseRequest(header.Get("Content-Type"), body)
			if err != nil {
				t.Fatal(err)
			}
			if r.Operation != OpDeliveryReportReq || *r.DeliveryReport != want {
				t.Errorf("%s\ngot  %+v\nwant %+v", r.Operation, *r.DeliveryReport, want)
			}
		})
	}
}

func TestParseRequestOthers(t *testing.T) {
	r, err := ParseRequest("text/xml", sample(t, "canonical/read-reply-req.xml"))
	want := ReadReplyReq{Head: Head{"tx-read-reply-req", ns6, "6.8.0"}, MMSRelayServerID: "mmsc-1", MessageID: "msg-0001",
		Recipient: Address{Value: "+15555550101"}, Sender: Address{Kind: ShortCode, Value: "77700"}, TimeStamp: "2026-01-02T03:06:00Z", MMStatus: "Read"}
	if err != nil || *r.ReadReply != want {
		t.Errorf("read reply: %+v, %v", r, err)
	}
	for name, tid := range map[string]string{
		"canonical/deliver-req.xml":                                           "tx-deliver-req",
		"canonical/deliver-req.http":                                          "tx-d",
		"quirks/q04-sender-plain-text-slash-type-plmn.xml":                    "t4",
		"quirks/q05-number-with-type-plmn-suffix.xml":                         "t5",
		"quirks/q20-deliver-start-without-brackets-cid-without-brackets.http": "tq",
		"quirks/q21-deliver-href-does-not-match-any-content-id.http":          "tq",
		"quirks/q22-deliver-bare-image-part.http":                             "tq",
		"quirks/q23-boundary-with-trailing-space-and-lf-only.http":            "tq",
	} {
		_, header, body := message(t, name, sample(t, name))
		r, err := ParseRequest(header.Get("Content-Type"), body)
		if err != nil || r.Operation != "DeliverReq" || r.DeliveryReport != nil || r.ReadReply != nil {
			t.Errorf("%s: %+v, %v", name, r, err)
			continue
		}
		if r.TransactionID != tid {
			t.Errorf("%s: TransactionID %q, want %q", name, r.TransactionID, tid)
		}
	}
}

func TestParseRequestPlainSender(t *testing.T) {
	body := envelopeWith(`<DeliveryReportReq xmlns="` + ns5 + `"><Recipients><To><Number>1</Number></To></Recipients><Sender>+15555550101/TYPE=PLMN</Sender></DeliveryReportReq>`)
	r, err := ParseRequest("", []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if d := r.DeliveryReport; d.Sender != (Address{Value: "+15555550101/TYPE=PLMN"}) || d.Sender.Bare() != "+15555550101" || d.Recipient.Value != "1" {
		t.Errorf("got %+v", d)
	}
}

func TestBareAddress(t *testing.T) {
	for in, want := range map[string]string{
		"+15555550101":                           "+15555550101",
		" +15555550101/TYPE=PLMN ":               "+15555550101",
		"+61400000001/type=plmn@mm7.example.com": "+61400000001",
		"+61400000001@mm7.example.com":           "+61400000001",
		"someone@example.com":                    "someone@example.com",
		"77700":                                  "77700",
		"a/b":                                    "a/b",
	} {
		if got := (Address{Value: in}).Bare(); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestParseRequestBounds(t *testing.T) {
	good := string(sample(t, "canonical/delivery-report-req-retrieved.xml"))
	deep := func(n int) string { return strings.Repeat("<a>", n) + strings.Repeat("</a>", n) }
	attrs := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(" a" + strings.Repeat("x", i) + `="1"`)
		}
		return "<x" + b.String() + "/>"
	}
	for name, tc := range map[string]struct {
		body string
		ok   bool
	}{
		"as it is":            {good, true},
		"blank lines after":   {good + "\r\n\r\n <!-- end -->", true},
		"depth 32":            {envelopeWith(deep(30)), true},
		"depth 33":            {envelopeWith(deep(31)), false},
		"depth 10000":         {envelopeWith(deep(4000)), false},
		"16 attributes":       {envelopeWith(attrs(16)), true},
		"17 attributes":       {envelopeWith(attrs(17)), false},
		"attribute twice":     {envelopeWith(`<x a="1" a="2"/>`), false},
		"DOCTYPE":             {`<!DOCTYPE x>` + good[strings.Index(good, "<env"):], false},
		"billion laughs":      {`<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><l>&b;</l>`, false},
		"external entity":     {`<!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/hostname">]><l>&a;</l>`, false},
		"undeclared entity":   {envelopeWith("<x>&nope;</x>"), false},
		"second root":         {good + "<x/>", false},
		"text after the root": {good + "x", false},
		"text before it":      {"x<a/>", false},
		"unclosed":            {"<a><b></b>", false},
		"crossed tags":        {"<a><b></a></b>", false},
		"one byte too long":   {good + strings.Repeat(" ", MaxEnvelope+1-len(good)), false},
		"to the last byte":    {good + strings.Repeat(" ", MaxEnvelope-len(good)), true},
		"nothing":             {"", false},
		"no Body":             {"<a/>", false},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ParseRequest("text/xml", []byte(tc.body)); (err == nil) != tc.ok {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestCharsets(t *testing.T) {
	report := func(decl, text string) string {
		return decl + envelopeWith(`<DeliveryReportReq xmlns="`+ns6+`"><MessageID>m</MessageID><StatusText>`+text+`</StatusText></DeliveryReportReq>`)
	}
	utf16le := func(s string, bom bool) string {
		var b []byte
		if bom {
			b = append(b, 0xff, 0xfe)
		}
		for _, u := range utf16.Encode([]rune(s)) {
			b = append(b, byte(u), byte(u>>8))
		}
		return string(b)
	}
	for name, tc := range map[string]struct {
		contentType, body, want string
	}{
		"UTF-8":                        {"text/xml", report(`<?xml version="1.0" encoding="UTF-8"?>`, "é漢"), "é漢"},
		"UTF-8 with BOM":               {"text/xml; charset=iso-8859-1", "\xef\xbb\xbf" + report("", "é"), "é"},
		"none said":                    {"", report("", "é"), "é"},
		"broken UTF-8":                 {"", report("", "caf\xe9"), "caf\uFFFD"},
		"latin 1 declared":             {"text/xml; charset=utf-8", report(`<?xml version='1.0' encoding='ISO-8859-1'?>`, "caf\xe9"), "café"},
		"latin 1 by Content-Type":      {"text/xml; charset=iso-8859-1", report("", "caf\xe9"), "café"},
		"EUC-KR":                       {"text/xml", report(`<?xml version="1.0" encoding="euc-kr"?>`, "\xc7\xd1\xb1\xdb"), "한글"},
		"ks_c_5601-1987":               {"text/xml", report(`<?xml version="1.0" encoding="KS_C_5601-1987"?>`, "\xc7\xd1"), "한"},
		"GB2312":                       {"text/xml; charset=GB2312", report("", "\xd6\xd0\xce\xc4"), "中文"},
		"GB18030":                      {"text/xml", report(`<?xml version="1.0" encoding="gb18030"?>`, "\xd6\xd0"), "中"},
		"ASCII":                        {"text/xml", report(`<?xml version="1.0" encoding="US-ASCII"?>`, "x"), "x"},
		"UTF-16 with BOM":              {"text/xml", utf16le(report(`<?xml version="1.0" encoding="utf-16"?>`, "é漢"), true), "é漢"},
		"UTF-16 without":               {"text/xml", utf16le(report("", "é"), false), "é"},
		"utf-16 said over plain bytes": {"text/xml", report(`<?xml version="1.0" encoding="utf-16"?>`, "é"), "é"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := ParseRequest(tc.contentType, []byte(tc.body))
			if err != nil || r.DeliveryReport.StatusText != tc.want {
				t.Errorf("%v: got %+v, want %q", err, r, tc.want)
			}
		})
	}
	if _, err := ParseRequest("text/xml", []byte(report(`<?xml version="1.0" encoding="utf-7"?>`, "x"))); err == nil {
		t.Error("utf-7 was taken")
	}
}

func TestParseMediaType(t *testing.T) {
	for in, want := range map[string][3]string{ // type, boundary, start
		`multipart/related; boundary="a b"; type="text/xml"; start="<s>"`:      {"multipart/related", "a b", "<s>"},
		`multipart/related; boundary=----=_Part_1; type=text/xml; start=<s@x>`: {"multipart/related", "----=_Part_1", "<s@x>"},
		`Multipart/Related;boundary = b ;; start="a\"b";boundary=c`:            {"multipart/related", "b", `a"b`},
		`multipart/related; type="text/xml";`:                                  {"multipart/related", "", ""},
		`multipart/related; boundary="never closed`:                            {"multipart/related", "never closed", ""},
		`text/xml; charset="utf-8"; x; =y`:                                     {"text/xml", "", ""},
		``:                                                                     {"", "", ""},
	} {
		m := parseMediaType(in)
		if got := [3]string{m.name, m.params["boundary"], m.params["start"]}; got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func TestParseDateTime(t *testing.T) {
	for in, want := range map[string]string{
		"2026-01-02T03:04:05Z":          "2026-01-02T03:04:05Z",
		"2026-01-02T03:04:05.749+09:00": "2026-01-01T18:04:05Z",
		"2026-01-02T03:04:05":           "2026-01-01T18:04:05Z", // in the carrier's zone
	} {
		got, err := ParseDateTime(in, seoul)
		if err != nil || DateTime(got) != want {
			t.Errorf("%s: %v, %v; want %s", in, got, err, want)
		}
	}
	if _, err := ParseDateTime("yesterday", seoul); err == nil {
		t.Error("yesterday was taken")
	}
}

var seoul = time.FixedZone("carrier", 9*60*60)
