package telemetry

import (
	"maps"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
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

// measured is what is measured of the requests of one combination.
type measured struct {
	took                      *distribution
	requestSize, responseSize *distribution // of bodies; nil: not measured
}

// series are those of one upstream that requests one way have, ready made, since
// building an attribute set costs more than all the rest. Reading takes no lock:
// the map is replaced, never written to.
type series struct {
	took, requestSize, responseSize *recording           // the sizes nil: not measured
	shared                          []attribute.KeyValue // of all its series
	overflow                        *measured

	known atomic.Pointer[map[combination]*measured]
	mu    sync.Mutex // held to replace known
}

func newSeries(took, requestSize, responseSize *recording, shared ...attribute.KeyValue) *series {
	s := &series{took: took, requestSize: requestSize, responseSize: responseSize, shared: shared}
	s.overflow = s.measured(keyOverflow.Bool(true))
	s.known.Store(new(map[combination]*measured))
	return s
}

func (s *series) measured(attrs ...attribute.KeyValue) *measured {
	attrs = append(attrs, s.shared...)
	m := &measured{took: s.took.distribution(attrs...)}
	if s.requestSize != nil {
		m.requestSize, m.responseSize = s.requestSize.distribution(attrs...), s.responseSize.distribution(attrs...)
	}
	return m
}

func (s *series) of(c combination) *measured {
	known := *s.known.Load()
	if m, ok := known[c]; ok {
		return m
	}
	if len(known) >= seriesLimit {
		return s.overflow
	}
	return s.learn(c)
}

func (s *series) learn(c combination) *measured {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := *s.known.Load()
	if m, ok := known[c]; ok {
		return m
	}
	if len(known) >= seriesLimit {
		return s.overflow
	}
	next := make(map[combination]*measured, len(known)+1)
	maps.Copy(next, known)
	next[c] = s.measured(c.attributes()...)
	s.known.Store(&next)
	return next[c]
}

// distributions are one thing that is measured of all combinations; none where
// it is not.
func (s *series) distributions(which func(*measured) *distribution) (all []*distribution) {
	if which(s.overflow) == nil {
		return nil
	}
	for _, m := range *s.known.Load() {
		all = append(all, which(m))
	}
	return append(all, which(s.overflow))
}

func tookOf(m *measured) *distribution         { return m.took }
func requestSizeOf(m *measured) *distribution  { return m.requestSize }
func responseSizeOf(m *measured) *distribution { return m.responseSize }

// add records one request. Sizes have no exemplars.
func (m *measured) add(of *span, lane int, r *proxy.Result) {
	m.took.add(of, lane, int64(r.Took))
	if m.requestSize != nil {
		m.requestSize.add(nil, lane, r.Received)
		m.responseSize.add(nil, lane, r.Sent)
	}
}
