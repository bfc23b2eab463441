package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/outrigger-sidecar/outrigger/bench/backend"
	"github.com/outrigger-sidecar/outrigger/bench/load"
	"github.com/outrigger-sidecar/outrigger/bench/proc"
)

// runner measures rows. Create it with newRunner, and end it with close.
type runner struct {
	dir       string // temporary
	pace      pace
	progress  io.Writer
	processes []*process // the backends
	backends  []backend.Addresses
}

const backends = 4

// newRunner starts the backends.
func newRunner(ctx context.Context, dir string, p pace, progress io.Writer) (*runner, error) {
	r := &runner{dir: dir, pace: p, progress: progress}
	for range backends {
		c, err := part(backendPart, nil, "GOMAXPROCS=1")
		if err != nil {
			return r, err
		}
		out := make(lines, 1)
		b, err := start(c, out)
		if err != nil {
			return r, err
		}
		r.processes = append(r.processes, b)
		var a backend.Addresses
		select {
		case line := <-out:
			err = json.Unmarshal(line, &a)
		case <-b.ended:
			err = b.running()
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			return r, fmt.Errorf("a backend: %w", err)
		}
		r.backends = append(r.backends, a)
	}
	return r, nil
}

func (r *runner) close() {
	for _, p := range r.processes {
		p.stop()
	}
}

// lines takes what is written to it, as long as it has room.
type lines chan []byte

func (l lines) Write(b []byte) (int, error) {
	select {
	case l <- bytes.Clone(b):
	default:
	}
	return len(b), nil
}

// measured is what came out of one row for one contender.
type measured struct {
	contender contender
	samples   []sample // one of each round, as far as it got
	errors    int      // of requests, in all rounds
	err       error    // the first of them, or why it takes part no longer
}

// row measures one row. Its contenders take turns, each round beginning with
// another one, so that what the machine does besides hits all of them.
func (r *runner) row(ctx context.Context, w row, all []contender) ([]*measured, error) {
	var results []*measured
	for _, c := range all {
		if w.takesPart(c) {
			results = append(results, &measured{contender: c})
		}
	}
	up := make(map[*measured]*proxy)
	defer func() {
		for _, p := range up {
			p.process.stop()
		}
	}()
	gone := make(map[*measured]bool)
	for round := range r.pace.rounds {
		for i := range results {
			m := results[(i+round)%len(results)]
			if gone[m] {
				continue
			}
			if up[m] == nil {
				p, err := r.start(ctx, w, m.contender)
				if err != nil {
					m.err, gone[m] = err, true
					continue
				}
				up[m] = p
			}
			fmt.Fprintf(r.progress, "\r\033[K%s, round %d of %d: %s", w.name, round+1, r.pace.rounds, m.contender.name)
			err := r.sample(ctx, w, up[m], m)
			if err == nil {
				err = up[m].process.running()
			}
			if err != nil {
				m.err, gone[m] = err, true
			}
			if w.fresh || gone[m] {
				up[m].process.stop()
				delete(up, m)
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
	}
	fmt.Fprint(r.progress, "\r\033[K")
	return results, nil
}

// sample measures once.
func (r *runner) sample(ctx context.Context, w row, p *proxy, m *measured) error {
	switch {
	case w.start:
		m.samples = append(m.samples, sample{startup: float64(p.ready) / float64(time.Millisecond)})
		return nil
	case w.plan.Kind == "":
		select {
		case <-time.After(r.pace.rest):
		case <-ctx.Done():
			return ctx.Err()
		}
		tree, err := proc.Of(p.process.pid())
		if err != nil {
			return err
		}
		u, err := tree.Usage()
		m.samples = append(m.samples, sample{resident: float64(u.Resident) / mib})
		return err
	}
	result, err := playLoad(ctx, r.plan(w, p))
	if err != nil {
		return err
	}
	m.samples = append(m.samples, sampleOf(w, result))
	m.errors += result.Errors
	if m.err == nil && result.Error != "" {
		m.err = errors.New(result.Error)
	}
	return nil
}

// plan is the plan of a row for a proxy.
func (r *runner) plan(w row, p *proxy) load.Plan {
	plan := w.plan
	plan.Targets, plan.PID = p.targets(w.protocol()), p.process.pid()
	plan.Warmup, plan.Duration = r.pace.warmup, r.pace.duration
	if plan.Kind.Idles() {
		plan.Warmup, plan.Duration = r.pace.rest, r.pace.rest
	}
	return plan
}
