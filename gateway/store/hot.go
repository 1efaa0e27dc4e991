package store

import (
	"sync"

	"mmsgw/gateway"
)

// hotLimit bounds each generation of the newest rows kept in memory.
const hotLimit = 8192

// hot answers the newest rows from memory where this process is the only
// writer: a message's settle and report come within a second of its accept, and
// reading a row back costs as much as writing it. It holds committed rows only
// and is emptied whenever a commit's outcome is in doubt.
type hot struct {
	mu         sync.Mutex
	young, old generation
}

type generation struct {
	deliveries map[rowKey]gateway.Delivery
	attempts   map[gateway.ID]gateway.Attempt
	keys       map[string]gateway.ID // lane NUL carrier_key → attempt
}

func newGeneration() generation {
	return generation{map[rowKey]gateway.Delivery{}, map[gateway.ID]gateway.Attempt{}, map[string]gateway.ID{}}
}

func (h *hot) delivery(k rowKey) (gateway.Delivery, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d, ok := h.young.deliveries[k]
	if !ok {
		d, ok = h.old.deliveries[k]
	}
	return d, ok
}

func (h *hot) attempt(id gateway.ID) (gateway.Attempt, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a, ok := h.young.attempts[id]
	if !ok {
		a, ok = h.old.attempts[id]
	}
	return a, ok
}

func (h *hot) byKey(lane, key string) (gateway.ID, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	id, ok := h.young.keys[lane+"\x00"+key]
	if !ok {
		id, ok = h.old.keys[lane+"\x00"+key]
	}
	return id, ok
}

func (h *hot) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.young, h.old = generation{}, generation{}
}

// keep takes over what a batch has committed. What is final and done needs no
// place: it leaves at once.
func (h *hot) keep(b *batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.young.deliveries == nil || len(h.young.deliveries) >= hotLimit {
		h.old, h.young = h.young, newGeneration()
	}
	for _, k := range b.changed {
		h.young.deliveries[k] = *b.deliveries[k]
	}
	for _, id := range b.closed {
		a := *b.attempts[id]
		h.young.attempts[id] = a
		if a.CarrierKey != "" {
			h.young.keys[a.Lane+"\x00"+a.CarrierKey] = id
		}
	}
}
