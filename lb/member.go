package lb

import (
	"sync/atomic"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// member is a server in a balancer, with everything that outlives the pools.
// The fields up to the counters are guarded by Balancer.mu.
type member struct {
	spec    *Server // replaced, never written to
	verdict health.Verdict
	since   time.Time // of the verdict's state
	against time.Time // since when the catalog speaks against it; zero while it does not
	left    time.Time // when it was removed; zero while it is there
	drained bool      // by hand
	token   uint64    // hash of the ID: what hashing strategies and sessions know it by
	place   Place     // in the pool in force

	probe   health.Result // the last one; Status counts
	probed  time.Time
	history health.History
	skipped int64       // probes that requests made needless
	sound   atomic.Bool // up, by all that is known; read without the lock
	regain  int         // good probes since the ejection began
	outlier outlier
	flaps   flapping

	// suspected says that it has failed, and that Health.Reach is to look at it.
	suspected atomic.Bool

	lag float64 // where it stands in a rotation, see there

	load   *load
	shadow *shadowed // nil until a shadow strategy is asked about it
	times  times
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

func (m *member) evidence(f health.Freshness, now time.Time) health.Evidence {
	e := health.Evidence{
		Declared:  m.spec.Declared,
		Freshness: f,
		Probe:     m.probe.Status,
		Ejected:   !m.outlier.until.IsZero(),
		Damped:    m.flaps.out(),
		Weight:    m.spec.Weight,
		Before:    m.verdict,
	}
	if !m.against.IsZero() {
		e.Against = now.Sub(m.against)
	}
	if m.drained {
		e.Declared = health.Declaration{Status: health.Maintenance}
	}
	return e
}

// setSound brings sound up to date.
func (m *member) setSound() {
	m.sound.Store(m.verdict.State == health.Up && m.probe.Status == health.ProbeUp && m.probe.Streak == 0)
}

// times are a server's answers, as leases tell of them and strategies read
// them, without a lock. They stand on cache lines of their own: two servers
// must not slow each other.
type times struct {
	_        [64]byte
	failures atomic.Int64
	streak   atomic.Int64 // failures since the last success
	beaten   atomic.Int64 // answers that came too late since the last that did not
	last     atomic.Int64 // ns; the last response time, 0 before the first
	smoothed average      // of response times
	cost     average      // of response times, quick to rise and with failures as slow answers
	busy     atomic.Int64 // ns; the sum of all response times
	_        [64]byte
}

func (t *times) record(took time.Duration, now int64) {
	if t.streak.Load() != 0 {
		t.streak.Store(0)
	}
	if t.beaten.Load() != 0 {
		t.beaten.Store(0)
	}
	t.last.Store(int64(took))
	t.busy.Add(int64(took))
	t.smoothed.add(took, now, smoothing, false)
	t.cost.add(took, now, forgiving, true)
}

// lose takes in that an answer would have taken longer than that, and returns
// how many were so late in a row.
func (t *times) lose(took time.Duration, now int64) int64 {
	t.cost.add(took, now, forgiving, true)
	return t.beaten.Add(1)
}

// fail takes a failure in and returns how many there were in a row.
func (t *times) fail(now int64) int64 {
	t.failures.Add(1)
	t.cost.add(max(failureCost, 2*t.smoothed.load()), now, forgiving, true)
	return t.streak.Add(1)
}
