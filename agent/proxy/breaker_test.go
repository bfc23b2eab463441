package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func TestBreaker(t *testing.T) {
	var told []string
	m := new(Meter)
	b := newBreaker(&Breaker{FailurePercent: 50, Window: 10 * time.Second, MinRequests: 10, OpenTime: 5 * time.Second, TrialRequests: 2}, m,
		func(from, to CircuitState) { told = append(told, fmt.Sprint(from, ">", to)) })
	now := 100 * time.Second
	end := func(v verdict, n int) {
		for range n {
			b.record(now, v, 0)
		}
	}
	try := func(want bool) (trial uint32) {
		t.Helper()
		trial, wait, ok := b.allow(now)
		if ok != want || !ok && wait <= 0 {
			t.Fatalf("at %v: allowed %v, or in %v", now, ok, wait)
		}
		return trial
	}
	end(bad, 9) // too few to judge by
	try(true)
	now += 11 * time.Second // they do not count any more
	end(bad, 9)
	end(good, 10)
	end(unjudged, 100) // and these never do
	end(bad, 1)        // 10 of 20
	try(false)
	if m.Circuit.Load() != int64(CircuitOpen) || m.CircuitOpened.Load() != 1 {
		t.Errorf("counted as %d, opened %d times", m.Circuit.Load(), m.CircuitOpened.Load())
	}
	end(good, 50) // what began before says nothing now
	try(false)
	now += 5 * time.Second
	first, second := try(true), try(true)
	try(false) // no more than two at once
	b.record(now, good, first)
	third := try(true)
	b.record(now, bad, third) // one that fails is enough
	try(false)
	now += 5 * time.Second
	fourth := try(true)
	b.record(now, good, second) // of the time before
	if s := CircuitState(b.state.Load()); s != CircuitHalfOpen {
		t.Errorf("a trial of another turn made it %v", s)
	}
	b.record(now, unjudged, fourth)
	b.record(now, good, try(true))
	b.record(now, good, try(true))
	if try(true) != 0 {
		t.Error("it is tried still")
	}
	end(bad, 9) // it began anew
	try(true)
	want := []string{"closed>open", "open>half_open", "half_open>open", "open>half_open", "half_open>closed"}
	for i := range told {
		told[i] = strings.ReplaceAll(told[i], " ", "")
	}
	if !slices.Equal(told, want) {
		t.Errorf("told %v", told)
	}
}

// Trials that never end must not keep the circuit from being tried again.
func TestBreakerOutlivesTrialsThatStream(t *testing.T) {
	b := newBreaker(&Breaker{FailurePercent: 50, Window: time.Second, MinRequests: 1, OpenTime: time.Second, TrialRequests: 1}, new(Meter), nil)
	b.record(0, bad, 0)
	stream, _, ok := b.allow(time.Second)
	if _, _, more := b.allow(time.Second); !ok || more {
		t.Fatal("not one trial")
	}
	trial, _, ok := b.allow(2 * time.Second)
	if !ok {
		t.Fatal("no other trial after a while")
	}
	b.record(2*time.Second, good, trial)
	b.record(2*time.Second, bad, stream)
	if s := CircuitState(b.state.Load()); s != CircuitClosed {
		t.Errorf("it is %v", s)
	}
}

func TestBreakerAtWork(t *testing.T) {
	var broken atomic.Bool
	var asked atomic.Int64
	broken.Store(true)
	o := defaults()
	o.Limits.Breaker = &Breaker{FailurePercent: 50, Window: 10 * time.Second, MinRequests: 5, OpenTime: 300 * time.Millisecond, TrialRequests: 1}
	var mu sync.Mutex
	var told []CircuitState
	o.OnCircuit = func(_, to CircuitState) { mu.Lock(); told = append(told, to); mu.Unlock() }
	f := startHTTP(t, o, backend(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1); broken.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	for range 5 {
		if resp, _ := get(t, "http://"+f.address+"/"); resp.StatusCode != 500 {
			t.Fatalf("got %d", resp.StatusCode)
		}
	}
	settled(t, f)
	resp, body := get(t, "http://"+f.address+"/")
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "1" || !strings.Contains(resp.Header.Get("Proxy-Status"), "error=destination_unavailable") ||
		!strings.Contains(body, "circuit breaker is open") || asked.Load() != 5 {
		t.Errorf("%d %v %q after %d requests at the backend", resp.StatusCode, resp.Header, body, asked.Load())
	}
	err := grpcClient(t, f.address).Invoke(t.Context(), "/test.Echo/Call", wrapperspb.String("x"), new(wrapperspb.StringValue))
	if s := status.Convert(err); s.Code() != codes.Unavailable || !strings.Contains(s.Message(), "circuit breaker") {
		t.Errorf("gRPC: %v", err)
	}
	settled(t, f)
	if n := f.Meter.Failures()[CircuitBroken]; n != 2 {
		t.Errorf("counted %v", f.Meter.Failures())
	}
	broken.Store(false)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if resp, _ := get(t, "http://"+f.address+"/"); resp.StatusCode == 200 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it does not close again")
		}
	}
	settled(t, f)
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(told, []CircuitState{CircuitOpen, CircuitHalfOpen, CircuitClosed}) || f.Meter.Circuit.Load() != 0 {
		t.Errorf("told %v, counted as %d", told, f.Meter.Circuit.Load())
	}
}

// What the client does wrong, or gives up, does not open the circuit.
func TestBreakerIsNotTheClients(t *testing.T) {
	arrived := make(chan struct{}, 1)
	o := defaults()
	o.Limits.Breaker = &Breaker{FailurePercent: 1, Window: time.Minute, MinRequests: 1, OpenTime: time.Minute, TrialRequests: 1}
	o.Timeouts.Idle = 50 * time.Millisecond
	f := startHTTP(t, o, backend(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hang":
			arrived <- struct{}{}
			<-r.Context().Done()
		case "/upload":
			_, _ = io.Copy(io.Discard, r.Body)
		case "/404":
			w.WriteHeader(404)
		}
	}))
	get(t, "http://"+f.address+"/404")
	raw(t, f.address, "bad request\r\n\r\n")
	raw(t, f.address, "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf") // 504
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+f.address+"/hang", nil)
	go func() { <-arrived; cancel() }()
	if resp, err := client(t).Do(req); err == nil {
		resp.Body.Close()
	}
	settled(t, f)
	if n := f.Meter.CircuitOpened.Load(); n != 0 {
		t.Errorf("opened %d times; failures %v", n, f.Meter.Failures())
	}
}

func TestJudged(t *testing.T) {
	for _, test := range []struct {
		r    Result
		want verdict
	}{
		{Result{Status: 200, GRPC: -1}, good},
		{Result{Status: 404, GRPC: -1}, good},
		{Result{Status: 500, GRPC: -1}, bad},
		{Result{Status: 200, GRPC: 0}, good},
		{Result{Status: 200, GRPC: 5}, good},
		{Result{Status: 200, GRPC: 14}, bad},
		{Result{Status: 500, GRPC: -1, Cancelled: true}, unjudged},
		{Result{Status: 502, GRPC: -1, Error: string(Reset)}, bad},
		{Result{Status: 503, GRPC: -1, Error: string(RateLimited)}, unjudged},
	} {
		if got := judged(test.r, false); got != test.want {
			t.Errorf("%+v: %d, want %d", test.r, got, test.want)
		}
	}
	if judged(Result{Status: 504, Error: string(IdleTimeout)}, true) != unjudged {
		t.Error("a slow client is the backends' fault")
	}
}
