package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/outrigger-sidecar/outrigger/bench/wire"
)

// proxy is a contender that runs.
type proxy struct {
	process *process                // nil for the direct line
	targets func(protocol) []string // where it listens
	ready   time.Duration           // from its start to the first request served
}

// start starts a contender, and waits until it serves.
func (r *runner) start(ctx context.Context, w row, c contender) (*proxy, error) {
	if c.command == nil {
		return &proxy{targets: func(p protocol) []string { return behind(r.backends, p) }}, nil
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
	p := &proxy{targets: l.targets}
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
		if err := p.await(ctx, p.targets(w.protocol())[0], connect); err != nil {
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
