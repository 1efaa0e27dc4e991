package api_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"mmsgw/client"
)

// The client and the API, together over a socket.
func TestClient(t *testing.T) {
	w := open(t)
	c, err := client.New("unix:" + w.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := t.Context()
	stored, err := c.UploadMedia(ctx, "acme", client.FileOf("one.png", picOf(1)))
	if err != nil || stored.Type != "image/png" {
		t.Fatalf("%+v, %v", stored, err)
	}
	s := client.Submission{From: via, To: []string{to}, Text: "hi", Subject: "s", ExpiresIn: "7d", Reference: "r",
		Media: []client.Stored{{ID: stored.ID}}, Files: []client.File{client.FileOf("two é\r.png", picOf(2)), client.FileOf("three", picOf(3))}}
	var p *client.Problem
	if _, err := c.Submit(ctx, s); !errors.As(err, &p) || p.Code != "field_invalid" || p.Flags[0].Field != "/media/1/name" {
		t.Errorf("a line break in a name: %v", err)
	}
	s.Files[0].Name = "two é.png"
	check, err := c.Check(ctx, s)
	if err != nil || !check.Sendable || check.Size.Images != 3 {
		t.Errorf("%+v, %v", check, err)
	}
	done, err := c.Submit(ctx, s)
	if err != nil || done.Replayed || len(done.Message.Media) != 3 || done.Message.Media[1].Name != "two é.png" || done.Message.ExpiresIn != "7d" {
		t.Fatalf("%+v, %v", done, err)
	}
	s.Key = done.Key
	again, err := c.Submit(ctx, s)
	if err != nil || !again.Replayed || again.Message.ID != done.Message.ID {
		t.Errorf("%+v, %v", again, err)
	}
	m, err := c.Message(ctx, done.Message.ID)
	if err != nil || m.ID != done.Message.ID || m.State != "queued" {
		t.Errorf("%+v, %v", m, err)
	}
	if events, err := c.Timeline(ctx, m.ID); err != nil || kinds(events) != "message.accepted" {
		t.Errorf("%+v, %v", events, err)
	}
	for e, err := range c.Events(ctx, client.EventQuery{Message: m.ID}) {
		if err != nil || e.Message != m.ID {
			t.Errorf("%+v, %v", e, err)
		}
		break
	}
	r, kind, size, err := c.Media(ctx, m.Media[2].ID)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); err != nil || kind != "image/png" || size != int64(len(b)) || !bytes.Equal(b, picOf(3)) {
		t.Errorf("%s, %d bytes, %v", kind, size, err)
	}
	if _, _, _, err := c.Media(ctx, "med_none"); !errors.As(err, &p) || p.Code != "not_found" {
		t.Errorf("no such picture: %v", err)
	}
	// The answer to a body that is too large comes while it is still written.
	s.Key, s.Files = "", []client.File{client.FileOf("large", make([]byte, 20<<20))}
	if _, err := c.Submit(ctx, s); !errors.As(err, &p) || p.Code != "body_too_large" {
		t.Errorf("too large: %v", err)
	}
}
