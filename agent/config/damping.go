package config

import (
	"fmt"
	"time"
)

func (d *Damping) spec() spec {
	return spec{fields: []field{
		bind("suppress", &d.Suppress, 6, parseNumber, between(2.0, 1000)),
		bind("reuse", &d.Reuse, 3, parseNumber, between(0.1, 1000)),
		duration("half_life", &d.HalfLife, 10*time.Minute, atLeast(time.Second)),
		duration("max_time", &d.MaxTime, 40*time.Minute, atLeast(time.Second)),
	}}
}

// finish has what is not written follow from what is, so that suppress or
// half_life alone is a whole answer.
func (d *Damping) finish(b *block) {
	if !b.has("max_time") && b.sound("half_life") {
		d.MaxTime = 4 * d.HalfLife
	}
	switch {
	case !b.sound("suppress", "reuse"):
	case !b.has("reuse"):
		d.Reuse = d.Suppress / 2
	case d.Reuse >= d.Suppress:
		b.reject("reuse", fmt.Sprintf("reuse %g is not below suppress %g", d.Reuse, d.Suppress), "a backend is let in at a lower penalty than it is kept out at")
	}
}
