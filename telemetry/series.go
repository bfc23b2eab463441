package telemetry

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// seriesLimit bounds the series of one histogram and upstream. Each has 17
// time series in Prometheus; what a backend answers must not decide how many
// there are.
const seriesLimit = 256

// combination tells the series of a histogram apart, within one upstream.
type combination uint64

func combine(method, version, status int, f failure) combination {
	if status != 0 {
		status = min(max(status, 100), 599)
	}
	return combination(method) | combination(version)<<8 | combination(f)<<16 | combination(status)<<32
}

func (c combination) attributes() []attribute.KeyValue {
	method, version, f, status := int(c&0xff), int(c>>8&0xff), failure(c>>16&0xff), int(c>>32)
	attrs := []attribute.KeyValue{semconv.HTTPRequestMethodKey.String(methods[method])}
	if version != 0 {
		attrs = append(attrs, semconv.NetworkProtocolVersion(versions[version]))
	}
	if status != 0 {
		attrs = append(attrs, semconv.HTTPResponseStatusCode(status))
	}
	if f != noFailure {
		attrs = append(attrs, semconv.ErrorTypeKey.String(f.errorType(status)))
	}
	return attrs
}

// series are those of one histogram and upstream, ready made, since building an
// attribute set costs more than all the rest. Reading takes no lock: the map is
// replaced, never written to.
type series struct {
	recording *recording
	shared    []attribute.KeyValue // of all its series
	overflow  *distribution

	known atomic.Pointer[map[combination]*distribution]
	mu    sync.Mutex // held to replace known
}

func newSeries(r *recording, shared ...attribute.KeyValue) *series {
	s := &series{recording: r, shared: shared}
	s.overflow = r.distribution(append(shared[:len(shared):len(shared)], keyOverflow.Bool(true))...)
	s.known.Store(new(map[combination]*distribution))
	return s
}

func (s *series) of(c combination) *distribution {
	known := *s.known.Load()
	if d, ok := known[c]; ok {
		return d
	}
	if len(known) >= seriesLimit {
		return s.overflow
	}
	return s.learn(c)
}

func (s *series) learn(c combination) *distribution {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := *s.known.Load()
	if d, ok := known[c]; ok {
		return d
	}
	if len(known) >= seriesLimit {
		return s.overflow
	}
	next := make(map[combination]*distribution, len(known)+1)
	maps.Copy(next, known)
	next[c] = s.recording.distribution(append(c.attributes(), s.shared...)...)
	s.known.Store(&next)
	return next[c]
}

// distributions are all there are.
func (s *series) distributions() []*distribution {
	return append(slices.Collect(maps.Values(*s.known.Load())), s.overflow)
}
