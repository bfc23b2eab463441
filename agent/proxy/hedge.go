package proxy

import (
	"sync/atomic"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/socket"
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

// mayHedge has a second server asked when the first takes long. One that holds
// the client's session is not as good as another.
func (x *exchange) mayHedge() {
	x.deadlines.hedge.Store(0)
	if x.http.pace == nil || !x.body.ended.Load() || x.body.lost.Load() || x.prefer != 0 || x.r.Upgrade != nil || !idempotent(x.r.Method) {
		return
	}
	x.within(&x.deadlines.hedge, x.now, time.Duration(x.http.pace.delay.Load()))
}

// beginHedgeLocked has the second server asked.
func (x *exchange) beginHedgeLocked() {
	over := make(chan struct{})
	x.hedging = over
	x.home.Go(func() {
		defer close(over)
		x.hedge()
	})
}

// awaitHedge waits until no second server is being asked.
func (x *exchange) awaitHedge() {
	if x.http.pace == nil {
		return
	}
	x.mu.Lock()
	over := x.hedging
	x.hedging = nil
	x.mu.Unlock()
	if over != nil {
		x.home.Block(func() { <-over })
	}
}

// beaten ends an attempt of which the answer is not needed any more.
var beaten = &failure{kind: Reset, blameless: true, gone: true}

// hedged is the reason of an attempt beside another.
const hedged = "hedge"

// hedge asks a second server. It runs beside the first attempt, and waits in no
// queue: where all servers are busy it would only make that worse.
func (x *exchange) hedge() {
	defer x.guard()
	if !x.http.afford() {
		return
	}
	b := &x.rival
	var err error
	tried := append([]string{x.try.lease.Server().ID}, x.query.Tried...)
	if b.lease, err = x.http.Balancer.Select(x.query.Key, tried...); err != nil {
		x.http.budget.refund()
		return
	}
	x.http.Meter.Hedges.Add(1)
	b.hedge = true
	b.from = x.http.clock.Now()
	b.now = b.from
	b.begin(x, x.result.Attempts, hedged)
	if f := b.ask(); f != nil {
		_ = b.fail(f)
		return
	}
	x.win(b)
}

// win notes that the answer of a came first, if it did, and ends the other.
func (x *exchange) win(a *attempt) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.won != nil || x.cause != nil {
		return
	}
	x.won = a
	if a == &x.rival {
		x.headCame() // of the first no answer is awaited any more
		x.try.interruptLocked(beaten)
	} else {
		x.rival.interruptLocked(beaten)
	}
}

// settle decides between the attempts, once the first has ended.
func (x *exchange) settle(f *failure) (*attempt, *failure) {
	first, second := &x.try, &x.rival
	if x.http.pace == nil {
		return first, f
	}
	x.mu.Lock()
	x.deadlines.hedge.Store(0) // from now on none begins
	x.mu.Unlock()
	if f == nil {
		x.win(first)
	}
	x.awaitHedge()
	if second.exchange == nil {
		if f == nil {
			x.http.pace.add(first.took, first.now)
		}
		return first, f
	}
	x.result.Attempts++
	if x.won != second {
		if f == nil {
			x.http.pace.add(first.took, first.now)
			second.lose(first)
		}
		return first, f
	}
	x.http.Meter.HedgesWon.Add(1)
	second.hedge = false
	x.headCame()
	x.http.pace.add(second.now-first.from, second.now) // at least so long
	if f != nil && f != beaten {
		_ = first.fail(f)
	} else {
		first.lose(second)
	}
	return second, nil
}

// lose closes the books of an attempt that was slower than the winner: it would
// have taken at least so long.
func (a *attempt) lose(to *attempt) {
	a.leave()
	a.lease.Beaten(to.now - a.from)
	a.result.Cancelled = true
}
