package consul

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"time"

	"github.com/hashicorp/consul/api"
)

// Plan is what a prepared query makes of its name: where to look, and what to
// take. Executing it would be Consul's way to balance, which cannot be waited
// on and knows nothing of what becomes of requests.
type Plan struct {
	Service     string
	Places      []Query // in order of preference
	OnlyPassing bool    // what warns is not to be used
}

func (p Plan) equal(o Plan) bool {
	return p.Service == o.Service && p.OnlyPassing == o.OnlyPassing && slices.Equal(p.Places, o.Places)
}

// Plan reads a prepared query by its name or ID, or a template by a name that
// it matches. It needs a token with query:read.
func (c *Client) Plan(ctx context.Context, query string) (Plan, error) {
	s := source{client: c}
	fail := func(err error) (Plan, error) {
		return Plan{}, s.sort(ctx, fmt.Errorf("consul %s: prepared query %q: %w", c.address, query, err))
	}
	if err := checkName(query); err != nil {
		return fail(err)
	}
	var options api.QueryOptions
	s.address(&options)
	var answer struct{ Query api.PreparedQueryDefinition }
	if _, err := c.api.Raw().Query("/v1/query/"+url.PathEscape(query)+"/explain", &answer, options.WithContext(ctx)); err != nil {
		return fail(err)
	}
	var near []string
	if n := answer.Query.Service.Failover.NearestN; n > 0 {
		// By distance, and our own first.
		if _, err := c.api.Raw().Query("/v1/catalog/datacenters", &near, options.WithContext(ctx)); err != nil {
			return fail(err)
		}
		near = near[min(1, len(near)):]
		near = near[:min(n, len(near))]
	}
	return planOf(answer.Query.Service, near), nil
}

// planOf makes a plan of a definition and the datacenters nearest to us.
func planOf(q api.ServiceQuery, near []string) Plan {
	first := Query{
		Service: q.Service, Namespace: q.Namespace, Partition: q.Partition, Near: q.Near,
		Filter: filterOf(q), Ignore: IgnoreOf(q.IgnoreCheckIDs),
	}
	p := Plan{Service: q.Service, OnlyPassing: q.OnlyPassing, Places: []Query{first}}
	add := func(t api.QueryFailoverTarget) {
		next := first
		next.Datacenter, next.Peer, next.Near = t.Datacenter, t.Peer, "" // distances end at the cluster
		set(&next.Partition, t.Partition)
		set(&next.Namespace, t.Namespace)
		if !slices.Contains(p.Places, next) {
			p.Places = append(p.Places, next)
		}
	}
	for _, dc := range slices.Concat(near, q.Failover.Datacenters) {
		add(api.QueryFailoverTarget{Datacenter: dc})
	}
	for _, target := range q.Failover.Targets {
		add(target)
	}
	return p
}

// filterOf says by a filter which instances a prepared query takes. Tags keep
// their case, unlike in Consul's own execution.
func filterOf(q api.ServiceQuery) string {
	var wanted, terms []string
	for _, tag := range q.Tags {
		if tag != "" && tag[0] == '!' {
			terms = append(terms, fmt.Sprintf("%q not in Service.Tags", tag[1:]))
		} else {
			wanted = append(wanted, tag)
		}
	}
	for where, meta := range map[string]map[string]string{"Node.Meta": q.NodeMeta, "Service.Meta": q.ServiceMeta} {
		for key, value := range meta {
			terms = append(terms, fmt.Sprintf("%s[%q] == %q", where, key, value))
		}
	}
	slices.Sort(terms) // for two that are equal share a watch
	filter := ""
	for i, term := range terms {
		if i > 0 {
			filter += " and "
		}
		filter += term
	}
	return FilterOf(wanted, filter)
}

// How often a plan is read: it is made by people.
const (
	planEvery = 10 * time.Minute // less or more a fifth
	planRetry = 30 * time.Second // the same
)

// FollowPlan reads the plan of a prepared query now and then until ctx ends,
// and tells when it is another one or can be read again, or why it could not be
// read; then the one before stays in force.
func (c *Client) FollowPlan(ctx context.Context, query string, tell func(Plan, error)) {
	var known Plan
	for failures := 0; ; {
		limited, cancel := context.WithTimeout(ctx, planRetry)
		p, err := c.Plan(limited, query)
		cancel()
		if ctx.Err() != nil {
			return
		}
		every := planEvery
		switch {
		case err != nil:
			every = planRetry
			if known.Service == "" { // somebody waits for the first one
				every = min(planRetry, time.Second<<min(failures, 5))
			}
			failures++
			tell(Plan{}, err)
		case failures > 0 || !p.equal(known):
			known, failures = p, 0
			tell(p, nil)
		}
		t := time.NewTimer(every - every/5 + rand.N(2*every/5))
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
	}
}
