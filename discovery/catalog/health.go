package catalog

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// GET /v1/health/...

func (c *Catalog) healthService(w http.ResponseWriter, r *http.Request) (any, error) {
	return c.healthOf(w, r, false, func(v view, name string) ([]instance, answer) {
		index, changed, absent := v.serviceMark(name, true)
		return v.instances(name), answer{index: index, changed: changed, absent: absent}
	})
}

func (c *Catalog) healthConnect(w http.ResponseWriter, r *http.Request) (any, error) {
	return c.healthOf(w, r, true, func(v view, name string) ([]instance, answer) {
		found, index := v.meshInstances(name)
		return found, answer{index: index, changed: v.writes.changed(), absent: len(found) == 0}
	})
}

// healthOf lists the instances found, with their node and their checks.
func (c *Catalog) healthOf(w http.ResponseWriter, r *http.Request, mesh bool, find func(view, string) ([]instance, answer)) (any, error) {
	p := r.URL.Query()
	name := r.PathValue("name")
	if err := refuseEnterprise(p); err != nil {
		return nil, err
	}
	if name == "" {
		return nil, failure(http.StatusBadRequest, "Missing service name")
	}
	onlyPassing, err := flag(p, "passing")
	if err != nil {
		return nil, failure(http.StatusBadRequest, "Invalid value for ?passing")
	}
	matches, filterErr := compileFilter[healthEntry](p.Get("filter"))
	return c.read(w, r, source{streams: true, caches: true, bareFail: true}, func(v view) (answer, error) {
		switch {
		case filterErr != nil:
			return answer{}, filterErr
		case mesh && !v.may.allow(serviceResource, name, read):
			return answer{}, errPermissionDenied
		case p.Get("peer") != "":
			return answer{value: []healthEntry{}, changed: v.writes.changed()}, nil // no cluster is peered
		}
		found, a := find(v, name)
		list := []healthEntry{}
		for _, where := range found {
			e := v.healthEntry(where)
			switch {
			case !v.may.allow(nodeResource, e.Node.Node, read) || !v.may.allow(serviceResource, e.Service.Service, read):
				a.filtered = true
			case hasTags(e.Service.Tags, p["tag"]) && hasMeta(e.Node.Meta, p["node-meta"]) && matches(e) && (!onlyPassing || e.passes()):
				list = append(list, e)
			}
		}
		nearest(list, p.Get("near"), c.opts.Node, func(e healthEntry) string { return e.Node.Node })
		a.value = list
		return a, nil
	})
}

// healthEntry gathers what belongs to an instance: the checks of its node
// first, then its own.
func (s *store) healthEntry(where instance) healthEntry {
	on := s.nodes[where.node]
	e := healthEntry{Node: on.node, Service: on.services[where.id], Checks: []*check{}}
	for _, owner := range []string{"", where.id} {
		for _, chk := range sorted(on.checks) {
			if chk.ServiceID == owner {
				e.Checks = append(e.Checks, chk)
			}
		}
	}
	return e
}

func (e healthEntry) passes() bool {
	return !slices.ContainsFunc(e.Checks, func(chk *check) bool { return chk.Status != passing })
}

func (c *Catalog) healthChecks(w http.ResponseWriter, r *http.Request) (any, error) {
	name := r.PathValue("name")
	if name == "" {
		return nil, failure(http.StatusBadRequest, "Missing service name")
	}
	return c.listChecks(w, r, func(chk *check) bool { return chk.ServiceName == name })
}

func (c *Catalog) healthNode(w http.ResponseWriter, r *http.Request) (any, error) {
	name := r.PathValue("name")
	if name == "" {
		return nil, failure(http.StatusBadRequest, "Missing node name")
	}
	return c.listChecks(w, r, func(chk *check) bool { return chk.Node == name })
}

func (c *Catalog) healthState(w http.ResponseWriter, r *http.Request) (any, error) {
	state := r.PathValue("state")
	if state == "" {
		return nil, failure(http.StatusBadRequest, "Missing check state")
	}
	return c.listChecks(w, r, func(chk *check) bool { return state == "any" || chk.Status == state })
}

// listChecks lists checks by node and ID. Its readers share the index of the
// check table and wake with it, which is oftener than Consul wakes some of
// them and no oftener than its documentation allows.
func (c *Catalog) listChecks(w http.ResponseWriter, r *http.Request, wanted func(*check) bool) (any, error) {
	p := r.URL.Query()
	if err := refuseEnterprise(p); err != nil {
		return nil, err
	}
	matches, filterErr := compileFilter[check](p.Get("filter"))
	return c.read(w, r, source{}, func(v view) (answer, error) {
		if filterErr != nil {
			return answer{}, filterErr
		}
		a := answer{index: v.checkRows.index, changed: v.checkRows.changed()}
		list := []*check{}
		for _, on := range sorted(v.nodes) {
			for _, chk := range sorted(on.checks) {
				switch {
				case !wanted(chk):
				case !v.may.readCheck(chk):
					a.filtered = true
				case hasMeta(on.node.Meta, p["node-meta"]) && matches(chk):
					list = append(list, chk)
				}
			}
		}
		nearest(list, p.Get("near"), c.opts.Node, func(chk *check) string { return chk.Node })
		a.value = list
		return a, nil
	})
}

// flag reads a boolean parameter that may stand bare.
func flag(p url.Values, name string) (bool, error) {
	if text := p.Get(name); text != "" {
		return strconv.ParseBool(text)
	}
	return p.Has(name), nil
}

// hasTags tells whether all wanted tags are there, in whatever case.
func hasTags(tags, wanted []string) bool {
	for _, tag := range wanted {
		if !slices.ContainsFunc(tags, func(have string) bool { return strings.EqualFold(have, tag) }) {
			return false
		}
	}
	return true
}

// hasMeta tells whether all wanted "key:value" pairs are there.
func hasMeta(meta map[string]string, wanted []string) bool {
	for _, pair := range wanted {
		key, value, _ := strings.Cut(pair, ":")
		if have, ok := meta[key]; !ok || have != value {
			return false
		}
	}
	return true
}

// nearest moves what is on the named node ("_agent": the agent's own) to the
// front. Consul sorts the rest by measured distance; here all of it is equally
// far.
func nearest[T any](list []T, near, own string, nodeOf func(T) string) {
	if near == "_agent" {
		near = own
	}
	if near == "" {
		return
	}
	slices.SortStableFunc(list, func(a, b T) int {
		switch isA, isB := nodeOf(a) == near, nodeOf(b) == near; {
		case isA && !isB:
			return -1
		case isB && !isA:
			return 1
		}
		return 0
	})
}

// refuseEnterprise refuses the parameters of Consul Enterprise as Consul does.
func refuseEnterprise(p url.Values) error {
	for name, feature := range map[string]string{"ns": "Namespaces", "partition": "Partitions"} {
		if p.Get(name) != "" {
			return failure(http.StatusBadRequest, "Invalid query parameter: %q - %s are a Consul Enterprise feature", name, feature)
		}
	}
	return nil
}
