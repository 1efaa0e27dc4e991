package api_test

import (
	"bytes"
	"net/http"
	"testing"
)

// BenchmarkSubmit is the way of a form through decoding, checks and answer;
// the stand-ins for store and media cost next to nothing.
func BenchmarkSubmit(b *testing.B) {
	for name, c := range map[string]struct{ images, size int }{"1x20KB": {1, 20_000}, "10x300KB": {10, 300_000}} {
		b.Run(name, func(b *testing.B) {
			w := open(b)
			w.forget = true
			w.gateway.Carriers = carriers{}
			pieces := []piece{message(base(`,"text":"Thanks for coming by!"`))}
			for range c.images {
				pieces = append(pieces, piece{"media", "a.png", "image/png", bigPic(c.size)})
			}
			body, kind := form(pieces...)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if a := w.do("POST", "/v1/messages", bytes.NewReader(body), "Content-Type", kind); a.status != http.StatusAccepted {
					b.Fatalf("HTTP %d: %s", a.status, a.body)
				}
			}
		})
	}
}
