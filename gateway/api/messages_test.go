package api_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"mmsgw/client"
	"mmsgw/gateway"
)

func base(extra string) string {
	return `{"from":"` + via + `","to":["` + to + `"]` + extra + `}`
}

func TestSubmitJSONAndReadBack(t *testing.T) {
	w := open(t)
	data := base64.StdEncoding.EncodeToString(picOf(7))
	a := w.json("/v1/messages", `{"account":"acme","from":"(212) 555-0123","to":["`+to+`","`+to2+`"],"channel":"auto","subject":"Réçu","text":"Grüße\n\ud83d\ude00",
		"media":[{"data":"`+data+`","type":"image/jpeg","name":"a.png"}],"delivery_report":true,"read_report":true,"expires_in":"90m","priority":"high","reference":"order-42"}`)
	if a.status != http.StatusAccepted {
		t.Fatalf("HTTP %d: %s", a.status, a.body)
	}
	var accepted, read client.Message
	decode(t, a.body, &accepted)
	if got := a.header.Get("Location"); got != "/v1/messages/"+accepted.ID {
		t.Errorf("Location %q", got)
	}
	b := w.get("/v1/messages/" + accepted.ID)
	decode(t, b.body, &read)
	if b.status != http.StatusOK || !bytes.Equal(a.body, b.body) {
		t.Errorf("read back:\n%s\naccepted:\n%s", b.body, a.body)
	}
	m := read
	if m.Account != "acme" || m.From != via || fmt.Sprint(m.To) != "["+to+" "+to2+"]" || m.Channel != "mms" || m.Subject != "Réçu" ||
		m.Text != "Grüße\n😀" || !m.DeliveryReport || !m.ReadReport || m.ExpiresIn != "90m" || m.Priority != "high" || m.Reference != "order-42" {
		t.Errorf("not as written: %+v", m)
	}
	if m.State != "queued" || m.Final || m.Counts["queued"] != 2 || m.ExpiresAt.Sub(m.CreatedAt) != 90*time.Minute || m.CreatedAt.Location() != time.UTC {
		t.Errorf("state %s, final %v, counts %v, %v to %v", m.State, m.Final, m.Counts, m.CreatedAt, m.ExpiresAt)
	}
	if len(m.Flags) != 1 || m.Flags[0].Code != "media_type_mismatch" || m.Flags[0].Severity != client.Warn || m.Flags[0].Field != "/media/0" {
		t.Errorf("flags %+v", m.Flags)
	}
	if p := m.Media[0]; len(m.Media) != 1 || p.ID == "" || p.Type != "image/png" || p.Size != int64(len(picOf(7))) || p.Width != 4 || p.Height != 3 || p.Frames != 1 || p.Name != "a.png" {
		t.Errorf("media %+v", m.Media)
	}
	if s := m.Size; s.Bytes != m.Media[0].Size || s.Limit != 5<<20 || s.Remaining != s.Limit-s.Bytes || s.Images != 1 || s.ImageLimit != 10 || s.CarrierCap == nil || *s.CarrierCap != 600<<10 {
		t.Errorf("size %+v", s)
	}
	d := m.Deliveries[1]
	if d.To != to2 || d.Channel != "mms" || d.Network != "bell" || d.State != "queued" || d.Reason.Code != "waiting_turn" || d.Reason.Message == "" ||
		d.ClaimedBy != "gateway" || d.Carrier != "north" || d.NextAttemptAt != nil || d.SentAt != nil || d.AttemptLog == nil {
		t.Errorf("delivery %+v", d)
	}
	for _, member := range []string{`"next_attempt_at":null`, `"delivered_at":null`, `"attempt_log":[]`, `"carrier_message_id":""`} {
		if !bytes.Contains(b.body, []byte(member)) {
			t.Errorf("the answer lacks %s: %s", member, b.body)
		}
	}
}

func TestReadBackOfALife(t *testing.T) {
	w := open(t)
	m := w.send(base(`,"text":"hi"`))
	id, _ := gateway.ParseMessageName(m.ID)
	at := time.Date(2026, 12, 1, 15, 0, 0, 123456789, time.UTC)
	first, second := gateway.NewID(), gateway.NewID()
	w.set(func() {
		d := &w.messages[id].Deliveries[0]
		d.State, d.Reason, d.Claim, d.Due, d.Attempts, d.Resends, d.Attempt = gateway.Queued, gateway.BackingOff, gateway.ByGateway, at, 2, 1, second
		d.Status, d.UpdatedAt, d.SentAt, d.ValidUntil = "4006", at, at, at.Add(time.Hour)
		w.attempts[id] = []gateway.Attempt{
			{ID: first, Kind: gateway.Submits, Covers: []int{0}, Lane: "north", OpenedAt: at, Outcome: gateway.UnknownSent},
			{ID: second, Kind: gateway.Submits, Covers: []int{0}, Lane: "north", OpenedAt: at, Outcome: gateway.RetryLater, CarrierKey: "k7", CarrierID: "K7"},
			{ID: gateway.NewID(), Kind: gateway.Cancels, Covers: []int{0}, Lane: "north", OpenedAt: at},
		}
	})
	var read client.Message
	decode(t, w.get("/v1/messages/"+m.ID).body, &read)
	d := read.Deliveries[0]
	if !read.ExpiresAt.Equal(at.Add(time.Hour).Truncate(time.Microsecond)) {
		t.Errorf("expires %v, not with the delivery that a retry gave more time", read.ExpiresAt)
	}
	if d.Attempts != 2 || !d.PossibleDuplicate || d.TransactionID != second.Hex() || d.CarrierMessageID != "K7" || d.CarrierStatus != "4006" {
		t.Errorf("delivery %+v", d)
	}
	if d.NextAttemptAt == nil || !d.NextAttemptAt.Equal(at.Truncate(time.Microsecond)) || !d.SentAt.Equal(at.Truncate(time.Microsecond)) {
		t.Errorf("next %v, sent %v", d.NextAttemptAt, d.SentAt)
	}
	want := client.Attempt{Number: 2, Carrier: "north", TransactionID: second.Hex(), CarrierMessageID: "K7", At: at.Truncate(time.Microsecond), Outcome: "retry"}
	if len(d.AttemptLog) != 2 || d.AttemptLog[1] != want || d.AttemptLog[0].Outcome != "unknown" {
		t.Errorf("log %+v", d.AttemptLog)
	}
	if !read.UpdatedAt.Equal(at.Truncate(time.Microsecond)) {
		t.Errorf("updated %v", read.UpdatedAt)
	}
	for _, c := range []struct {
		state  gateway.State
		reason gateway.Reason
		next   bool
	}{
		{gateway.Queued, gateway.WaitingTurn, false}, {gateway.Held, gateway.LaneStopped, true}, {gateway.Held, gateway.SenderPaused, true},
		{gateway.Held, gateway.AmbiguousOutcome, false}, {gateway.Uncertain, gateway.AwaitingReport, false}, {gateway.Uncertain, gateway.BackingOff, true},
		{gateway.Sent, gateway.AwaitingReport, false},
	} {
		w.set(func() { w.messages[id].Deliveries[0].State, w.messages[id].Deliveries[0].Reason = c.state, c.reason })
		var read client.Message
		decode(t, w.get("/v1/messages/"+m.ID).body, &read)
		if got := read.Deliveries[0].NextAttemptAt != nil; got != c.next {
			t.Errorf("%s %s: next attempt told %v, want %v", c.state, c.reason, got, c.next)
		}
	}
}

// A message whose lane is free is on the wire when it is answered: the answer
// tells the attempt as a later GET does.
func TestSubmitOnAFreeLane(t *testing.T) {
	w := open(t)
	w.gateway.Lanes = lanes{free: true}
	a := w.json("/v1/messages", base(`,"text":"hi"`))
	var m client.Message
	decode(t, a.body, &m)
	if d := m.Deliveries[0]; a.status != 202 || m.State != "sending" || d.Reason != nil || len(d.TransactionID) != 32 || len(d.AttemptLog) != 1 || d.AttemptLog[0].Outcome != "" {
		t.Errorf("HTTP %d: %s", a.status, a.body)
	}
	if b := w.get("/v1/messages/" + m.ID); !bytes.Equal(a.body, b.body) {
		t.Errorf("read back:\n%s\naccepted:\n%s", b.body, a.body)
	}
}

func TestSubmitForm(t *testing.T) {
	w := open(t)
	first := w.do("POST", "/v1/media", bytes.NewReader(picOf(1)))
	var stored client.Media
	decode(t, first.body, &stored)
	a := w.form("/v1/messages", message(base(`,"media":[{"id":"`+stored.ID+`","name":"one"}]`)),
		piece{"media", `tw\"o.png`, "image/png", picOf(2)}, piece{"anything", "three", "application/octet-stream", picOf(3)})
	var m client.Message
	decode(t, a.body, &m)
	if a.status != http.StatusAccepted || len(m.Media) != 3 || len(m.Flags) != 0 {
		t.Fatalf("HTTP %d: %s", a.status, a.body)
	}
	if m.Media[0].ID != stored.ID || m.Media[0].Name != "one" || m.Media[1].Name != `tw"o.png` || m.Media[2].Name != "three" {
		t.Errorf("media %+v", m.Media)
	}
	for i, p := range m.Media {
		if got := w.get("/v1/media/" + p.ID); !bytes.Equal(got.body, picOf(uint8(i+1))) {
			t.Errorf("picture %d is not the one sent", i)
		}
	}
}

func TestChunkedBodies(t *testing.T) {
	w := open(t)
	body, kind := form(message(base("")), piece{"m", "a.png", "", bigPic(300_000)})
	for name, c := range map[string]struct {
		body []byte
		kind string
	}{"form": {body, kind}, "JSON": {[]byte(base(`,"text":"hi"`)), "application/json"}} {
		a := w.do("POST", "/v1/messages", struct{ io.Reader }{bytes.NewReader(c.body)}, "Content-Type", c.kind)
		if a.status != http.StatusAccepted {
			t.Errorf("%s: HTTP %d: %s", name, a.status, a.body)
		}
	}
}

func TestCheckAndDryRun(t *testing.T) {
	w := open(t)
	body := `{"from":"` + via + `","to":["` + to + `","` + noMMS + `","876 555 0100"],"subject":"s","text":"t"%s}`
	a := w.json("/v1/messages/check", fmt.Sprintf(body, ""))
	b := w.json("/v1/messages", fmt.Sprintf(body, `,"dry_run":true`), "Idempotency-Key", "k")
	if a.status != http.StatusOK || b.status != http.StatusOK || !bytes.Equal(a.body, b.body) {
		t.Fatalf("check: HTTP %d: %s\ndry run: HTTP %d: %s", a.status, a.body, b.status, b.body)
	}
	var r client.CheckResult
	decode(t, a.body, &r)
	if r.Sendable || r.MMS.Available || codes(r.Flags) != "to_unsupported_region to_not_mms_capable" {
		t.Errorf("sendable %v, available %v, flags %s", r.Sendable, r.MMS.Available, codes(r.Flags))
	}
	if r.From.Number != via || !r.From.Sendable || r.From.Region != "US" || r.From.MMS != "yes" {
		t.Errorf("from %+v", r.From)
	}
	if p := r.To[0]; !p.Sendable || p.Channel != "mms" || p.Carrier != "north" || p.Region != "CA" || p.Network != "bell" || *p.Cap != 600<<10 {
		t.Errorf("to 0 %+v", p)
	}
	if p := r.To[1]; p.Sendable || p.MMS != "no" || codes(p.Flags) != "to_not_mms_capable" {
		t.Errorf("to 1 %+v", p)
	}
	if p := r.To[2]; p.Sendable || p.Number != "+18765550100" || codes(p.Flags) != "to_unsupported_region" || p.MMS != "" {
		t.Errorf("to 2 %+v", p)
	}
	if n := w.stored(); n != 0 {
		t.Errorf("%d messages stored", n)
	}
	// The photo button: MMS is not there for these numbers, yet the text may go.
	decode(t, w.json("/v1/messages/check", `{"from":"`+via+`","to":["`+noMMS+`"],"text":"t"}`).body, &r)
	if !r.Sendable || r.MMS.Available || !r.To[0].Sendable {
		t.Errorf("text to a phone without MMS: sendable %v, MMS %v, to %+v", r.Sendable, r.MMS.Available, r.To[0])
	}
}

func codes(flags []client.Flag) string {
	var c []string
	for _, f := range flags {
		c = append(c, f.Code)
	}
	return strings.Join(c, " ")
}

// All that is wrong comes at once, in the order of the contract.
func TestRefusalTellsAll(t *testing.T) {
	w := open(t)
	a := w.json("/v1/messages", `{"from":5,"to":["`+to+`",7,"`+to+`"],"text":"bell \u0007","subject":"half \ud83d","media":[{"data":"!!"},{"id":"med_no"},{"data":""},{"id":"x","data":"AA=="},{},"p",{"data":"AAAA","name":"a\r\nb"}],
		"priority":"urgent","channel":"fax","reference":"`+strings.Repeat("r", 256)+`","expires_in":"8 days","delivery_report":"yes"}`)
	p := a.problem(t)
	if a.status != 422 || p.Code != "field_missing" {
		t.Errorf("HTTP %d, code %s", a.status, p.Code)
	}
	got := map[string]bool{}
	for _, f := range p.Flags {
		got[f.Code+" "+f.Field] = true
		if f.Severity != client.Block || f.Message == "" {
			t.Errorf("flag %+v", f)
		}
	}
	for _, want := range []string{
		"field_invalid /from", "field_invalid /to/1", "duplicate_recipient /to/2", "field_invalid /text", "field_invalid /subject",
		"field_invalid /media/0/data", "media_not_found /media/1", "media_empty /media/2", "field_invalid /media/3", "field_missing /media/4",
		"field_invalid /media/5", "field_invalid /media/6/name", "unsupported_media_type /media/6", "field_invalid /priority", "field_invalid /channel",
		"field_invalid /reference", "expires_in_invalid /expires_in", "field_invalid /delivery_report",
	} {
		if !got[want] {
			t.Errorf("%s is not told", want)
		}
	}
	if got["field_missing /from"] {
		t.Error("from was there, only wrong")
	}
	if w.stored() != 0 {
		t.Error("something was stored")
	}
}

func TestAnswersByForm(t *testing.T) {
	w := open(t)
	good := base(`,"text":"hi"`)
	deep := strings.Repeat("[", 33) + strings.Repeat("]", 33)
	for name, c := range map[string]struct {
		body   string
		status int
		code   string
		detail string // part of it
	}{
		"not JSON":           {`{"from": oops}`, 400, "malformed_json", "line 1, column 10"},
		"on line 3":          {"{\n \"from\": \"x\",\n  \"ü\": \"\x01\"}", 400, "malformed_json", "line 3, column 9"},
		"empty":              {``, 400, "malformed_json", "line 1, column 1"},
		"cut short":          {`{"from":"+1`, 400, "malformed_json", "closing quote"},
		"trailing data":      {good + `{}`, 400, "malformed_json", "behind the end"},
		"key twice":          {`{"text":"a","text":"b"}`, 400, "malformed_json", `"text" comes twice`},
		"key twice, escaped": {`{"text":"a","\u0074ext":"b"}`, 400, "malformed_json", "comes twice"},
		"key in media twice": {`{"media":[{"id":"a","id":"b"}]}`, 400, "malformed_json", "comes twice"},
		"no UTF-8":           {"{\"text\":\"\xff\"}", 400, "malformed_json", "column 10: not valid UTF-8"},
		"byte order mark":    {"\xef\xbb\xbf" + good, 400, "malformed_json", "byte order mark"},
		"an array":           {`[]`, 400, "malformed_json", "object"},
		"nested too deep":    {`{"text":` + deep + `}`, 400, "malformed_json", "deeper than 32"},
		"leading zero":       {`{"text":01}`, 400, "malformed_json", "comma"},
		"bad escape":         {`{"text":"\x41"}`, 400, "malformed_json", "escape"},
		"bad unicode escape": {`{"text":"\u00g1"}`, 400, "malformed_json", "four hex digits"},
		"NUL between":        {"{\"text\":\x00\"a\"}", 400, "malformed_json", ""},
		"unknown field":      {`{"txet":"private"}`, 400, "unknown_field", "/txet"},
		"another case":       {`{"Text":"private"}`, 400, "unknown_field", "/Text"},
		"a time past":        {base(`,"text":"a","send_at":"2020-12-01T15:00:00Z"`), 422, "send_at_invalid", ""},
		"a time far ahead":   {base(`,"text":"a","send_at":"9999-12-31T23:59:59Z"`), 422, "send_at_invalid", ""},
		"beyond the years":   {base(`,"text":"a","send_at":"9999-12-31T23:59:59-23:00"`), 422, "send_at_invalid", ""},
		"no time at all":     {base(`,"text":"a","send_at":"0001-01-01T00:00:00Z"`), 422, "send_at_invalid", ""},
		"before the years":   {base(`,"text":"a","send_at":"0000-01-01T00:00:00Z"`), 422, "send_at_invalid", ""},
		"a time, no zone":    {base(`,"text":"a","send_at":"2026-12-01T15:00:00"`), 422, "send_at_invalid", ""},
		"a time of seconds":  {base(`,"text":"a","send_at":1796137200`), 422, "field_invalid", ""},
		"sms_fallback":       {base(`,"sms_fallback":true`), 400, "unknown_field", "/sms_fallback"},
		"allow_partial":      {base(`,"allow_partial":true`), 400, "unknown_field", "/allow_partial"},
		"unknown in media":   {`{"media":[{"id":"a"},{"a/b~c":1}]}`, 400, "unknown_field", "/media/1/a~1b~0c"},
		"kind of text":       {base(`,"text":5`), 422, "field_invalid", ""},
		"kind of media":      {base(`,"text":"a","media":"x"`), 422, "field_invalid", ""},
		"kind of to":         {`{"from":"` + via + `","to":"` + to + `","text":"a"}`, 422, "field_invalid", ""},
		"a number":           {base(`,"text":-1.5e+3`), 422, "field_invalid", ""},
		"no from, no to":     {`{"text":"a"}`, 422, "field_missing", ""},
		"nulls":              {`{"from":null,"to":null,"text":null}`, 422, "field_missing", ""},
		"not capable":        {`{"from":"` + via + `","to":["` + noMMS + `"],"subject":"a","text":"a"}`, 422, "to_not_mms_capable", ""},
		"zero validity":      {base(`,"text":"a","expires_in":"0s"`), 422, "expires_in_invalid", ""},
		"too long validity":  {base(`,"text":"a","expires_in":"8d"`), 422, "expires_in_invalid", ""},
		"negative validity":  {base(`,"text":"a","expires_in":"-5m"`), 422, "expires_in_invalid", ""},
		"a long number":      {`{"from":"` + via + `","to":["+1` + strings.Repeat("4", 100) + `"],"text":"a"}`, 422, "field_invalid", ""},
		"an odd number":      {`{"from":"` + via + `","to":["1-800-FLOWERS"],"text":"a"}`, 422, "to_invalid", ""},
		"NUL in account":     {base(`,"account":"a\u0000","text":"a"`), 422, "field_invalid", ""},
		"NUL in reference":   {base(`,"text":"a","reference":"a\u0000"`), 422, "field_invalid", ""},
		"noncharacter":       {base(`,"text":"a\uffff"`), 422, "field_invalid", ""},
		"low surrogate":      {base(`,"text":"a\udc00b"`), 422, "field_invalid", ""},
		"foreign account":    {`{"account":"other","text":"a"}`, 403, "forbidden", ""},
		"lookup down":        {`{"from":"` + via + `","to":["` + mute + `"],"subject":"a","text":"a"}`, 503, "capability_lookup_failed", ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.json("/v1/messages", c.body)
			p := a.problem(t)
			if a.status != c.status || p.Code != c.code || !strings.Contains(p.Detail, c.detail) {
				t.Errorf("HTTP %d %s %q, want %d %s %q", a.status, p.Code, p.Detail, c.status, c.code, c.detail)
			}
			if strings.Contains(string(a.body), "private") {
				t.Error("the answer repeats the content")
			}
			if got := a.header.Get("Retry-After"); (got == "5") != (c.status == 503) {
				t.Errorf("Retry-After %q", got)
			}
		})
	}
	if w.stored() != 0 {
		t.Error("something was stored")
	}
	if got := w.log.String(); got != "" {
		t.Errorf("logged: %s", got)
	}
}

func TestAnswersByMultipart(t *testing.T) {
	w := open(t)
	const b = "xyz"
	head := "--xyz\r\nContent-Disposition: form-data; name=\"message\"\r\n\r\n" + base(`,"text":"hi"`) + "\r\n"
	file := "--xyz\r\nContent-Disposition: form-data; name=\"m\"; filename=\"a.png\"\r\n\r\nPRIVATE\r\n"
	for name, c := range map[string]struct {
		kind, body string
		status     int
		code       string
	}{
		"good":                {b, "\r\n" + head + "--xyz-- \r\nepilogue", 202, ""},
		"a preamble":          {b, "preamble\r\n" + head + "--xyz--", 400, "malformed_multipart"},
		"junk at the end":     {b, head + "--xyz--junk", 400, "malformed_multipart"},
		"a longer boundary":   {b, strings.Replace(head, "--xyz", "--xyzz", 1) + "--xyz--", 400, "malformed_multipart"},
		"padding":             {b, strings.Replace(head, "--xyz\r\n", "--xyz \t\r\n", 1) + "--xyz--", 202, ""},
		"no boundary":         {"", head + "--xyz--\r\n", 400, "malformed_multipart"},
		"a long boundary":     {strings.Repeat("x", 71), head, 400, "malformed_multipart"},
		"another boundary":    {"abc", head + "--xyz--\r\n", 400, "malformed_multipart"},
		"no end":              {b, head, 400, "malformed_multipart"},
		"no end of a file":    {b, head + file, 400, "malformed_multipart"},
		"end within boundary": {b, head + file + "--xyz", 400, "malformed_multipart"},
		"empty":               {b, "", 400, "malformed_multipart"},
		"no parts":            {b, "--xyz--\r\n", 400, "malformed_multipart"},
		"file first":          {b, file + head + "--xyz--\r\n", 400, "malformed_multipart"},
		"message twice":       {b, head + head + "--xyz--\r\n", 400, "malformed_multipart"},
		"no disposition":      {b, head + "--xyz\r\nContent-Type: image/png\r\n\r\nPRIVATE\r\n--xyz--\r\n", 400, "malformed_multipart"},
		"an attachment":       {b, head + "--xyz\r\nContent-Disposition: attachment; name=\"m\"\r\n\r\nPRIVATE\r\n--xyz--\r\n", 400, "malformed_multipart"},
		"no header":           {b, head + "--xyz\r\n\r\nPRIVATE\r\n--xyz--\r\n", 400, "malformed_multipart"},
		"a huge header":       {b, head + "--xyz\r\nX: " + strings.Repeat("a", 5000) + "\r\n\r\nPRIVATE\r\n--xyz--\r\n", 400, "malformed_multipart"},
		"a broken header":     {b, head + "--xyz\r\nnothing\r\n\r\nPRIVATE\r\n--xyz--\r\n", 400, "malformed_multipart"},
		"an encoding":         {b, head + "--xyz\r\nContent-Disposition: form-data; name=\"m\"\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--xyz--\r\n", 400, "malformed_multipart"},
		"thousands of parts":  {b, head + strings.Repeat(file, 3000) + "--xyz--\r\n", 400, "malformed_multipart"},
		"bad JSON":            {b, strings.Replace(head, "}", "]", 1) + "--xyz--\r\n", 400, "malformed_json"},
		"no picture":          {b, head + file + "--xyz--\r\n", 422, "unsupported_media_type"},
		"an empty picture":    {b, head + strings.Replace(file, "PRIVATE", "", 1) + "--xyz--\r\n", 422, "media_empty"},
		"a large message":     {b, strings.Replace(head, "hi", strings.Repeat("h", 64<<10), 1) + "--xyz--\r\n", 413, "body_too_large"},
		"line break in name":  {b, head + strings.Replace(file, `filename="a.png"`, `filename*=UTF-8''a%0D%0Ab.png`, 1) + "--xyz--\r\n", 422, "field_invalid"},
		"NUL in name":         {b, head + strings.Replace(file, `filename="a.png"`, `filename*=UTF-8''a%00b.png`, 1) + "--xyz--\r\n", 422, "field_invalid"},
		"Latin-1 in name":     {b, head + strings.Replace(file, "a.png", "\xe9.png", 1) + "--xyz--\r\n", 422, "field_invalid"},
		"a long name":         {b, head + strings.Replace(file, "a.png", strings.Repeat("n", 256), 1) + "--xyz--\r\n", 422, "field_invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			before := w.stored()
			a := w.do("POST", "/v1/messages", strings.NewReader(c.body), "Content-Type", `multipart/form-data; boundary="`+c.kind+`"`)
			if c.status == 202 {
				if a.status != 202 {
					t.Errorf("HTTP %d: %s", a.status, a.body)
				}
				return
			}
			if p := a.problem(t); a.status != c.status || p.Code != c.code {
				t.Errorf("HTTP %d %s %q, want %d %s", a.status, p.Code, p.Detail, c.status, c.code)
			}
			if strings.Contains(string(a.body), "PRIVATE") || w.stored() != before {
				t.Errorf("repeated or stored: %s", a.body)
			}
		})
	}
	for _, kind := range []string{"multipart/form-data", "multipart/form-data; boundary", "multipart/form-data; boundary=a; boundary=b"} {
		if p := w.do("POST", "/v1/messages", strings.NewReader(head+"--xyz--"), "Content-Type", kind).problem(t); p.Code != "malformed_multipart" {
			t.Errorf("%s: %s", kind, p.Code)
		}
	}
}

func TestLimits(t *testing.T) {
	w := open(t)
	msg := base(`,"text":"hi"`)
	pics := func(n, size int) []piece {
		p := []piece{message(msg)}
		for range n {
			p = append(p, piece{"m", "a.png", "", bigPic(size)})
		}
		return p
	}
	flag := func(t *testing.T, a answer, code string) client.Flag {
		t.Helper()
		for _, f := range a.problem(t).Flags {
			if f.Code == code {
				return f
			}
		}
		t.Fatalf("no %s in HTTP %d: %s", code, a.status, a.body)
		return client.Flag{}
	}
	w.gateway.Carriers = carriers{}
	t.Run("ten images, five MiB", func(t *testing.T) {
		if a := w.form("/v1/messages", pics(10, 512<<10)...); a.status != 202 {
			t.Errorf("HTTP %d: %s", a.status, a.body)
		}
	})
	t.Run("eleven images", func(t *testing.T) {
		if f := flag(t, w.form("/v1/messages", pics(11, 1000)...), "too_many_images"); f.Value != 11.0 {
			t.Errorf("flag %+v", f)
		}
	})
	t.Run("64 images", func(t *testing.T) {
		if f := flag(t, w.form("/v1/messages", pics(64, 100)...), "too_many_images"); f.Value != 64.0 {
			t.Errorf("flag %+v", f)
		}
	})
	t.Run("a byte over five MiB", func(t *testing.T) {
		f := flag(t, w.form("/v1/messages", pics(1, 5<<20+1)...), "total_too_large")
		if v, _ := f.Value.(map[string]any); v["size"] != 5242881.0 || v["limit"] != 5242880.0 {
			t.Errorf("flag %+v", f)
		}
	})
	t.Run("too large and no picture", func(t *testing.T) {
		a := w.form("/v1/messages", message(msg), piece{"m", "a.mp4", "video/mp4", make([]byte, 6<<20)})
		flag(t, a, "total_too_large")
		flag(t, a, "unsupported_media_type")
	})
	t.Run("a body one byte too long", func(t *testing.T) {
		for _, n := range []int{16 << 20, 16<<20 + 1} {
			text := msg + strings.Repeat(" ", n-len(msg))
			for name, r := range map[string]io.Reader{"": strings.NewReader(text), " chunked": struct{ io.Reader }{strings.NewReader(text)}} {
				a := w.do("POST", "/v1/messages", r, "Content-Type", "application/json")
				if n == 16<<20 && a.status != 202 || n > 16<<20 && (a.status != 413 || a.problem(t).Code != "body_too_large") {
					t.Errorf("%d bytes%s: HTTP %d: %.200s", n, name, a.status, a.body)
				}
			}
		}
	})
	t.Run("too many recipients", func(t *testing.T) {
		f := flag(t, w.json("/v1/messages", `{"from":"`+via+`","to":[`+strings.Repeat(`"`+to+`",`, 2000)+`"`+to+`"],"text":"a"}`), "too_many_recipients")
		if f.Value != 2001.0 {
			t.Errorf("flag %+v", f)
		}
	})
	t.Run("a million of each", func(t *testing.T) {
		a := w.json("/v1/messages", `{"from":"`+via+`","to":[`+strings.Repeat("1,", 1_000_000)+`1],"media":[`+strings.Repeat("{},", 1_000_000)+`{}]}`)
		flag(t, a, "field_invalid")
		flag(t, a, "too_many_images")
		flag(t, a, "too_many_recipients")
	})
}

func TestContentTypes(t *testing.T) {
	w := open(t)
	msg := base(`,"text":"hi"`)
	for _, c := range []struct {
		header []string
		status int
	}{
		{[]string{"Content-Type", "application/json; charset=UTF-8"}, 202},
		{[]string{"Content-Type", "Application/JSON"}, 202},
		{[]string{"Content-Type", "application/json", "Content-Encoding", "identity"}, 202},
		{nil, 415},
		{[]string{"Content-Type", "text/plain"}, 415},
		{[]string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		{[]string{"Content-Type", "multipart/mixed; boundary=x"}, 415},
		{[]string{"Content-Type", "application/json; charset=iso-8859-1"}, 415},
		{[]string{"Content-Type", ";;;"}, 415},
		{[]string{"Content-Type", "application/json", "Content-Encoding", "gzip"}, 415},
	} {
		a := w.do("POST", "/v1/messages", strings.NewReader(msg), c.header...)
		if a.status != c.status || c.status == 415 && a.problem(t).Code != "unsupported_content_type" {
			t.Errorf("%v: HTTP %d: %s", c.header, a.status, a.body)
		}
	}
}

func TestIdempotency(t *testing.T) {
	w := open(t)
	msg := base(`,"text":"hi"`)
	first := w.send(msg, "Idempotency-Key", "k1")
	a := w.form("/v1/messages", message(msg))
	if a.status != 202 || a.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("without a key: HTTP %d, %v", a.status, a.header)
	}
	body, kind := form(message(`{"text":"hi","to":["` + to + `"],"from":"` + via + `"}`))
	a = w.do("POST", "/v1/messages", bytes.NewReader(body), "Content-Type", kind, "Idempotency-Key", "k1")
	var again client.Message
	decode(t, a.body, &again)
	if a.status != 202 || a.header.Get("Idempotent-Replayed") != "true" || again.ID != first.ID || a.header.Get("Location") != "/v1/messages/"+first.ID {
		t.Errorf("the same in another form: HTTP %d %v: %s", a.status, a.header, a.body)
	}
	if p := w.json("/v1/messages", base(`,"text":"other"`), "Idempotency-Key", "k1").problem(t); p.Status != 409 || p.Code != "idempotency_conflict" {
		t.Errorf("another message: %+v", p)
	}
	for _, bad := range [][]string{{"Idempotency-Key", ""}, {"Idempotency-Key", strings.Repeat("k", 256)}, {"Idempotency-Key", "\xff"}, {"Idempotency-Key", "a", "Idempotency-Key", "b"}} {
		if p := w.json("/v1/messages", msg, bad...).problem(t); p.Status != 400 || p.Code != "field_invalid" {
			t.Errorf("%q: %+v", bad, p)
		}
	}
	w.send(msg, "Idempotency-Key", strings.Repeat("k", 255))
}

func TestStorageTroubles(t *testing.T) {
	w := open(t)
	msg := base(`,"text":"hi"`)
	for _, c := range []struct {
		err    error
		status int
		code   string
		retry  bool
	}{
		{fmt.Errorf("accept: %w", gateway.ErrStorageFull), 507, "storage_full", false},
		{fmt.Errorf("accept: %w", gateway.ErrStorage), 503, "storage_unavailable", true},
		{io.ErrUnexpectedEOF, 503, "storage_unavailable", true},
	} {
		w.set(func() { w.fail = c.err })
		a := w.json("/v1/messages", msg)
		p := a.problem(t)
		if a.status != c.status || p.Code != c.code || (a.header.Get("Retry-After") != "") != c.retry || strings.Contains(p.Detail, "Idempotency-Key") != c.retry {
			t.Errorf("%v: HTTP %d %+v, Retry-After %q", c.err, a.status, p, a.header.Get("Retry-After"))
		}
		if p := w.do("POST", "/v1/media", bytes.NewReader(picOf(3))).problem(t); p.Code != c.code || strings.Contains(p.Detail, "Idempotency-Key") {
			t.Errorf("media, %v: %+v", c.err, p)
		}
	}
	if got := w.log.String(); strings.Count(got, "level=ERROR") != 6 || strings.Contains(got, to) {
		t.Errorf("logged: %s", got)
	}
	w.set(func() { w.fail = nil })
	w.draining = true
	a := w.json("/v1/messages", msg)
	if p := a.problem(t); a.status != 503 || p.Code != "draining" || a.header.Get("Retry-After") == "" {
		t.Errorf("draining: HTTP %d %s", a.status, p.Code)
	}
}

func TestPathsAndMethods(t *testing.T) {
	w := open(t)
	for _, path := range []string{"/", "/v1", "/v1/", "/v1/messages/", "/v1//messages", "/v1/../v1/messages", "/v2/messages", "/v1/drafts", "/v1/openapi.json",
		"/v1/messages/nonsense", "/v1/messages/msg_" + strings.Repeat("0", 32), "/v1/messages/msg_" + strings.Repeat("0", 32) + "/events", "/v1/messages/x/events",
		"/v1/media/med_none", "/v1/numbers/+14165550199", "/v1/media/%00", "/v1/media/" + strings.Repeat("m", 300)} {
		if p := w.get(path).problem(t); p.Status != 404 || p.Code != "not_found" {
			t.Errorf("%s: %+v", path, p)
		}
	}
	for path, allow := range map[string]string{"/v1/messages": "GET, POST", "/v1/messages/check": "POST", "/v1/events": "GET", "/v1/media": "POST", "/v1/media/x": "GET, HEAD"} {
		a := w.do("PUT", path, strings.NewReader("x"))
		if p := a.problem(t); a.status != 405 || p.Code != "method_not_allowed" || a.header.Get("Allow") != allow {
			t.Errorf("%s: HTTP %d %s, Allow %q", path, a.status, p.Code, a.header.Get("Allow"))
		}
	}
}

func TestAccess(t *testing.T) {
	w := open(t)
	mine := w.send(base(`,"text":"hi"`))
	pic := w.form("/v1/messages", message(base("")), piece{"m", "a", "", picOf(9)})
	var withPicture client.Message
	decode(t, pic.body, &withPicture)
	media := "/v1/media/" + withPicture.Media[0].ID

	w.accounts = []string{"other"}
	for _, path := range []string{"/v1/messages/" + mine.ID, "/v1/messages/" + mine.ID + "/events", media, "/v1/events?account=acme"} {
		if p := w.get(path).problem(t); p.Status != 404 || p.Code != "not_found" {
			t.Errorf("another's %s: %+v", path, p)
		}
	}
	if p := w.do("POST", "/v1/media?account=acme", bytes.NewReader(picOf(1))).problem(t); p.Status != 403 {
		t.Errorf("another's media: %+v", p)
	}
	a := w.json("/v1/messages", `{"from":"+12125550177","to":["`+to+`"],"media":[{"id":"`+withPicture.Media[0].ID+`"}]}`)
	if p := a.problem(t); p.Code != "media_not_found" {
		t.Errorf("another's picture: %+v", p)
	}

	w.accounts = []string{"acme", "other"}
	if p := w.json("/v1/messages", base(`,"text":"hi"`)).problem(t); p.Status != 422 || p.Code != "account_required" {
		t.Errorf("which account: %+v", p)
	}
	if p := w.do("POST", "/v1/media", bytes.NewReader(picOf(1))).problem(t); p.Status != 422 || p.Code != "account_required" {
		t.Errorf("which account: %+v", p)
	}
	w.send(base(`,"text":"hi","account":"acme"`))
	if got := w.get(media); got.status != 200 {
		t.Errorf("own picture through one of two accounts: HTTP %d", got.status)
	}

	w.accounts = nil
	for _, path := range []string{"/v1/messages/" + mine.ID, "/v1/nowhere", "/v1//x"} {
		if p := w.get(path).problem(t); p.Status != 403 || p.Code != "forbidden" {
			t.Errorf("nobody at %s: %+v", path, p)
		}
	}

	w.operator = true
	for _, path := range []string{"/v1/messages/" + mine.ID, media, "/v1/events?account=acme"} {
		if got := w.get(path); got.status != 200 {
			t.Errorf("operator at %s: HTTP %d", path, got.status)
		}
	}
	w.send(base(`,"text":"hi","account":"acme"`))
	if p := w.json("/v1/messages", base(`,"text":"hi","account":"none"`)).problem(t); p.Status != 422 || p.Code != "account_unknown" {
		t.Errorf("no such account: %+v", p)
	}
	if p := w.json("/v1/messages", base(`,"text":"hi"`)).problem(t); p.Code != "account_required" {
		t.Errorf("operator, two accounts: %+v", p)
	}
	rules := *w.gateway.Rules.Load()
	rules.Accounts = map[string]*gateway.Account{"acme": rules.Accounts["acme"]}
	w.gateway.Rules.Store(&rules)
	w.send(base(`,"text":"hi"`))
}
