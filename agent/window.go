package agent

import (
	"sync"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/lb"
)

// A window looks back over a minute or so, in steps.
const (
	windowStep  = 5 * time.Second
	windowSteps = 12
)

// reading is what counters said at one moment.
type reading struct {
	at       time.Time
	requests int64
	errors   int64
	took     proxy.Counts
	servers  map[string]int64 // requests by server ID and address
}

func read(m *proxy.Meter, servers []lb.ServerStats) reading {
	r := reading{
		at: time.Now(), requests: m.Requests.Load(), errors: m.Errors.Load(), took: m.Took.Load(),
		servers: make(map[string]int64, len(servers)),
	}
	for _, s := range servers {
		r.servers[serverKey(s.Server)] = s.Requests
	}
	return r
}

func serverKey(s *lb.Server) string { return s.ID + " " + s.Address }

// window remembers readings, so that status can tell of the last minute.
type window struct {
	mu    sync.Mutex
	steps []reading // oldest first, never empty
}

func newWindow(first reading) *window { return &window{steps: []reading{first}} }

func (w *window) push(r reading) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.steps) == windowSteps {
		w.steps = append(w.steps[:0], w.steps[1:]...)
	}
	w.steps = append(w.steps, r)
}

// rates are the traffic of the last minute, or since the start.
type rates struct {
	PerSecond  float64
	ErrorShare float64 // of the requests; 0 without any
	P50, P99   time.Duration
	shares     map[string]float64 // of the picks, by serverKey; empty without any
}

func (w *window) rates(now reading) rates {
	w.mu.Lock()
	then := w.steps[0]
	w.mu.Unlock()
	var r rates
	requests := now.requests - then.requests
	if d := now.at.Sub(then.at).Seconds(); d > 0 {
		r.PerSecond = float64(requests) / d
	}
	if requests > 0 {
		r.ErrorShare = float64(now.errors-then.errors) / float64(requests)
	}
	took := now.took.Sub(then.took)
	r.P50, r.P99 = took.Quantile(0.5), took.Quantile(0.99)

	r.shares = make(map[string]float64, len(now.servers))
	var picks int64
	for key, n := range now.servers {
		r.shares[key] = float64(n - then.servers[key])
		picks += n - then.servers[key]
	}
	for key := range r.shares {
		if picks > 0 {
			r.shares[key] /= float64(picks)
		}
	}
	return r
}
