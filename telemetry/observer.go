package telemetry

import (
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/lb"
)

// observer follows the requests of one upstream.
type observer struct {
	upstream *upstream
	choosing Choosing             // nil: not known
	tracing  *tracing             // nil: off
	shared   [len(methods)]shared // by its spans, of each method; empty without tracing
	metrics  bool                 // durations are recorded
	made     atomic.Uint32
	resting  sync.Pool // of *exchange
}

// exchange is one request. It is used again for another when it has ended. The
// first attempt lies within it, so that only retries take memory.
type exchange struct {
	*observer
	lane    int // of what is counted, which is each processor's own as the pool is
	method  int
	version int
	tells   bool // the trace's headers are ours to write; else the caller's pass as they are
	span    span
	link    trace.SpanContext // the caller's span, where a trace of our own took its place
	first   attempt
}

// attempt is one try.
type attempt struct {
	*exchange
	span span
}

// Begin implements proxy.Observer.
func (o *observer) Begin(r *message.Request) proxy.Exchange {
	x, ok := o.resting.Get().(*exchange)
	if !ok {
		x = &exchange{observer: o, lane: int(o.made.Add(1) % lanes)}
		x.span.context() // made once, before attempts beside each other ask for it
	}
	x.method, x.version = methodOf(r.Method), versionOf(r.Major, r.Minor)
	o.upstream.serving.begin(x.lane, x.method)
	if o.tracing != nil {
		o.tracing.begin(x, r)
	}
	return x
}

// Attempt implements proxy.Exchange.
func (x *exchange) Attempt(out *message.Request, server *lb.Server, number int, reason string) proxy.Attempt {
	a := &x.first
	if a.exchange != nil {
		a = new(attempt)
	}
	a.exchange = x
	x.upstream.sending.begin(x.lane, x.method)
	if number > 0 {
		x.upstream.retry(reason)
	}
	if x.tells {
		x.tracing.attempt(a, out, server, number, reason)
	}
	return a
}

// Answer implements proxy.Exchange.
func (x *exchange) Answer(*message.Response) {}

// Traced is an exchange that belongs to a trace, as those that telemetry's
// observers make may do.
type Traced interface {
	proxy.Exchange
	// Trace is the exchange's trace, and of one that is recorded the span; zero
	// where there is none. It is not called after End.
	Trace() (trace [16]byte, span [8]byte)
}

// Trace implements Traced.
func (x *exchange) Trace() (trace [16]byte, span [8]byte) {
	if x.span.recording {
		span = x.span.id.SpanID()
	}
	return x.span.id.TraceID(), span
}

// retry counts a further attempt. The places after those of kinds are for one
// that nothing went wrong before, and for all else.
func (u *upstream) retry(cause string) {
	i := reason(cause)
	switch {
	case i >= 0:
	case cause == reasonHedge:
		i = len(kinds)
	default:
		i = len(kinds) + 1
	}
	u.retries[i].Add(1)
}

// End implements proxy.Attempt.
func (a *attempt) End(r proxy.Result) {
	f := ofAttempt(r)
	a.span.end(r.Took)
	sending := &a.upstream.sending
	sending.end(a.lane, a.method)
	if a.metrics {
		sending.series.of(combine(a.method, versionOf(r.Major, 1), r.Status, f)).add(&a.span, a.lane, &r)
	}
	if a.span.recording {
		a.span.record.attemptEnd(r, f)
		a.tracing.send(&a.span, f)
	}
}

// End implements proxy.Exchange.
func (x *exchange) End(r proxy.Result) {
	f := ofExchange(r)
	x.span.end(r.Took)
	serving := &x.upstream.serving
	serving.end(x.lane, x.method)
	if x.metrics {
		serving.series.of(combine(x.method, x.version, r.Status, f)).add(&x.span, x.lane, &r)
		x.upstream.overhead.add(&x.span, x.lane, int64(r.Own))
	}
	if x.span.recording {
		x.span.record.exchangeEnd(r, f)
		x.tracing.send(&x.span, f)
	}
	x.tells, x.first.exchange = false, nil
	x.span.forget()
	x.first.span.forget()
	x.resting.Put(x)
}
