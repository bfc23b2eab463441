package proxy

import (
	"context"
	"errors"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb"
)

// exchange is one request on its way and its answer on the way back.
type exchange struct {
	http   *HTTP
	w      http.ResponseWriter
	r      *http.Request
	start  time.Time
	trace  Exchange
	result Result
	begun  bool   // some of the answer was sent
	cut    bool   // the answer must be seen to be incomplete
	gone   bool   // the client is not there any more
	prefer uint64 // the token of the client's session; 0 for none
}

// end closes the books, and deals with a fault of this program: the one
// request fails, and the process lives on.
func (x *exchange) end() {
	if fault := recover(); fault != nil {
		if log := x.http.ErrorLog; log != nil {
			log.Printf("fault while proxying to %q: %v\n%s", x.http.Upstream, fault, debug.Stack())
		}
		if x.cut = x.begun; !x.begun {
			x.refuse(&failure{kind: Internal})
		}
	}
	m := x.http.Meter
	m.Took.Add(time.Since(x.start))
	m.Requests.Add(1)
	if x.result.Status >= 500 || x.result.Error != "" {
		m.Errors.Add(1)
	}
	m.Active.Add(-1)
	x.trace.End(x.result)
	if x.cut {
		// What there is goes out, and then the connection breaks: else net/http
		// keeps back a short answer as a whole, and the client sees none.
		if x.begun {
			_ = http.NewResponseController(x.w).Flush()
		}
		panic(http.ErrAbortHandler)
	}
}

// forward sends the request to one backend after another, as long as that is
// safe, until one answers.
func (x *exchange) forward() {
	ctx := x.r.Context()
	if d := x.http.Timeouts.Request; d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, d, &failure{kind: RequestTimeout, blameless: true})
		defer cancel()
	}
	if hasBody(x.r) && x.r.ProtoMajor == 1 {
		// Else the HTTP server swallows the rest of the body as soon as the
		// answer begins.
		_ = http.NewResponseController(x.w).EnableFullDuplex()
	}
	query := lb.Query{Key: x.http.key(x.r)}
	x.prefer = x.http.Sticky.token(x.r.Header["Cookie"])
	query.Prefer = x.prefer
	var last *failure
	for n := 0; ; n++ {
		if last != nil && !x.http.budget.withdraw() {
			x.http.Meter.Denied.Add(1)
			x.refuse(last)
			return
		}
		lease, err := x.http.Balancer.Acquire(ctx, query)
		if err != nil {
			x.unplaced(err, last)
			return
		}
		if last != nil {
			x.http.Meter.Retries.Add(1)
		}
		a := attempt{exchange: x, lease: &lease, number: n, after: last}
		x.result.Attempts++
		if last = a.run(ctx); last == nil {
			return
		}
		if x.gone {
			x.giveUp()
			return
		}
		if n >= x.http.Retry.Max || !a.repeatable(last) {
			x.refuse(last)
			return
		}
		query.Tried = append(query.Tried, lease.Server().ID)
	}
}

// unplaced ends an exchange for which there is no server, or no more after the
// last failed. It may have waited for one until the client had enough of it, or
// we.
func (x *exchange) unplaced(err error, last *failure) {
	if last != nil {
		x.http.budget.refund()
	}
	ours, timedOut := errors.AsType[*failure](err)
	switch {
	case timedOut:
		x.refuse(ours)
	case errors.Is(err, context.Canceled):
		x.giveUp()
	case last != nil:
		x.refuse(last)
	default:
		x.refuse(unselected(err))
	}
}

// giveUp ends an exchange whose client is not there any more.
func (x *exchange) giveUp() {
	x.result.Cancelled, x.cut = true, true // or net/http answers for us
}

func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }

// idempotent tells whether doing it twice is as good as once (RFC 9110
// section 9.2.2).
func idempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// refuse answers the client ourselves.
func (x *exchange) refuse(f *failure) {
	x.begun = true
	x.fail(f)
	x.result.Major = x.r.ProtoMajor
	if isGRPC(x.r.Header) {
		x.result.GRPC = kinds[f.kind].grpc
	}
	x.result.Status = f.answer(x.w, x.r, x.http.Upstream)
}

func (x *exchange) fail(f *failure) {
	x.http.Meter.fail(f.kind)
	x.result.Error = string(f.kind)
}
