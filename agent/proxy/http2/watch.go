package http2

import (
	"errors"
	"os"
	"time"
)

// watch looks at a connection now and then, so that what takes no time costs
// none. At rest it looks no more than it has to.
type watch struct {
	timer   *time.Timer
	period  time.Duration
	resting bool // nothing goes on
	nudged  bool // the reader was told so
	stalled spell
	quiet   spell
	handed  int64 // of outlet, reads and heads, when last looked at
	reads   uint
	heads   uint
}

// spell is how long something has been so.
type spell struct{ since time.Time }

func (s *spell) lasts(so bool, now time.Time) time.Duration {
	switch {
	case !so:
		s.since = time.Time{}
		return 0
	case s.since.IsZero():
		s.since = now
	}
	return now.Sub(s.since)
}

// over tells that it has been so for long enough; a limit of 0 is none.
func (s *spell) over(so bool, limit time.Duration, now time.Time) bool {
	return s.lasts(so, now) >= limit && so && limit > 0
}

const (
	longestPeriod = time.Second
	shortest      = 5 * time.Millisecond
)

// start begins to watch. The limits are what it is to notice in good time.
func (c *conn) startWatch(look func(), limits ...time.Duration) {
	c.watch.period = longestPeriod
	for _, l := range limits {
		if l > 0 {
			c.watch.period = max(min(c.watch.period, l/4), shortest)
		}
	}
	c.watch.timer = time.AfterFunc(c.watch.period, look)
}

// stir ends the rest. The lock is held.
func (c *conn) stir() {
	if c.watch.resting && c.watch.timer != nil {
		c.watch.resting = false
		c.watch.timer.Reset(c.watch.period)
	}
}

// look sees to what both sides have in common. busy tells that something goes
// on, and stall how long a write may take. It tells whether the connection has
// to be closed.
func (c *conn) look(now time.Time, busy bool, stall time.Duration) (dead bool) {
	w := &c.watch
	c.calm()
	dead = w.stalled.over(c.out.flushing && c.out.handed == w.handed, stall, now)
	still := !busy && !c.out.flushing && c.reads == w.reads && c.out.handed == w.handed
	w.handed, w.reads = c.out.handed, c.reads
	if w.quiet.lasts(still, now) > 0 && !w.resting {
		w.resting = true
		if !c.out.flushing && len(c.out.frames) == 0 {
			c.out.frames, c.out.spare = nil, nil
		}
		if !c.hungUp {
			w.nudged = c.net.SetReadDeadline(time.Unix(1, 0)) == nil // the reader gives up its room
		}
	}
	return dead
}

// rested tells that a read failed for no other reason than that the connection
// is at rest, and gives up what the inlet holds.
func (c *conn) rested(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.watch.nudged || c.hungUp {
		return false
	}
	c.watch.nudged = false
	c.in.rest()
	return c.net.SetReadDeadline(time.Time{}) == nil
}
