package lb

import "time"

// clock is what a balancer tells the time by; the zero value is the system's.
type clock struct{ read func() time.Time }

func (c clock) now() time.Time {
	if c.read == nil {
		return time.Now()
	}
	return c.read()
}

// epoch is where ticks count from.
var epoch = time.Now()

// ticks is a monotonic clock in nanoseconds, for differences only.
func (c clock) ticks() int64 {
	if c.read == nil {
		return int64(time.Since(epoch))
	}
	return int64(c.read().Sub(epoch))
}
