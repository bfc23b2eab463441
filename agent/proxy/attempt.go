package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb"
)

// attempt is one try at one backend.
type attempt struct {
	*exchange
	lease  *lb.Lease
	number int
	after  *failure // of the try before

	ctx    context.Context
	dog    watchdog
	body   *requestBody // nil for a request without one
	head   atomic.Bool  // the request's head may have reached the backend
	relay  sync.Mutex   // held while an interim answer is passed on
	final  bool         // no more interim answers; guarded by relay
	trace  Attempt
	result Result
}

// The phases of a try. A stalled upload is not held against the backend.
var (
	phaseUpload    = &failure{kind: IdleTimeout, blameless: true}
	phaseFirstByte = &failure{kind: FirstByteTimeout}
	phaseIdle      = &failure{kind: IdleTimeout}
)

// run makes the try and carries the answer back. It returns nil when the
// client was given an answer, or part of one.
func (a *attempt) run(parent context.Context) (failed *failure) {
	defer a.lease.Release()
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	a.ctx = ctx
	a.dog.bite = func(f *failure) { cancel(f) }
	defer a.dog.stop()
	a.result.GRPC = -1

	out := a.request(a.lease.Server())
	if a.body != nil {
		// The transport does not give up a try while it waits for the client's
		// next byte, so that wait has to end with the try.
		var ending sync.WaitGroup
		ending.Add(1)
		stop := context.AfterFunc(ctx, func() {
			defer ending.Done()
			a.hangUp(time.Now())
		})
		defer func() {
			switch {
			case !stop():
				ending.Wait() // the writer must not be touched after we return
			case failed == nil && a.halfRead():
				a.swallow()
			}
		}()
	}
	reason := ""
	if a.after != nil {
		reason = string(a.after.kind)
	}
	a.trace = a.exchange.trace.Attempt(out, a.lease.Server(), a.number, reason)
	defer func() { a.trace.End(a.result) }()

	sent := time.Now()
	resp, err := a.transport().RoundTrip(out)
	a.relay.Lock()
	a.final = true
	a.relay.Unlock()
	if err == nil && ctx.Err() != nil { // an answer to half a request, say
		resp.Body.Close()
		err = ctx.Err()
	}
	if err != nil {
		return a.fail(err)
	}
	defer resp.Body.Close()
	took := time.Since(sent)
	a.result.Status, a.result.Major = resp.StatusCode, resp.ProtoMajor
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return a.switchProtocols(resp, took)
	}
	a.answer(resp, took)
	return nil
}

// hangUp ends reads of the request's body at a moment. The connection must not
// be used for another request then, since the rest of this one would be taken
// for it; see halfRead.
func (a *attempt) hangUp(at time.Time) { _ = http.NewResponseController(a.w).SetReadDeadline(at) }

// halfRead tells that an answer leaves a part of the request on an HTTP/1
// connection, which has to end with it.
func (a *attempt) halfRead() bool {
	return a.body != nil && !a.body.ended.Load() && a.r.ProtoMajor == 1
}

// swallow takes in some more of the body of a client that was answered early:
// if its connection were closed at once, what it still sends would have it
// reset, and the answer with it.
func (a *attempt) swallow() {
	_ = a.body.seal()
	_ = http.NewResponseController(a.w).Flush()
	a.hangUp(time.Now().Add(linger))
	_, _ = io.CopyN(io.Discard, a.r.Body, 256<<10)
}

// transport is the one that the backend is spoken to by.
func (a *attempt) transport() *http.Transport {
	switch a.http.Backend {
	case H2C:
		return a.http.http2
	case HTTP1:
		return a.http.http1
	}
	if isGRPC(a.r.Header) {
		return a.http.http2
	}
	return a.http.http1
}

// request makes what is sent to server from what the client sent. Nothing of
// it is shared with other tries, since a transport may still be reading one
// that failed.
func (a *attempt) request(server *lb.Server) *http.Request {
	r := a.r
	u := new(url.URL)
	*u = *r.URL
	u.Scheme, u.Host, u.User = "http", authorityOf(server.Address), nil
	out := &http.Request{
		Method: r.Method,
		URL:    u,
		Proto:  "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: endToEnd(r.Header),
		Host:   r.Host,
		// A length of -1 with a body means chunks.
		ContentLength: r.ContentLength,
		Trailer:       r.Trailer,
	}
	if out.Host == "" {
		out.Host = "localhost" // HTTP/1.0 need not name one
	}
	if hasBody(r) {
		a.body = &requestBody{from: r.Body, try: a}
		out.Body = a.body
	}
	forwarded(out.Header, r)
	a.http.Sticky.strip(out.Header)
	if hasToken(r.Header["Te"], "trailers") {
		out.Header["Te"] = []string{"trailers"}
	}
	if to := upgrade(r.Header); to != "" && r.ProtoMajor == 1 {
		out.Header["Connection"] = []string{"Upgrade"}
		out.Header["Upgrade"] = []string{to}
	}
	if _, ok := out.Header["User-Agent"]; !ok {
		out.Header["User-Agent"] = nil // or the transport adds its own
	}
	if !idempotent(r.Method) {
		// The transport takes this header, spelled this way, as leave to send
		// a request again. Whether to is ours to decide.
		if key, ok := out.Header["Idempotency-Key"]; ok {
			delete(out.Header, "Idempotency-Key")
			out.Header["idempotency-key"] = key
		}
		delete(out.Header, "X-Idempotency-Key")
	}
	return out.WithContext(httptrace.WithClientTrace(a.ctx, &httptrace.ClientTrace{
		WroteHeaders:   func() { a.head.Store(true) },
		WroteRequest:   a.wroteRequest,
		Got1xxResponse: a.interim,
	}))
}

// wroteRequest is when the wait for the answer begins. What came before has
// bounds of its own: the dialer's, and that of reading the body.
func (a *attempt) wroteRequest(info httptrace.WroteRequestInfo) {
	if info.Err == nil {
		a.dog.watch(phaseFirstByte, a.http.Timeouts.FirstByte)
	}
}

// interim passes an interim answer on, such as 103. The transport deals with
// 100 itself, and the HTTP server has told the client so when we asked for the
// body.
func (a *attempt) interim(code int, header textproto.MIMEHeader) error {
	a.relay.Lock()
	defer a.relay.Unlock()
	if a.final || code == http.StatusContinue || a.r.ProtoMajor == 1 && a.r.ProtoMinor == 0 {
		return nil
	}
	h := a.w.Header()
	for name, values := range endToEnd(http.Header(header)) {
		h[name] = values
	}
	a.w.WriteHeader(code)
	for name := range header {
		delete(h, name)
	}
	return nil
}

// fail judges a try that brought no answer.
func (a *attempt) fail(err error) *failure {
	f := failed(err, context.Cause(a.ctx))
	if !a.timedOut() {
		if a.body != nil {
			if read := a.body.failure(); read != nil {
				f = &failure{kind: BadRequest, err: read, blameless: true}
				// Short of its length: the client is no more there to be told.
				a.gone = errors.Is(read, io.ErrUnexpectedEOF)
			}
		}
		if a.gone || a.r.Context().Err() != nil {
			a.gone, a.result.Cancelled = true, true
			return f
		}
	}
	a.result.Error = string(f.kind)
	if !f.blameless {
		a.lease.Fail(f)
	}
	f.closes = a.halfRead() && a.body.state.Load() != untouched
	return f
}

// timedOut tells that it was we who ended the try. The request's own context
// does not tell that: hangUp ends it too.
func (a *attempt) timedOut() bool {
	_, ours := errors.AsType[*failure](context.Cause(a.ctx))
	return ours
}

// repeatable tells whether the request may go to another backend after f. What
// never reached one may, whatever it is. What may have been worked on may only
// if working on it twice does no harm, and if nothing of its body was sent,
// since we keep none of it.
func (a *attempt) repeatable(f *failure) bool {
	if f.kind == RequestTimeout || f.kind == BadRequest {
		return false
	}
	if a.body != nil && !a.body.seal() {
		return false
	}
	return f.connecting() || !a.head.Load() || idempotent(a.r.Method)
}

// requestBody is a request's body as one try sends it.
type requestBody struct {
	from  io.Reader
	try   *attempt
	state atomic.Int32 // untouched, touched or sealed
	read  atomic.Int64 // bytes
	ended atomic.Bool  // it was read to its end
	err   atomic.Pointer[error]
}

const (
	untouched = iota
	touched
	sealed
)

var errSealed = errors.New("the try that this body was for has ended")

func (b *requestBody) Read(p []byte) (int, error) {
	if !b.state.CompareAndSwap(untouched, touched) && b.state.Load() == sealed {
		return 0, errSealed
	}
	b.try.dog.watch(phaseUpload, b.try.http.Timeouts.Idle)
	n, err := b.from.Read(p)
	switch {
	case errors.Is(err, io.EOF), b.read.Add(int64(n)) == b.try.r.ContentLength:
		b.ended.Store(true)
	case err != nil:
		b.err.Store(&err)
	}
	return n, err
}

// Close leaves the client's body open for the next try.
func (b *requestBody) Close() error { return nil }

// seal keeps the body from being read any more, and tells whether none of it
// was.
func (b *requestBody) seal() bool { return b.state.Swap(sealed) == untouched }

// failure is what went wrong in reading from the client, nil for nothing.
func (b *requestBody) failure() error {
	if err := b.err.Load(); err != nil {
		return *err
	}
	return nil
}
