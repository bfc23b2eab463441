package proxy

import (
	"math"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"
)

// Memory watches how much of the memory limit of the Go runtime (GOMEMLIMIT)
// the process cannot do without, for all servers together. Near the limit the
// collector would run all the time and the kernel might end the process;
// refusing some requests is better. Create it with NewMemory. A nil *Memory
// never refuses.
type Memory struct {
	read  func() (needed, limit uint64)
	start time.Time
	next  atomic.Int64 // when to read again, since start
	state atomic.Int32

	collecting atomic.Bool
	collects   sync.WaitGroup
}

// The states of memory.
const (
	ample int32 = iota
	tight       // from 90% on connections from apps end with the next answer
	short       // from 95% on requests are refused
)

// memoryPause is between two readings, each of which takes microseconds.
const memoryPause = 50 * time.Millisecond

// NewMemory is nil where the runtime has no limit.
func NewMemory() *Memory {
	r := &reading{samples: []metrics.Sample{
		{Name: "/gc/gomemlimit:bytes"}, {Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/unused:bytes"},
	}}
	if _, limit := r.read(); limit >= math.MaxInt64 {
		return nil
	}
	return newMemory(r.read)
}

func newMemory(read func() (needed, limit uint64)) *Memory {
	return &Memory{read: read, start: time.Now()}
}

// reading is of the runtime's metrics.
type reading struct{ samples []metrics.Sample }

// read is what the last collection found alive, and what is no heap. Garbage
// does not count, which near the limit is collected before anything else, and
// so may well fill it.
func (r *reading) read() (needed, limit uint64) {
	metrics.Read(r.samples)
	v := func(i int) uint64 { return r.samples[i].Value.Uint64() }
	heap := v(3) + v(4) + v(5) + v(6)
	return v(1) + v(2) - min(heap, v(2)), v(0)
}

// look is the state, which is read anew if the last reading is old. It is
// called for every request.
func (m *Memory) look() int32 {
	if m == nil {
		return ample
	}
	now := int64(time.Since(m.start))
	if next := m.next.Load(); now >= next && m.next.CompareAndSwap(next, now+int64(memoryPause)) {
		needed, limit := m.read()
		state := ample
		switch {
		case needed >= limit/100*95:
			state = short
			m.collect()
		case needed >= limit/100*90:
			state = tight
		}
		m.state.Store(state)
	}
	return m.state.Load()
}

// collect finds out what is alive now: while requests are refused nothing else
// may make the collector run.
func (m *Memory) collect() {
	if m.collecting.CompareAndSwap(false, true) {
		m.collects.Go(func() {
			runtime.GC()
			m.collecting.Store(false)
		})
	}
}

// Close waits for what m has begun. Call it when no server uses m any more.
func (m *Memory) Close() {
	if m != nil {
		m.collects.Wait()
	}
}
