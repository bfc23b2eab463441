package lb

import "github.com/outrigger-sidecar/outrigger/lb/health"

// Choice is among what a server was chosen, for those who want to explain it.
type Choice struct {
	Strategy   string       // in force
	Candidates int          // servers that could be picked
	Ejected    int          // servers that were out because of failed requests
	Panic      bool         // the candidates are more than those that are up
	State      health.State // of the server itself; Unseen where it is no candidate any more
}

// Choice tells among what s was chosen, if little time has passed since. It
// takes no lock, and looks at each candidate until it finds s; nil finds none.
func (b *Balancer) Choice(s *Server) Choice {
	p := b.pool.Load()
	c := Choice{Strategy: p.strategy, Candidates: p.usable, Ejected: p.ejected, Panic: p.panic}
	if s == nil {
		return c
	}
	for i := range p.tiers {
		for _, candidate := range p.tiers[i].candidates {
			if candidate.server == s {
				c.State = candidate.state
				return c
			}
		}
	}
	return c
}
