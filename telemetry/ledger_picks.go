package telemetry

// pickAccount is how an upstream's picks went.
type pickAccount struct {
	byStrategy                map[string]*pickTotals
	panicked, crossZone, none growing
}

// pickTotals are the picks of one strategy.
type pickTotals struct{ made, ok, panicked, crossZone, none int64 }

func (a *pickAccount) of(strategy string) *pickTotals {
	t := a.byStrategy[strategy]
	if t == nil {
		t = new(pickTotals)
		a.byStrategy[strategy] = t
	}
	return t
}

// read takes in how many picks were makeshift. It comes before the servers are
// booked, as the balancer is asked for these numbers before it is for theirs.
func (a *pickAccount) read(u Upstream) {
	t := a.of(u.Strategy)
	t.panicked += a.panicked.to(u.Stats.Panicked)
	t.crossZone += a.crossZone.to(u.Stats.CrossZone)
}

func (o observation) picks(a *pickAccount, with labeller) {
	for strategy, t := range a.byStrategy {
		// Of a server that was forgotten in between some picks may be in none
		// of its readings, but that they were makeshift is known.
		t.ok = max(t.ok, t.made-t.panicked-t.crossZone)
		for result, n := range map[string]int64{outcomeOK: t.ok, "panic": t.panicked, "cross_zone": t.crossZone, "none": t.none} {
			o.int(picks, n, with(labelStrategy.String(strategy), labelResult.String(result)))
		}
	}
}
