package telemetry

import (
	"math"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// catalogAccount makes counters that only grow of what watches count, which
// come and go.
type catalogAccount struct {
	answers, resets                growing
	suspected, confirmed, rejected growing
	failures                       map[string]*growing
}

func (a *catalogAccount) read(c Catalog) {
	a.answers.to(c.Answers)
	a.resets.to(c.Resets)
	a.suspected.to(c.Suspected)
	a.confirmed.to(c.Confirmed)
	a.rejected.to(c.Rejected)
	a.failures = allTo(a.failures, c.Failures)
}

// allTo makes counters of a number for each of some words. One that is not told
// of began anew.
func allTo(counters map[string]*growing, now map[string]int64) map[string]*growing {
	if counters == nil {
		counters = make(map[string]*growing)
	}
	for word := range now {
		if counters[word] == nil {
			counters[word] = new(growing)
		}
	}
	for word, g := range counters {
		g.to(now[word])
	}
	return counters
}

func (o observation) catalog(c Catalog, a *catalogAccount, with labeller) {
	a.read(c)
	var failed int64
	for class, g := range a.failures {
		failed += g.sum
		o.int(discoveryErrors, g.sum, with(semconv.ErrorTypeKey.String(class)))
	}
	o.int(discoveryUpdates, a.answers.sum, with(labelResult.String(outcomeOK)))
	o.int(discoveryUpdates, failed, with(labelResult.String(outcomeFailed)))
	if c.Answers > 0 {
		o.int(discoveryIndex, int64(min(c.Index, math.MaxInt64)), with())
		o.float(discoveryStaleness, c.Age.Seconds(), with())
	}
	o.int(discoveryMissing, int64(c.Missing), with())
	o.int(discoveryResets, a.resets.sum, with())
	for result, g := range map[string]growing{"begun": a.suspected, "confirmed": a.confirmed, "rejected": a.rejected} {
		o.int(discoverySuspicions, g.sum, with(labelResult.String(result)))
	}
	for _, w := range c.Watches {
		o.float(discoveryWatchAge, w.Age.Seconds(), with(keyService.String(text(w.Service))))
	}
}
