package http2

import "time"

// clientWatch is what a client waits for, and for how long already.
type clientWatch struct {
	silent spell
	pinged bool
}

// healthPing is what the PING carries that asks whether the backend is there.
var healthPing = []byte("are you?")

// tick looks at the connection.
func (l *Client) tick() {
	l.mu.Lock()
	dead := !l.out.failed && l.check(time.Now())
	l.mu.Unlock()
	if dead {
		_ = l.net.Close()
	}
}

// check tells whether the connection has to be closed.
func (l *Client) check(now time.Time) (dead bool) {
	w := &l.waits
	silent := len(l.streams) > 0 && l.reads == l.watch.reads
	if l.look(now, l.busy() > 0 || !l.met, l.o.Stall) {
		return true
	}
	limit := l.o.Ping
	if w.pinged = w.pinged && silent; w.pinged {
		limit += l.o.PingTimeout
	}
	if w.silent.over(silent, limit, now) && l.o.Ping > 0 {
		if w.pinged {
			return true
		}
		w.pinged = true
		l.control(appendPing(l.out.frames, 0, healthPing))
	}
	if l.watch.resting {
		l.free = nil
		return false // until something stirs it
	}
	l.watch.timer.Reset(l.watch.period)
	return false
}
