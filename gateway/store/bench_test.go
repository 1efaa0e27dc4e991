package store

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mmsgw/gateway"
)

// BenchmarkWalk is a message's whole life in the store: accepted with its
// attempt riding along, settled, reported; sixteen at a time. CPU per message
// is steadier than the rate: judge by it.
func BenchmarkWalk(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchmarkWalk(b, Options{Path: filepath.Join(b.TempDir(), "mmsgw.db")}) })
	b.Run("postgres", func(b *testing.B) { benchmarkWalk(b, Options{DSN: postgresDSN(b)}) })
}

func benchmarkWalk(b *testing.B, o Options) {
	s, err := Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	lease, _, err := s.Own(b.Context(), "north", "bench")
	if err != nil {
		b.Fatal(err)
	}
	w := &world{Store: s, now: time.Now()}
	before := processCPU()
	b.ResetTimer()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if err := walk(b, w, lease, n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(processCPU()-before)/float64(b.N)/1000, "CPU-µs/msg")
}

func walk(b *testing.B, w *world, lease gateway.Lease, n int64) error {
	m := w.message(alice)
	m.Media = []gateway.Picture{{ID: fmt.Sprintf("med_%016x", uint64(n)*0x9E3779B97F4A7C15), Type: "image/jpeg", Size: 20000, Place: "1:0:20000"}}
	a := gateway.Attempt{ID: gateway.NewID(), Kind: gateway.Submits, MessageID: m.ID, Covers: []int{0}, Lane: "north", Owner: "bench", Epoch: lease.Epoch, Dials: 1, OpenedAt: w.now}
	if _, err := w.Accept(b.Context(), gateway.Accept{Message: m, Attempts: []gateway.Attempt{a}}); err != nil {
		return err
	}
	key := fmt.Sprintf("%016x", uint64(n)*0x9E3779B97F4A7C15)
	done := make(chan error, 1)
	w.Settle(gateway.Settlement{Attempt: a.ID, Lane: "north", Result: gateway.Result{Outcome: gateway.Accepted, Code: "1000", CarrierKey: key},
		Next: []gateway.NextOf{{Next: gateway.Next{State: gateway.Sent, Reason: gateway.AwaitingReport, Claim: gateway.ByCarrier, Due: w.now.Add(time.Hour)}}}}, func(err error) { done <- err })
	if err := <-done; err != nil {
		return err
	}
	return w.Report(b.Context(), w.report(key, alice, gateway.ReportRetrieved))
}

func processCPU() time.Duration {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
