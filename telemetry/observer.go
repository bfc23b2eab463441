package telemetry

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/lb"
)

// observer follows the requests of one upstream.
type observer struct {
	upstream *upstream
	strategy func() string
	tracing  *tracing                // nil: off
	server   metric.Float64Histogram // nil with client: off
	client   metric.Float64Histogram
	epoch    time.Time // where durations are measured from, by the monotonic clock alone
	resting  sync.Pool // of *exchange
}

// exchange is one request. It is used again for another when it has ended. The
// first attempt lies within it, so that only retries take memory.
type exchange struct {
	*observer
	begun   time.Duration
	method  int
	version int
	trace   carriage
	span    *span // nil when it is not recorded
	first   attempt
}

// attempt is one try.
type attempt struct {
	*exchange
	begun time.Duration
	ctx   context.Context // of the span; nil without one
	span  *span           // nil when it is not recorded
}

// Begin implements proxy.Observer.
func (o *observer) Begin(r *message.Request) proxy.Exchange {
	x, ok := o.resting.Get().(*exchange)
	if !ok {
		x = &exchange{observer: o}
	}
	x.begun, x.method, x.version = time.Since(o.epoch), methodOf(r.Method), versionOf(r.Major, r.Minor)
	o.upstream.serving.begun[x.method].Add(1)
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
	a.exchange, a.begun = x, time.Since(x.epoch)
	x.upstream.sending.begun[x.method].Add(1)
	if number > 0 {
		x.upstream.retry(reason)
	}
	x.trace.attempt(a, out, server, number, reason)
	return a
}

func (u *upstream) retry(cause string) {
	i := reason(cause)
	if i < 0 {
		i = len(kinds)
	}
	u.retries[i].Add(1)
}

// End implements proxy.Attempt.
func (a *attempt) End(r proxy.Result) {
	f := ofAttempt(r)
	a.upstream.sending.ended[a.method].Add(1)
	if a.client != nil {
		c := combine(a.method, versionOf(r.Major, 1), r.Status, f)
		a.client.Record(orBackground(a.ctx), (time.Since(a.epoch) - a.begun).Seconds(), a.upstream.sending.series.options(c)...)
	}
	if a.span != nil {
		a.span.endAttempt(r, f)
	}
}

// End implements proxy.Exchange.
func (x *exchange) End(r proxy.Result) {
	f := ofExchange(r)
	x.upstream.serving.ended[x.method].Add(1)
	if x.server != nil {
		c := combine(x.method, x.version, r.Status, f)
		x.server.Record(orBackground(x.trace.ctx), (time.Since(x.epoch) - x.begun).Seconds(), x.upstream.serving.series.options(c)...)
	}
	if x.span != nil {
		x.span.endExchange(r, f)
	}
	o := x.observer
	*x = exchange{observer: o}
	o.resting.Put(x)
}

// orBackground is the context that a measurement is made in: with a sampled
// span in it the histogram keeps the span as an exemplar.
func orBackground(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background()
	}
	return ctx
}
