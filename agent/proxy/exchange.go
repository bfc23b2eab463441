package proxy

import (
	"errors"
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
	home   *socket.Loop // where it runs; nil: in a goroutine
	r      *message.Request
	ip     string        // of the client; "" for a unix socket
	start  time.Duration // by the clock
	now    time.Duration // when the clock was last read, which is done no more than it must
	trace  Exchange
	result Result
	query  lb.Query
	prefer uint64 // the token of the client's session; 0 for none
	last   bool   // the client's connection is to end with this exchange
	begun  bool   // some of the final answer was sent
	cut    bool   // the answer must be seen to be incomplete
	body   upload // the request's body
	try    attempt
	rival  attempt // that runs beside it; see hedge
	pass   pass
	answer message.Response // as it goes to the client
	left   departures

	deadlines deadlines
	writing   atomic.Bool // the client is being written to

	mu      sync.Mutex // guards what follows
	active  bool
	cause   *failure      // why it was stopped
	hedging chan struct{} // closed when the second attempt has ended; nil: there is none
	won     *attempt      // the one whose answer came first; nil before
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
	x.left.beginLocked(x.http.removals.Load())
	x.mu.Unlock()
	x.r, x.ip, x.start = r, ip, x.http.clock.Now()
	x.now = x.start
	x.result = Result{GRPC: -1}
	x.last = r.Last || x.http.draining.Load() || x.http.entrance.ending()
	x.http.headers.identify(r)
	x.trace = x.http.Observer.Begin(r)
	x.http.Meter.Active.Add(1)
	x.within(&x.deadlines.total, x.now, x.http.Timeouts.Request)
	x.within(&x.deadlines.glance, x.now, glance)
	x.body.begin(x)
}

// guard deals with a fault of this program in a goroutine beside that of the
// exchange: the one request fails, and the process lives on.
func (x *exchange) guard() {
	if fault := recover(); fault != nil {
		x.http.reportFault(fault)
		x.stop(ourFault)
	}
}

// end closes the books, and deals with a fault of this program.
func (x *exchange) end() {
	if fault := recover(); fault != nil {
		x.http.reportFault(fault)
		x.stop(ourFault) // what runs beside it
		x.close()
		if x.cut = x.begun; !x.begun {
			x.refuse(ourFault)
		}
	}
	now := x.http.clock.Now()
	x.http.entrance.leave(&x.pass, x.result, now, x.try.took, now-x.start)
	if x.cut {
		x.client.Abort()
	}
	x.report(now)
	x.http.Meter.Active.Add(-1)
	x.forget()
}

// report tells how the exchange went until now. Where it goes on as a tunnel that is when
// the tunnel begins, since how long one lasts is no matter of how quick a
// server is.
func (x *exchange) report(now time.Duration) {
	if x.trace == nil {
		return
	}
	x.result.Took = now - x.start
	x.result.Own += now - x.now
	x.result.Received = x.body.received
	x.now = now
	m := x.http.Meter
	m.Took.Add(x.result.Took)
	m.Requests.Add(1)
	if x.result.Status >= 500 || x.result.Error != "" {
		m.Errors.Add(1)
	}
	x.trace.End(x.result)
	x.trace = nil
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
	x.try.forgetContextLocked()
	x.active, x.cause, x.client, x.won = false, nil, nil, nil
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
	x.try.exchange = x
	var last *failure
	for n := 0; ; n++ {
		if last != nil && last.kind != Unwanted && !x.http.afford() {
			x.refuse(last)
			return
		}
		if err := x.place(); err != nil {
			x.unplaced(err, last)
			return
		}
		if last != nil {
			x.http.Meter.Retries.Add(1)
		}
		a, f := x.ask(last)
		if f == nil && x.wanting(a, n) {
			f = a.decline()
		} else if f == nil {
			f = a.carry()
		}
		x.tried()
		x.close()
		if last = f; last == nil {
			return
		}
		if last.gone {
			x.giveUp()
			return
		}
		if n >= x.http.Retry.Max || !x.repeatable(last) {
			x.refuse(last)
			return
		}
	}
}

// place leases one on a server, which may have to be waited for.
func (x *exchange) place() (err error) {
	if x.home == nil {
		x.try.lease, err = x.http.Balancer.Acquire(waiting{&x.try}, x.query)
		return err
	}
	if x.try.lease, err = x.http.Balancer.TryAcquire(x.query); errors.Is(err, lb.ErrNoCapacity) && x.http.Balancer.Queues() {
		return x.queue()
	}
	return err
}

// queue is apart since what its function shares lies on the heap.
func (x *exchange) queue() (err error) {
	x.home.Block(func() { x.try.lease, err = x.http.Balancer.Acquire(waiting{&x.try}, x.query) })
	return err
}

// tried notes which servers were asked, so that another try goes elsewhere.
func (x *exchange) tried() {
	x.query.Tried = append(x.query.Tried, x.try.lease.Server().ID)
	if x.rival.exchange != nil {
		x.query.Tried = append(x.query.Tried, x.rival.lease.Server().ID)
	}
}

// ask has the leased server asked, and another one too if that takes long. It
// returns the attempt that brought an answer, or which failed.
func (x *exchange) ask(after *failure) (*attempt, *failure) {
	a, reason := &x.try, ""
	if after != nil {
		reason = string(after.kind)
	}
	if after != nil || a.ctx != nil { // time has passed
		x.catchUp()
	}
	a.from, a.now = x.now, x.now
	a.begin(x, x.result.Attempts, reason)
	x.result.Attempts++
	x.mayHedge()
	a, f := x.settle(a.ask())
	x.now = a.now
	if f != nil {
		return a, a.fail(f)
	}
	return a, nil
}

// catchUp reads the clock where it may have been a place that was waited for.
func (x *exchange) catchUp() {
	now := x.http.clock.Now()
	if x.try.ctx == nil {
		x.result.Own += now - x.now
	}
	x.now = now
}

// close ends the attempts of one round.
func (x *exchange) close() {
	x.awaitHedge()
	x.try.end()
	if x.rival.exchange != nil {
		x.rival.end()
		x.rival.exchange = nil
	}
	x.mu.Lock()
	x.won, x.left.until = nil, 0
	x.try.forgetContextLocked()
	x.rival.forgetContextLocked()
	x.mu.Unlock()
}

// unplaced ends an exchange for which there is no server, or no more after the
// last failed. It may have waited for one until the client had enough of it, or
// we.
func (x *exchange) unplaced(err error, last *failure) {
	x.catchUp()
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
	x.mu.Lock()
	x.cause = nil // it is told to the client, whose own slowness alone can end that
	x.mu.Unlock()
	x.deadlines.total.Store(0)
	x.fail(f)
	x.result.Major = x.r.Major
	if x.r.IsGRPC() {
		x.result.GRPC = kinds[f.kind].grpc
	}
	status, text := f.describe(&x.answer, x.r, x.http.Upstream)
	x.result.Status, x.result.Sent = status, int64(len(text))
	x.answer.Last = x.answer.Last || x.last || !x.body.ended.Load()
	if x.trace != nil {
		x.trace.Answer(&x.answer)
	}
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
	x.within(&x.deadlines.deliver, x.now, x.http.Timeouts.Client)
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
