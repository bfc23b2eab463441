package load

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/outrigger-sidecar/outrigger/bench/proc"
)

// runIdle opens connections, makes a request on each, and holds them. What a
// proxy has in memory before and after is what they cost it.
func runIdle(ctx context.Context, p Plan, tree proc.Tree) (result Result, err error) {
	if !pause(ctx, p.Warmup) {
		return result, ctx.Err()
	}
	before, err := tree.Usage()
	if err != nil {
		return result, err
	}
	r := &run{plan: p, epoch: time.Now(), warm: make(chan struct{}), some: make(chan struct{})}
	r.deadline = r.epoch.Add(p.Duration + time.Minute)
	r.phase.Store(measuring)
	const openers = 32
	r.cold.Store(openers)
	tallies, held := make([]*tally, openers), make([][]holder, openers)
	var wg sync.WaitGroup
	for o := range openers {
		tallies[o] = &tally{run: r}
		wg.Go(func() {
			for i := o; i < p.Connections && ctx.Err() == nil; i += openers {
				if k := r.hold(i, tallies[o]); k != nil {
					held[o] = append(held[o], k)
				}
			}
		})
	}
	wg.Wait()
	defer func() {
		for _, all := range held {
			for _, k := range all {
				k.close()
			}
		}
	}()
	if !pause(ctx, p.Duration) {
		return result, ctx.Err()
	}
	result.Before, result.Elapsed = before.Resident, r.now()
	return result, result.collect(tallies, tree)
}

// holder can be held for long, when it has shed what it needs for exchanges.
type holder interface {
	exchanger
	shed()
}

func (k *keepAlive) shed() { k.buf, k.requests = nil, nil }

func (s *stream) shed() { s.buf, s.ask = nil, nil }

// hold opens a connection and makes a request; nil where that fails.
func (r *run) hold(i int, t *tally) holder {
	target := r.plan.Targets[i%len(r.plan.Targets)]
	var k holder = newKeepAlive(target, i, r.plan)
	if r.plan.Kind == TCPIdle {
		k = newStream(target, r.plan)
	}
	began := r.now()
	if err := k.open(r.deadline); err != nil {
		t.fail(err)
		return nil
	}
	more, err := k.exchange()
	if err == nil && !more {
		err = errors.New("the proxy ends the connection after one request")
	}
	if err != nil {
		t.fail(err)
		k.close()
		return nil
	}
	t.done(r.now() - began)
	k.shed()
	return k
}
