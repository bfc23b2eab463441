package proxy

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/socket"
	"github.com/outrigger-sidecar/outrigger/lb"
)

// exchange is one request on its way and its answer on the way back, whatever
// HTTP they are in. It is used over and over: what it holds stays, so that
// requests take no memory in the long run.
type exchange struct {
	http   *HTTP
	client inbound // guarded by mu where another goroutine asks
	alarm  *socket.Alarm
	r      *message.Request
	ip     string // of the client; "" for a unix socket
	start  time.Duration
	trace  Exchange
	result Result
	query  lb.Query
	prefer uint64 // the token of the client's session; 0 for none
	last   bool   // the client's connection is to end with this exchange
	begun  bool   // some of the final answer was sent
	cut    bool   // the answer must be seen to be incomplete
	body   upload // the request's body
	try    attempt
	pass   pass
	answer message.Response // as it goes to the client

	deadlines deadlines
	writing   atomic.Bool // the client is being written to

	mu      sync.Mutex // guards what follows
	active  bool
	cause   *failure // why it was stopped
	backend outbound // what stop interrupts
	ctx     context.Context
	cancel  context.CancelCauseFunc
}

// run carries the request r of a client to a backend, and the answer back.
func (x *exchange) run(c inbound, r *message.Request, ip string) {
	x.begin(c, r, ip)
	defer x.end()
	if f := x.http.entrance.admit(&x.pass, x.start); f != nil {
		x.refuse(f)
		return
	}
	x.http.budget.deposit()
	x.forward()
}

func (x *exchange) begin(c inbound, r *message.Request, ip string) {
	x.mu.Lock()
	x.client, x.active = c, true
	x.mu.Unlock()
	x.r, x.ip, x.start = r, ip, x.http.clock.Now()
	x.result = Result{GRPC: -1}
	x.last = r.Last || x.http.draining.Load() || x.http.entrance.ending()
	x.http.Meter.Active.Add(1)
	x.http.headers.identify(r)
	x.trace = x.http.Observer.Begin(r)
	x.within(&x.deadlines.total, x.http.Timeouts.Request)
	x.alarm.Earlier(x.start + glance)
	x.body.begin(x)
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
	now := x.http.clock.Now()
	x.http.entrance.leave(&x.pass, x.result, now, x.try.took, now-x.start)
	if x.cut {
		x.client.Abort()
	}
	m := x.http.Meter
	m.Took.Add(now - x.start)
	m.Requests.Add(1)
	if x.result.Status >= 500 || x.result.Error != "" {
		m.Errors.Add(1)
	}
	x.result.Received = x.body.received
	x.trace.End(x.result)
	m.Active.Add(-1)
	x.forget()
}

// reject answers what came in instead of a request that can be understood.
func (x *exchange) reject(c inbound, r *message.Request, ip string, f *failure) {
	x.begin(c, r, ip)
	defer x.end()
	x.refuse(f)
}

// forget makes the exchange ready for another request.
func (x *exchange) forget() {
	x.mu.Lock()
	if x.cancel != nil {
		x.cancel(nil)
	}
	x.active, x.cause, x.client, x.backend, x.ctx, x.cancel = false, nil, nil, nil, nil, nil
	x.mu.Unlock()
	x.deadlines = deadlines{}
	x.writing.Store(false)
	x.query = lb.Query{Tried: x.query.Tried[:0]}
	x.r, x.trace, x.prefer, x.begun, x.cut = nil, nil, 0, false, false
	x.pass, x.try.took = pass{}, 0
}

// forward sends the request to one backend after another, as long as that is
// safe, until one answers.
func (x *exchange) forward() {
	x.prefer = x.http.Sticky.token(&x.r.Header)
	x.query.Key, x.query.Prefer = x.http.key(x.r, x.ip), x.prefer
	var last *failure
	for n := 0; ; n++ {
		if last != nil && !x.http.budget.withdraw() {
			x.http.Meter.Denied.Add(1)
			x.refuse(last)
			return
		}
		var err error
		if x.try.lease, err = x.http.Balancer.Acquire(waiting{x}, x.query); err != nil {
			x.unplaced(err, last)
			return
		}
		if last != nil {
			x.http.Meter.Retries.Add(1)
		}
		x.result.Attempts++
		if last = x.try.run(x, n, last); last == nil {
			return
		}
		if last.gone {
			x.giveUp()
			return
		}
		if n >= x.http.Retry.Max || !x.try.repeatable(last) {
			x.refuse(last)
			return
		}
		x.query.Tried = append(x.query.Tried, x.try.lease.Server().ID)
	}
}

// unplaced ends an exchange for which there is no server, or no more after the
// last failed. It may have waited for one until the client had enough of it, or
// we.
func (x *exchange) unplaced(err error, last *failure) {
	if last != nil {
		x.http.budget.refund()
	}
	ours, stopped := errors.AsType[*failure](err)
	switch {
	case stopped && ours.gone:
		x.giveUp()
	case stopped:
		x.refuse(ours)
	case last != nil:
		x.refuse(last)
	default:
		x.refuse(unselected(err))
	}
}

// giveUp ends an exchange whose client is not there any more.
func (x *exchange) giveUp() {
	x.result.Cancelled, x.cut = true, true
}

// refuse answers the client ourselves.
func (x *exchange) refuse(f *failure) {
	x.begun = true
	x.fail(f)
	x.result.Major = x.r.Major
	if x.r.IsGRPC() {
		x.result.GRPC = kinds[f.kind].grpc
	}
	status, text := f.describe(&x.answer, x.r, x.http.Upstream)
	x.result.Status, x.result.Sent = status, int64(len(text))
	x.answer.Last = x.answer.Last || x.last || !x.body.ended.Load()
	x.deliver()
	err := x.client.Respond(&x.answer, len(text) == 0)
	switch {
	case err != nil:
	case len(text) == 0:
		err = x.client.Flush()
	default:
		if err = x.client.WriteBody(text); err == nil {
			err = x.client.Finish(nil)
		}
	}
	x.cut = err != nil
}

// deliver and delivered enclose what may wait for the client to read.
func (x *exchange) deliver() {
	x.writing.Store(true)
	x.within(&x.deadlines.deliver, x.http.Timeouts.Client)
}

func (x *exchange) delivered() {
	x.deadlines.deliver.Store(0)
	x.writing.Store(false)
}

func (x *exchange) fail(f *failure) {
	x.http.Meter.fail(f.kind)
	x.pass.excuse(f, x.body.ended.Load())
	x.result.Error = string(f.kind)
}
