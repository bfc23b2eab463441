package proxy

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/socket"
	"github.com/outrigger-sidecar/outrigger/lb"
)

// silent is an address that takes connections and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	l := listen(t)
	t.Cleanup(func() { l.Close() })
	return l.Addr().String() // the kernel takes them
}

func poolOf(t *testing.T, k Keeping) *pool {
	t.Helper()
	o := defaults()
	o.Keeping = k
	p := newPool(o, nil, socket.NewClock())
	t.Cleanup(func() {
		p.close()
		if n := o.Meter.Backends.Load(); n != 0 {
			t.Errorf("%d connections are left open", n)
		}
	})
	return p
}

func dialled(t *testing.T, p *pool, address string) *origin {
	t.Helper()
	o, err := p.dial(context.Background(), address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestPoolKeepsWhatWasUsedLast(t *testing.T) {
	p := poolOf(t, Keeping{Most: 3})
	a, b := silent(t), silent(t)
	first, second, third, fourth := dialled(t, p, a), dialled(t, p, b), dialled(t, p, a), dialled(t, p, b)
	for _, o := range []*origin{first, second, third} {
		p.put(o)
	}
	if got := p.take(a, nil); got != third {
		t.Error("not the one that was used last")
	}
	p.put(third)
	p.put(fourth) // one too many: the one idle longest goes
	if got := p.take(a, nil); got != third {
		t.Error("not the one that was used last")
	}
	if got := p.take(a, nil); got != nil {
		t.Error("the oldest was kept")
	}
	if p.take(b, nil) != fourth || p.take(b, nil) != second || p.take(b, nil) != nil || p.count != 0 || p.oldest != nil || p.newest != nil {
		t.Error("not what was put")
	}
	for _, o := range []*origin{second, third, fourth} {
		o.close()
	}
}

func TestPoolForgets(t *testing.T) {
	p := poolOf(t, Keeping{})
	a, b := silent(t), silent(t)
	for _, address := range []string{a, b, a} {
		p.put(dialled(t, p, address))
	}
	p.forget(a)
	if p.take(a, nil) != nil || p.count != 1 || p.meter.Backends.Load() != 1 {
		t.Error("a removed server's connections are kept")
	}
}

func TestPoolSweeps(t *testing.T) {
	p := poolOf(t, Keeping{Idle: time.Minute, Age: time.Hour})
	a, b := silent(t), silent(t)
	at := func(o *origin, born, since time.Duration) *origin {
		o.born, o.since = born, since
		return o
	}
	p.put(at(dialled(t, p, a), 0, 10*time.Second))
	p.put(at(dialled(t, p, b), 0, 20*time.Second))
	p.put(at(dialled(t, p, b), 0, time.Hour)) // as old as it may become
	if p.count != 2 {
		t.Error("one that is too old is kept")
	}
	if next := p.sweep(70 * time.Second); next != 80*time.Second || p.take(a, nil) != nil || p.count != 1 {
		t.Errorf("next at %v, %d left", next, p.count)
	}
	if next := p.sweep(80 * time.Second); next != 0 || p.count != 0 {
		t.Errorf("next at %v, %d left", next, p.count)
	}
}

// Warm connections are there before the first request, and used by it.
func TestWarmConnections(t *testing.T) {
	o := defaults()
	o.Keeping.Warm = 2
	address := backend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	f := startHTTP(t, o, address)
	warm := func(n int64) {
		t.Helper()
		for deadline := time.Now().Add(5 * time.Second); f.Meter.Backends.Load() != n; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d connections, not %d", f.Meter.Backends.Load(), n)
			}
		}
	}
	warm(2)
	if _, body := get(t, "http://"+f.address+"/"); body != "ok" {
		t.Errorf("got %q", body)
	}
	settled(t, f)
	warm(2)
	f.server.(Follower).Removed(&lb.Server{ID: "0", Address: address})
	warm(0)
	f.server.(Follower).Added(&lb.Server{ID: "0", Address: address})
	warm(2)
}
