package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/lb"
)

// attempt is one try at one server.
type attempt struct {
	*exchange
	lease  lb.Lease
	hedge  bool             // it runs beside another
	from   time.Duration    // when it began, by the clock
	now    time.Duration    // when the clock was last read for it
	took   time.Duration    // until the final answer's head
	out    message.Request  // as it goes to the server
	resp   message.Response // as it comes back
	trace  Attempt
	result Result

	backend outbound // guarded by mu, as is what follows
	ctx     context.Context
	cancel  context.CancelCauseFunc
}

// begin makes what is sent to the leased server.
func (a *attempt) begin(x *exchange, number int, reason string) {
	a.exchange, a.result = x, Result{GRPC: -1}
	a.http.headers.forward(&a.out, a.r)
	a.http.Sticky.strip(&a.out.Header)
	a.trace = x.trace.Attempt(&a.out, a.lease.Server(), number, reason)
	a.http.headers.request.Apply(&a.out.Header, a) // last, as the operator's word is
}

// end closes the books of the try.
func (a *attempt) end() {
	a.leave()
	a.lease.Release()
	a.report()
}

// report tells how the try went.
func (a *attempt) report() {
	if a.trace == nil {
		return
	}
	a.result.Took = a.now - a.from
	a.exchange.now = max(a.exchange.now, a.now)
	a.trace.End(a.result)
	a.trace = nil
}

// carry brings the server's answer, of which the head is there, to the client.
// It returns nil when the client was given it, or part of it.
func (a *attempt) carry() *failure {
	a.result.Status, a.result.Major = a.resp.Status, a.resp.Major
	if a.resp.Status == 101 {
		return a.switchProtocols()
	}
	a.respond()
	return nil
}

// ask sends the request and reads the head of the answer. A connection that
// proves stale is replaced, which is not a further try: the server has done
// nothing for the request, or may do it again without harm and has at most
// lost a connection that was idle.
func (a *attempt) ask() *failure {
	for again := false; ; again = true {
		b, f := a.connect(again)
		if f != nil {
			return f
		}
		stale := false
		if a.attach(b) == nil {
			err := a.send(b)
			if err == nil {
				err = a.readHead(b)
			}
			if err == nil {
				a.took = a.now - a.from
				return nil
			}
			stale = !again && b.Reused() && lost(err)
			if f = a.rejected(failed(err, a.stopped()), b.Reused()); f.kind == Reset && !f.gone && b.Unsent() {
				f = &failure{kind: Reset, err: err, unsent: true}
			}
		} else {
			f = failed(nil, a.stopped())
		}
		a.leave()
		if !stale || f.gone || a.stopped() != nil || !f.unsent && !idempotent(a.r.Method) || a.body.lost.Load() {
			return f
		}
	}
}

// leave ends the use of the backend.
func (a *attempt) leave() {
	b := a.backend
	if b == nil {
		return
	}
	if !a.body.ended.Load() {
		b.Interrupt() // what sends the body may be waiting for it
	}
	if !a.hedge { // which has no body to wait for
		a.body.halt(b)
	}
	a.result.Received = a.body.received
	_ = a.attach(nil)
	b.Release()
}

// send sends the head and what there is of the body, and has the rest carried.
func (a *attempt) send(b outbound) error {
	if !a.hedge {
		a.deadlines.first.Store(true)
	}
	body, err := a.body.head()
	if err != nil {
		return err
	}
	all := a.body.ended.Load()
	if err := b.Send(&a.out, body, all); err != nil {
		return err
	}
	if all {
		if !a.hedge {
			now := a.http.clock.Now()
			a.exchange.result.Own += now - a.now
			a.now = now
		}
		a.sent(a.now)
	} else {
		a.body.carry(b)
	}
	return nil
}

// sent begins the wait for the answer. What came before has bounds of its own.
func (a *attempt) sent(now time.Duration) {
	if !a.hedge && a.deadlines.first.Load() {
		a.within(&a.deadlines.answer, now, a.http.Timeouts.FirstByte)
	}
}

// maxInterim bounds the interim answers to one request.
const maxInterim = 16

// readHead reads the final answer's head, and passes interim ones on.
func (a *attempt) readHead(b outbound) error {
	for n := 0; ; n++ {
		err := b.ReadHead(&a.resp)
		a.now = a.http.clock.Now()
		if err != nil {
			return err
		}
		if a.resp.Status >= 200 || a.resp.Status == 101 {
			if !a.hedge {
				a.headCame()
			}
			return nil
		}
		if n == maxInterim {
			return fmt.Errorf("it sent more than %d interim answers", maxInterim)
		}
		if a.hedge || a.r.Major == 1 && a.r.Minor == 0 {
			continue // HTTP/1.0 knows none, and the client hears of one try only
		}
		a.answer.Reset()
		a.answer.Status = a.resp.Status
		message.EndToEnd(&a.answer.Header, &a.resp.Header)
		if a.client.Interim(&a.answer) != nil {
			return clientGone
		}
		if a.body.ended.Load() {
			a.sent(a.now)
		}
	}
}

// headCame ends the wait for an answer to begin.
func (x *exchange) headCame() {
	x.deadlines.first.Store(false)
	x.deadlines.answer.Store(0)
}

// fail judges a try that brought no answer.
func (a *attempt) fail(f *failure) *failure {
	a.leave()
	if !a.hedge {
		a.headCame()
		a.goOn(f)
	}
	if f.gone {
		a.result.Cancelled = true
		return f
	}
	a.result.Error = string(f.kind)
	if !f.blameless {
		a.lease.Fail(f)
	}
	return f
}

// repeatable tells whether the request may go to another server after f. What
// never reached one may, whatever it is. What may have been worked on may only
// if working on it twice does no harm. In any case all that was sent of its
// body must still be there. Of an answer that is unwanted, wanting has decided.
func (x *exchange) repeatable(f *failure) bool {
	if f.kind == RequestTimeout || f.kind == BadRequest || f.kind == Internal || f == uploadStalled || x.body.lost.Load() {
		return false
	}
	return f.connecting() || f.unsent || f.kind == Unwanted || idempotent(x.r.Method)
}

// idempotent tells whether doing it twice is as good as once (RFC 9110
// section 9.2.2).
func idempotent(method []byte) bool {
	switch string(method) {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}

// respond carries the server's answer to the client.
func (a *attempt) respond() {
	h, resp := a.present(), &a.resp
	h.Length, h.Declared, h.Head = resp.Length, resp.Declared, resp.Head
	h.Last = a.last || !a.body.ended.Load()
	if err := a.stream(); err != nil {
		a.breakOff(err)
	}
}

// present makes what the client sees of the server's head, but for framing.
func (a *attempt) present() *message.Response {
	h := &a.answer
	h.Reset()
	h.Status = a.resp.Status
	message.EndToEnd(&h.Header, &a.resp.Header)
	a.http.headers.response.Apply(&h.Header, a)
	a.keepSession(&h.Header)
	a.begun = true
	a.exchange.result.Status, a.exchange.result.Major = a.resp.Status, a.resp.Major
	a.exchange.trace.Answer(h)
	return h
}

// keepSession has the client come back to the server that answers, where it
// would not by itself.
func (a *attempt) keepSession(h *message.Header) {
	if token := a.lease.Token(); a.http.Sticky.Cookie != "" && token != a.prefer {
		a.http.Sticky.set(h, token)
	}
}

// breakOff ends an answer of which the client has a part.
func (a *attempt) breakOff(err error) {
	a.cut = true
	f := failed(err, a.stopped())
	if f.gone {
		a.result.Cancelled, a.exchange.result.Cancelled = true, true
		return
	}
	a.result.Error = string(f.kind)
	a.exchange.fail(f)
	if !f.blameless {
		a.lease.Fail(f)
	}
}

// stream carries head and body. What comes piece by piece goes on so, since
// someone may wait for each.
func (a *attempt) stream() error {
	b, c := a.backend, a.client
	none := a.resp.Length == 0
	a.deliver()
	if c.Respond(&a.answer, none) != nil {
		return clientGone
	}
	if none {
		a.done()
		if c.Flush() != nil {
			return clientGone
		}
		a.delivered()
		return nil
	}
	for waits := false; ; {
		if !b.Buffered() {
			if c.Flush() != nil {
				return clientGone
			}
			a.delivered()
			a.now = a.http.clock.Now()
			a.within(&a.deadlines.answer, a.now, a.http.Timeouts.Idle)
			waits = true
		}
		piece, err := b.NextBody()
		if waits {
			waits = false
			a.now = a.http.clock.Now()
			a.deadlines.answer.Store(0)
			a.deliver()
		}
		a.result.Sent += int64(len(piece))
		a.exchange.result.Sent += int64(len(piece))
		if len(piece) > 0 && c.WriteBody(piece) != nil {
			return clientGone
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			_ = c.Flush() // what there is
			return err
		}
	}
	a.done()
	if c.Finish(&a.resp.Trailer) != nil {
		return clientGone
	}
	a.delivered()
	return nil
}

// done ends the part of the server, before the client gets the last of the
// answer: so the client's next request finds place and connection free.
func (a *attempt) done() {
	a.judge()
	a.leave()
	a.lease.Release()
}

// judge tells the balancer how the server did. An answer that says a server
// further on is at fault or that this one is overloaded counts against it; any
// other, also one that says the request is wrong, shows that it works.
func (a *attempt) judge() {
	if a.resp.IsGRPC() {
		status := a.resp.Trailer.Get(message.GRPCStatus)
		if status == nil {
			status = a.resp.Header.Get(message.GRPCStatus) // the answer has trailers only
		}
		if code, err := strconv.Atoi(string(status)); err == nil {
			a.result.GRPC, a.exchange.result.GRPC = code, code
		}
	}
	switch {
	case a.resp.Status >= 502 && a.resp.Status <= 504:
		a.lease.Fail(fmt.Errorf("it answered %d", a.resp.Status))
	case a.result.GRPC == 14:
		a.lease.Fail(errUnavailable)
	default:
		a.lease.Record(a.took)
	}
}

var errUnavailable = errors.New("it answered grpc-status 14 (unavailable)")
