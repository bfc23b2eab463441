package lb

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// counting is a prober that costs nothing itself and stops a run after some.
type counting struct {
	left *atomic.Int64
	done chan struct{}
}

func (c counting) Probe(context.Context, health.Target) (string, error) {
	if c.left.Add(-1) == 0 {
		close(c.done)
	}
	return "fine", nil
}

// BenchmarkProbes is one probe of 10,000 servers', without the probing itself,
// as fast as they can be made. It also tells what a server's probing holds of
// memory.
func BenchmarkProbes(b *testing.B) {
	const n = 10000
	probing := func(check *health.Check) (stop func()) {
		s := health.NewScheduler(health.Budget{PerSecond: 1e9}, nil)
		balancer := New(nil, WithHealth(Health{Check: check}), WithScheduler(s))
		if err := balancer.Replace(servers(n)); err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(b.Context())
		var runs sync.WaitGroup
		runs.Go(func() { _ = s.Run(ctx) })
		runs.Go(func() { _ = balancer.Run(ctx) })
		return func() { cancel(); runs.Wait() }
	}

	idle := &health.Check{Prober: counting{new(atomic.Int64), make(chan struct{})}, Interval: time.Hour}
	balancer := New(nil)
	if err := balancer.Replace(servers(n)); err != nil {
		b.Fatal(err)
	}
	before := inUse()
	stop := probing(idle)
	time.Sleep(1500 * time.Millisecond) // all have been probed once
	after := inUse()
	stop()
	runtime.KeepAlive(balancer)

	c := counting{new(atomic.Int64), make(chan struct{})}
	c.left.Store(int64(b.N))
	b.ReportAllocs()
	b.ResetTimer()
	stop = probing(&health.Check{Prober: c, Interval: time.Millisecond})
	<-c.done
	b.StopTimer()
	stop()
	b.ReportMetric(float64(after-before)/n, "B/server")
}

// inUse is what is held of memory, goroutines' stacks included.
func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
