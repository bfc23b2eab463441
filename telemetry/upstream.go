package telemetry

import (
	"sync"
	"sync/atomic"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// upstream is what observers count for one upstream. It belongs to the name
// and outlives reloads.
type upstream struct {
	name    string
	serving flow // exchanges
	sending flow // attempts
	retries []atomic.Int64
}

// flow counts what begins and ends by method, beside the histogram's series.
type flow struct {
	series *series
	begun  [len(methods)]atomic.Int64
	_      [64]byte
	ended  [len(methods)]atomic.Int64
	_      [64]byte
}

// active is how many of a method are under way; used tells that there ever
// was one.
func (f *flow) active(method int) (n int64, used bool) {
	ended := f.ended[method].Load() // first, so that the difference is never negative
	begun := f.begun[method].Load()
	return begun - ended, begun > 0
}

// upstreams are those that observers were asked for, by name. There is no
// forgetting, as the SDK forgets no histogram either; their number is that of
// names in configurations.
type upstreams struct {
	mu     sync.Mutex
	byName map[string]*upstream
}

func (u *upstreams) get(name string) *upstream {
	u.mu.Lock()
	defer u.mu.Unlock()
	if known, ok := u.byName[name]; ok {
		return known
	}
	label := keyUpstream.String(text(name))
	made := &upstream{name: name, retries: make([]atomic.Int64, len(kinds)+1)}
	made.serving.series = newSeries(label, semconv.URLScheme("http"))
	made.sending.series = newSeries(label, semconv.ServerAddress(text(name)))
	if u.byName == nil {
		u.byName = make(map[string]*upstream)
	}
	u.byName[name] = made
	return made
}
