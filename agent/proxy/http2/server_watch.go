package http2

import "time"

// serverWatch is what a server waits for, and for how long already.
type serverWatch struct {
	preface, head, idle, notice spell
	count                       uint64 // of streams, when last looked at
}

// tick looks at the connection.
func (v *Server) tick() {
	v.mu.Lock()
	dead := !v.out.failed && v.check(time.Now())
	v.mu.Unlock()
	if dead {
		// The kernel would go on for as long as the client likes with what it
		// holds for it, which are megabytes.
		if lingers, ok := v.net.(interface{ SetLinger(sec int) error }); ok {
			_ = lingers.SetLinger(0)
		}
		_ = v.net.Close()
	}
}

// check tells whether the connection has to be closed.
func (v *Server) check(now time.Time) (dead bool) {
	w := &v.waits
	busy := len(v.streams) > 0 || v.handlers > 0 || v.count != w.count
	awaited := v.heads == v.watch.heads && v.awaited
	v.watch.heads, w.count = v.heads, v.count
	if v.look(now, busy || awaited || !v.met, v.o.Stall) ||
		w.preface.over(!v.met, v.o.Header, now) || w.head.over(awaited, v.o.Header, now) {
		return true
	}
	if v.phase == noticed && w.notice.lasts(true, now) >= linger || w.idle.over(!busy && v.phase == serving, v.o.Idle, now) {
		v.callLast()
	}
	next := v.watch.period
	if v.watch.resting && v.phase == serving {
		v.free = nil
		v.dismiss()
		if next = time.Minute; v.o.Idle > 0 {
			next = max(v.o.Idle-w.idle.lasts(true, now), shortest)
		}
	}
	v.watch.timer.Reset(next)
	return false
}

// dismiss lets the workers go that have nothing to do.
func (v *Server) dismiss() {
	for {
		select {
		case v.work <- nil:
		default:
			return
		}
	}
}
