package lb

// makeshift counts picks that are as good as could be had and not as good as
// they should be. All others go by without being counted: what they are is the
// rest.
type makeshift struct {
	panicked  counter
	crossZone counter
}

// markMakeshift has the picks of those tiers counted where they are makeshift.
// In a panic that is all there is to say of any.
func (b *Balancer) markMakeshift(p *pool) {
	for i := range p.tiers {
		t := &p.tiers[i]
		switch {
		case p.panic:
			t.makeshift = &b.makeshift.panicked
		case otherZone(t.rank):
			t.makeshift = &b.makeshift.crossZone
		}
	}
}

func (m *makeshift) stats(to *Stats) {
	to.Panicked, to.CrossZone = m.panicked.n.Load(), m.crossZone.n.Load()
}
