package http2

import "time"

// serverWatch is what a server waits for, and for how long already.
type serverWatch struct {
	preface, head, idle, notice spell
	count                       uint64 // of streams, when last looked at
}

// tick looks at the connection.
func (v *Server) tick() {
	now := time.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.out.failed {
		return
	}
	w := &v.waits
	busy := len(v.streams) > 0 || v.handlers > 0 || v.count != w.count
	awaited := v.heads == v.watch.heads && v.awaited
	v.watch.heads, w.count = v.heads, v.count
	v.look(now, busy || awaited || !v.met, v.o.Stall)
	switch {
	case w.preface.over(!v.met, v.o.Header, now), w.head.over(awaited, v.o.Header, now):
		_ = v.net.Close()
		return
	case v.phase == noticed && w.notice.lasts(true, now) >= linger:
		v.callLast()
	case w.idle.over(!busy && v.phase == serving, v.o.Idle, now):
		v.callLast()
	}
	if v.phase == leaving {
		return
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
