package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"mmsgw/gateway"
)

// shown is a picture as its message's row holds it.
type shown struct {
	ID     string `json:"id"`
	Name   string `json:"name,omitempty"`
	Type   string `json:"type"`
	Size   int64  `json:"size"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
	Frames int    `json:"frames"`
	Place  string `json:"place"`
}

func shownBy(m *gateway.Message) []shown {
	var all []shown
	for _, p := range m.Media {
		all = append(all, shown{p.ID, p.Name, p.Type, p.Size, p.Width, p.Height, p.Frames, p.Place})
	}
	return all
}

func (s shown) picture() gateway.Picture {
	return gateway.Picture{ID: s.ID, Name: s.Name, Type: s.Type, Size: s.Size, Width: s.Width, Height: s.Height, Frames: s.Frames, Place: s.Place}
}

// picture is a row of media: an account may use these bytes.
type picture struct {
	account string
	gateway.Picture
	keepUntil int64
}

// pictureKey is the order of media's rows.
func pictureKey(id, account string) string { return id + "\x00" + account }

const (
	shelfBatch = 512         // pictures that are indexed together
	shelfTime  = time.Second // how long fewer may wait
	shelfMost  = 4096        // that one change indexes
	shelfSlack = time.Minute // between the making of a message's id and its commit, at most
)

// shelf holds the pictures of messages that the index of pictures lacks yet.
// Their ids have no order, so that each indexed by itself dirties a page of its
// own; many at once, sorted, share theirs. Nothing depends on the shelf: a
// message's row holds its pictures, and what was on the shelf when the process
// died is found there again.
type shelf struct {
	mu      sync.Mutex
	waiting map[string]picture
	asked   bool
	alarm   *time.Timer
}

// shelve puts the pictures of committed messages on the shelf.
func (s *Store) shelve(messages []*gateway.Message) {
	if len(messages) == 0 {
		return
	}
	h := &s.shelf
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range messages {
		for _, p := range m.Media {
			h.waiting[pictureKey(p.ID, m.Account)] = picture{m.Account, p, micros(m.ValidUntil)}
		}
	}
	switch {
	case len(h.waiting) == 0 || h.asked:
	case len(h.waiting) >= shelfBatch:
		h.asked = true
		s.in.later(&indexing{s: s})
	case h.alarm == nil:
		h.alarm = time.AfterFunc(shelfTime, func() { s.in.hand(&indexing{s: s}, true) })
	}
}

// find looks for a picture on the shelf; account "" is any.
func (h *shelf) find(account, id string) (gateway.Picture, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p, ok := h.waiting[pictureKey(id, account)]; ok {
		return p.Picture, true
	}
	for key, p := range h.waiting {
		if account == "" && strings.HasPrefix(key, id+"\x00") {
			return p.Picture, true
		}
	}
	return gateway.Picture{}, false
}

// indexing is the change that empties the shelf into the index.
type indexing struct {
	s    *Store
	keys []string
}

func (c *indexing) rows() int { return shelfBatch / 4 }

func (c *indexing) apply(b *batch) error {
	h := &c.s.shelf
	h.mu.Lock()
	c.keys = slices.Sorted(maps.Keys(h.waiting))
	all := len(c.keys) <= shelfMost
	c.keys = c.keys[:min(len(c.keys), shelfMost)]
	for _, k := range c.keys {
		b.media = append(b.media, h.waiting[k])
	}
	h.mu.Unlock()
	if !all {
		return nil
	}
	now := binary.BigEndian.AppendUint64(nil, uint64(b.now.UnixMilli()))
	return b.query("INSERT INTO meta (name, value) VALUES ('media_indexed', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value", nil, now)
}

func (c *indexing) done(err error) {
	h := &c.s.shelf
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = false
	if h.alarm != nil {
		h.alarm.Stop()
		h.alarm = nil
	}
	if err != nil {
		return // they stay; the next message asks again
	}
	for _, k := range c.keys {
		delete(h.waiting, k)
	}
	if len(h.waiting) >= shelfBatch {
		h.asked = true
		c.s.in.later(&indexing{s: c.s})
	}
}

// fillShelf finds the pictures that were on the shelf when the process ended:
// those of the messages made since shortly before it was emptied last.
func (s *Store) fillShelf(ctx context.Context) error {
	s.shelf.waiting = map[string]picture{}
	var since []byte
	err := s.read(ctx, "SELECT value FROM meta WHERE name = 'media_indexed'", func(rows *sql.Rows) error { return rows.Scan(&since) })
	if err != nil {
		return err
	}
	var from gateway.ID // a UUIDv7 begins with the milliseconds of its making
	if len(since) == 8 {
		ms := binary.BigEndian.Uint64(since) - uint64(shelfSlack.Milliseconds())
		binary.BigEndian.PutUint64(from[:8], ms<<16)
	}
	return s.read(ctx, "SELECT account, options, valid_until FROM messages WHERE id >= $1", func(rows *sql.Rows) error {
		m := &gateway.Message{}
		var opts string
		var valid int64
		if err := rows.Scan(&m.Account, &opts, &valid); err != nil {
			return err
		}
		m.ValidUntil = time.UnixMicro(valid)
		err := readOptions(m, opts)
		s.shelve([]*gateway.Message{m})
		return err
	}, from[:])
}

// readOptions reads what insertMessage wrote.
func readOptions(m *gateway.Message, text string) error {
	var o options
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return fmt.Errorf("read a message's options: %w", err)
	}
	m.Report, m.Read, m.Flags = o.Report, o.Read, o.Flags
	if o.SendAt != 0 {
		m.SendAt = time.UnixMicro(o.SendAt).UTC()
	}
	for _, p := range o.Media {
		m.Media = append(m.Media, p.picture())
	}
	return nil
}

// flushMedia writes the batch's rows of media. Where other nodes have to find
// them, those of its new messages are among them.
func (b *batch) flushMedia() error {
	if !b.s.engine.sole {
		for _, m := range b.messages {
			for _, p := range m.Media {
				b.media = append(b.media, picture{m.Account, p, micros(m.ValidUntil)})
			}
		}
	}
	rows := make([][]any, len(b.media))
	for i, p := range b.media {
		rows[i] = []any{p.ID, p.account, p.Place, p.Type, p.Size, p.Width, p.Height, p.Frames, p.keepUntil}
	}
	return b.bulk(insertMedia, rows)
}

// pictureAdded is the change that lets an account use a picture.
type pictureAdded struct {
	result
	p picture
}

func (c *pictureAdded) rows() int            { return 1 }
func (c *pictureAdded) apply(b *batch) error { b.media = append(b.media, c.p); return nil }

// AddPicture makes it known that an account uploaded a picture whose bytes are
// durable already.
func (s *Store) AddPicture(_ context.Context, account string, p gateway.Picture) error {
	c := &pictureAdded{result{make(chan error, 1)}, picture{account, p, micros(s.opt.Now().Add(gateway.MaxValidity))}}
	s.in.hand(c, false)
	return c.wait()
}

// Picture finds a picture that an account may use; account "" is an operator,
// who may use any. gateway.ErrNotFound where there is none.
func (s *Store) Picture(ctx context.Context, account, id string) (p gateway.Picture, err error) {
	if p, ok := s.shelf.find(account, id); ok {
		p.Name = ""
		return p, nil
	}
	err = s.read(ctx, "SELECT id, place, type, size, width, height, frames FROM media WHERE id = $1 AND ($2 = '' OR account = $2) LIMIT 1", func(rows *sql.Rows) error {
		return rows.Scan(&p.ID, &p.Place, &p.Type, &p.Size, &p.Width, &p.Height, &p.Frames)
	}, id, account)
	if err == nil && p.ID == "" {
		err = gateway.ErrNotFound
	}
	return p, err
}

// Place says where the bytes of a picture lie, or "" where nobody stored it.
func (s *Store) Place(ctx context.Context, id string) (place string, err error) {
	if p, ok := s.shelf.find("", id); ok {
		return p.Place, nil
	}
	err = s.read(ctx, "SELECT place FROM media WHERE id = $1 LIMIT 1", func(rows *sql.Rows) error { return rows.Scan(&place) }, id)
	return place, err
}
