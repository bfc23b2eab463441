package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/outrigger-sidecar/outrigger/bench/backend"
	"github.com/outrigger-sidecar/outrigger/bench/load"
	"github.com/outrigger-sidecar/outrigger/bench/proc"
	"github.com/outrigger-sidecar/outrigger/bench/wire"
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

// proxy is a contender that runs.
type proxy struct {
	process *process // nil for the direct line
	targets []string
	ready   time.Duration // from its start to the first request served
}

// start starts a contender, and waits until it serves.
func (r *runner) start(ctx context.Context, w row, c contender) (*proxy, error) {
	if c.command == nil {
		return &proxy{targets: behind(r.backends, w.protocol())}, nil
	}
	dir, err := os.MkdirTemp(r.dir, c.name+"-")
	if err != nil {
		return nil, err
	}
	l, err := newLayout(dir, max(w.upstreams, 1), r.backends)
	if err != nil {
		return nil, err
	}
	command, err := c.command(l)
	if err != nil {
		return nil, err
	}
	p := &proxy{targets: l.targets(w.protocol())}
	if p.process, err = start(command, nil); err != nil {
		return nil, err
	}
	// The first request is served before the others are asked, for the start.
	for i, address := range l.http {
		if err := p.await(ctx, address, ask); err != nil {
			p.process.stop()
			return nil, err
		}
		if i == 0 {
			p.ready = time.Since(p.process.began)
		}
	}
	if w.protocol() != http1 {
		if err := p.await(ctx, p.targets[0], connect); err != nil {
			p.process.stop()
			return nil, err
		}
	}
	return p, nil
}

// await tries until it works, at most for 10 s.
func (p *proxy) await(ctx context.Context, address string, try func(address string) error) error {
	for deadline := time.Now().Add(10 * time.Second); ; {
		err := try(address)
		if err == nil {
			return nil
		}
		if gone := p.process.running(); gone != nil {
			return gone
		}
		if time.Now().After(deadline) {
			return p.process.explain(fmt.Errorf("it does not serve: %w", err))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Microsecond):
		}
	}
}

func connect(address string) error {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return err
	}
	return conn.Close()
}

// ask makes one HTTP request.
func ask(address string) error {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := fmt.Fprintf(conn, "GET /1 HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", address); err != nil {
		return err
	}
	answer, err := io.ReadAll(io.LimitReader(conn, 64*kib))
	if err != nil {
		return err
	}
	h, size, err := wire.Parse(answer)
	if err == nil && (size == 0 || h.Status() != 200) {
		err = errors.New("no good answer")
	}
	return err
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
	plan := w.plan
	plan.Targets, plan.PID = p.targets, p.process.pid()
	plan.Warmup, plan.Duration = r.pace.warmup, r.pace.duration
	if plan.Kind == load.Idle {
		plan.Warmup, plan.Duration = r.pace.rest, r.pace.rest
	}
	result, err := playLoad(ctx, plan)
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
