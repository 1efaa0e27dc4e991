// Package picture tells what the bytes of a GIF, PNG or JPEG are without decoding a pixel.
//
// It reads only the header structures: a picture that claims a billion pixels costs no more than a small one,
// and nothing is allocated in proportion to the input. The standards are GIF89a, PNG (RFC 2083, ISO 15948) and
// JPEG (ITU-T T.81); the three are those TS 23.140 and OMA MMS conformance let every phone show.
package picture

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"strings"
)

// The media types Inspect answers with.
const (
	GIF  = "image/gif"
	JPEG = "image/jpeg"
	PNG  = "image/png"
)

// The ways in which bytes are no picture. Test with errors.Is; ErrCorrupt comes wrapped with the place.
var (
	ErrEmpty       = errors.New("picture is empty: zero bytes")
	ErrUnsupported = errors.New("not a GIF, PNG or JPEG")
	ErrCorrupt     = errors.New("picture is truncated or broken")
)

// Info is what the header structures say.
type Info struct {
	Type   string // GIF, JPEG or PNG, from the bytes alone
	Width  int    // pixels, 1 or more; of a GIF, its logical screen
	Height int    // pixels, 1 or more
	Frames int    // images one after the other in a GIF; 1 for the others
}

// Inspect says what b is. The error is ErrEmpty, ErrUnsupported, or ErrCorrupt where the magic is right and a
// structure that Info needs is truncated or impossible; then Info.Type alone is set.
//
// A JPEG is read as far as its frame header, a PNG as far as IHDR, a GIF to its trailer: the frames must be counted.
// Width times Height may pass 32 bits: multiply as int64.
func Inspect(b []byte) (Info, error) {
	switch {
	case len(b) == 0:
		return Info{}, ErrEmpty
	case bytes.HasPrefix(b, []byte("\xff\xd8\xff")):
		return inspectJPEG(b)
	case bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n")):
		return inspectPNG(b)
	case bytes.HasPrefix(b, []byte("GIF87a")), bytes.HasPrefix(b, []byte("GIF89a")):
		return inspectGIF(b)
	}
	return Info{}, ErrUnsupported
}

// SameType tells whether the media type somebody declared means the one that Inspect found. Case and parameters
// do not count, and the old names of JPEG and PNG (image/jpg, image/pjpeg, image/x-png) are theirs. A type that says
// nothing ("", application/octet-stream) is not the same; whether it is a mismatch is the caller's to say.
func SameType(declared, found string) bool {
	name, _, err := mime.ParseMediaType(declared)
	if err != nil { // broken parameters do not hide a right type
		name, _, _ = strings.Cut(declared, ";")
		name = strings.ToLower(strings.TrimSpace(name))
	}
	switch name {
	case "image/jpg", "image/pjpeg":
		name = JPEG
	case "image/x-png":
		name = PNG
	}
	return name == found
}

// corrupt names the place: a byte offset, and the structure that begins there.
func corrupt(at int, format string, a ...any) error {
	return fmt.Errorf("%w: at byte %d: %s", ErrCorrupt, at, fmt.Sprintf(format, a...))
}
