package accesslog

import (
	"io"
	"testing"
)

// A line costs no allocation, and the request that it is about no more than
// this.
func BenchmarkRecord(b *testing.B) {
	for _, format := range []string{JSON, Common} {
		b.Run(format, func(b *testing.B) {
			f, err := Parse(format, wanted[0], wanted[1])
			if err != nil {
				b.Fatal(err)
			}
			l := begin(b, Config{Format: f, Buffer: 64 << 20}, io.Discard)
			defer end(b, l)
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				e := whole()
				for p.Next() {
					l.Record(e)
				}
			})
			b.ReportMetric(float64(l.Stats().Dropped)/float64(b.N), "dropped/op")
		})
	}
}

func TestLinesCostNoAllocation(t *testing.T) {
	f, err := Parse(JSON, wanted[0], wanted[1])
	if err != nil {
		t.Fatal(err)
	}
	e, line := whole(), make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(1000, func() { line = f.append(line[:0], e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
