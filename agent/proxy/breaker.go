package proxy

import (
	"sync"
	"sync/atomic"
	"time"
)

// Breaker says when the requests of an upstream are no longer sent, since too
// many fail: that spares those who wait for them, and the backends. After
// OpenTime a few requests are tried; if they succeed it goes on as before.
type Breaker struct {
	FailurePercent int           // of the requests in Window, at which it opens
	Window         time.Duration // over which they are counted; it slides
	MinRequests    int           // in Window, below which it never opens
	OpenTime       time.Duration // until requests are tried
	TrialRequests  int           // that have to succeed, none failing; and that are tried at once
}

// CircuitState is what a breaker does at the moment.
type CircuitState int32

// The states of a breaker.
const (
	CircuitClosed   CircuitState = iota // requests pass
	CircuitHalfOpen                     // some are tried
	CircuitOpen                         // none pass
)

// String is how logs and metrics call it.
func (s CircuitState) String() string {
	return [...]string{"closed", "half_open", "open"}[s]
}

// breaker is a Breaker at work.
type breaker struct {
	Breaker
	meter *Meter
	tell  func(from, to CircuitState)
	state atomic.Int32 // changed with mu held

	mu      sync.Mutex
	window  [breakerSteps]tally
	until   time.Duration // when requests are tried, or tried anew
	turn    uint32        // of being half open; which trials belong to it
	trials  int           // under way
	success int           // of trials
}

// tally is the requests of one step of the window.
type tally struct {
	step      int64
	good, bad int
}

// breakerSteps is how finely the window slides.
const breakerSteps = 10

func newBreaker(b *Breaker, m *Meter, tell func(from, to CircuitState)) *breaker {
	m.Circuit.Store(int64(CircuitClosed))
	if b == nil {
		return nil
	}
	return &breaker{Breaker: *b, meter: m, tell: tell}
}

// allow lets a request pass, or tells how long it is best to wait. One that is
// tried gets the number of its turn, others 0.
func (b *breaker) allow(now time.Duration) (trial uint32, wait time.Duration, ok bool) {
	if CircuitState(b.state.Load()) == CircuitClosed {
		return 0, 0, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch CircuitState(b.state.Load()) {
	case CircuitClosed:
		return 0, 0, true
	case CircuitOpen:
		if now < b.until {
			return 0, b.until - now, false
		}
		b.change(CircuitHalfOpen)
		b.turn++
		b.trials, b.success, b.until = 0, 0, now+b.OpenTime
	case CircuitHalfOpen:
		if b.trials >= b.TrialRequests {
			if now < b.until {
				return 0, b.until - now, false
			}
			// They take as long as only streams do, and prove nothing so.
			b.trials, b.until = 0, now+b.OpenTime
		}
	}
	b.trials++
	return b.turn, 0, true
}

// record counts how a request ended. Of those that began before the state
// changed nothing can be concluded about what is now.
func (b *breaker) record(now time.Duration, v verdict, trial uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch state := CircuitState(b.state.Load()); {
	case state == CircuitClosed && trial == 0:
		if v != unjudged {
			b.count(now, v)
		}
	case state == CircuitHalfOpen && trial == b.turn:
		b.trials = max(b.trials-1, 0)
		switch v {
		case bad:
			b.open(now)
		case good:
			if b.success++; b.success >= b.TrialRequests {
				b.window = [breakerSteps]tally{}
				b.change(CircuitClosed)
			}
		}
	}
}

func (b *breaker) count(now time.Duration, v verdict) {
	step := int64(now / max(b.Window/breakerSteps, 1))
	t := &b.window[step%breakerSteps]
	if t.step != step {
		*t = tally{step: step}
	}
	if v == good {
		t.good++
		return
	}
	t.bad++
	failed, all := 0, 0
	for _, t := range b.window {
		if t.step > step-breakerSteps {
			failed += t.bad
			all += t.good + t.bad
		}
	}
	if all >= b.MinRequests && 100*failed >= b.FailurePercent*all {
		b.open(now)
	}
}

func (b *breaker) open(now time.Duration) {
	b.until = now + b.OpenTime
	b.meter.CircuitOpened.Add(1)
	b.change(CircuitOpen)
}

// change tells of it with the lock held, so that changes are told in order.
func (b *breaker) change(to CircuitState) {
	from := CircuitState(b.state.Swap(int32(to)))
	b.meter.Circuit.Store(int64(to))
	if b.tell != nil {
		b.tell(from, to)
	}
}
