package agent

import (
	"cmp"
	"slices"
	"strings"
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
	servers  []serverReading // in order, since a map of ten thousand takes some times the room
	shadow   lb.ShadowStats
}

// serverReading is what counters said of one server. What the shadow strategy
// would have done is counted since that was set.
type serverReading struct {
	server                   serverKey
	requests, shadowRequests int64
	busy, shadowBusy         time.Duration
	planned                  float64 // share of all requests
}

func read(m *proxy.Meter, servers []lb.ServerStats, all lb.Stats) reading {
	r := reading{
		at: time.Now(), requests: m.Requests.Load(), errors: m.Errors.Load(), took: m.Took.Load(),
		servers: make([]serverReading, len(servers)), shadow: all.Shadow,
	}
	for i, s := range servers {
		r.servers[i] = serverReading{
			server: keyOf(s.Server), requests: s.Requests, shadowRequests: s.Shadow.Requests,
			busy: s.Busy, shadowBusy: s.Shadow.Busy, planned: s.Place.Share,
		}
	}
	slices.SortFunc(r.servers, func(a, b serverReading) int { return a.server.compare(b.server) })
	return r
}

// of is what counters said of one server, nothing where it was not there.
func (r reading) of(k serverKey) serverReading {
	i, ok := slices.BinarySearchFunc(r.servers, k, func(s serverReading, k serverKey) int { return s.server.compare(k) })
	if !ok {
		return serverReading{}
	}
	return r.servers[i]
}

// serverKey is what a server is known by over time.
type serverKey struct{ id, address string }

func keyOf(s *lb.Server) serverKey { return serverKey{s.ID, s.Address} }

func (k serverKey) compare(o serverKey) int {
	return cmp.Or(strings.Compare(k.id, o.id), strings.Compare(k.address, o.address))
}

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

	shares, shadowShares shares // of the picks
	imbalance            Imbalance
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

	load, shadowLoad, planned := make(shares), make(shares), make(shares)
	r.shares, r.shadowShares = make(shares), make(shares)
	for _, n := range now.servers {
		key, before := n.server, then.of(n.server)
		if now.shadow.Picks < then.shadow.Picks || now.shadow.Strategy != then.shadow.Strategy {
			before.shadowRequests, before.shadowBusy = 0, 0 // another one was set meanwhile
		}
		planned[key] = n.planned
		r.shares[key] = float64(n.requests - before.requests)
		r.shadowShares[key] = float64(n.shadowRequests - before.shadowRequests)
		load[key] = float64(n.busy - before.busy)
		shadowLoad[key] = float64(n.shadowBusy - before.shadowBusy)
	}
	r.imbalance = Imbalance{
		Picks: r.shares.over(planned), Load: load.over(planned),
		ShadowPicks: r.shadowShares.over(planned), ShadowLoad: shadowLoad.over(planned),
	}
	r.shares.normalise()
	r.shadowShares.normalise()
	return r
}

// shares are parts of a whole.
type shares map[serverKey]float64

// normalise has the parts sum up to 1, if they are not all 0.
func (s shares) normalise() {
	sum := 0.0
	for _, part := range s {
		sum += part
	}
	for key := range s {
		if sum > 0 {
			s[key] /= sum
		}
	}
}

// over is how many times its planned share the one had that had most of it, by
// that measure; 0 where nobody had anything. Those that are to get nothing, as
// they are out by now, are not looked at.
func (s shares) over(planned shares) float64 {
	sum, most := 0.0, 0.0
	for key, part := range s {
		if planned[key] > 0 {
			sum += part
			most = max(most, part/planned[key])
		}
	}
	if sum <= 0 {
		return 0
	}
	return most / sum
}
