package app_test

import (
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkStorm measures how many commits a second are taken for one lane whose
// run is under way, each from its sending to its answer: under "latest" each
// supersedes the one before, under "fifo" the queue grows.
func BenchmarkStorm(b *testing.B) {
	for _, policy := range []string{"latest", "fifo"} {
		b.Run(policy, func(b *testing.B) {
			s := newStorm(b, 1, policy, time.Hour)
			if !s.push(0, sha(0, 0)) {
				b.FailNow()
			}
			s.waitFor("the first run waits for Octopus", func() bool { return s.count("runs where status = 'waiting'") == 1 })
			var sent atomic.Int64
			b.SetParallelism(10) // senders for each processor
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if !s.push(0, sha(1, int(sent.Add(1)))) {
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
			b.StopTimer()
			if n := s.count("runs"); n != b.N+1 {
				b.Errorf("%d runs of %d commits", n, b.N+1)
			}
		})
	}
}
