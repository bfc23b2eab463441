package catalog

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// GET /v1/agent/health/...

// serviceHealth is the health of one local service: the worst of its checks
// and of the node's own.
type serviceHealth struct {
	AggregatedStatus string
	Service          *agentServiceRecord
	Checks           []apiCheck
}

// apiCheck is a check in the shape of Consul's Go client, which these
// endpoints use; most of a check is left out of it.
type apiCheck struct {
	Node, CheckID, Name, Status, Notes, Output, ServiceID, ServiceName string
	ServiceTags                                                        []string
	Type                                                               string
	ExposedPort                                                        int
	Definition                                                         apiDefinition
	CreateIndex, ModifyIndex                                           uint64
}

type apiDefinition struct {
	Interval, Timeout, DeregisterCriticalServiceAfter duration
	HTTP                                              string
	Header                                            map[string][]string
	Method, Body, TLSServerName                       string
	TLSSkipVerify                                     bool
	TCP                                               string
	TCPUseTLS                                         bool
	UDP, GRPC, OSService                              string
	GRPCUseTLS                                        bool
}

func (c *Catalog) health(s *service) serviceHealth {
	record := c.agentRecord(s)
	h := serviceHealth{AggregatedStatus: passing, Service: &record, Checks: []apiCheck{}}
	worst := 0
	for _, owner := range []string{s.ID, ""} {
		for _, id := range slices.Sorted(maps.Keys(c.checks)) {
			chk := c.agentCheck(id)
			if chk.ServiceID != owner {
				continue
			}
			a := apiCheck{
				Node: chk.Node, CheckID: id, Name: chk.Name, Status: chk.Status, Notes: chk.Notes, Output: chk.Output,
				ServiceID: chk.ServiceID, ServiceName: chk.ServiceName,
			}
			if owner != "" {
				a.ServiceTags = chk.ServiceTags
			}
			h.Checks = append(h.Checks, a)
			status := chk.Status
			if id == nodeMaintenanceID || strings.HasPrefix(id, serviceMaintenancePrefix) {
				status = maintenance
			}
			if rank := slices.Index(healthRanks(), status); rank > worst {
				worst, h.AggregatedStatus = rank, status
			}
		}
	}
	return h
}

const maintenance = "maintenance"

// healthRanks lists the states from best to worst.
func healthRanks() []string { return []string{passing, warning, critical, maintenance} }

// healthReply answers with the HTTP status that stands for a state, for
// checks that cannot read JSON.
func healthReply(w http.ResponseWriter, r *http.Request, state string, value any) (any, error) {
	w.Header().Set("X-Consul-Reason", state)
	status := http.StatusServiceUnavailable
	switch state {
	case passing:
		status = http.StatusOK
	case warning:
		status = http.StatusTooManyRequests
	}
	if r.URL.Query().Get("format") == "text" {
		value = plain(state)
	}
	return reply{status, value}, nil
}

func (c *Catalog) agentHealthByID(w http.ResponseWriter, r *http.Request) (any, error) {
	id := r.PathValue("id")
	c.mu.Lock()
	defer c.mu.Unlock()
	may, err := c.authorized(r, "", "", read)
	if err != nil {
		return nil, err
	}
	s := c.localService(id)
	if s == nil {
		w.Header().Set("X-Consul-Reason", fmt.Sprintf("ServiceId %s not found", id))
		return reply{http.StatusNotFound, serviceHealth{AggregatedStatus: critical}}, nil
	}
	if err := may.require(serviceResource, s.Service, read); err != nil {
		return nil, err
	}
	h := c.health(s)
	return healthReply(w, r, h.AggregatedStatus, h)
}

func (c *Catalog) agentHealthByName(w http.ResponseWriter, r *http.Request) (any, error) {
	name := r.PathValue("name")
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.authorized(r, serviceResource, name, read); err != nil {
		return nil, err
	}
	found := []serviceHealth{}
	worst := passing
	for _, s := range sorted(c.store.nodes[c.opts.Node].services) {
		if !s.local || s.Service != name {
			continue
		}
		h := c.health(s)
		found = append(found, h)
		worst = slices.MaxFunc([]string{worst, h.AggregatedStatus}, func(a, b string) int {
			return cmp.Compare(slices.Index(healthRanks(), a), slices.Index(healthRanks(), b))
		})
	}
	if len(found) == 0 {
		w.Header().Set("X-Consul-Reason", fmt.Sprintf("ServiceName %s Not Found", name))
		return reply{http.StatusNotFound, found}, nil
	}
	return healthReply(w, r, worst, found)
}
