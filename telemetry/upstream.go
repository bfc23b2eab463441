package telemetry

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// upstream is what observers count for one upstream. It belongs to the name
// and outlives reloads.
type upstream struct {
	name     string
	serving  flow // exchanges
	sending  flow // attempts
	overhead *distribution
	waits    *distribution // in the queue
	retries  []atomic.Int64
}

// flow is what goes one way: how much is under way, by method, and how long it
// took and how large it was.
type flow struct {
	series *series
	used   [len(methods)]atomic.Bool
	_      [8 * cacheLine]byte
	lanes  [lanes]struct {
		active [len(methods)]atomic.Int64
		_      [8 * cacheLine]byte
	}
}

// begin counts one that is under way until end, in the same lane.
func (f *flow) begin(lane, method int) {
	f.lanes[lane].active[method].Add(1)
	if !f.used[method].Load() {
		f.used[method].Store(true)
	}
}

func (f *flow) end(lane, method int) { f.lanes[lane].active[method].Add(-1) }

// active is how many of a method are under way; used tells that there ever
// was one. No lane is ever negative, and so neither is their sum.
func (f *flow) active(method int) (n int64, used bool) {
	for i := range f.lanes {
		n += f.lanes[i].active[method].Load()
	}
	return n, f.used[method].Load()
}

// upstreams are those that observers were asked for, by name. There is no
// forgetting, as the SDK forgets no histogram either; their number is that of
// names in configurations.
type upstreams struct {
	scope instrumentation.Scope
	began time.Time
	// bySDK is set where a reader wants other histograms than those with
	// buckets of fixed bounds, which only the SDK makes.
	bySDK bool

	mu       sync.Mutex
	byName   map[string]*upstream
	recorded map[string]*recording
}

func newUpstreams(version string, m Metrics) *upstreams {
	u := &upstreams{
		scope:    instrumentation.Scope{Name: scope, Version: version, SchemaURL: semconv.SchemaURL},
		began:    time.Now(),
		byName:   make(map[string]*upstream),
		recorded: make(map[string]*recording),
	}
	for _, i := range m.instruments() {
		if slices.ContainsFunc(recorded[:], func(h recordedHistogram) bool { return h.name == i.Name }) && (m.BodySize || i.Unit != unitBytes) {
			u.recorded[i.Name] = newRecording(i)
		}
	}
	return u
}

// recordBy has the SDK's histograms record all that is measured from now on.
func (u *upstreams) recordBy(sdk map[string]metric.Float64Histogram) {
	for name, r := range u.recorded {
		r.sdk = sdk[name]
	}
}

func (u *upstreams) get(name string) *upstream {
	u.mu.Lock()
	defer u.mu.Unlock()
	if known, ok := u.byName[name]; ok {
		return known
	}
	label := keyUpstream.String(text(name))
	made := &upstream{name: name, retries: make([]atomic.Int64, len(kinds)+2)}
	made.serving.series = newSeries(u.recorded[httpServerDuration], u.recorded[httpServerRequestSize], u.recorded[httpServerResponseSize],
		label, semconv.URLScheme("http"))
	made.sending.series = newSeries(u.recorded[httpClientDuration], u.recorded[httpClientRequestSize], u.recorded[httpClientResponseSize],
		label, semconv.ServerAddress(text(name)))
	made.overhead = u.recorded[overheadDuration].distribution(label)
	made.waits = u.recorded[queueWaitDuration].distribution(label)
	u.byName[name] = made
	return made
}

func (u *upstreams) all() []*upstream {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Collect(maps.Values(u.byName))
}
