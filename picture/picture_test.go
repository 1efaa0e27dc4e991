package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"
)

// made by the standard library's encoders: what Inspect says is compared with what was drawn.

func madeJPEG(t testing.TB, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewRGBA(image.Rect(0, 0, w, h)), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func madePNG(t testing.TB, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, w, h))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func madeGIF(t testing.TB, w, h, frames int) []byte {
	t.Helper()
	g := gif.GIF{Config: image.Config{Width: w, Height: h, ColorModel: color.Palette{color.Black, color.White}}}
	for i := range frames {
		palette := color.Palette{color.Black, color.White, color.Gray{Y: byte(i)}} // a local colour table
		g.Image = append(g.Image, image.NewPaletted(image.Rect(0, 0, w, h), palette))
		g.Delay = append(g.Delay, 10)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestInspectRealPictures(t *testing.T) {
	for _, c := range []struct {
		name string
		b    []byte
		want Info
	}{
		{"jpeg", madeJPEG(t, 640, 480), Info{JPEG, 640, 480, 1}},
		{"jpeg of one pixel", madeJPEG(t, 1, 1), Info{JPEG, 1, 1, 1}},
		{"png", madePNG(t, 7, 300), Info{PNG, 7, 300, 1}},
		{"still gif", madeGIF(t, 33, 5, 1), Info{GIF, 33, 5, 1}},
		{"animated gif", madeGIF(t, 20, 40, 12), Info{GIF, 20, 40, 12}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Inspect(c.b)
			if err != nil || got != c.want {
				t.Fatalf("Inspect = %+v, %v; want %+v", got, err, c.want)
			}
			if got, err = Inspect(append(c.b, "bytes after the end"...)); err != nil || got != c.want {
				t.Fatalf("with trailing bytes: %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

// Every cut is either told or leaves all that Info needs: then the answer is the whole picture's.
func TestInspectEveryTruncation(t *testing.T) {
	sof := bytes.Index(madeJPEG(t, 64, 48), []byte{0xff, 0xc0})
	for _, c := range []struct {
		name         string
		b            []byte
		magic, whole int // bytes that make it recognisable, and bytes that make it answerable
	}{
		{"jpeg", madeJPEG(t, 64, 48), 3, sof + 2 + 17},
		{"png", madePNG(t, 64, 48), 8, 33},
		{"gif", madeGIF(t, 9, 9, 3), 6, len(madeGIF(t, 9, 9, 3))},
	} {
		t.Run(c.name, func(t *testing.T) {
			whole, err := Inspect(c.b)
			if err != nil {
				t.Fatal(err)
			}
			for n := range c.b {
				got, err := Inspect(c.b[:n])
				switch {
				case n == 0 && !errors.Is(err, ErrEmpty),
					n > 0 && n < c.magic && !errors.Is(err, ErrUnsupported),
					n >= c.magic && n < c.whole && (!errors.Is(err, ErrCorrupt) || got != Info{Type: whole.Type}),
					n >= c.whole && (err != nil || got != whole):
					t.Fatalf("first %d of %d bytes: %+v, %v", n, len(c.b), got, err)
				}
			}
		})
	}
}

// ihdr is a PNG's beginning with any claim and a right checksum.
func ihdr(width, height uint32) []byte {
	b := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"), make([]byte, 13)...)
	binary.BigEndian.PutUint32(b[16:], width)
	binary.BigEndian.PutUint32(b[20:], height)
	copy(b[24:], []byte{8, 2, 0, 0, 0})
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[12:]))
}

// gifClaim is 34 bytes that claim the largest screen there is.
const gifClaim = "GIF89a\xff\xff\xff\xff\x00\x00\x00" + ",\x00\x00\x00\x00\xff\xff\xff\xff\x00" + "\x02\x01\x00\x00" + ";"

func TestInspectClaims(t *testing.T) {
	for _, c := range []struct {
		name string
		b    string
		want Info
	}{
		{"gif of 4 gigapixels", gifClaim, Info{GIF, 65535, 65535, 1}},
		{"png of 4 exapixels", string(ihdr(1<<31-1, 1<<31-1)), Info{PNG, 1<<31 - 1, 1<<31 - 1, 1}},
		{"jpeg: fill bytes, marker alone, progressive", "\xff\xd8\xff\x01\xff\xff\xff\xe0\x00\x02" +
			"\xff\xc2\x00\x0b\x08\xff\xff\xff\xfe\x01\x01\x11\x00", Info{JPEG, 65534, 65535, 1}},
	} {
		if got, err := Inspect([]byte(c.b)); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
}

func TestInspectRefusals(t *testing.T) {
	wrongSum := ihdr(5, 5)
	wrongSum[32] ^= 1
	for _, c := range []struct {
		name, b string
		want    error
		place   string
	}{
		{"html named jpg", "<html>", ErrUnsupported, ""},
		{"svg", "<svg xmlns='http://www.w3.org/2000/svg'/>", ErrUnsupported, ""},
		{"webp", "RIFF\x00\x00\x00\x00WEBP", ErrUnsupported, ""},
		{"jpeg without frame header", "\xff\xd8\xff\xda\x00\x02", ErrCorrupt, "at byte 2: "},
		{"jpeg that ends at once", "\xff\xd8\xff\xd9", ErrCorrupt, "at byte 2: "},
		{"jpeg segment shorter than its length field", "\xff\xd8\xff\xe0\x00\x01\xff", ErrCorrupt, "at byte 2: "},
		{"jpeg with junk between segments", "\xff\xd8\xff\xe0\x00\x02x", ErrCorrupt, "at byte 6: "},
		{"jpeg with a stuffed zero", "\xff\xd8\xff\x00", ErrCorrupt, "at byte 2: "},
		{"jpeg of no lines", "\xff\xd8\xff\xc0\x00\x0b\x08\x00\x00\x00\x01\x01\x01\x11\x00", ErrCorrupt, "1 by 0"},
		{"jpeg of no components", "\xff\xd8\xff\xc0\x00\x08\x08\x00\x01\x00\x01\x00", ErrCorrupt, "at byte 2: "},
		{"png of no width", string(ihdr(0, 5)), ErrCorrupt, "at byte 16: "},
		{"png past 31 bits", string(ihdr(5, 1<<31)), ErrCorrupt, "at byte 16: "},
		{"png with a wrong checksum", string(wrongSum), ErrCorrupt, "checksum"},
		{"png that begins otherwise", strings.Replace(string(ihdr(5, 5)), "IHDR", "CgBI", 1), ErrCorrupt, "at byte 8: "},
		{"gif of no height", "GIF89a\x01\x00\x00\x00\x00\x00\x00;", ErrCorrupt, "at byte 6: "},
		{"gif without image", "GIF89a\x01\x00\x01\x00\x00\x00\x00;", ErrCorrupt, "at byte 13: "},
		{"gif with a foreign block", "GIF87a\x01\x00\x01\x00\x00\x00\x00\x07", ErrCorrupt, "at byte 13: "},
	} {
		got, err := Inspect([]byte(c.b))
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.place) {
			t.Errorf("%s: %v; want %v with %q", c.name, err, c.want, c.place)
		}
		if got.Width != 0 || got.Height != 0 {
			t.Errorf("%s: refused, yet %+v", c.name, got)
		}
	}
}

func TestInspectAllocatesNothing(t *testing.T) {
	pictures := [][]byte{madeJPEG(t, 640, 480), madePNG(t, 64, 64), madeGIF(t, 64, 64, 20)}
	allocs := testing.AllocsPerRun(100, func() {
		for _, b := range pictures {
			if _, err := Inspect(b); err != nil {
				t.Fatal(err)
			}
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations for three pictures, want none", allocs)
	}
}

func TestSameType(t *testing.T) {
	for _, c := range []struct {
		declared, found string
		want            bool
	}{
		{"image/jpeg", JPEG, true}, {"image/jpg", JPEG, true}, {"IMAGE/JPG; name=\"a.jpg\"", JPEG, true},
		{" image/pjpeg ", JPEG, true}, {"image/x-png", PNG, true}, {"image/gif; broken", GIF, true},
		{"image/png", JPEG, false}, {"image/jpg", PNG, false}, {"", JPEG, false}, {"application/octet-stream", GIF, false},
	} {
		if got := SameType(c.declared, c.found); got != c.want {
			t.Errorf("SameType(%q, %q) = %v", c.declared, c.found, got)
		}
	}
}

// FuzzInspect: whatever the bytes, an answer of the promised shape. Where the standard library reads a header, the
// two agree.
func FuzzInspect(f *testing.F) {
	f.Add(madeJPEG(f, 16, 9))
	f.Add(madePNG(f, 16, 9))
	f.Add(madeGIF(f, 16, 9, 2))
	f.Add(ihdr(1<<31-1, 1))
	f.Add([]byte(gifClaim))
	f.Fuzz(func(t *testing.T, b []byte) {
		info, err := Inspect(b)
		if err != nil {
			if !errors.Is(err, ErrEmpty) && !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrCorrupt) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		if info.Type == "" || info.Width < 1 || info.Height < 1 || info.Frames < 1 {
			t.Fatalf("no error, but %+v", info)
		}
		if c, kind, err := image.DecodeConfig(bytes.NewReader(b)); err == nil &&
			(info.Type != "image/"+kind || info.Width != c.Width || info.Height != c.Height) {
			t.Fatalf("%+v; the standard library says %s %dx%d", info, kind, c.Width, c.Height)
		}
	})
}
