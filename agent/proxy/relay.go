package proxy

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/socket"
)

// relay carries bytes both ways between the app and a backend until both
// directions have ended or nothing moved for too long. It holds no buffer while
// it waits. Fill in the fields and call run once.
type relay struct {
	app, backend               *socket.Conn
	aheadOfApp, aheadOfBackend []byte        // read from them before, and to be carried first
	silence                    time.Duration // 0: any
	clock                      *socket.Clock // runs
	sent, received             *atomic.Int64 // bytes from and to the app, as they pass
	fromApp, toApp             int64         // the same of this relay alone, once it has run

	alarm     socket.Alarm
	moved     atomic.Int64          // when something last did, by the clock
	dismissed atomic.Int64          // when it has to end, whatever moves; 0: not
	spared    func() bool           // asked then whether it may go on after all; nil: no
	broken    atomic.Pointer[error] // the first failure, nil for a clean end
}

// What ends a relay, beside its sides.
var (
	errSilent    = errors.New("timeout \"tunnel\": nothing moved for too long")
	errReset     = errors.New("the connection was reset")
	errDismissed = errors.New("the backend was removed")
)

// quiet is how long nothing moves before a relay asks whether its connections
// still are.
const quiet = time.Second

// run returns when the relay has ended. The connections are for the caller to
// close. An error says what failed; it is nil for a relay that was cut.
func (r *relay) run() error {
	r.clock.Add(&r.alarm, r.ring)
	defer r.clock.Remove(&r.alarm)
	r.touch()
	up := direction{relay: r, from: r.app, to: r.backend, ahead: r.aheadOfApp, count: r.sent}
	down := direction{relay: r, from: r.backend, to: r.app, ahead: r.aheadOfBackend, count: r.received}
	var wg sync.WaitGroup
	wg.Go(up.run)
	down.run()
	wg.Wait()
	r.fromApp, r.toApp = up.carried, down.carried
	if err := r.broken.Load(); err != nil && !errors.Is(*err, socket.ErrInterrupted) && !errors.Is(*err, net.ErrClosed) {
		return *err
	}
	return nil
}

// touch notes that something moves.
func (r *relay) touch() {
	now := r.clock.Now()
	r.moved.Store(int64(now))
	at := now + r.patience()
	if d := time.Duration(r.dismissed.Load()); d != 0 {
		at = min(at, d)
	}
	r.alarm.Set(at)
}

// patience is until when the alarm rings if nothing moves.
func (r *relay) patience() time.Duration {
	if r.silence > 0 {
		return min(r.silence, quiet)
	}
	return quiet
}

// dismiss has the relay end at a time by the clock.
func (r *relay) dismiss(at time.Duration) {
	r.dismissed.Store(int64(at))
	r.alarm.Set(1) // at once, to find out what is next
}

// ring ends what takes too long, or finds out when to look again.
func (r *relay) ring(now time.Duration) (next time.Duration) {
	moved, dismissed := time.Duration(r.moved.Load()), time.Duration(r.dismissed.Load())
	if dismissed != 0 && now >= dismissed {
		if r.spared == nil || !r.spared() {
			r.fail(errDismissed)
			return 0
		}
		r.dismissed.CompareAndSwap(int64(dismissed), 0)
		dismissed = 0
	}
	switch still := now - moved; {
	case r.silence > 0 && still >= r.silence:
		r.fail(errSilent)
		return 0
	case still < r.patience():
		next = moved + r.patience()
	case r.app.Broken() || r.backend.Broken(): // see socket.Conn.Broken
		r.fail(errReset)
		return 0
	case r.silence > 0:
		next = moved + r.silence
	}
	if dismissed != 0 && (next == 0 || dismissed < next) {
		next = dismissed
	}
	return next
}

func (r *relay) fail(err error) {
	r.note(err)
	r.cut()
}

// note is by itself so that err goes to the heap only here.
func (r *relay) note(err error) { r.broken.CompareAndSwap(nil, &err) }

// cut implements carrier. To close the connections could wait for a direction
// that waits for the other one.
func (r *relay) cut() {
	r.app.Interrupt()
	r.backend.Interrupt()
}

// direction is one of the two of a relay.
type direction struct {
	relay    *relay
	from, to *socket.Conn
	ahead    []byte
	count    *atomic.Int64
	carried  int64
}

func (d *direction) run() {
	if len(d.ahead) > 0 && !d.pass(d.ahead) {
		return
	}
	d.ahead = nil
	if err := d.from.WhenReadable(d.carry); err != nil {
		d.relay.fail(err)
	}
}

// carry moves what there is, and passes an end on without ending the other
// direction: a client may well say "that is all" and wait for the answer.
func (d *direction) carry() (again bool) {
	b, n, err := d.from.TryFill()
	if b != nil {
		again = d.pass(b.B[:n])
		b.Free()
		return again
	}
	switch {
	case errors.Is(err, socket.ErrAgain):
		return true
	case !errors.Is(err, io.EOF):
		d.relay.fail(err)
	case d.to.CloseWrite() != nil:
		d.relay.cut()
	}
	return false
}

func (d *direction) pass(p []byte) bool {
	n, err := d.to.Write(p)
	d.count.Add(int64(n))
	d.carried += int64(n)
	if err != nil {
		// No cut: the other direction still carries what that side had to say
		// before it went, and then finds its end too.
		d.relay.note(err)
		return false
	}
	d.relay.touch()
	return true
}
