package lb

// RoundRobin gives each server its turn, as often as its weight says. It is
// exact under any number of callers: over one cycle every server gets its
// share, no more and no less. It does not see load: choose it for servers
// alike and requests alike.
func RoundRobin() Strategy { return roundRobin("round_robin") }

type roundRobin string

func (s roundRobin) Name() string { return string(s) }

func (s roundRobin) Prepare(r Roster) Picker { return &roundRobinPicker{newRotation(r)} }

type roundRobinPicker struct{ *rotation }

func (p *roundRobinPicker) Pick(q Query) int {
	i := p.next()
	if !q.Skip(p.pool[i]) {
		return i
	}
	// Another turn rather than the neighbour: else whoever stands after a
	// full server would get two shares.
	for range 3 {
		if i = p.next(); !q.Skip(p.pool[i]) {
			return i
		}
	}
	return scan(p.pool, i, q)
}
