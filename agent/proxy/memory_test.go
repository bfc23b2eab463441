package proxy

import (
	"math"
	"net/http"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestMemoryKeepsItsDistance(t *testing.T) {
	var needed atomic.Uint64
	var reads atomic.Int64
	m := newMemory(func() (uint64, uint64) { reads.Add(1); return needed.Load(), 1000 })
	defer m.Close()
	o := defaults()
	o.Memory = m
	f := startHTTP(t, o, backend(t, func(http.ResponseWriter, *http.Request) {}))
	for _, step := range []struct {
		needed uint64
		status int
		ends   bool // the connection, with the answer
	}{{899, 200, false}, {900, 200, true}, {949, 200, true}, {950, 503, true}, {2000, 503, true}, {100, 200, false}} {
		needed.Store(step.needed)
		m.next.Store(0) // it is time to read
		resp, err := keptClient(t).Get("http://" + f.address + "/")
		if err != nil {
			t.Fatal(err)
		}
		body := bodyOf(t, resp)
		if resp.StatusCode != step.status || resp.Close != step.ends {
			t.Errorf("with %d of 1000: %d, and the connection ends: %v", step.needed, resp.StatusCode, resp.Close)
		}
		if step.status == 503 && (resp.Header.Get("Retry-After") == "" || !strings.Contains(resp.Header.Get("Proxy-Status"), "error=proxy_internal_error") || !strings.Contains(body, "memory limit")) {
			t.Errorf("%v %q", resp.Header, body)
		}
	}
	settled(t, f)
	if n := f.Meter.Failures()[MemoryShort]; n != 2 {
		t.Errorf("counted %v", f.Meter.Failures())
	}

	// Half a head has no claim to memory either.
	needed.Store(1000)
	m.next.Store(0)
	if answer := raw(t, f.address, "GET / HTTP/1.1\r\nX-Half: "); !answered([]byte(answer), "503") {
		t.Errorf("half a head got %q", answer)
	}

	// However many ask, the runtime is not.
	m.next.Store(int64(time.Hour))
	before := reads.Load()
	if n := testing.AllocsPerRun(1000, func() { m.look() }); n > 0 || reads.Load() != before {
		t.Errorf("%v allocations, %d readings", n, reads.Load()-before)
	}
}

// keptClient is one that does not end connections of its own accord.
func keptClient(t testing.TB) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

func TestMemoryWithoutALimit(t *testing.T) {
	before := debug.SetMemoryLimit(math.MaxInt64)
	defer debug.SetMemoryLimit(before)
	if m := NewMemory(); m != nil || m.look() != ample {
		t.Error("memory is watched without a limit")
	}
	debug.SetMemoryLimit(1 << 40)
	m := NewMemory()
	if m == nil || m.look() != ample {
		t.Fatal("memory is not watched, or short")
	}
	if needed, limit := m.read(); limit != 1<<40 || needed == 0 || needed > 1<<32 {
		t.Errorf("%d of %d needed", needed, limit)
	}
	if n := testing.AllocsPerRun(100, func() { m.read() }); n > 0 {
		t.Errorf("%v allocations for a reading", n)
	}
}

// eventually waits for what must come true.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
