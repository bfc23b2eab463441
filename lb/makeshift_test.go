package lb

import (
	"strings"
	"testing"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// Picks in a panic and in other zones are counted, each as one of the two, and
// no others are.
func TestMakeshiftPicks(t *testing.T) {
	for _, tt := range []struct {
		words, down, zone   string
		panicked, crossZone int64
	}{
		{"a0z b0z c0z x0y", "", "z", 0, 0},
		{"a0z b0z c0z x0y", "", "", 0, 0},        // no zone is one's own
		{"a0z b0z c0z x0y", "", "w", 0, 100},     // all are others'
		{"a0z b0z x0y y0y", "ab", "z", 0, 100},   // the other one carries everything
		{"a0z b0z c0z x1z", "abc", "z", 0, 0},    // a failover group is no other zone
		{"a0z b0z c0z x1y", "abc", "z", 0, 100},  // but may be in one
		{"a0 b0 c0", "ab", "", 100, 0},           // few are up
		{"a0z b0z x0y y0y", "abx", "w", 100, 0},  // and in a panic zones are beside the point
		{"a0z b0z c0z x0y", "abcx", "z", 100, 0}, // nobody is
	} {
		t.Run(tt.words+" without "+tt.down+" in "+tt.zone, func(t *testing.T) {
			b := New(RoundRobin(), WithRandom(seededSource(1)), WithPlacement(Placement{Zone: tt.zone}),
				WithHealth(Health{Policy: health.Policy{PanicThreshold: 0.5}}))
			if err := b.Replace(grouped(tt.words)); err != nil {
				t.Fatal(err)
			}
			for _, st := range b.AllStats() {
				if strings.Contains(tt.down, st.Server.ID[:1]) {
					if err := b.SetHealthy(st.Server.ID, false); err != nil {
						t.Fatal(err)
					}
				}
			}
			shares(t, b, 100)
			if s := b.Stats(); s.Panicked != tt.panicked || s.CrossZone != tt.crossZone || s.Requests != 100 {
				t.Errorf("of %d picks %d in a panic, %d in other zones", s.Requests, s.Panicked, s.CrossZone)
			}
		})
	}
}
