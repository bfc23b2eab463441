package telemetry

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/lb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a Telemetry whose spans and metrics stay in memory.
type rig struct {
	*Telemetry
	spans  *memorySpans
	logs   *memoryLogs
	reader *sdkmetric.ManualReader
	source *fakeSource
}

// fakeSource is a Source whose answer is set.
type fakeSource struct {
	upstreams atomic.Pointer[[]Upstream]
	state     atomic.Pointer[AgentState]
}

func (f *fakeSource) set(u ...Upstream) { f.upstreams.Store(&u) }

func (f *fakeSource) Upstreams() []Upstream {
	if u := f.upstreams.Load(); u != nil {
		return *u
	}
	return nil
}

func (f *fakeSource) Agent() AgentState {
	if s := f.state.Load(); s != nil {
		return *s
	}
	return AgentState{}
}

// trusting is a configuration that records everything.
func trusting() Config {
	return Config{Version: "1.2.3", Revision: "abc", Traces: Traces{SampleRatio: 1, TrustIncoming: true}}
}

func newRig(t testing.TB, c Config) *rig {
	t.Helper()
	r := &rig{logs: new(memoryLogs), spans: new(memorySpans), source: new(fakeSource)}
	u := newUpstreams(c.Version, c.Metrics)
	r.reader = sdkmetric.NewManualReader(sdkmetric.WithProducer(u.histograms(metricdata.CumulativeTemporality)))
	e := newExports()
	p := pipeline{
		exports:   e,
		upstreams: u,
		readers:   []sdkmetric.Reader{r.reader},
	}
	records := newRoom(defaultQueue, &e.records)
	r.spans.queue = newSpanQueue(batching{defaultQueue, 512, time.Hour, time.Second}, e, r.spans)
	p.processors = []spanProcessor{r.spans.queue}
	p.queues = []sdklog.Processor{logQueue{sdklog.NewSimpleProcessor(logExporter{r.logs, e, records}), records}}
	about, err := newResource(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if c.ShutdownTimeout == 0 {
		c.ShutdownTimeout = 1e9
	}
	report := &reporter{to: func(err error) { t.Logf("reported: %v", err) }}
	otel.SetErrorHandler(report)
	r.Telemetry, err = assemble(c, r.source, about, p, report)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	return r
}

// memorySpans keeps spans.
type memorySpans struct {
	queue *spanQueue
	deaf  atomic.Bool // nothing is kept

	mu  sync.Mutex
	all tracetest.SpanStubs
}

func (m *memorySpans) export(_ context.Context, wire []byte) error {
	if m.deaf.Load() {
		return nil
	}
	spans, err := unmarshalSpans(wire)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range spans {
		m.all = append(m.all, origin{}.stub(s))
	}
	return err
}

func (m *memorySpans) Shutdown(context.Context) error { return nil }

// GetSpans are those that have ended.
func (m *memorySpans) GetSpans() tracetest.SpanStubs {
	for m.queue.spans.waiting() > 0 {
		m.queue.flush()
		time.Sleep(time.Millisecond)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.all)
}

// forget keeps nothing of what was exported.
func (m *memorySpans) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = nil
}

// memoryLogs keeps log records.
type memoryLogs struct {
	mu  sync.Mutex
	all []sdklog.Record
}

func (m *memoryLogs) Export(_ context.Context, records []sdklog.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range records {
		m.all = append(m.all, r.Clone())
	}
	return nil
}

func (m *memoryLogs) Shutdown(context.Context) error   { return nil }
func (m *memoryLogs) ForceFlush(context.Context) error { return nil }

// take is what was kept, and keeps nothing of it.
func (m *memoryLogs) take() (all []sdklog.Record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all, m.all = m.all, nil
	return all
}

// collect reads all metrics, by name.
func (r *rig) collect(t testing.TB) map[string]metricdata.Metrics {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := r.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	byName := make(map[string]metricdata.Metrics)
	for _, s := range all.ScopeMetrics {
		for _, m := range s.Metrics {
			byName[m.Name] = m
		}
	}
	return byName
}

// request is one from the app, with headers as pairs.
func request(method, target string, header ...string) *message.Request {
	authority, path, _ := strings.Cut(strings.TrimPrefix(target, "http://"), "/")
	r := &message.Request{
		Method: []byte(method), Target: []byte("/" + path), Authority: []byte(authority), Major: 1, Minor: 1,
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.AddNamed(header[i], header[i+1])
	}
	return r
}

// attempted is a request to a backend as a proxy would make it: with the bytes
// of the app's.
func attempted(r *message.Request) *message.Request {
	out := &message.Request{Method: r.Method, Target: r.Target, Authority: r.Authority, Major: 1, Minor: 1}
	message.EndToEnd(&out.Header, &r.Header)
	return out
}

// headerOf is a header as a backend would see it.
func headerOf(r *message.Request) http.Header {
	h := make(http.Header)
	for f := range r.Header.All() {
		h.Add(string(f.Name), string(f.Value))
	}
	return h
}

// backendA is where attempts go in tests.
var backendA = &lb.Server{ID: "a", Address: "10.0.0.7:8080", Zone: "z1"}

// choosing is how a balancer chooses that was told of its backends a while ago.
type choosing struct {
	*lb.Balancer
	age time.Duration
}

func (c choosing) Age() time.Duration { return c.age }

// carry takes one request through o and returns the header that the backend
// sees. The bytes of a request are good only until its exchange ends, so they
// are spoiled then, for what keeps one of them to show.
func carry(o proxy.Observer, r *message.Request, result proxy.Result) http.Header {
	r = cloned(r)
	x := o.Begin(r)
	out := attempted(r)
	a := x.Attempt(out, backendA, 0, "")
	header := headerOf(out)
	a.End(result)
	result.Attempts = 1
	x.End(result)
	spoil(out)
	spoil(r)
	return header
}

func cloned(r *message.Request) *message.Request {
	c := *r
	c.Method, c.Target, c.Authority = bytes.Clone(r.Method), bytes.Clone(r.Target), bytes.Clone(r.Authority)
	c.Header = message.Header{}
	for f := range r.Header.All() {
		c.Header.Copy(f)
	}
	return &c
}

func spoil(r *message.Request) {
	for _, b := range [][]byte{r.Method, r.Target, r.Authority} {
		copy(b, bytes.Repeat([]byte{'~'}, len(b)))
	}
	for f := range r.Header.All() {
		copy(f.Value, bytes.Repeat([]byte{'~'}, len(f.Value)))
	}
}

// good is how most requests end.
var good = proxy.Result{Status: 200, Major: 1, GRPC: -1, Took: 3 * time.Millisecond, Own: 80 * time.Microsecond}

// eventually waits until something holds that nobody tells of.
func eventually(t testing.TB, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never came to that")
		}
	}
}
