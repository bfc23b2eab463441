package lb

import (
	"math"
	"time"
)

// SlowStart has a server that is new, or up again, begin with a part of its
// share and come to the whole of it over a time, so that caches fill and code
// is compiled before the full load comes. Where all servers begin at once
// nobody's share differs. The zero value gives the whole share at once.
type SlowStart struct {
	Window time.Duration // from the part to the whole; 0: no slow start
	// Aggression bends the ramp: 1 (and 0) is linear, above 1 gives more share
	// early, below 1 less. The part of the share is the passed part of the
	// window to the power of 1/Aggression (as Envoy's slow start has it).
	Aggression float64
	// Least is the part to begin with, 0 to 1; 0 means 0.1.
	Least float64
}

// steps is how many times a share changes in a window: often enough that no
// step is felt, seldom enough that the work is not either.
const steps = 50

// part is which part of its share a server has at an age, and how long until
// that changes; 0 for never.
func (s SlowStart) part(age time.Duration) (part float64, next time.Duration) {
	if s.Window <= 0 || age >= s.Window {
		return 1, 0
	}
	least, bend := s.Least, s.Aggression
	if least <= 0 {
		least = 0.1
	}
	if bend <= 0 {
		bend = 1
	}
	step := max(s.Window/steps, time.Millisecond)
	age = max(age, 0).Truncate(step)
	part = math.Pow(float64(age)/float64(s.Window), 1/bend)
	return min(max(part, least), 1), step
}
