package media

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// growingDisk leaves out the zeros: each segment is a file that grows, what Keep would cost without preparation.
type growingDisk struct{ realDisk }

func (d growingDisk) writev(f *os.File, parts [][]byte, at int64) error {
	if !isRecord(parts) {
		return nil
	}
	return d.realDisk.writev(f, parts, at)
}

// BenchmarkKeep is 16 goroutines (4 of the large) that keep pictures: in segments all prepared beforehand, with the
// default reserve kept up meanwhile, and in growing files. Give it a count, as in -benchtime 2000x: it fills the disk.
func BenchmarkKeep(b *testing.B) {
	for _, size := range []int{20 << 10, 300 << 10, 3 << 20} {
		for _, way := range []string{"prepared", "default", "growing"} {
			b.Run(fmt.Sprintf("%dKiB/%s", size>>10, way), func(b *testing.B) { benchmarkKeep(b, size, way) })
		}
	}
}

func benchmarkKeep(b *testing.B, size int, way string) {
	opts := Options{Dir: b.TempDir(), Key: [32]byte{1}}
	switch way {
	case "prepared":
		opts.Reserve = int64(b.N)*recordSize(int64(size))*9/8 + DefaultReserve
	case "growing":
		opts.disk = growingDisk{}
	}
	s := open(b, opts)
	filled(s)
	if way == "prepared" {
		s.reserve.mu.Lock()
		s.reserve.target = 0 // nothing more beside it
		s.reserve.mu.Unlock()
	}
	body := gifOf(1, size)
	clients := 16
	if size > 1<<20 {
		clients = 4
	}
	b.SetParallelism(max(clients/runtime.GOMAXPROCS(0), 1))
	b.SetBytes(int64(size))
	before := processTime(b)
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if err := s.KeepWait(s.ReceiveBytes(body)); err != nil {
				b.Error(err)
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pictures/s")
	b.ReportMetric(float64((processTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
	s.Close()
}

// processTime is what the process has used of the processors, the kernel's part in its calls among it.
func processTime(b *testing.B) time.Duration {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func BenchmarkBytes(b *testing.B) {
	for _, size := range []int{20 << 10, 300 << 10, 3 << 20} {
		for name, budget := range map[string]int64{"memory": 32 << 20, "disk": -1} {
			b.Run(fmt.Sprintf("%dKiB/%s", size>>10, name), func(b *testing.B) {
				opts := testOptions(b.TempDir())
				opts.SegmentSize, opts.Reserve, opts.MemoryBudget = DefaultSegmentSize, 1, budget
				s := open(b, opts)
				k := keep(b, s, gifOf(1, size))
				b.SetBytes(int64(size))
				for b.Loop() {
					if _, err := s.Bytes(context.Background(), k.place, k.id); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
