package lb

import (
	"errors"
	"fmt"
	"maps"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// MaxWeight is the largest weight of a server, as in Consul.
const MaxWeight = 65535

// MaxPriority is the largest priority number of a server, that of the group
// used last.
const MaxPriority = 127

// Server is one backend. A Balancer keeps it by value and never changes it;
// its Metadata must not be changed after it was given away.
type Server struct {
	ID             string // unique in its balancer
	Address        string // host:port or unix:///path
	Weight         int    // share relative to the others; 0 means 1
	MaxConnections int    // leases at once; 0 means no limit
	HealthPath     string // what HTTP probes ask for; "" means the check's own, /health by default
	Zone           string // see Placement.Zone
	Priority       int    // of its failover group, 0 the first; see Placement
	Metadata       map[string]string
	Declared       health.Declaration // a registry's opinion; zero value: none
}

func (s *Server) validate() error {
	switch {
	case s.ID == "":
		return errors.New("lb: server without an ID")
	case s.Address == "":
		return fmt.Errorf("lb: server %q has no address", s.ID)
	case s.Weight < 0 || s.Weight > MaxWeight:
		return fmt.Errorf("lb: server %q: weight %d is not between 0 (meaning 1) and %d", s.ID, s.Weight, MaxWeight)
	case s.MaxConnections < 0:
		return fmt.Errorf("lb: server %q: max connections %d is negative", s.ID, s.MaxConnections)
	case s.Priority < 0 || s.Priority > MaxPriority:
		return fmt.Errorf("lb: server %q: priority %d is not between 0 and %d", s.ID, s.Priority, MaxPriority)
	}
	return nil
}

func (s *Server) equal(o *Server) bool {
	return s.ID == o.ID && s.Address == o.Address && s.Weight == o.Weight &&
		s.MaxConnections == o.MaxConnections && s.HealthPath == o.HealthPath && s.Zone == o.Zone &&
		s.Priority == o.Priority && s.Declared == o.Declared && maps.Equal(s.Metadata, o.Metadata)
}
