package lb

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"sync/atomic"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// MaxWeight is the largest weight of a server, as in Consul.
const MaxWeight = 65535

// Server is one backend. A Balancer keeps it by value and never changes it;
// its Metadata must not be changed after it was given away.
type Server struct {
	ID             string // unique in its balancer
	Address        string // host:port or unix:///path
	Weight         int    // share relative to the others; 0 means 1
	MaxConnections int    // leases at once; 0 means no limit
	HealthPath     string // what HTTP probes ask for; "" means the check's own, /health by default
	Zone           string
	Metadata       map[string]string
	Declared       health.Declaration // a registry's opinion; zero value: none
}

func (s *Server) validate() error {
	switch {
	case s.ID == "":
		return errors.New("lb: server without an ID")
	case s.Address == "":
		return fmt.Errorf("lb: server %q has no address", s.ID)
	case s.Weight < 0 || s.Weight > MaxWeight:
		return fmt.Errorf("lb: server %q: weight %d is not between 0 (meaning 1) and %d", s.ID, s.Weight, MaxWeight)
	case s.MaxConnections < 0:
		return fmt.Errorf("lb: server %q: max connections %d is negative", s.ID, s.MaxConnections)
	}
	return nil
}

func (s *Server) equal(o *Server) bool {
	return s.ID == o.ID && s.Address == o.Address && s.Weight == o.Weight &&
		s.MaxConnections == o.MaxConnections && s.HealthPath == o.HealthPath && s.Zone == o.Zone &&
		s.Declared == o.Declared && maps.Equal(s.Metadata, o.Metadata)
}

// member is a server in a balancer, with everything that outlives the pools.
// The fields up to the counters are guarded by Balancer.mu.
type member struct {
	spec    *Server // replaced, never written to
	verdict health.Verdict
	since   time.Time // of the verdict's state
	left    time.Time // when it was removed; zero while it is there
	usable  bool      // is in the pool

	probe   health.Result // the last one; Status counts
	probed  time.Time
	regain  int // good probes since the ejection began
	outlier outlier

	counters
}

// outlier is where a member stands with ejections.
type outlier struct {
	until time.Time // out until then; zero while in
	ended time.Time // when the last one ended or will end
	row   int       // ejections in a row, for the length of the next one
	total int64
	cause string
	// unreachable says that the last failure was one to connect.
	unreachable bool
}

func (m *member) evidence(f health.Freshness) health.Evidence {
	return health.Evidence{
		Declared:  m.spec.Declared,
		Freshness: f,
		Probe:     m.probe.Status,
		Ejected:   !m.outlier.until.IsZero(),
		Weight:    m.spec.Weight,
		Before:    m.verdict,
	}
}

// counters are what leases write and strategies read, without a lock. They
// stand on cache lines of their own: two servers must not slow each other.
type counters struct {
	_        [64]byte
	active   atomic.Int64 // leases not yet released
	requests atomic.Int64 // leases ever given
	_        [48]byte
	failures atomic.Int64
	streak   atomic.Int64 // failures since the last success
	last     atomic.Int64 // ns; the last response time, 0 before the first
	smoothed average      // of response times
	cost     average      // of response times, quick to rise and with failures as slow answers
	busy     atomic.Int64 // ns; the sum of all response times
	_        [64]byte
}

// reserve takes a place if there is one. Check and taking are one step, so
// that callers at the same moment cannot share the last place.
func (c *counters) reserve(limit int64) bool {
	if limit == 0 {
		c.active.Add(1)
		return true
	}
	for {
		n := c.active.Load()
		if n >= limit {
			return false
		}
		if c.active.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// average is an exponentially decaying mean of durations: a sample's weight
// falls to 1/e in decay, whatever the rate of samples. A lost update between
// two writers only loses one sample of many.
type average struct {
	value atomic.Uint64 // float64 bits, ns; 0 before the first sample
	stamp atomic.Int64  // ns on the balancer's clock
}

// decay is long enough to smooth over single answers and short enough that a
// server which recovered is believed within seconds (Finagle's choice too).
const decay = 10 * time.Second

func (a *average) load() time.Duration {
	return time.Duration(math.Round(math.Float64frombits(a.value.Load())))
}

// add takes a sample in. With peak, a sample above the mean replaces it, so
// that a server in trouble is seen at once and forgiven slowly.
func (a *average) add(sample time.Duration, now int64, peak bool) {
	for {
		old := a.value.Load()
		mean, next := math.Float64frombits(old), float64(sample)
		if old != 0 && !(peak && next > mean) {
			keep := math.Exp(-float64(now-a.stamp.Load()) / float64(decay))
			next = mean*keep + next*(1-keep)
		}
		if a.value.CompareAndSwap(old, math.Float64bits(max(next, 1))) {
			a.stamp.Store(now)
			return
		}
	}
}
