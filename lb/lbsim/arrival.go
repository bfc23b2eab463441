package main

import (
	"math/rand/v2"
	"time"
)

// arrival is the process by which requests come.
type arrival int

const (
	poisson arrival = iota // independently of each other
	bursts                 // as poisson, with a rate that is high and low by turns
)

// Of bursts: the part of the time they last, one's mean length, and how many
// times the mean rate theirs is. In between it is lower, so that the mean holds.
const (
	burstPart   = 0.2
	burstLength = 200 * time.Millisecond
	burstRate   = 3
)

// arrivals draws the times at which requests come. Bursts are a Poisson process
// whose rate a Markov chain of two states switches (MMPP-2).
type arrivals struct {
	process arrival
	rate    float64 // requests a second, on average
	chance  *rand.Rand
	burst   bool
	turns   time.Duration // when the state changes next
}

// after is when the next request comes after one at now.
func (a *arrivals) after(now time.Duration) time.Duration {
	if a.process == poisson {
		return now + a.wait(1/a.rate)
	}
	for {
		factor := (1 - burstPart*burstRate) / (1 - burstPart)
		if a.burst {
			factor = burstRate
		}
		next := now + a.wait(1/(a.rate*factor))
		if next < a.turns {
			return next
		}
		// Nothing came before the state changes. The process has no memory, so
		// that it can begin anew from there.
		now, a.burst = a.turns, !a.burst
		length := burstLength.Seconds()
		if !a.burst {
			length *= (1 - burstPart) / burstPart
		}
		a.turns += a.wait(length)
	}
}

// wait is an exponentially distributed time with a mean in seconds.
func (a *arrivals) wait(mean float64) time.Duration {
	return time.Duration(a.chance.ExpFloat64() * mean * float64(time.Second))
}
