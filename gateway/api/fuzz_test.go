package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"testing"
	"unicode/utf8"
)

// encoding/json is the judge: what it refuses we refuse, what we refuse beyond
// that has a name, and what we read is what it reads.
func FuzzMessageJSON(f *testing.F) {
	for _, seed := range []string{
		`{"from":"+12125550123","to":["+14165550199"],"text":"hi \ud83d\ude00\n"}`,
		`{"media":[{"id":"med_x"},{"data":"AAAA","type":"image/png","name":"a.png"}],"dry_run":false}`,
		`{"text":"\u0041\/\b\ud800","expires_in":"7d","priority":"high"}`,
		` { "text" : [ 1.5e-3 , true , null , {} ] } `, `{"text":"a","text":"b"}`, "{\"text\":\"\xff\"}", `{"text":"\x"}`, `[]`, `{`, ``,
		`{"send_at":"2026-12-01T15:00:00.5+01:00"}`, `{"send_at":"9999-12-31T23:59:59-23:59"}`, `{"send_at":"0001-01-01T00:00:00Z"}`, `{"text":-0,"subject":1E9,"to":[[]]}`, `{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := decodeDraft(bytes.Clone(text))
		var syntax *syntaxError
		if !json.Valid(text) {
			if !errors.As(err, &syntax) {
				t.Fatalf("not JSON, but: %v", err)
			}
			return
		}
		if errors.As(err, &syntax) {
			stricter := !utf8.Valid(text) || strings.Contains(syntax.what, "twice") || strings.Contains(syntax.what, "deeper") || strings.Contains(syntax.what, "an object")
			if !stricter {
				t.Fatalf("valid JSON, but: %v", err)
			}
			return
		}
		if err != nil || d.failed["/text"] {
			return
		}
		if _, err := json.Marshal(d.SendAt); err != nil {
			t.Fatalf("a time to send that no answer could tell: %v", err)
		}
		var judge map[string]any
		if err := json.Unmarshal(text, &judge); err != nil {
			t.Fatal(err)
		}
		if want, _ := judge["text"].(string); d.Text != want {
			t.Fatalf("text %q, want %q", d.Text, want)
		}
		if media, _ := judge["media"].([]any); len(media) != len(d.items) && !d.failed["/media"] {
			t.Fatalf("%d pictures, want %d", len(d.items), len(media))
		}
	})
}

// mime/multipart is the judge: what we take it reads alike.
func FuzzMultipart(f *testing.F) {
	part := "--b\r\nContent-Disposition: form-data; name=\"message\"; filename=\"a\"\r\nContent-Type: image/png\r\n\r\n"
	for _, seed := range []string{
		part + "x\r\n--b--\r\n", part + "\r\n" + part + "y\r\n--b \t\r\n--b--", "--b--", part + "x\n--b--", part + "x\r\n--bb\r\n--b--\r\n", "\r\n" + part + "x\r\n--b--",
		part + "x\r\n--b-\r\n--b--", "--b\r\nA: b\r\n\r\n--b--",
		"--b\r\nContent-Disposition:form-data\n\r\n\r\n\r\n--b--",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		parts, err := splitParts(body, "b")
		if err != nil {
			return
		}
		r := multipart.NewReader(bytes.NewReader(body), "b")
		for i, p := range parts {
			q, err := r.NextRawPart()
			if err != nil {
				t.Fatalf("part %d: %v", i, err)
			}
			b, err := io.ReadAll(q)
			_, params, _ := mime.ParseMediaType(q.Header.Get("Content-Disposition"))
			if err != nil || !bytes.Equal(b, p.bytes) || q.Header.Get("Content-Type") != p.contentType || params["name"] != p.name || params["filename"] != p.filename {
				t.Fatalf("part %d: %+v, want %q %q, %v", i, p, b, q.Header, err)
			}
		}
		if _, err := r.NextRawPart(); err != io.EOF {
			t.Fatalf("after the last: %v", err)
		}
	})
}
