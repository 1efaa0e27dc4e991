package media

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/minio/highwayhash"
)

// BenchmarkHash compares what an id can be made of: docs/decisions says which won.
func BenchmarkHash(b *testing.B) {
	key := make([]byte, highwayhash.Size)
	for _, size := range []int{20 << 10, 300 << 10, 3 << 20} {
		body := make([]byte, size)
		for i := range body {
			body[i] = byte(i * 7)
		}
		b.Run(fmt.Sprintf("sha256/%dKiB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				sha256.Sum256(body)
			}
		})
		b.Run(fmt.Sprintf("highwayhash/%dKiB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				highwayhash.Sum(body, key)
			}
		})
	}
}
