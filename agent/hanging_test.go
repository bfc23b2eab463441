package agent

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/config"
)

// A collector that takes connections and never answers changes nothing for
// requests, of which every one has spans: none fails, memory stays within
// bounds, and the agent ends in time. How much it adds to what the slowest
// percentile takes is logged, beside an agent whose collector answers; with
// OUTRIGGER_CHAOS=1 it has to be within a tenth of a millisecond.
func TestCollectorThatHangs(t *testing.T) {
	release := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer hanging.Close()
	defer close(release)
	taking := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer taking.Close()
	good := backend(t, "good")
	tracing := func(collector string) config.Config {
		return parse(t, `
			agent { drain_timeout = "1s" }
			telemetry {
				traces {
					exporters = ["otlp"]
					protocol  = "http/protobuf"
					endpoint  = %q
				}
				metrics {
					exporters = ["otlp"]
					protocol  = "http/protobuf"
					endpoint  = %q
					interval  = "100ms"
				}
				logs {
					exporters = ["otlp"]
					protocol  = "http/protobuf"
					endpoint  = %q
				}
			}
			upstream "web" {
				listen = "127.0.0.1:0"
				server "good" { address = %q }
			}`, collector, collector, collector, good)
	}
	agents := []*running{run(t, tracing(taking.URL)), run(t, tracing(hanging.URL))}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	defer transport.CloseIdleConnections()

	const rate, turn = 2000, 250 * time.Millisecond
	slowest := make([][]time.Duration, len(agents)) // of each turn, the 99th percentile
	for range 2 {                                   // not measured
		for _, a := range agents {
			called(t, transport, a.url("web"), rate, turn)
		}
	}
	heap := heapInUse()
	for range inFull(40, 4) {
		for i, a := range agents {
			took := called(t, transport, a.url("web"), rate, turn)
			slices.Sort(took)
			slowest[i] = append(slowest[i], took[len(took)*99/100])
		}
	}
	if grown := heapInUse() - heap; grown > 16<<20 {
		t.Errorf("the heap has grown by %d KiB", grown>>10)
	}
	for i := range slowest {
		slices.Sort(slowest[i])
	}
	live, hung := slowest[0][len(slowest[0])/2], slowest[1][len(slowest[1])/2]
	t.Logf("99th percentile: %v with a collector that answers, %v with one that hangs", live, hung)
	if hung-live > 100*time.Microsecond && os.Getenv("OUTRIGGER_CHAOS") != "" {
		t.Errorf("%v more", hung-live)
	}
	if s := agents[1].telemetryStatus().Spans; s.Dropped == 0 || s.Waiting > 4096 {
		t.Errorf("of the spans %+v", s)
	}
	start := time.Now()
	if err := agents[1].end(t); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 6*time.Second+time.Second/2 {
		t.Errorf("it ended after %v, with a second to drain and five for telemetry", took)
	}
}

// called calls at a rate for a while, and returns how long each call took from
// when it was due.
func called(t *testing.T, transport *http.Transport, url string, rate int, while time.Duration) []time.Duration {
	due := make(chan time.Time, rate)
	var mu sync.Mutex
	var all []time.Duration
	var clients sync.WaitGroup
	for range 32 {
		clients.Go(func() {
			for at := range due {
				r, _ := http.NewRequest(http.MethodGet, url, nil)
				resp, err := transport.RoundTrip(r)
				if err != nil {
					t.Error(err)
					continue
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Error(resp.Status)
				}
				mu.Lock()
				all = append(all, time.Since(at))
				mu.Unlock()
			}
		})
	}
	for at, end := time.Now(), time.Now().Add(while); at.Before(end); at = at.Add(time.Second / time.Duration(rate)) {
		time.Sleep(time.Until(at))
		due <- at
	}
	close(due)
	clients.Wait()
	return all
}

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
