package discovery

import "testing"

// What is done beside an answer of ten thousand instances, of which none is
// missing or half are.
func BenchmarkDoubt(b *testing.B) {
	believed := many(7, 10_000)
	for name, answer := range map[string]Snapshot{"none": many(8, 10_000), "half": without(many(8, 10_000), 5000)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if reason := doubt(believed, answer); reason != "" {
					Quarantine(believed, answer, reason)
				}
			}
		})
	}
}
