package health

import (
	"context"
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

// Check is a probe made again and again, by a Scheduler. Zero fields mean:
// every 5 s, at most 2 s each, up after 2 good ones, down after 3 bad ones.
type Check struct {
	Prober   Prober
	Interval time.Duration // from the end of one probe to the next, less or more a tenth; longer where the budget is short
	Timeout  time.Duration
	Rise     int // good probes in a row before a server that is down is up
	Fall     int // bad probes in a row before a server is down
	// Name stands for what the Prober asks. Checks of one Name, Interval and
	// Timeout are taken for the same one, so that a Scheduler probes a target
	// only once for all of them. "": for none but itself.
	Name string
	// TrustTraffic spares a server the probe where real requests have just
	// proved the same, see Follower.Proof.
	TrustTraffic bool
}

// Result is the outcome of one probe.
type Result struct {
	Status  ProbeStatus // after this probe, rise and fall applied
	Streak  int         // probes in a row, this one last, that speak against Status
	Good    bool        // this probe alone
	Skipped bool        // it was not made: requests have proved the same
	Output  string      // at most some 256 bytes
	At      time.Time   // when it ended
	Took    time.Duration
	Late    time.Duration // how long after its time it began, for want of budget
}

// Next completes the result r of a probe by what the one before has left. Where
// that is nothing the first good probe is enough to be up: a new server should
// not wait out a rise that guards against flapping.
func (c Check) Next(before, r Result) Result {
	c = c.WithDefaults()
	r.Status, r.Streak = max(before.Status, Unproven), 0
	switch {
	case r.Good && r.Status == ProbeUp, !r.Good && r.Status == ProbeDown:
	case r.Good:
		r.Streak = before.Streak + 1
		if r.Status == Unproven || r.Streak >= c.Rise {
			r.Status, r.Streak = ProbeUp, 0
		}
	default:
		r.Streak = before.Streak + 1
		if r.Streak >= c.Fall {
			r.Status, r.Streak = ProbeDown, 0
		}
	}
	return r
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

// outputLimit bounds what of a probe's output is kept for people to read.
const outputLimit = 256

func (c Check) once(ctx context.Context, target Target) Result {
	start := time.Now()
	output, err := c.Prober.Probe(ctx, target)
	r := Result{Good: err == nil, Output: output, At: time.Now()}
	r.Took = r.At.Sub(start)
	if err != nil && output == "" {
		r.Output = err.Error()
	}
	if len(r.Output) > outputLimit {
		r.Output = strings.ToValidUTF8(r.Output[:outputLimit], "") + "…"
	}
	return r
}
