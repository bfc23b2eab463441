package telemetry

import (
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/lb"
)

// Source is read whenever metrics are collected: at each scrape, at each push
// and once more in Shutdown, from several goroutines at once. It must not
// block.
type Source interface {
	// Upstreams are those that are served at present. What is missing here
	// loses its series, except histograms.
	Upstreams() []Upstream
	Agent() AgentState
}

// Upstream is one upstream's state at one moment. Names are unique in a
// Source's answer.
type Upstream struct {
	Name, Strategy string
	Protocol       string       // "http" or "tcp"
	Meter          *proxy.Meter // nil: not known
	Stats          lb.Stats
	Servers        []lb.ServerStats // as Balancer.AllStats orders them
	Catalog        *Catalog         // nil: static servers
	Imbalance      Imbalance        // of the last minute; not looked at without a shadow strategy
	Breaker        bool             // it has a circuit breaker
}

// Imbalance is how many times its planned share the backend had that had most
// of it, by picks and by the time they took: by those made, and by those that
// the shadow strategy would have made. 0 is without any.
type Imbalance struct {
	Picks, ShadowPicks, Load, ShadowLoad float64
}

// Catalog is how the watch on an upstream's catalog is doing. Its counts may
// begin anew, as with another watch.
type Catalog struct {
	Index    uint64
	Age      time.Duration // since the last good answer; not looked at before the first
	Answers  int64         // good ones
	Failures map[string]int64
	Missing  int   // backends that are kept though the last answer lacks them
	Resets   int64 // times that the index fell

	Suspected, Confirmed, Rejected int64 // answers that were doubted, and what became of that

	Watches []Watch // each service that is looked for, in order of preference
}

// Watch is one service that is looked for in the catalog.
type Watch struct {
	Service string
	Age     time.Duration // since its last good answer, or without one since its first failure
}

// AccessLog counts the lines of the access log.
type AccessLog struct{ Written, Dropped, Failed int64 }

// AgentState is what there is to know of the agent itself.
type AgentState struct {
	LastReload    time.Time          // when the configuration in force was taken; zero: not known
	ProbesLate    time.Duration      // how late probes begin for want of budget, smoothed
	ProbesSkipped int64              // since requests had proved the same
	AccessLog     *AccessLog         // nil: there is none
	Descriptors   *proxy.Descriptors // nil: they have no bound
}
