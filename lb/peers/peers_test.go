package main

import (
	"math"
	"strconv"
	"testing"
)

// BenchmarkPick is one pick and its end, by as many goroutines at once as
// there are processors.
func BenchmarkPick(b *testing.B) {
	for _, m := range matchups() {
		b.Run(m.strategy, func(b *testing.B) {
			for _, n := range sizes {
				b.Run(strconv.Itoa(n), func(b *testing.B) {
					all, err := m.contenders(n)
					if err != nil {
						b.Fatal(err)
					}
					for _, c := range all {
						b.Cleanup(c.close)
						b.Run(c.who, c.bench)
					}
				})
			}
		})
	}
}

// TestSpread checks that what is compared is picks of all servers, each as
// often as its weight says.
func TestSpread(t *testing.T) {
	const n, picks = 10, 20000
	for _, m := range matchups() {
		all, err := m.contenders(n)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0
		for i := range n {
			sum += m.weight(i)
		}
		for _, c := range all {
			t.Cleanup(c.close)
			t.Run(m.strategy+"/"+c.who, func(t *testing.T) {
				counts := make([]int, n)
				for i := range picks {
					server, err := c.pick(key(i))
					if err != nil {
						t.Fatal(err)
					}
					counts[server]++
				}
				used := 0
				for i, count := range counts {
					if count > 0 {
						used++
					}
					due := float64(picks*m.weight(i)) / float64(sum)
					// A ring of 1024 points is that uneven.
					if off := math.Abs(float64(count)/due - 1); !m.single && off > 0.4 || m.weighted && off > 0.02 {
						t.Errorf("server %d got %d picks and was due %.0f", i, count, due)
					}
				}
				if m.single && used != 1 {
					t.Errorf("%d servers got picks", used)
				}
			})
		}
	}
}

// TestRings checks that ours is as even as its documentation says, and moves no
// key without need.
func TestRings(t *testing.T) {
	for _, ring := range rings() {
		r, err := ring.judgeRing()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %+v", ring.who, r)
		if r.leaver == 0 || r.moved < r.leaver-1e-9 {
			t.Errorf("%s: %+v: where did the keys of the server go that left?", ring.who, r)
		}
		if ring.who == us && (r.highest > 1.1 || r.moved > r.leaver+1e-9) {
			t.Errorf("ours: %+v", r)
		}
	}
}

func TestMedian(t *testing.T) {
	if got := median([]float64{3, 1, 2}); got != 2 {
		t.Errorf("median of three is %v", got)
	}
	if got := median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("median of four is %v", got)
	}
}
