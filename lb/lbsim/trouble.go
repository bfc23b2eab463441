package main

import (
	"fmt"
	"math"
	"time"
)

// trouble is what is wrong with a server, and when. The zero value is nothing.
type trouble struct {
	kind   kind
	factor float64       // how many times slower a slow server is
	from   time.Duration // when it begins
	lasts  time.Duration // how long; 0: for ever
	every  time.Duration // from one beginning to the next; 0: it comes once
}

type kind int

const (
	none    kind = iota
	slow         // every request that is begun takes factor times as long
	failing      // every request that comes is failed at once
	stalled      // nothing goes on; what was begun goes on later
)

// String is the trouble in a few words.
func (t trouble) String() string {
	switch t.kind {
	case slow:
		return fmt.Sprintf("%g times slower", t.factor)
	case failing:
		return "failing"
	case stalled:
		return "stalling"
	}
	return ""
}

func (t trouble) forever() bool { return t.kind != none && t.from == 0 && t.lasts == 0 }

// never is a time that does not come.
const never = time.Duration(math.MaxInt64)

// at tells whether the trouble is on at a time, and when that changes next.
func (t trouble) at(now time.Duration) (on bool, changes time.Duration) {
	switch {
	case t.kind == none:
		return false, never
	case now < t.from:
		return false, t.from
	case t.lasts == 0:
		return true, never
	}
	since := now - t.from
	if t.every == 0 {
		if since < t.lasts {
			return true, t.from + t.lasts
		}
		return false, never
	}
	begun := now - since%t.every
	if now-begun < t.lasts {
		return true, begun + t.lasts
	}
	return false, begun + t.every
}

// is tells whether there is trouble of that kind at a time.
func (t trouble) is(k kind, now time.Duration) bool {
	on, _ := t.at(now)
	return on && t.kind == k
}

// slowness is how many times longer than usual a request takes now.
func (t trouble) slowness(now time.Duration) float64 {
	if t.is(slow, now) {
		return t.factor
	}
	return 1
}

// stall is how long nothing goes on from now.
func (t trouble) stall(now time.Duration) time.Duration {
	if on, changes := t.at(now); on && t.kind == stalled {
		return changes - now
	}
	return 0
}

// end is when a request is served that is begun now and takes demand without
// any trouble.
func (t trouble) end(now, demand time.Duration) time.Duration {
	left := time.Duration(float64(demand) * t.slowness(now))
	if t.kind != stalled {
		return now + left
	}
	for {
		now += t.stall(now)
		_, next := t.at(now)
		if left <= next-now {
			return now + left
		}
		left -= next - now
		now = next
	}
}

// idle is how much of a time nothing went on because of the trouble.
func (t trouble) idle(from, to time.Duration) (sum time.Duration) {
	if t.kind != stalled {
		return 0
	}
	for from < to {
		on, changes := t.at(from)
		if until := min(changes, to); on {
			sum += until - from
		}
		from = min(changes, to)
	}
	return sum
}
