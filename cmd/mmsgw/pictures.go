package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"mmsgw/gateway"
	"mmsgw/gateway/media"
)

// pictures joins the media store, which only appends, with the store's index of
// what lies where: bytes that are there already are not written again. It is the
// Media of the domain and of the API, and gives the carriers' links their bytes.
type pictures struct {
	blobs  *media.Store
	recent places
	index  interface {
		// Place is where a picture's bytes lie, or "" where nobody stored it.
		Place(ctx context.Context, id string) (string, error)
	}
}

// faultOf is the flag's code for what is wrong with bytes received: of those
// that are no picture, the broken ones have a type.
func faultOf(b *media.Blob) string {
	switch {
	case b.Err == nil:
		return ""
	case b.Size == 0:
		return "media_empty"
	case b.Info.Type == "":
		return "unsupported_media_type"
	}
	return "media_corrupt"
}

// Receive inspects a picture. The bytes are its own from then on.
func (p *pictures) Receive(b []byte) *gateway.Upload {
	blob := p.blobs.ReceiveBytes(b)
	return &gateway.Upload{
		Picture: gateway.Picture{ID: blob.ID.String(), Type: blob.Info.Type, Size: blob.Size, Width: blob.Info.Width, Height: blob.Info.Height, Frames: blob.Info.Frames},
		Fault:   faultOf(blob), Handle: blob,
	}
}

// Keep makes uploads durable and sets their Place; those that have one are.
func (p *pictures) Keep(ctx context.Context, uploads []*gateway.Upload) error {
	var fresh []*gateway.Upload
	var blobs []*media.Blob
	for _, u := range uploads {
		if u.Place != "" {
			continue
		}
		var err error
		if u.Place, err = p.place(ctx, u); err != nil {
			return err
		}
		if u.Place == "" && !slices.ContainsFunc(fresh, func(f *gateway.Upload) bool { return f.ID == u.ID }) {
			fresh, blobs = append(fresh, u), append(blobs, u.Handle.(*media.Blob))
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	if err := p.blobs.KeepWait(blobs...); err != nil {
		return storageError(err)
	}
	for i, u := range fresh {
		u.Place = blobs[i].Place
		p.recent.put(u.ID, u.Place)
	}
	for _, u := range uploads { // the second of two equal pictures
		if u.Place == "" {
			u.Place = fresh[slices.IndexFunc(fresh, func(f *gateway.Upload) bool { return f.ID == u.ID })].Place
		}
	}
	return nil
}

// askFrom is the size from which the index is asked whether a picture is stored
// already. Asking costs as much as writing a small one: of those only the ones
// seen lately are known, and one stored twice lies there in vain until its
// segment is used again.
const askFrom = 64 << 10

// place is where a picture's bytes lie already, or "".
func (p *pictures) place(ctx context.Context, u *gateway.Upload) (string, error) {
	if place := p.recent.get(u.ID); place != "" || u.Size < askFrom {
		return place, nil
	}
	place, err := p.index.Place(ctx, u.ID)
	if err == nil && place != "" {
		p.recent.put(u.ID, place)
	}
	return place, err
}

// places remembers where the newest pictures lie: two generations, the old one
// goes when the young one is full.
type places struct {
	mu         sync.Mutex
	young, old map[string]string
}

const placesLimit = 16384

func (r *places) get(id string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if place := r.young[id]; place != "" {
		return place
	}
	return r.old[id]
}

func (r *places) put(id, place string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.young == nil || len(r.young) >= placesLimit {
		r.old, r.young = r.young, map[string]string{}
	}
	r.young[id] = place
}

// storageError says in the domain's words why bytes were not kept.
func storageError(err error) error {
	if errors.Is(err, media.ErrFull) {
		return fmt.Errorf("%w (%v)", gateway.ErrStorageFull, err)
	}
	return fmt.Errorf("%w (%v)", gateway.ErrStorage, err)
}

// Bytes reads a stored picture.
func (p *pictures) Bytes(ctx context.Context, pic gateway.Picture) ([]byte, error) {
	id, err := media.ParseID(pic.ID)
	if err != nil {
		return nil, err
	}
	b, err := p.blobs.Bytes(ctx, pic.Place, id)
	if errors.Is(err, media.ErrCorrupt) {
		return nil, fmt.Errorf("%w: %w", gateway.ErrMediaCorrupt, err)
	}
	return b, err
}
