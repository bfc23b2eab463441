package proxy

import (
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
)

// idleTCP opens connections that have carried a word, and tells what each costs
// in KiB: the ends of client and backend are in this process and count too,
// though no goroutine does. Then it has them closed.
func idleTCP(t testing.TB, count int) (heap, stacks float64) {
	t.Helper()
	l := listen(t)
	var held sync.WaitGroup
	held.Go(func() {
		word := make([]byte, 1024)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer conn.Close() // when all are
			if _, err := io.ReadFull(conn, word); err == nil {
				_, _ = conn.Write(word)
			}
		}
	})
	defer held.Wait()
	defer l.Close()
	f := startTCP(t, defaults(), l.Addr().String())
	measure := func() (heap, stacks int64) {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc), int64(m.StackInuse)
	}
	heapBefore, stacksBefore := measure()
	conns, word := make([]net.Conn, count), make([]byte, 1024)
	for i := range conns {
		conns[i] = dialed(t, f)
		_, _ = conns[i].Write(word)
		if _, err := io.ReadFull(conns[i], word); err != nil {
			t.Fatal(err)
		}
	}
	heapAfter, stacksAfter := measure()
	for _, conn := range conns {
		conn.Close()
	}
	each := 1024 * float64(count)
	return float64(heapAfter-heapBefore) / each, float64(stacksAfter-stacksBefore) / each
}

// What a connection that carries nothing costs is mostly the stacks of its two
// goroutines, of 2 KiB each if they are never short of it. New goroutines may
// begin with 4 KiB where most others have need of that.
func TestTCPIdleIsSmall(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector needs more")
	}
	if heap, stacks := idleTCP(t, 500); stacks > 8.5 {
		t.Errorf("%.1f KiB of stacks, %.1f KiB of heap", stacks, heap)
	}
}

func BenchmarkIdleTCP(b *testing.B) {
	for b.Loop() {
		heap, stacks := idleTCP(b, 4000)
		b.ReportMetric(heap, "heap-KiB/conn")
		b.ReportMetric(stacks, "stack-KiB/conn")
	}
}
