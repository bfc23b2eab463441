package agent

import (
	"sync"
	"time"
	"unsafe"

	"github.com/outrigger-sidecar/outrigger/agent/accesslog"
	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/lb"
	"github.com/outrigger-sidecar/outrigger/telemetry"
)

// logged is an observer that writes the access log beside what another does.
// While there is no log the other is all there is.
type logged struct {
	proxy.Observer
	access   *access
	upstream string
	resting  sync.Pool // of *loggedExchange
}

// loggedExchange is one request. Like that of the other observer it is used
// again, and has its first attempt within it.
type loggedExchange struct {
	proxy.Exchange
	to      *logged
	request *message.Request
	log     *accesslog.Log // in force when the request began
	entry   accesslog.Entry
	first   loggedAttempt

	// What the entry's texts are in.
	asked, answered []string // values of headers
	values          []byte   // of those that were answered
	client          []byte
}

// loggedAttempt is one try.
type loggedAttempt struct {
	proxy.Attempt
	of     *loggedExchange
	server *lb.Server
}

// Begin implements proxy.Observer.
func (o *logged) Begin(r *message.Request) proxy.Exchange {
	other := o.Observer.Begin(r)
	log := o.access.current.Load()
	if log == nil {
		return other
	}
	x, ok := o.resting.Get().(*loggedExchange)
	if !ok {
		x = &loggedExchange{to: o}
	}
	x.Exchange, x.request, x.log = other, r, log
	return x
}

// Attempt implements proxy.Exchange.
func (x *loggedExchange) Attempt(out *message.Request, server *lb.Server, number int, reason string) proxy.Attempt {
	a := &x.first
	if a.of != nil {
		a = new(loggedAttempt)
	}
	*a = loggedAttempt{x.Exchange.Attempt(out, server, number, reason), x, server}
	x.entry.Backend, x.entry.Zone = server.ID, server.Zone
	return a
}

// End implements proxy.Attempt. Of two beside each other the one counts that
// was not given up.
func (a *loggedAttempt) End(r proxy.Result) {
	e := &a.of.entry
	e.UpstreamTime += r.Took
	if !r.Cancelled {
		e.Backend, e.Zone = a.server.ID, a.server.Zone
	}
	a.Attempt.End(r)
}

// Answer implements proxy.Exchange. The answer does not last until the end, so
// that its headers are copied.
func (x *loggedExchange) Answer(r *message.Response) {
	_, names := x.log.Headers()
	for _, name := range names {
		at := len(x.values)
		x.values = append(x.values, r.Header.GetNamed(name)...)
		x.answered = append(x.answered, view(x.values[at:]))
	}
	x.Exchange.Answer(r)
}

// End implements proxy.Exchange.
func (x *loggedExchange) End(r proxy.Result) {
	x.describe(r)
	x.Exchange.End(r)
	x.to.access.record(x.line)
	clear(x.asked)
	clear(x.answered)
	*x = loggedExchange{to: x.to, asked: x.asked[:0], answered: x.answered[:0], values: x.values[:0], client: x.client[:0]}
	x.to.resting.Put(x)
}

// describe makes the entry, but for headers.
func (x *loggedExchange) describe(r proxy.Result) {
	e := &x.entry
	e.Time, e.Duration = time.Now().Add(-r.Took), r.Took
	e.Method, e.Path, e.Protocol = view(x.request.Method), view(x.request.Path()), protocolOf(x.request)
	e.Status, e.BytesIn, e.BytesOut, e.Attempts = r.Status, r.Received, r.Sent, r.Attempts
	e.Upstream, e.Outcome, e.Error = x.to.upstream, telemetry.Outcome(r), r.Error
	if x.request.Peer.IsValid() { // a unix socket has none
		x.client = x.request.Peer.Addr().Unmap().AppendTo(x.client)
		e.Client = view(x.client)
	}
	if t, ok := x.Exchange.(telemetry.Traced); ok {
		e.TraceID, e.SpanID = t.Trace()
	}
	if e.TraceID == ([16]byte{}) { // there is no tracing here, but the caller's trace goes on
		e.TraceID = telemetry.CallersTrace(&x.request.Header)
	}
}

// line is the entry with the headers that a log wants. Of the answer they are
// there only for the log that was in force when it was sent.
func (x *loggedExchange) line(log *accesslog.Log) *accesslog.Entry {
	names, _ := log.Headers()
	x.asked = x.asked[:0]
	for _, name := range names {
		x.asked = append(x.asked, view(x.request.Header.GetNamed(name)))
	}
	x.entry.RequestHeaders, x.entry.ResponseHeaders = x.asked, nil
	if log == x.log {
		x.entry.ResponseHeaders = x.answered
	}
	return &x.entry
}

// protocolOf is how a request was sent, "" where that could not be understood.
func protocolOf(r *message.Request) string {
	switch {
	case r.Major == 2:
		return "HTTP/2"
	case r.Major == 1 && r.Minor == 0:
		return "HTTP/1.0"
	case r.Major == 1:
		return "HTTP/1.1"
	}
	return ""
}

// view is b as a string without a copy: what a request has, and what is copied
// of its answer, stays as it is until its line is made.
func view(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // see above
}
