package socket

import (
	"container/heap"
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Clock rings alarms that are due, in one goroutine for any number of them,
// which sleeps while there is nothing to wait for. It is made for timeouts,
// which are moved far more often than they run out: to set an alarm to a later
// time is an atomic store, and the clock finds out when it would have rung.
//
// Alarms ring up to 5 ms late, so that many of them cost few wake-ups.
type Clock struct {
	start time.Time
	timer *time.Timer

	mu    sync.Mutex
	queue queue
	fires time.Duration // when the timer does; never while it is stopped
	woke  time.Duration // when it last did
}

const (
	// grain is the least time between two wake-ups of a clock.
	grain = 5 * time.Millisecond
	never = time.Duration(math.MaxInt64)
)

// NewClock makes a clock at 0. It rings nothing until Run.
func NewClock() *Clock {
	k := &Clock{start: time.Now(), timer: time.NewTimer(never), fires: never, woke: -grain}
	k.timer.Stop()
	return k
}

// Now is the time since the clock was made. It never goes back or jumps.
func (k *Clock) Now() time.Duration { return time.Since(k.start) }

// Run rings alarms until ctx ends. What is due before it runs rings then.
func (k *Clock) Run(ctx context.Context) {
	var due []*Alarm
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.timer.C:
		}
		now := k.Now()
		due = k.wake(now, due[:0])
		for i, a := range due {
			a.sound(now)
			due[i] = nil
		}
	}
}

// wake takes out of the queue what is due, and sets the timer for the others.
func (k *Clock) wake(now time.Duration, due []*Alarm) []*Alarm {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.woke, k.fires = now, never
	for len(k.queue) > 0 {
		a := k.queue[0]
		if a.place() > now {
			break
		}
		// First the place goes, then the time is read: who sets it meanwhile
		// either sees that there is no place or is seen here.
		a.moveTo(never)
		at := a.time()
		if at > now {
			a.moveTo(at)
		}
		if a.place() == never {
			heap.Pop(&k.queue)
		} else {
			heap.Fix(&k.queue, 0)
		}
		if at <= now {
			due = append(due, a)
		}
	}
	k.arrange(now)
	return due
}

// arrange sets the timer for the first alarm, unless it fires before.
func (k *Clock) arrange(now time.Duration) {
	if len(k.queue) == 0 {
		return
	}
	if at := max(k.queue[0].place(), k.woke+grain); at < k.fires {
		k.fires = at
		k.timer.Reset(at - now)
	}
}

// advance brings an alarm forward whose place is later than its time.
func (k *Clock) advance(a *Alarm) {
	k.mu.Lock()
	defer k.mu.Unlock()
	at := a.time()
	if a.removed || at >= a.place() {
		return
	}
	had := a.place() != never
	a.moveTo(at)
	if had {
		heap.Fix(&k.queue, a.index)
	} else {
		heap.Push(&k.queue, a)
	}
	if a.index == 0 {
		k.arrange(k.Now())
	}
}

// Add makes a an alarm of the clock, not set. Each time it rings, ring is
// called by the clock's goroutine, with the time by Now; it must not wait for
// anything, and returns when to ring next, 0 for not until it is set again. A
// Set during the call wins over that.
func (k *Clock) Add(a *Alarm, ring func(now time.Duration) (next time.Duration)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	a.clock, a.ring, a.removed = k, ring, false
	a.at.Store(0)
	a.moveTo(never)
}

// Remove takes an alarm off its clock. A call of ring that has begun goes on,
// since to wait for it could wait for the caller; none begins afterwards. An
// alarm that was never added may be removed.
func (k *Clock) Remove(a *Alarm) {
	k.mu.Lock()
	defer k.mu.Unlock()
	a.at.Store(0)
	if a.clock == nil || a.removed {
		return
	}
	a.removed = true
	if a.place() != never {
		heap.Remove(&k.queue, a.index)
		a.moveTo(never)
	}
}

// Alarm rings at a time that can be moved. It lies in what it is for, and
// must not be copied once added to a clock.
type Alarm struct {
	clock *Clock
	ring  func(time.Duration) time.Duration
	at    atomic.Int64 // when it rings; 0 for never
	// placed is the time by which the clock has queued it, never while it has
	// not. That is no later than at, but may be sooner: then the clock looks
	// again. Written with the clock's lock held.
	placed  atomic.Int64
	index   int  // in the queue
	removed bool // both with the clock's lock held
}

// Set sets the time to ring, by the clock's Now; 0 is never, and a time that is
// over as soon as can be. Any goroutine may call it. It waits for nothing
// unless the alarm is brought forward, which takes the clock's lock.
func (a *Alarm) Set(at time.Duration) {
	a.at.Store(int64(at))
	if at != 0 && at < a.place() {
		a.clock.advance(a)
	}
}

// Earlier is Set unless the alarm rings before that anyway.
func (a *Alarm) Earlier(at time.Duration) {
	for {
		set := a.at.Load()
		if set != 0 && set <= int64(at) {
			return
		}
		if a.at.CompareAndSwap(set, int64(at)) {
			if at < a.place() {
				a.clock.advance(a)
			}
			return
		}
	}
}

// sound rings, unless the alarm was set to a later time or removed just now.
func (a *Alarm) sound(now time.Duration) {
	a.clock.mu.Lock()
	at, removed := a.at.Load(), a.removed
	a.clock.mu.Unlock()
	if removed || at == 0 || at > int64(now) || !a.at.CompareAndSwap(at, 0) {
		return
	}
	if next := a.ring(now); next != 0 && a.at.CompareAndSwap(0, int64(next)) && next < a.place() {
		a.clock.advance(a)
	}
}

// time is when the alarm rings, or never.
func (a *Alarm) time() time.Duration {
	if at := a.at.Load(); at != 0 {
		return time.Duration(at)
	}
	return never
}

func (a *Alarm) place() time.Duration   { return time.Duration(a.placed.Load()) }
func (a *Alarm) moveTo(t time.Duration) { a.placed.Store(int64(t)) }

// queue is a heap of alarms by their places.
type queue []*Alarm

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].place() < q[j].place() }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *queue) Push(x any) {
	a := x.(*Alarm)
	a.index = len(*q)
	*q = append(*q, a)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	a := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return a
}
