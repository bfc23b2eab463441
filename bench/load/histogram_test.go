package load

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBucketsFollowOneAnother(t *testing.T) {
	last := bucket(0)
	for ns := time.Duration(1); ns < 1<<14; ns++ {
		b := bucket(ns)
		if b != last && b != last+1 {
			t.Fatalf("from %d to %d ns the bucket goes from %d to %d", ns-1, ns, last, b)
		}
		last = b
	}
	if b := bucket(math.MaxInt64); b >= len(histogram{}) {
		t.Errorf("the longest time is in bucket %d", b)
	}
	for _, d := range []time.Duration{-1, 0, 5, 63, 64, 1000, time.Millisecond, time.Hour} {
		if got, want := float64(value(bucket(d))), float64(max(d, 0)); math.Abs(got-want) > want/128 {
			t.Errorf("%v comes back as %v", d, time.Duration(got))
		}
	}
}

func TestQuantiles(t *testing.T) {
	if (&histogram{}).quantile(0.5) != 0 {
		t.Error("of nothing half is below something")
	}
	random := rand.New(rand.NewPCG(1, 2))
	var h, other histogram
	var all []time.Duration
	for i := range 10000 {
		d := time.Duration(math.Exp(random.NormFloat64()+11)) + time.Microsecond
		all = append(all, d)
		if i%2 == 0 {
			h.add(d)
		} else {
			other.add(d)
		}
	}
	h.merge(&other)
	slices.Sort(all)
	for _, q := range []float64{0, 0.5, 0.99, 1} {
		want := float64(all[min(int(q*10000), 9999)])
		if got := float64(h.quantile(q)); math.Abs(got-want) > want/100 {
			t.Errorf("quantile %v is %v, want %v", q, time.Duration(got), time.Duration(want))
		}
	}
}
