package proxy

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/socket"
	"github.com/outrigger-sidecar/outrigger/lb"
)

// Hedge says when a request that takes long is sent to a second server too,
// and the answer taken that comes first ("The Tail at Scale", Dean and Barroso,
// 2013). Only what may be done twice is, and what the retry budget allows. The
// zero value never does.
type Hedge struct {
	Percentile float64       // of the times until an answer begins, after which it takes long; 0: never
	Least      time.Duration // the least to wait, however quick most answers are
}

// pace learns how long answers take to begin.
type pace struct {
	Hedge
	took  Histogram
	last  Counts
	delay atomic.Int64 // after which a request takes long; 0 while too little is known
	clock *socket.Clock
	alarm socket.Alarm
}

const (
	paceEvery = time.Second // how often the delay is learned anew
	paceLeast = 100         // answers that it is learned from, at least
)

func newPace(h Hedge, clock *socket.Clock) *pace {
	p := &pace{Hedge: h, clock: clock}
	clock.Add(&p.alarm, p.learn)
	return p
}

// add notes how long an answer took.
func (p *pace) add(took, now time.Duration) {
	p.took.Add(took)
	p.alarm.Earlier(now + paceEvery)
}

// learn takes the percentile of what came since there was enough.
func (p *pace) learn(time.Duration) (next time.Duration) {
	counts := p.took.Load()
	recent := counts.Sub(p.last)
	if recent.Sum() >= paceLeast {
		p.delay.Store(int64(max(recent.Quantile(p.Percentile/100), p.Least)))
		p.last = counts
	}
	return 0 // until the next answer
}

func (p *pace) close() { p.clock.Remove(&p.alarm) }

// mayHedge has a second server asked when the first takes long.
func (x *exchange) mayHedge() {
	x.deadlines.hedge.Store(0)
	if x.http.pace == nil || x.body.lost || !x.body.ended.Load() || x.r.Upgrade != nil || !idempotent(x.r.Method) {
		return
	}
	x.within(&x.deadlines.hedge, x.now, time.Duration(x.http.pace.delay.Load()))
}

// beaten ends an attempt of which the answer is not needed any more.
var beaten = &failure{kind: Reset, blameless: true, gone: true}

// hedge asks a second server. It runs beside the first attempt.
func (x *exchange) hedge() {
	if !x.http.budget.withdraw() {
		x.http.Meter.Denied.Add(1)
		return
	}
	b := &x.rival
	var err error
	tried := append([]string{x.try.lease.Server().ID}, x.query.Tried...)
	if b.lease, err = x.http.Balancer.Acquire(context.Background(), lb.Query{Key: x.query.Key, Tried: tried}); err != nil {
		x.http.budget.refund()
		return
	}
	x.http.Meter.Hedges.Add(1)
	b.hedge = true
	b.from = x.http.clock.Now()
	b.now = b.from
	b.begin(x, x.result.Attempts, hedged)
	if f := b.ask(); f != nil {
		b.fail(f)
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.won == nil {
		x.won = b
		x.try.interruptLocked()
	}
}

// hedged is the reason of such an attempt.
const hedged = "hedge"

// settle decides between the attempts, once the first has ended.
func (x *exchange) settle(a *attempt, f *failure) (*attempt, *failure) {
	if x.http.pace == nil {
		return a, f
	}
	x.deadlines.hedge.Store(0)
	x.mu.Lock()
	if f == nil && x.won == nil {
		x.won = a
		x.rival.interruptLocked()
	}
	x.mu.Unlock()
	x.hedges.Wait()
	if x.rival.exchange == nil {
		x.learn(a, f)
		return a, f
	}
	x.result.Attempts++
	winner, loser := a, &x.rival
	if x.won == loser {
		winner, loser, f = loser, a, nil
		winner.hedge = false
		winner.headCame()
		x.http.Meter.HedgesWon.Add(1)
	}
	if f == nil { // the other one took at least so long
		loser.lease.Record(winner.now - loser.from)
		loser.result.Cancelled = true
	}
	x.learn(winner, f)
	return winner, f
}

func (x *exchange) learn(a *attempt, f *failure) {
	if f == nil {
		x.http.pace.add(a.took, a.now)
	}
}
