package proxy

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func TestRate(t *testing.T) {
	r := newRate(&RateLimit{PerSecond: 10, Burst: 5})
	taken := func(now time.Duration) (n int, wait time.Duration) {
		for {
			w, ok := r.take(now)
			if !ok {
				return n, w
			}
			n++
		}
	}
	for _, step := range []struct {
		at   time.Duration
		n    int
		wait time.Duration
	}{{time.Hour, 5, 100 * time.Millisecond}, {time.Hour + 50*time.Millisecond, 0, 50 * time.Millisecond}, {time.Hour + 300*time.Millisecond, 3, 100 * time.Millisecond}, {2 * time.Hour, 5, 100 * time.Millisecond}} {
		if n, wait := taken(step.at); n != step.n || wait != step.wait {
			t.Errorf("at %v: %d taken, then %v to wait; want %d and %v", step.at, n, wait, step.n, step.wait)
		}
	}
	if n := testing.AllocsPerRun(100, func() { r.take(time.Hour) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// However many come at once, no more pass than there are tokens.
func TestRateAtOnce(t *testing.T) {
	r := newRate(&RateLimit{PerSecond: 1, Burst: 100})
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if _, ok := r.take(time.Second); ok {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := passed.Load(); n != 100 {
		t.Errorf("%d passed", n)
	}
}

func TestRateLimitAtWork(t *testing.T) {
	o := defaults()
	o.Limits.Rate = &RateLimit{PerSecond: 0.01, Burst: 2}
	f := startHTTP(t, o, backend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "done") }))
	for range 2 {
		if resp, _ := get(t, "http://"+f.address+"/"); resp.StatusCode != 200 {
			t.Fatalf("got %d", resp.StatusCode)
		}
	}
	resp, body := get(t, "http://"+f.address+"/")
	if after := resp.Header.Get("Retry-After"); resp.StatusCode != 429 || after != "100" && after != "99" ||
		!strings.Contains(resp.Header.Get("Proxy-Status"), "error=http_request_denied") || !strings.Contains(body, "rate limit") {
		t.Errorf("%d %v %q", resp.StatusCode, resp.Header, body)
	}
	err := grpcClient(t, f.address).Invoke(t.Context(), "/test.Echo/Call", wrapperspb.String("x"), new(wrapperspb.StringValue))
	if s := status.Convert(err); s.Code() != codes.ResourceExhausted || !strings.Contains(s.Message(), "rate limit") {
		t.Errorf("gRPC: %v", err)
	}
	settled(t, f)
	if n := f.Meter.Failures()[RateLimited]; n != 2 || f.Meter.Requests.Load() != 4 {
		t.Errorf("counted %v of %d", f.Meter.Failures(), f.Meter.Requests.Load())
	}
}
