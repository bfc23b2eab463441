package health

import (
	"context"
	"math/rand/v2"
	"strings"
	"time"
)

// Target is what a probe is sent to.
type Target struct {
	Address string // host:port or unix:///path
	Path    string // for probes that ask for one; "" means the prober's own
}

// SplitAddress turns a server's address into what net.Dial takes: host:port
// is TCP, unix:///path a unix socket.
func SplitAddress(address string) (network, addr string) {
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		return "unix", path
	}
	return "tcp", address
}

// Prober asks a server once whether it is well. The output is shown to people
// either way; the error says that it is not well. Probe is called from several
// goroutines at once and must return when ctx ends.
type Prober interface {
	Probe(ctx context.Context, target Target) (output string, err error)
}

// Check is a probe made again and again. Zero fields mean: every 5 s, at most
// 2 s each, up after 2 good ones, down after 3 bad ones.
type Check struct {
	Prober   Prober
	Interval time.Duration // from the end of one probe to the next, less or more a tenth
	Timeout  time.Duration
	Rise     int // good probes in a row before a server that is down is up
	Fall     int // bad probes in a row before a server is down
}

// Result is the outcome of one probe.
type Result struct {
	Status ProbeStatus // after this probe, rise and fall applied
	Good   bool        // this probe alone
	Output string
	Took   time.Duration
}

// Run probes target until ctx ends, calling report from this goroutine after
// each probe. It starts from what is known, status, and where that is nothing
// the first good probe is enough to be up: a new server should not wait out a
// rise that guards against flapping.
func (c Check) Run(ctx context.Context, target Target, status ProbeStatus, report func(Result)) {
	c = c.WithDefaults()
	if status == Unprobed {
		status = Unproven
	}
	streak := 0
	// A pool's probes must not march in step, but the first should come soon.
	pause := rand.N(min(c.Interval, time.Second)/10 + 1)
	for sleep(ctx, pause) {
		r := c.once(ctx, target)
		if ctx.Err() != nil {
			return // a probe cut short says nothing about the server
		}
		switch {
		case r.Good && status == ProbeUp, !r.Good && status == ProbeDown:
			streak = 0
		case r.Good:
			streak++
			if status == Unproven || streak >= c.Rise {
				status, streak = ProbeUp, 0
			}
		default:
			streak++
			if streak >= c.Fall {
				status, streak = ProbeDown, 0
			}
		}
		r.Status = status
		report(r)
		pause = c.Interval - c.Interval/10 + rand.N(c.Interval/5+1)
	}
}

// WithDefaults fills in the zero fields.
func (c Check) WithDefaults() Check {
	if c.Interval <= 0 {
		c.Interval = 5 * time.Second
	}
	if c.Timeout <= 0 {
		c.Timeout = 2 * time.Second
	}
	if c.Rise <= 0 {
		c.Rise = 2
	}
	if c.Fall <= 0 {
		c.Fall = 3
	}
	return c
}

func (c Check) once(ctx context.Context, target Target) Result {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	start := time.Now()
	output, err := c.Prober.Probe(ctx, target)
	r := Result{Good: err == nil, Output: output, Took: time.Since(start)}
	if err != nil && output == "" {
		r.Output = err.Error()
	}
	return r
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
