package catalog

import (
	"encoding/json"
	"net/http"
	"slices"
)

// GET /v1/catalog/..., /v1/status/...

// serverPort is the port of Consul's servers among themselves. Nothing here
// listens on it; readers of /v1/status expect an address.
const serverPort = 8300

func (c *Catalog) statusLeader(_ http.ResponseWriter, r *http.Request) (any, error) {
	if dc := r.URL.Query().Get("dc"); dc != "" && dc != c.opts.Datacenter {
		return nil, failure(http.StatusInternalServerError, "No path to datacenter")
	}
	return c.serverAddress(), nil
}

func (c *Catalog) statusPeers(w http.ResponseWriter, r *http.Request) (any, error) {
	leader, err := c.statusLeader(w, r)
	return []any{leader}, err
}

func (c *Catalog) catalogDatacenters(http.ResponseWriter, *http.Request) (any, error) {
	return []string{c.opts.Datacenter}, nil
}

func (c *Catalog) catalogNodes(w http.ResponseWriter, r *http.Request) (any, error) {
	p := r.URL.Query()
	matches, filterErr := compileFilter[node](p.Get("filter"))
	return c.read(w, r, source{}, func(v view) (answer, error) {
		if filterErr != nil {
			return answer{}, filterErr
		}
		a := answer{index: v.nodeRows.index, changed: v.nodeRows.changed()}
		list := []*node{}
		for _, on := range sorted(v.nodes) {
			switch {
			case !v.may.allow(nodeResource, on.node.Node, read):
				a.filtered = true
			case hasMeta(on.node.Meta, p["node-meta"]) && matches(on.node):
				list = append(list, on.node)
			}
		}
		nearest(list, p.Get("near"), c.opts.Node, func(n *node) string { return n.Node })
		a.value = list
		return a, nil
	})
}

// catalogServices maps each service to the tags of all its instances.
func (c *Catalog) catalogServices(w http.ResponseWriter, r *http.Request) (any, error) {
	p := r.URL.Query()
	if err := refuseEnterprise(p); err != nil {
		return nil, err
	}
	matches, filterErr := compileFilter[catalogEntry](p.Get("filter"))
	return c.read(w, r, source{caches: true}, func(v view) (answer, error) {
		if filterErr != nil {
			return answer{}, filterErr
		}
		a := answer{index: v.serviceRows.index, changed: v.serviceRows.changed()}
		if p.Has("node-meta") { // then the nodes count too
			a.index, a.changed = max(a.index, v.nodeRows.index), v.writes.changed()
		}
		tags := map[string][]string{}
		for _, on := range sorted(v.nodes) {
			for _, svc := range sorted(on.services) {
				switch {
				case !v.may.allow(nodeResource, on.node.Node, read) || !v.may.allow(serviceResource, svc.Service, read):
					a.filtered = true
				case hasMeta(on.node.Meta, p["node-meta"]) && matches(newCatalogEntry(on.node, svc)):
					tags[svc.Service] = union(tags[svc.Service], svc.Tags)
				}
			}
		}
		a.value = tags
		return a, nil
	})
}

// union appends the tags that are not there yet; it is never nil, nor does it
// share memory with a record.
func union(have, tags []string) []string {
	if have == nil {
		have = []string{}
	}
	for _, tag := range tags {
		if !slices.Contains(have, tag) {
			have = append(have, tag)
		}
	}
	return have
}

func (c *Catalog) catalogService(w http.ResponseWriter, r *http.Request) (any, error) {
	p := r.URL.Query()
	name := r.PathValue("name")
	if err := refuseEnterprise(p); err != nil {
		return nil, err
	}
	if name == "" {
		return nil, failure(http.StatusBadRequest, "Missing service name")
	}
	matches, filterErr := compileFilter[catalogEntry](p.Get("filter"))
	return c.read(w, r, source{caches: true}, func(v view) (answer, error) {
		if filterErr != nil {
			return answer{}, filterErr
		}
		index, changed, absent := v.serviceMark(name, false)
		a := answer{index: index, changed: changed, absent: absent}
		list := []catalogEntry{}
		for _, where := range v.instances(name) {
			on := v.nodes[where.node]
			svc := on.services[where.id]
			e := newCatalogEntry(on.node, svc)
			switch {
			case !v.may.allow(nodeResource, e.Node, read) || !v.may.allow(serviceResource, name, read):
				a.filtered = true
			case hasTags(svc.Tags, p["tag"]) && hasMeta(e.NodeMeta, p["node-meta"]) && matches(e):
				list = append(list, e)
			}
		}
		nearest(list, p.Get("near"), c.opts.Node, func(e catalogEntry) string { return e.Node })
		a.value = list
		return a, nil
	})
}

// A catalogEntry is an instance as /v1/catalog/service lists it.
type catalogEntry struct {
	ID                       string
	Node                     string
	Address                  string
	Datacenter               string
	TaggedAddresses          map[string]string
	NodeMeta                 map[string]string
	ServiceKind              string
	ServiceID                string
	ServiceName              string
	ServiceTags              []string
	ServiceAddress           string
	ServiceTaggedAddresses   map[string]serviceAddress `json:",omitempty"`
	ServiceWeights           weights
	ServiceMeta              map[string]string
	ServicePort              int
	ServiceSocketPath        string
	ServiceEnableTagOverride bool
	ServiceProxy             proxy
	ServiceConnect           connect
	ServiceLocality          *locality `bexpr:"-"`
	CreateIndex              uint64    `bexpr:"-"`
	ModifyIndex              uint64    `bexpr:"-"`
}

func newCatalogEntry(n *node, s *service) catalogEntry {
	return catalogEntry{
		ID: n.ID, Node: n.Node, Address: n.Address, Datacenter: n.Datacenter,
		TaggedAddresses: n.TaggedAddresses, NodeMeta: n.Meta,
		ServiceKind: s.Kind, ServiceID: s.ID, ServiceName: s.Service, ServiceTags: s.Tags,
		ServiceAddress: s.Address, ServiceTaggedAddresses: s.TaggedAddresses,
		ServiceWeights: s.Weights, ServiceMeta: notNil(s.Meta), ServicePort: s.Port,
		ServiceSocketPath: s.SocketPath, ServiceEnableTagOverride: s.EnableTagOverride,
		ServiceProxy: s.Proxy, ServiceConnect: s.Connect, ServiceLocality: s.Locality,
		CreateIndex: s.CreateIndex, ModifyIndex: s.ModifyIndex,
	}
}

func notNil(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// catalogNode answers a node with its services by ID, or null.
func (c *Catalog) catalogNode(w http.ResponseWriter, r *http.Request) (any, error) {
	p := r.URL.Query()
	name := r.PathValue("name")
	if err := refuseEnterprise(p); err != nil {
		return nil, err
	}
	if name == "" {
		return nil, failure(http.StatusBadRequest, "Missing node name")
	}
	matches, filterErr := compileFilter[service](p.Get("filter"))
	return c.read(w, r, source{}, func(v view) (answer, error) {
		if filterErr != nil {
			return answer{}, filterErr
		}
		index, changed := v.nodeMark(name)
		a := answer{index: index, changed: changed, value: json.RawMessage("null")}
		on := v.nodes[name]
		if on == nil {
			return a, nil
		}
		if !v.may.allow(nodeResource, name, read) {
			a.filtered = true
			return a, nil
		}
		services := map[string]*service{}
		for id, svc := range on.services {
			switch {
			case !v.may.allow(serviceResource, svc.Service, read):
				a.filtered = true
			case matches(svc):
				services[id] = svc
			}
		}
		a.value = map[string]any{"Node": on.node, "Services": services}
		return a, nil
	})
}
