package media

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/minio/highwayhash"

	"mmsgw/picture"
)

// ID names a picture by the bytes received: the same bytes give the same ID, under one installation's key.
type ID [32]byte

const idPrefix = "med_"

// The strict decoding accepts one spelling of an id only.
var idText = base64.RawURLEncoding.Strict()

// String is the id as users see it: "med_" and 43 characters of base64url (RFC 4648 section 5).
func (id ID) String() string { return idPrefix + idText.EncodeToString(id[:]) }

// ParseID reads what String wrote, and nothing else.
func ParseID(s string) (ID, error) {
	var id ID
	text, ok := strings.CutPrefix(s, idPrefix)
	if !ok || len(text) != idText.EncodedLen(len(id)) {
		return ID{}, errors.New("not a media id: it must be med_ and 43 letters, digits, - and _")
	}
	b, err := idText.AppendDecode(nil, []byte(text))
	if err != nil || len(b) != len(id) { // the decoder skips line ends
		return ID{}, errors.New("not a media id: it must be one this gateway gave out")
	}
	return ID(b), nil
}

// hasher makes ids. HighwayHash-256 reads the bytes, seven times as quick as SHA-256 but no general cryptographic
// hash; SHA-256 under a second key then seals its 32 bytes. So an id shows nothing of the quick hash's state, and who
// lacks the keys cannot work towards two pictures with one id: all the quick hash must do is collide rarely.
type hasher struct{ inner, outer []byte }

func newHasher(key [32]byte) (h hasher, err error) {
	if h.inner, err = hkdf.Expand(sha256.New, key[:], "mmsgw media id: bytes", highwayhash.Size); err != nil {
		return h, err
	}
	h.outer, err = hkdf.Expand(sha256.New, key[:], "mmsgw media id: seal", sha256.Size)
	return h, err
}

func (h hasher) id(b []byte) ID {
	var sealed [2 * sha256.Size]byte
	tag := highwayhash.Sum(b, h.inner)
	copy(sealed[:], h.outer)
	copy(sealed[sha256.Size:], tag[:])
	return sha256.Sum256(sealed[:])
}

// Blob is a picture received: in memory, named and inspected, stored only after Keep. Only Receive and ReceiveBytes
// make one.
type Blob struct {
	ID   ID
	Info picture.Info
	Size int64 // bytes

	// Err is what picture.Inspect found wrong: ErrEmpty, ErrUnsupported or ErrCorrupt. Such a blob is told to the
	// user with all other reasons, and Keep refuses it.
	Err error

	// Place is where Keep stored it, for Bytes; set before done is called without an error. Opaque, never empty then,
	// and good for as long as the installation lives.
	Place string

	body []byte
	sum  uint32 // crc32c of body, made here so that the one writer need not
}

func (b *Blob) recordSize() int64 { return recordSize(int64(len(b.body))) }

// Bytes are the picture's own; they must not be changed.
func (b *Blob) Bytes() []byte { return b.body }

// Receive reads a picture to its end into memory. More than limit bytes give ErrTooLarge, and what is left of r is
// not read. Bytes that are no picture are no error here: see Blob.Err.
func (s *Store) Receive(r io.Reader, limit int64) (*Blob, error) {
	buf, ok := s.scratch.Get().(*bytes.Buffer)
	if !ok {
		buf = new(bytes.Buffer)
	}
	defer s.scratch.Put(buf)
	buf.Reset()
	n, err := io.CopyN(buf, r, limit)
	switch {
	case err == nil:
		if more, err := buf.ReadFrom(io.LimitReader(r, 1)); err != nil {
			return nil, fmt.Errorf("receive picture: after %d bytes: %w", n, err)
		} else if more > 0 {
			return nil, fmt.Errorf("receive picture: %w: more than %d bytes", ErrTooLarge, limit)
		}
	case !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("receive picture: after %d bytes: %w", n, err)
	}
	body := make([]byte, buf.Len())
	copy(body, buf.Bytes())
	return s.ReceiveBytes(body), nil
}

// ReceiveBytes is Receive without a copy: b must not be changed afterwards, nor go back to a pool, for it may stay in
// memory as long as the budget lets it. A small b should not be a slice of something much larger.
func (s *Store) ReceiveBytes(b []byte) *Blob {
	info, err := picture.Inspect(b)
	return &Blob{ID: s.ids.id(b), Info: info, Size: int64(len(b)), Err: err, body: b, sum: crc32.Checksum(b, castagnoli)}
}
