package catalog

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// POST /v1/query and GET /v1/query/{name or ID}/execute and explain. Templates,
// sessions and the other endpoints of prepared queries are not here. Failover
// is kept for those who read it; with no other datacenter it leads nowhere.

type preparedQuery struct {
	ID       string
	Name     string
	Session  string
	Token    string // of executions; here they have the caller's
	Service  preparedService
	DNS      preparedDNS
	Template struct {
		Type, Regexp    string
		RemoveEmptyTags bool
	}
}

type preparedService struct {
	Service        string
	OnlyPassing    bool
	Tags           []string // "!tag" excludes
	Near           string
	NodeMeta       map[string]string
	ServiceMeta    map[string]string
	IgnoreCheckIDs []string
	Connect        bool
	Failover       struct {
		NearestN    int
		Datacenters []string
		Targets     []struct{ Peer, Datacenter, Partition, Namespace string }
	}
}

type preparedDNS struct{ TTL string }

func (c *Catalog) createQuery(w http.ResponseWriter, r *http.Request) (any, error) {
	var q preparedQuery
	if err := decode(w, r, "Request decode", &q); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.authorized(r, queryResource, q.Name, writeAccess); err != nil {
		return nil, err
	}
	switch {
	case q.Name == "":
		return nil, failure(http.StatusInternalServerError, "Invalid prepared query: Must be bound to a session")
	case q.Service.Service == "":
		return nil, failure(http.StatusInternalServerError, "Invalid prepared query: Must provide a Service name to query")
	}
	if _, taken := c.findQuery(q.Name); taken {
		return nil, failure(http.StatusInternalServerError, "raft apply failed: name '%s' aliases an existing query name", q.Name)
	}
	if q.Session != "" || q.Template.Type != "" || q.Service.Connect {
		return nil, failure(http.StatusBadRequest, "Invalid prepared query: this catalog has no templates, sessions or Connect")
	}
	q.ID = newUUID()
	c.queries[q.ID] = q
	c.store.writes.fire(c.store.next())
	return map[string]string{"ID": q.ID}, nil
}

// findQuery finds a prepared query by its name or ID.
func (c *Catalog) findQuery(name string) (preparedQuery, bool) {
	for _, q := range c.queries {
		if q.ID == name || q.Name == name {
			return q, true
		}
	}
	return preparedQuery{}, false
}

// executeQuery answers the instances that a prepared query finds now. Queries
// never block, and their answer has no index.
func (c *Catalog) executeQuery(w http.ResponseWriter, r *http.Request) (any, error) {
	limit := 0
	if text := r.URL.Query().Get("limit"); text != "" {
		var err error
		if limit, err = strconv.Atoi(text); err != nil {
			return nil, failure(http.StatusInternalServerError, "Bad limit: %s", err)
		}
	}
	return c.read(w, r, source{}, func(v view) (answer, error) {
		q, known := c.findQuery(r.PathValue("name"))
		if !known {
			return answer{}, failure(http.StatusNotFound, "Query not found")
		}
		nodes := []healthEntry{}
		filtered := false
		for _, where := range v.instances(q.Service.Service) {
			e := v.healthEntry(where)
			switch {
			case !v.may.allow(nodeResource, e.Node.Node, read) || !v.may.allow(serviceResource, e.Service.Service, read):
				filtered = true
			case q.Service.selects(e):
				nodes = append(nodes, e)
			}
		}
		nearest(nodes, q.Service.Near, c.opts.Node, func(e healthEntry) string { return e.Node.Node })
		if limit > 0 {
			nodes = nodes[:min(limit, len(nodes))]
		}
		return answer{filtered: filtered, changed: v.writes.changed(), value: map[string]any{
			"Service": q.Service.Service, "Nodes": nodes, "DNS": q.DNS, "Datacenter": c.opts.Datacenter,
			"PeerName": "", "Failovers": 0, "Index": 1, "LastContact": 0, "KnownLeader": true,
			"ConsistencyLevel": "leader", "NotModified": false, "Backend": 0, "ResultsFilteredByACLs": filtered,
		}}, nil
	})
}

// explainQuery answers the definition of a prepared query.
func (c *Catalog) explainQuery(w http.ResponseWriter, r *http.Request) (any, error) {
	return c.read(w, r, source{}, func(v view) (answer, error) {
		q, known := c.findQuery(r.PathValue("name"))
		switch {
		case !known:
			return answer{}, failure(http.StatusNotFound, "Query not found")
		case !v.may.allow(queryResource, q.Name, read):
			return answer{}, errPermissionDenied
		}
		return answer{changed: v.writes.changed(), value: map[string]any{"Query": q}}, nil
	})
}

// selects tells whether an instance is an answer; critical ones never are.
func (q preparedService) selects(e healthEntry) bool {
	for _, chk := range e.Checks {
		ignored := slices.Contains(q.IgnoreCheckIDs, chk.CheckID)
		if !ignored && (chk.Status == critical || q.OnlyPassing && chk.Status != passing) {
			return false
		}
	}
	for _, tag := range q.Tags {
		name, excluded := strings.CutPrefix(tag, "!")
		if hasTags(e.Service.Tags, []string{name}) == excluded {
			return false
		}
	}
	return includes(e.Node.Meta, q.NodeMeta) && includes(e.Service.Meta, q.ServiceMeta)
}

func includes(have, want map[string]string) bool {
	for key, value := range want {
		if got, ok := have[key]; !ok || got != value {
			return false
		}
	}
	return true
}
