package main

import (
	"testing"
	"time"
)

func TestDistributions(t *testing.T) {
	for _, d := range distributions() {
		chance := plain().chance(0)
		const n = 1_000_000
		sum, lowest := 0.0, 1.0
		for range n {
			x := d.draw(chance)
			sum += x
			lowest = min(lowest, x)
		}
		near(t, d.name+": mean", sum/n, 1, 0.02)
		if lowest <= 0 {
			t.Errorf("%s: a service time of %g", d.name, lowest)
		}
	}
}

// TestArrivals measures rate and clumping: the variance of the number that
// comes in 100 ms, over its mean, is 1 of a Poisson process.
func TestArrivals(t *testing.T) {
	const rate, window, windows = 1000.0, 100 * time.Millisecond, 20_000
	dispersion := make(map[arrival]float64)
	for _, process := range []arrival{poisson, bursts} {
		a := arrivals{process: process, rate: rate, chance: plain().chance(0)}
		counts := make([]float64, windows)
		n, last := 0, time.Duration(0)
		for now := a.after(0); now < windows*window; now = a.after(now) {
			if now < last {
				t.Fatalf("a request at %v after one at %v", now, last)
			}
			counts[now/window]++
			n, last = n+1, now
		}
		near(t, "rate", float64(n)/(windows*window).Seconds(), rate, 0.03)
		mean, variance := float64(n)/windows, 0.0
		for _, c := range counts {
			variance += (c - mean) * (c - mean) / windows
		}
		dispersion[process] = variance / mean
	}
	near(t, "dispersion of a Poisson process", dispersion[poisson], 1, 0.05)
	if dispersion[bursts] < 20 {
		t.Errorf("dispersion of bursts: %.1f", dispersion[bursts])
	}
}

func TestKeys(t *testing.T) {
	for _, one := range []struct {
		exponent, first float64
	}{{0, 0.0001}, {1, 0.102}} {
		ring := newKeyring(keys{count: 10_000, exponent: one.exponent}, plain().chance(0))
		seen := make(map[string]int)
		for range 1_000_000 {
			seen[ring.draw()]++
		}
		if one.exponent == 0 && len(seen) != 10_000 {
			t.Errorf("%d keys of 10000 are drawn", len(seen))
		}
		near(t, "the first key's part", float64(seen["10.0.0.0"])/1_000_000, one.first, max(0.02, 0.4*(1-one.exponent)))
	}
}

func TestQuantiles(t *testing.T) {
	var times []time.Duration
	for i := 1000; i > 0; i-- {
		times = append(times, time.Duration(i))
	}
	if got, want := quantilesOf(times), (quantiles{500, 500, 990, 999}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := quantilesOf([]time.Duration{7}); got != (quantiles{7, 7, 7, 7}) {
		t.Errorf("of one: %v", got)
	}
	if got := quantilesOf(nil); got != (quantiles{}) {
		t.Errorf("of none: %v", got)
	}
}
