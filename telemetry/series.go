package telemetry

import (
	"maps"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
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

// series keeps what is needed to record into a histogram, ready made, since
// building an attribute set costs more than all the rest. Reading takes no
// lock: the map is replaced, never written to.
type series struct {
	shared   []attribute.KeyValue // of all its series
	overflow []metric.RecordOption

	known atomic.Pointer[map[combination][]metric.RecordOption]
	mu    sync.Mutex // held to replace known
}

func newSeries(shared ...attribute.KeyValue) *series {
	return &series{shared: shared, overflow: optionsOf(append(shared[:len(shared):len(shared)], keyOverflow.Bool(true)))}
}

func optionsOf(attrs []attribute.KeyValue) []metric.RecordOption {
	return []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attrs...))}
}

func (s *series) options(c combination) []metric.RecordOption {
	if known := s.known.Load(); known != nil {
		if options, ok := (*known)[c]; ok {
			return options
		}
		if len(*known) >= seriesLimit {
			return s.overflow
		}
	}
	return s.learn(c)
}

func (s *series) learn(c combination) []metric.RecordOption {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := make(map[combination][]metric.RecordOption)
	if known := s.known.Load(); known != nil {
		if options, ok := (*known)[c]; ok {
			return options
		}
		if len(*known) >= seriesLimit {
			return s.overflow
		}
		maps.Copy(next, *known)
	}
	options := optionsOf(append(c.attributes(), s.shared...))
	next[c] = options
	s.known.Store(&next)
	return options
}
