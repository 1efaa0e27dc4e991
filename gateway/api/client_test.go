package api_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

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

// What operators do, by the client.
func TestClientOperates(t *testing.T) {
	w := open(t)
	w.operator = true
	c, err := client.New("unix:" + w.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := t.Context()
	s := client.Submission{Account: "acme", From: via, To: []string{to, to2}, Text: "hi", SendAt: time.Now().Add(time.Hour)}
	done, err := c.Submit(ctx, s)
	if err != nil || done.Message.State != "scheduled" || done.Message.SendAt.Sub(s.SendAt).Abs() > time.Microsecond {
		t.Fatalf("%+v, %v", done.Message, err)
	}
	id := done.Message.ID
	if m, err := c.Hold(ctx, id, to2); err != nil || m.Counts["held"] != 1 {
		t.Errorf("%+v, %v", m, err)
	}
	if p, err := c.List(ctx, client.ListQuery{Filter: client.Filter{To: to2, State: "held", Until: time.Now()}}); err != nil || len(p.Items) != 1 || p.Items[0].Deliveries != nil {
		t.Errorf("%+v, %v", p, err)
	}
	if n, err := c.Act(ctx, client.Action{Verb: client.ToCancel, Filter: client.Filter{Since: done.Message.CreatedAt, State: "scheduled"}}); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
	if m, err := c.Release(ctx, id); err != nil || m.Counts["scheduled"] != 1 || m.Counts["canceled"] != 1 {
		t.Errorf("%+v, %v", m, err)
	}
	if o, err := c.OptOut(ctx, "416 555 0199", "acme", via); err != nil || o.Number != to || o.From != via || !o.OptedOut {
		t.Errorf("%+v, %v", o, err)
	}
	if o, err := c.OptIn(ctx, to, "acme", via, "texted START & more"); err != nil || o.OptedOut || w.said[1].Note != "texted START & more" {
		t.Errorf("%+v, %v", o, err)
	}
	if k, err := c.Pause(ctx, "north"); err != nil || k.State != "paused" {
		t.Errorf("%+v, %v", k, err)
	}
	if all, err := c.Carriers(ctx); err != nil || len(all) != 2 || all[0].State != "paused" || all[0].Limits.Window != 8 {
		t.Errorf("%+v, %v", all, err)
	}
	var p *client.Problem
	if _, err := c.Resume(ctx, "nowhere"); !errors.As(err, &p) || p.Code != "not_found" {
		t.Errorf("no such carrier: %v", err)
	}
}
