package health

import (
	"slices"
	"testing"
	"time"
)

func TestWouldChange(t *testing.T) {
	var (
		up      = Verdict{State: Up, Rule: 13, Weight: 1}
		passing = Declaration{Status: Passing, WarningWeight: 1}
		probing = Margins{Rise: 2, Fall: 3, Regain: 2, Failures: 5}
	)
	critical := func(s Status) Declaration { return Declaration{Status: s, WarningWeight: 1} }
	for _, tt := range []struct {
		name string
		p    Policy
		e    Evidence
		m    Margins
		want []string
	}{
		{"nothing speaks of it", Policy{}, Evidence{}, Margins{}, nil},
		{"up", Policy{}, Evidence{Declared: passing, Probe: ProbeUp}, probing,
			[]string{"down when its probe fails 3 times in a row", "down when the catalog says critical", "ejected when 5 requests in a row fail"}},
		{"up, and nearly down", Policy{}, Evidence{Probe: ProbeUp}, Margins{Rise: 2, Fall: 1}, []string{"down when its probe fails"}},
		{"a warning counts as bad", Policy{Warnings: WarningOut}, Evidence{Declared: passing}, Margins{},
			[]string{"down when the catalog says warning", "down when the catalog says critical"}},
		{"critical has to last", Policy{CatalogFall: time.Minute}, Evidence{Declared: passing, Before: up}, Margins{},
			[]string{"down when the catalog says critical for 1m0s"}},
		{"critical has not lasted", Policy{CatalogFall: time.Minute}, Evidence{Declared: critical(Critical), Against: 48 * time.Second, Before: up}, Margins{},
			[]string{"down when the catalog still says so in 12s"}},
		{"stale", Policy{}, Evidence{Declared: critical(Critical), Freshness: Stale, Probe: ProbeUp}, probing,
			[]string{"down when its probe fails 3 times in a row", "down when the catalog answers again and still says critical", "ejected when 5 requests in a row fail"}},
		{"missing", Policy{}, Evidence{Declared: critical(Missing), Before: up}, Margins{}, []string{"draining when the catalog confirms that it is gone"}},
		{"down by its probe", Policy{}, Evidence{Declared: passing, Probe: ProbeDown}, probing, []string{"up when its probe passes 2 times in a row"}},
		{"down by the catalog", Policy{}, Evidence{Declared: critical(Critical), Probe: ProbeUp}, probing, []string{"up when the catalog says passing"}},
		{"down by both", Policy{}, Evidence{Declared: critical(Critical), Probe: ProbeDown}, probing,
			[]string{"up when its probe passes 2 times in a row and the catalog says passing"}},
		{"down by both, one is enough", Policy{Algebra: MergeAny}, Evidence{Declared: critical(Critical), Probe: ProbeDown}, probing,
			[]string{"up when its probe passes 2 times in a row", "up when the catalog says passing"}},
		{"up by both, one is enough", Policy{Algebra: MergeAny}, Evidence{Declared: passing, Probe: ProbeUp}, probing,
			[]string{"ejected when 5 requests in a row fail", "down when its probe fails 3 times in a row and the catalog says critical"}},
		{"the probe decides", Policy{Algebra: MergeProbe}, Evidence{Declared: critical(Critical), Probe: ProbeUp}, probing,
			[]string{"down when its probe fails 3 times in a row", "ejected when 5 requests in a row fail"}},
		{"the catalog decides", Policy{Algebra: MergeCatalog}, Evidence{Declared: critical(Critical), Probe: ProbeDown}, probing,
			[]string{"up when the catalog says passing"}},
		{"the node is lost", Policy{}, Evidence{Declared: critical(NodeCritical), Probe: ProbeDown}, probing,
			[]string{"up when its probe passes 2 times in a row"}},
		{"ejected", Policy{}, Evidence{Declared: passing, Probe: ProbeUp, Ejected: true}, Margins{Regain: 2, Ejected: 12 * time.Second},
			[]string{"up when its ejection ends in 12s", "up when its probe passes 2 times in a row"}},
		{"ejected, without probes", Policy{}, Evidence{Ejected: true}, Margins{Ejected: 100 * time.Millisecond}, []string{"up when its ejection ends in 1s"}},
		{"ejected, and down", Policy{}, Evidence{Probe: ProbeDown, Ejected: true}, Margins{Rise: 1, Ejected: time.Minute},
			[]string{"up when its ejection ends in 1m0s and its probe passes"}},
		{"flaps", Policy{}, Evidence{Damped: true}, Margins{Damped: 3 * time.Minute}, []string{"up when it has settled in 3m0s"}},
		{"pending", Policy{}, Evidence{Probe: Unproven}, Margins{Rise: 1, PeerUp: true}, []string{"up when its probe passes", "up when no other server is up"}},
		{"in maintenance", Policy{}, Evidence{Declared: critical(Maintenance)}, Margins{}, []string{"up when the catalog ends its maintenance"}},
		{"gone", Policy{}, Evidence{Declared: critical(Absent)}, Margins{}, []string{"up when the catalog lists it again"}},
		{"a warning of weight 0", Policy{}, Evidence{Declared: Declaration{Status: Warning}}, Margins{}, []string{"up when the catalog says passing"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.p.WouldChange(tt.e, tt.m); !slices.Equal(got, tt.want) {
				t.Errorf("got\n%q, want\n%q", got, tt.want)
			}
		})
	}
}

// Whatever keeps a server out, there is a way back, and it is told.
func TestThereIsAlwaysAWayUp(t *testing.T) {
	everything(func(p Policy, e Evidence, peerUp bool) {
		for a := MergeWorst; a <= MergeAny; a++ {
			p := with(p, a)
			if p.Merge(e, peerUp).State == Up {
				continue
			}
			if ways := p.WouldChange(e, Margins{Rise: 1, Fall: 1, Regain: 1, PeerUp: peerUp}); len(ways) == 0 {
				t.Fatalf("by %v no way up from %+v", a, e)
			}
		}
	})
}
