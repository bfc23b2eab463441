package health

import "time"

// Ejection takes servers out because of what real requests met there. The
// zero value never ejects. The shape (consecutive failures, a time that grows
// with each ejection, a cap on the share) is Envoy's outlier detection.
type Ejection struct {
	Failures int           // failed requests in a row that eject; 0: never
	Base     time.Duration // how long the first ejection lasts, the n-th n times as long
	Max      time.Duration // the longest ejection; also how long a server must behave to start afresh
	MaxShare float64       // of the pool that may be out at once, 0 to 1; one always may
}

// Length is how long the n-th ejection in a row lasts, n counting from 1.
func (e Ejection) Length(n int) time.Duration {
	if n > 1 && e.Base > e.Max/time.Duration(n) {
		return e.Max
	}
	return min(e.Base*time.Duration(max(n, 1)), e.Max)
}

// Allows tells whether one more of pool servers may be ejected when ejected
// are out already and up are in rotation. The last one up never may: a bad
// server beats none.
func (e Ejection) Allows(ejected, pool, up int) bool {
	if up <= 1 {
		return false
	}
	return ejected < max(1, int(e.MaxShare*float64(pool)))
}
