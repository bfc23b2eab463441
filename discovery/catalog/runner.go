package catalog

import (
	"context"
	"fmt"
	"time"
)

// A probe runs a check once, within the check's own timeout.
type probe func(context.Context) (status, output string)

// minInterval keeps a check from spinning. Consul's is 1s; tests want less.
const minInterval = 10 * time.Millisecond

func (d *checkDefinition) interval() time.Duration { return time.Duration(d.Interval) }

// start runs a check in a goroutine that Run owns, until the check is dropped
// or Run ends. The caller holds the lock; without a Run there is nothing to do.
func (c *Catalog) start(lc *localCheck) {
	if c.running == nil {
		return
	}
	var run func(context.Context)
	switch d := &lc.definition; {
	case d.TTL > 0:
		run = func(ctx context.Context) { c.watchTTL(ctx, lc) }
	case d.HTTP != "":
		run = func(ctx context.Context) { c.probeEvery(ctx, lc, httpProbe(d)) }
	case d.TCP != "":
		run = func(ctx context.Context) { c.probeEvery(ctx, lc, tcpProbe(d)) }
	case d.GRPC != "":
		run = func(ctx context.Context) { c.probeEvery(ctx, lc, grpcProbe(d)) }
	default:
		return // maintenance mode
	}
	ctx, cancel := context.WithCancel(c.running.ctx)
	lc.stop = cancel
	c.running.wg.Go(func() {
		defer cancel()
		run(ctx)
	})
}

// deliver takes the outcome of a check unless it was dropped meanwhile.
func (c *Catalog) deliver(ctx context.Context, lc *localCheck, status, output string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ctx.Err() == nil {
		c.result(lc.definition.CheckID, lc, status, output)
	}
}

// probeEvery runs a probe now and then every interval. Consul waits a random
// part of the interval first, to spread the load of many agents; one agent on a
// laptop has none to spread, and who just registered wants to see it pass.
func (c *Catalog) probeEvery(ctx context.Context, lc *localCheck, run probe) {
	d := &lc.definition
	ticker := time.NewTicker(max(d.interval(), minInterval))
	defer ticker.Stop()
	tally := newTally(d)
	for {
		status, output := run(ctx)
		if status, counts := tally.judge(status); counts {
			c.deliver(ctx, lc, status, output)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// A tally counts results in a row against a check's thresholds.
type tally struct {
	definition          *checkDefinition
	successes, failures int
}

// newTally starts satisfied, as Consul's does: the very first result counts,
// whatever it is.
func newTally(d *checkDefinition) *tally {
	return &tally{definition: d, successes: d.SuccessBeforePassing, failures: d.FailuresBeforeCritical}
}

// judge returns the status that a result leads to, and whether it does yet.
func (t *tally) judge(status string) (string, bool) {
	d := t.definition
	if status != critical {
		t.failures = 0
		t.successes++
		return status, t.successes >= d.SuccessBeforePassing
	}
	t.successes = 0
	t.failures++
	switch {
	case t.failures >= d.FailuresBeforeCritical:
		return critical, true
	case d.FailuresBeforeWarning > 0 && t.failures >= d.FailuresBeforeWarning:
		return warning, true
	}
	return "", false
}

// watchTTL makes a check critical when the application is silent for its TTL.
func (c *Catalog) watchTTL(ctx context.Context, lc *localCheck) {
	ttl := time.Duration(lc.definition.TTL)
	timer := time.NewTimer(ttl)
	defer timer.Stop()
	for {
		select {
		case <-lc.reported:
			timer.Reset(ttl)
		case <-timer.C:
			c.mu.Lock()
			last := lc.output
			c.mu.Unlock()
			output := "TTL expired"
			if last != "" {
				output = fmt.Sprintf("TTL expired (last output before timeout follows): %s", last)
			}
			c.deliver(ctx, lc, critical, output)
		case <-ctx.Done():
			return
		}
	}
}

const (
	// reapEvery and minReapAfter are Consul's, by its documentation of
	// deregister_critical_service_after.
	reapEvery    = 30 * time.Second
	minReapAfter = time.Minute
)

// reap removes services that have been critical for too long, until ctx ends.
func (c *Catalog) reap(ctx context.Context) {
	ticker := time.NewTicker(reapEvery)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			c.reapOnce(now)
		case <-ctx.Done():
			return
		}
	}
}

func (c *Catalog) reapOnce(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, lc := range c.checks {
		after := time.Duration(lc.definition.DeregisterCriticalServiceAfter)
		service := c.store.nodes[c.opts.Node].checks[id].ServiceID
		if after > 0 && service != "" && lc.status == critical && now.Sub(lc.since) >= max(after, minReapAfter) {
			c.dropService(service)
		}
	}
}
