// Package load plays requests against a proxy, and measures how long they take
// and what they cost the proxy. It is made to be light, for it shares the
// machine with what it measures: a goroutine for each connection, requests that
// are made before, two system calls each.
package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outrigger-sidecar/outrigger/bench/proc"
)

// Kind is a way of making requests.
type Kind string

// The kinds. Connections are kept but for Close and TCPClose, which make one
// for each request.
const (
	HTTP     Kind = "http"
	Close    Kind = "close"
	TCP      Kind = "tcp"
	TCPClose Kind = "tcp-close"
	H2C      Kind = "h2c"  // gRPC calls
	Idle     Kind = "idle" // connections with one HTTP request each, and then silence
	TCPIdle  Kind = "tcp-idle"
)

// Idles tells whether connections are opened to be silent.
func (k Kind) Idles() bool { return k == Idle || k == TCPIdle }

// Plan says what to play.
type Plan struct {
	Kind        Kind          `json:"kind"`
	Targets     []string      `json:"targets"` // host:port; connections take them in turn
	Connections int           `json:"connections"`
	Streams     int           `json:"streams"` // at once on each connection, H2C only
	Ask         int           `json:"ask"`     // bytes of a TCP request
	Answer      int           `json:"answer"`  // bytes of a body, or of a TCP answer
	Posts       []int         `json:"posts"`   // of every ten HTTP requests, POSTs with bodies of so many bytes
	Warmup      time.Duration `json:"warmup"`  // not measured; for Idle, the pause before memory is read
	Duration    time.Duration `json:"duration"`
	PID         int           `json:"pid"` // of the proxy; 0 leaves what it costs at 0
}

// Result is what was measured.
type Result struct {
	Requests int           `json:"requests"` // done within Elapsed
	Errors   int           `json:"errors"`   // from the first request to the last
	Error    string        `json:"error"`    // the first of them
	Elapsed  time.Duration `json:"elapsed"`
	P50      time.Duration `json:"p50"`
	P99      time.Duration `json:"p99"`
	CPU      time.Duration `json:"cpu"`    // of the proxy within Elapsed
	Peak     int64         `json:"peak"`   // bytes of the proxy, warm-up included
	Before   int64         `json:"before"` // bytes of the proxy before the first connection
	After    int64         `json:"after"`  // and with all of them still open
}

// Run plays a plan. It takes about as long as the plan says, and ends early
// when ctx does. Errors of requests are counted and are not its own.
func Run(ctx context.Context, p Plan) (Result, error) {
	if len(p.Targets) == 0 || p.Connections < 1 {
		return Result{}, errors.New("a plan needs targets and connections")
	}
	tree, err := proc.Of(p.PID)
	if err != nil {
		return Result{}, err
	}
	if p.Kind.Idles() {
		return runIdle(ctx, p, tree)
	}
	if err := tree.ResetPeak(); err != nil {
		return Result{}, err
	}
	before, err := tree.Usage()
	if err != nil {
		return Result{}, err
	}
	r := &run{plan: p, epoch: time.Now(), warm: make(chan struct{}), some: make(chan struct{})}
	r.cold.Store(int32(p.Connections))
	// Whatever hangs ends some seconds after the plan does.
	r.deadline = r.epoch.Add(p.Warmup + p.Duration + 20*time.Second)
	stop := context.AfterFunc(ctx, func() { r.phase.Store(ended) })
	defer stop()
	tallies := make([]*tally, p.Connections)
	var wg sync.WaitGroup
	for i := range tallies {
		tallies[i] = &tally{run: r}
		wg.Go(func() { r.connection(i, tallies[i]) })
	}
	result, err := r.measure(ctx, tree)
	r.phase.Store(ended)
	wg.Wait()
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return Result{}, err
	}
	result.Before = before.Resident
	return result, result.collect(tallies, tree)
}

// run is a plan that is being played.
type run struct {
	plan     Plan
	epoch    time.Time
	deadline time.Time
	phase    atomic.Int32
	cold     atomic.Int32  // connections that have neither made a request nor failed
	warm     chan struct{} // closed when there are none
	some     chan struct{} // closed by the first request that is measured, or fails
	once     sync.Once     // closes it
}

const (
	warming = iota
	measuring
	ended
)

// measure waits for the warm-up, and for as long as is measured.
func (r *run) measure(ctx context.Context, tree proc.Tree) (result Result, err error) {
	if !pause(ctx, r.plan.Warmup) {
		return result, ctx.Err()
	}
	if !await(ctx, r.warm) {
		return result, ctx.Err()
	}
	before, err := tree.Usage()
	if err != nil {
		return result, err
	}
	began := time.Now()
	r.phase.CompareAndSwap(warming, measuring)
	pause(ctx, r.plan.Duration)
	await(ctx, r.some)
	r.phase.Store(ended)
	result.Elapsed = time.Since(began)
	after, err := tree.Usage()
	result.CPU = after.CPU - before.CPU
	return result, err
}

func (result *Result) collect(tallies []*tally, tree proc.Tree) error {
	var all histogram
	for _, t := range tallies {
		result.Requests += t.requests
		result.Errors += t.errors
		if result.Error == "" && t.first != nil {
			result.Error = t.first.Error()
		}
		all.merge(&t.times)
	}
	result.P50, result.P99 = all.quantile(0.5), all.quantile(0.99)
	usage, err := tree.Usage()
	result.Peak, result.After = usage.Peak, usage.Resident
	return err
}

// connection plays one connection after the other till the end.
func (r *run) connection(i int, t *tally) {
	target := r.plan.Targets[i%len(r.plan.Targets)]
	for r.phase.Load() != ended {
		err := r.play(target, i, t)
		if err == nil {
			continue // the proxy has ended the connection where it may
		}
		t.fail(err)
		// A proxy that is not there is not asked again at once.
		time.Sleep(10 * time.Millisecond)
	}
}

func (r *run) play(target string, i int, t *tally) error {
	var x exchanger
	switch r.plan.Kind {
	case HTTP:
		x = newKeepAlive(target, i, r.plan)
	case Close:
		x = newOneRequest(target, r.plan)
	case TCP:
		x = newStream(target, r.plan)
	case TCPClose:
		x = newOneStream(target, r.plan)
	case H2C:
		return playH2C(r, target, t)
	default:
		return fmt.Errorf("there is no way to play %q", r.plan.Kind)
	}
	if err := x.open(r.deadline); err != nil {
		return err
	}
	defer x.close()
	began := r.now()
	for r.phase.Load() != ended {
		more, err := x.exchange()
		if err != nil {
			return err
		}
		now := r.now()
		t.done(now - began)
		if !more {
			return nil
		}
		began = now
	}
	return nil
}

func (r *run) now() time.Duration { return time.Since(r.epoch) }

// exchanger makes requests, one after the other.
type exchanger interface {
	// open connects. Nothing takes longer than until the deadline.
	open(deadline time.Time) error
	// exchange makes a request. Without more, the connection is at its end.
	exchange() (more bool, err error)
	close()
}

// await waits a while for what takes no time but where the machine is busy
// otherwise. It reports whether it was not ended early by ctx.
func await(ctx context.Context, c <-chan struct{}) bool {
	select {
	case <-c:
	case <-time.After(5 * time.Second):
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// pause reports whether it was not ended early by ctx.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
