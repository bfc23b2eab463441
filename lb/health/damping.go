package health

import (
	"math"
	"time"
)

// Damping keeps out servers that flap, as BGP does with routes (RFC 2439).
// Each change between up and not up adds 1 to a server's penalty, which halves
// in every HalfLife. Above Suppress the server is kept out, until the penalty
// falls to Reuse or Max is over. The zero value damps nothing.
//
// With S for Suppress, R for Reuse and L for the shortest time out, which is
// the lesser of Max and log2(S/R) half-lives, nobody sees a server change
// between up and not up more often in a time t than
//
//	S + 2 + t·max(S·ln 2/HalfLife, (S+2-R)/L)
//
// times, however it behaves: what is added while it is let in either decays
// there, no faster than S·ln 2/HalfLife, or leads to a time out, which ends at
// R. With a HalfLife of 10 minutes and a Suppress of 6 that is 38 changes in
// an hour; see Bound.
type Damping struct {
	Suppress float64       // the penalty above which a server is kept out, more than 1; 0: no damping
	Reuse    float64       // the penalty at which it is let in, above 0 and below Suppress; 0: half of Suppress
	HalfLife time.Duration // 0: 10 min
	Max      time.Duration // the longest a server is kept out at a stretch; 0: 4 half-lives
}

// WithDefaults fills in the zero fields of a damping that is on, and takes
// numbers that make no sense for zero.
func (d Damping) WithDefaults() Damping {
	if !(d.Suppress > 0) {
		return Damping{}
	}
	if !(d.Reuse > 0 && d.Reuse < d.Suppress) {
		d.Reuse = d.Suppress / 2
	}
	if d.HalfLife <= 0 {
		d.HalfLife = 10 * time.Minute
	}
	if d.Max <= 0 {
		d.Max = 4 * d.HalfLife
	}
	return d
}

// Bound is the most changes between up and not up that a server can show in
// any time of length t; see Damping. Without damping there is none.
func (d Damping) Bound(t time.Duration) float64 {
	d = d.WithDefaults()
	if d.Suppress == 0 {
		return math.Inf(1)
	}
	rate := d.Suppress * math.Ln2 / float64(d.HalfLife)
	if shortest := min(float64(d.Max), float64(d.HalfLife)*math.Log2(d.Suppress/d.Reuse)); shortest > 0 {
		rate = max(rate, (d.Suppress+2-d.Reuse)/shortest)
	}
	return d.Suppress + 2 + rate*float64(t)
}

// Flaps is how much one server has flapped. The zero value is not at all. Its
// methods take the damping in force, with its defaults filled in.
type Flaps struct {
	penalty float64   // at stamp
	stamp   time.Time // of the last change
	since   time.Time // when it was kept out; zero while it is let in
	until   time.Time
}

// Penalty is the penalty at a time not before the last change.
func (f *Flaps) Penalty(d Damping, now time.Time) float64 {
	if f.penalty == 0 || d.HalfLife <= 0 {
		return 0
	}
	return f.penalty * math.Exp2(-float64(now.Sub(f.stamp))/float64(d.HalfLife))
}

// Change takes one change in, and tells whether the server should be kept out
// now and is not yet: then call Suppress, if that may be.
func (f *Flaps) Change(d Damping, now time.Time) (suppress bool) {
	f.penalty, f.stamp = f.Penalty(d, now)+1, now
	if f.since.IsZero() {
		return f.penalty > d.Suppress
	}
	f.extend(d)
	return false
}

// Suppress keeps the server out from now on.
func (f *Flaps) Suppress(d Damping, now time.Time) {
	f.since = now
	f.extend(d)
}

func (f *Flaps) extend(d Damping) {
	falls := max(0, math.Log2(f.penalty/d.Reuse)*float64(d.HalfLife))
	f.until = f.since.Add(d.Max)
	if at := f.stamp.Add(time.Duration(min(falls, float64(math.MaxInt64/2)))); at.Before(f.until) {
		f.until = at
	}
}

// Settle lets the server in when its time has come. What is left of the
// penalty then is no more than Reuse, so that Max ends what it should.
func (f *Flaps) Settle(d Damping, now time.Time) {
	if !f.since.IsZero() && !now.Before(f.until) {
		*f = Flaps{penalty: min(f.Penalty(d, now), d.Reuse), stamp: now}
	}
}

// Until is when the server is let in, if it does not flap further; zero while
// it is.
func (f *Flaps) Until() time.Time { return f.until }
