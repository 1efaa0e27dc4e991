package media

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
)

// place is where a record lies.
type place struct {
	seq        uint64
	at, length int64 // of the record in the segment; of the body
}

func (p place) String() string { return fmt.Sprintf("%d:%d:%d", p.seq, p.at, p.length) }

// parsePlace reads what String wrote.
func parsePlace(s string) (p place, err error) {
	fields := strings.Split(s, ":")
	if len(fields) == 3 {
		seq, err1 := strconv.ParseUint(fields[0], 10, 64)
		at, err2 := strconv.ParseInt(fields[1], 10, 64)
		length, err3 := strconv.ParseInt(fields[2], 10, 64)
		p = place{seq, at, length}
		if errors.Join(err1, err2, err3) == nil && p.String() == s && at >= 0 && at <= maxSegment &&
			at%recordAlign == 0 && length > 0 && length <= maxSegment {
			return p, nil
		}
	}
	return place{}, fmt.Errorf("media place %q is not one that Keep gave", s)
}

// Bytes gives a kept picture, from memory if it is among the newest and otherwise with one read of the disk. What the
// disk gives is checked before it is handed out: the checksums of header and body, and that the record is id's. If it
// is not, the error is ErrCorrupt with the segment's name and the offset; the picture must not be sent then, and
// asking again will not help. The bytes are shared and must not be changed.
func (s *Store) Bytes(ctx context.Context, where string, id ID) ([]byte, error) {
	if b := s.memory.get(where, id); b != nil {
		return b, nil
	}
	p, err := parsePlace(where)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("read picture: %w", err)
	}
	return readRecord(s.opts.Dir, p, id)
}

func readRecord(dir string, p place, id ID) ([]byte, error) {
	path := segmentPath(dir, p.seq)
	damaged := func(cause error) error {
		return fmt.Errorf("%w: segment %s at %d, %d bytes: %w", ErrCorrupt, path, p.at, p.length, cause)
	}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, damaged(err)
	}
	if err != nil {
		return nil, fmt.Errorf("read picture: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read picture: %w", err)
	}
	size := bareSize(p.length)
	if p.at+size > info.Size() { // asked before memory is taken for it
		return nil, damaged(fmt.Errorf("the segment ends at %d", info.Size()))
	}
	b := make([]byte, size)
	if _, err := f.ReadAt(b, p.at); err != nil {
		return nil, fmt.Errorf("read picture: segment %s at %d: %w", path, p.at, err)
	}
	h, body, err := parseRecord(b, p.seq)
	switch {
	case err != nil:
		return nil, damaged(err)
	case h.kind != kindPicture || h.id != id:
		return nil, damaged(errors.New("the record there is another's"))
	}
	return body, nil
}

// memory holds the newest kept pictures, within a bound of bytes; what was not asked for longest goes first.
type memory struct {
	mu     sync.Mutex
	budget int64
	held   int64
	order  *list.List // of held, the newest in front
	byKey  map[string]*list.Element
}

type held struct {
	key  string
	id   ID
	body []byte
}

func newMemory(budget int64) *memory {
	return &memory{budget: budget, order: list.New(), byKey: make(map[string]*list.Element)}
}

// put takes a picture in. Its key is new: a place is given once.
func (m *memory) put(key string, id ID, body []byte) {
	cost := int64(cap(body)) // the whole of it stays alive
	if cost > m.budget {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.held+cost > m.budget {
		old := m.order.Remove(m.order.Back()).(held)
		delete(m.byKey, old.key)
		m.held -= int64(cap(old.body))
	}
	m.byKey[key] = m.order.PushFront(held{key, id, body})
	m.held += cost
}

func (m *memory) get(key string, id ID) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.byKey[key]
	if !ok || e.Value.(held).id != id { // the disk will tell what is wrong with it
		return nil
	}
	m.order.MoveToFront(e)
	return e.Value.(held).body
}

func (m *memory) size() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.held
}
