package telemetry

import "testing"

// Another watch counts from the start; the counters go on.
func TestCatalogCountersOnlyGrow(t *testing.T) {
	var a catalogAccount
	a.read(Catalog{Answers: 5, Resets: 1, Suspected: 2, Confirmed: 2, Failures: map[string]int64{"network": 3}})
	a.read(Catalog{Answers: 2, Suspected: 1, Failures: map[string]int64{"denied": 1}})
	a.read(Catalog{Answers: 3, Suspected: 1, Rejected: 1, Failures: map[string]int64{"denied": 1, "network": 1}})
	if a.answers.sum != 8 || a.resets.sum != 1 || a.suspected.sum != 3 || a.confirmed.sum != 2 || a.rejected.sum != 1 {
		t.Errorf("got %+v", a)
	}
	if network, denied := a.failures["network"].sum, a.failures["denied"].sum; network != 4 || denied != 1 {
		t.Errorf("failures: network %d, denied %d", network, denied)
	}
}
