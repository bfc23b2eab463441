package proxy

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/http1"
)

// upload is a request's body on its way. What was read of it is kept, up to a
// bound, so that it can be sent to another backend.
type upload struct {
	*exchange
	kept     []byte      // all that was read, unless lost
	room     []byte      // what kept lies in where it is a copy
	lost     atomic.Bool // more was read than is kept
	received int64
	ended    atomic.Bool   // it was read to its end
	over     chan struct{} // closed when carry is; nil: it does not run
	halted   atomic.Bool
}

// keepLimit is how much of a body is kept.
const keepLimit = 64 << 10

func (u *upload) begin(x *exchange) {
	u.exchange = x
	u.kept, u.received = nil, 0
	u.lost.Store(false)
	u.ended.Store(x.r.Length == 0)
}

// head is what of the body goes out with the request's head: what came along
// with that, which for most requests is all of it, or what was kept of it.
func (u *upload) head() ([]byte, error) {
	if u.received > 0 || u.ended.Load() || u.r.Expect || !u.client.BodyBuffered() {
		return u.kept, nil
	}
	piece, err := u.client.NextBody()
	u.take(piece, err)
	if fault := u.fault(err); fault != nil {
		return nil, fault
	}
	return piece, nil
}

// take notes that a piece was read.
func (u *upload) take(piece []byte, err error) {
	u.received += int64(len(piece))
	if errors.Is(err, io.EOF) || err == nil && u.received == u.r.Length {
		u.ended.Store(true)
		if len(piece) > 0 && u.received == int64(len(piece)) {
			u.kept = piece // the whole of it, which stays where it is
			return
		}
	}
	switch {
	case u.lost.Load() || len(piece) == 0:
	case len(u.kept)+len(piece) > keepLimit || u.r.Length > keepLimit:
		u.lost.Store(true)
	default:
		u.room = append(u.room[:len(u.kept)], piece...)
		u.kept = u.room
	}
}

// fault is what an error of the client's side means for the exchange.
func (u *upload) fault(err error) *failure {
	if err == nil || errors.Is(err, io.EOF) {
		return nil
	}
	if wrong, ok := errors.AsType[*http1.Error](err); ok {
		return &failure{kind: BadRequest, status: wrong.Status, err: err, blameless: true}
	}
	return clientGone
}

// carry sends the rest of the body to b, beside whoever reads the answer.
func (u *upload) carry(b outbound) {
	u.halted.Store(false)
	over := make(chan struct{})
	u.over = over
	u.home.Go(func() {
		defer close(over)
		defer u.guard()
		defer u.deadlines.upload.Store(0)
		for !u.ended.Load() {
			u.within(&u.deadlines.upload, u.http.clock.Now(), u.http.Timeouts.Idle)
			piece, err := u.client.NextBody()
			if u.halted.Load() && len(piece) == 0 && !errors.Is(err, io.EOF) {
				return
			}
			u.take(piece, err)
			if fault := u.fault(err); fault != nil {
				u.stop(fault)
				return
			}
			if len(piece) > 0 && b.SendBody(piece) != nil {
				return // whoever reads the answer finds out why
			}
		}
		if b.FinishBody(&u.r.Trailer) == nil {
			u.deadlines.upload.Store(0)
			u.try.sent(u.http.clock.Now())
		}
	})
}

// halt ends carry to b. The body can be gone on with.
func (u *upload) halt(b outbound) {
	switch {
	case u.over == nil:
		return
	case !u.ended.Load():
		u.halted.Store(true)
		u.client.StopBody()
		u.await()
		u.client.ResumeBody()
	case !u.isOver(glance):
		b.Interrupt() // it answered, and does not take the last of the request
		u.await()
	}
	u.over = nil
}

// await waits for carry.
func (u *upload) await() { u.home.Block(func() { <-u.over }) }

// isOver waits for carry, for a while.
func (u *upload) isOver(within time.Duration) bool {
	select {
	case <-u.over:
		return true
	default:
	}
	in := false
	u.home.Block(func() {
		timer := time.NewTimer(within)
		defer timer.Stop()
		select {
		case <-u.over:
			in = true
		case <-timer.C:
		}
	})
	return in
}
