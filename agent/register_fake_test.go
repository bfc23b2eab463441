package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/discovery/consul"
	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// fakeRegistry is a Consul in memory, which notes when it was called.
type fakeRegistry struct {
	mu      sync.Mutex
	begin   time.Time
	err     error          // of every call
	refuses bool           // to register
	hang    bool           // calls end with their context only
	has     map[string]int // ports by ID
	calls   []string
	times   []time.Duration
	reports []string
	closed  bool
}

func newRegistry() *fakeRegistry { return &fakeRegistry{begin: time.Now(), has: make(map[string]int)} }

func (f *fakeRegistry) call(ctx context.Context, what string) error {
	f.mu.Lock()
	f.calls, f.times = append(f.calls, what), append(f.times, time.Since(f.begin))
	hang, err := f.hang, f.err
	f.mu.Unlock()
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (f *fakeRegistry) Register(ctx context.Context, r consul.Registration) error {
	if err := f.call(ctx, "register "+r.ID); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuses {
		return errors.New("refused")
	}
	f.has[r.ID] = r.Port
	return nil
}

func (f *fakeRegistry) Deregister(ctx context.Context, id string) error {
	if err := f.call(ctx, "deregister "+id); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.has, id)
	return nil
}

func (f *fakeRegistry) Registered(ctx context.Context, id string) (bool, error) {
	err := f.call(ctx, "look "+id)
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.has[id]
	return ok && err == nil, err
}

func (f *fakeRegistry) Report(ctx context.Context, id string, good bool, output string) (bool, error) {
	f.mu.Lock()
	f.reports = append(f.reports, fmt.Sprint(good, " ", output))
	f.mu.Unlock()
	return f.Registered(ctx, id)
}

func (f *fakeRegistry) Close() { f.set(func() { f.closed = true }) }

func (f *fakeRegistry) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fakeRegistry) holds(t *testing.T, when string, want map[string]int) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	is(t, when, f.has, want)
}

// closes tells whether its client was closed since the last time it was asked.
func (f *fakeRegistry) closes() (closed bool) {
	f.set(func() { closed, f.closed = f.closed, false })
	return closed
}

// reported returns the reports since the last time it was asked.
func (f *fakeRegistry) reported() (reports []string) {
	f.set(func() { reports, f.reports = f.reports, nil })
	return reports
}

// took returns the calls since the last time it was asked.
func (f *fakeRegistry) took() (calls []string, times []time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls, times = f.calls, f.times
	f.calls, f.times = nil, nil
	return calls, times
}

func (f *fakeRegistry) goal(id string, port int) goal {
	return goal{consul: f, place: fmt.Sprintf("%p", f), want: consul.Registration{ID: id, Name: "shop", Port: port}}
}

type fakeProber struct {
	mu   sync.Mutex
	err  error
	hang bool
}

func (p *fakeProber) set(err error, hang bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err, p.hang = err, hang
}

func (p *fakeProber) Probe(ctx context.Context, target health.Target) (string, error) {
	p.mu.Lock()
	err, hang := p.err, p.hang
	p.mu.Unlock()
	if hang {
		<-ctx.Done()
		return "", ctx.Err()
	}
	if err != nil {
		return "", err
	}
	return "connected to " + target.Address, nil
}
