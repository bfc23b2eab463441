package proxy

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// simulated are backends that serve a number of requests at once, each in the
// same time; more wait for each other. Load is what clients would have in
// flight; what the limit refuses comes again at once.
func simulated(c *adaptive, from, until time.Duration, capacity, load int64, latency time.Duration) (now time.Duration, most int64) {
	for now = from; now < until; {
		n := min(load, c.limit.Load())
		most = max(most, n)
		took := max(latency, latency*time.Duration(n)/time.Duration(capacity))
		now += took
		for range n {
			c.observe(now, took, n)
		}
	}
	return now, most
}

func TestAdaptiveFindsTheCapacity(t *testing.T) {
	m := new(Meter)
	c := newAdaptive(&Adaptive{Min: 5, Max: 1000, Tolerance: 1.5}, m)
	// With little to do the limit stays where it is.
	now, _ := simulated(c, 0, 20*time.Second, 50, 20, 10*time.Millisecond)
	if got := c.limit.Load(); got < 60 {
		t.Errorf("with 20 in flight the limit is %d", got)
	}
	// With far too much it goes down to what the backends do, and stays there
	// over twenty measurements, though there is no moment without load any more.
	now, _ = simulated(c, now, now+time.Minute, 50, 5000, 10*time.Millisecond)
	for n := range 5 {
		var most int64
		now, most = simulated(c, now, now+2*time.Minute, 50, 5000, 10*time.Millisecond)
		if got := int64(c.wanted); got < 50 || most > 100 {
			t.Fatalf("in the %dth two minutes the limit is %d, and was up to %d, where 50 are served at once", n, got, most)
		}
	}
	// Backends that are ten times as fast get more.
	now, _ = simulated(c, now, now+5*time.Minute, 500, 5000, 10*time.Millisecond)
	if got := int64(c.wanted); got < 500 || got > 900 {
		t.Errorf("the limit is %d where 500 are served at once", got)
	}
	// Backends that have become slower, but not for want of places, lose nothing.
	now, _ = simulated(c, now, now+2*time.Minute, 500, 200, 70*time.Millisecond)
	if got := c.limit.Load(); got < 200 {
		t.Errorf("the limit is %d where 200 are in flight, and up to 500 are served at once", got)
	}
	// And it is never less than it may be, however slow they are.
	now, _ = simulated(c, now, now+10*time.Second, 500, 5000, 10*time.Millisecond)
	simulated(c, now, now+10*time.Second, 1, 5000, 10*time.Millisecond)
	if got := c.limit.Load(); got < 5 || got != m.Concurrency.Load() && c.since == 0 {
		t.Errorf("the limit is %d, counted as %d", got, m.Concurrency.Load())
	}
}

// What binds nobody is not made to bind in order to measure.
func TestAdaptiveMeasuresWithoutRefusing(t *testing.T) {
	c := newAdaptive(&Adaptive{Min: 5, Max: 1000, Tolerance: 1.5}, new(Meter))
	now := time.Duration(0)
	for measured := 0; measured < 10; {
		now += 10 * time.Millisecond
		was := c.since
		for range 60 {
			c.observe(now, 10*time.Millisecond, 60)
		}
		if c.since != 0 && was == 0 {
			measured++
		}
		if now > 5*time.Second && !c.allows(60) {
			t.Fatalf("at %v the limit is %d, and 60 are in flight as ever", now, c.limit.Load())
		}
		if now > time.Hour {
			t.Fatal("the baseline is not measured again")
		}
	}
}

func TestAdaptiveAtWork(t *testing.T) {
	release := make(chan struct{})
	o := defaults()
	o.Limits.Adaptive = &Adaptive{Min: 1, Max: 2, Tolerance: 1.5}
	f := startHTTP(t, o, backend(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	done := make(chan struct{})
	for range 2 {
		go func() { get(t, "http://"+f.address+"/"); done <- struct{}{} }()
	}
	waitForActive(t, f, 2)
	resp, body := get(t, "http://"+f.address+"/")
	close(release)
	<-done
	<-done
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "1" || !strings.Contains(resp.Header.Get("Proxy-Status"), "error=connection_limit_reached") || !strings.Contains(body, "latency") {
		t.Errorf("%d %v %q", resp.StatusCode, resp.Header, body)
	}
	settled(t, f)
	if n := f.Meter.Failures()[ConcurrencyLimit]; n != 1 || f.Meter.Concurrency.Load() != 2 {
		t.Errorf("counted %v, limit %d", f.Meter.Failures(), f.Meter.Concurrency.Load())
	}
	if n := f.server.(*HTTP).entrance.inFlight.Load(); n != 0 {
		t.Errorf("%d in flight at the end", n)
	}
}

func waitForActive(t testing.TB, f *front, n int64) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); f.Meter.Active.Load() < n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d under way, not %d", f.Meter.Active.Load(), n)
		}
	}
}
