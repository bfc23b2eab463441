package catalog

import (
	"encoding/json"
	"hash/fnv"
	"maps"
	"net"
	"net/http"
	"strconv"
)

// GET /v1/agent/...: what this one agent knows of itself.

func (c *Catalog) serverAddress() string {
	return net.JoinHostPort(c.opts.Address, strconv.Itoa(serverPort))
}

// authorized resolves the token of a request and, if of is given, asks for an
// access. The caller holds the lock.
func (c *Catalog) authorized(r *http.Request, of resource, name string, need access) (*permissions, error) {
	may, err := c.acl.permissions(requestToken(r))
	if err != nil || of == "" {
		return may, err
	}
	return may, may.require(of, name, need)
}

func (c *Catalog) agentSelf(_ http.ResponseWriter, r *http.Request) (any, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.authorized(r, agentResource, c.opts.Node, read); err != nil {
		return nil, err
	}
	return map[string]any{
		"Config": map[string]any{
			"Datacenter": c.opts.Datacenter, "PrimaryDatacenter": c.opts.Datacenter,
			"NodeName": c.opts.Node, "NodeID": c.nodeID, "Server": true,
			"Version": version, "Revision": "", "BuildDate": "1970-01-01T00:00:01Z",
		},
		"Member": c.member(),
		"Meta":   c.store.nodes[c.opts.Node].node.Meta,
	}, nil
}

// member is the agent as its gossip would describe it, with Consul's default
// ports, on which nothing listens.
func (c *Catalog) member() map[string]any {
	acls := "0"
	if c.acl != nil {
		acls = "1"
	}
	return map[string]any{
		"Name": c.opts.Node, "Addr": c.opts.Address, "Port": serverPort + 1, "Status": 1,
		"Tags": map[string]string{
			"acls": acls, "build": version + ":", "dc": c.opts.Datacenter, "ft_fs": "1", "ft_si": "1",
			"id": c.nodeID, "port": strconv.Itoa(serverPort), "raft_vsn": "3", "role": "consul", "segment": "",
			"vsn": "2", "vsn_max": "3", "vsn_min": "2", "wan_join_port": strconv.Itoa(serverPort + 2),
		},
		"ProtocolMin": 1, "ProtocolMax": 5, "ProtocolCur": 2, "DelegateMin": 2, "DelegateMax": 5, "DelegateCur": 4,
	}
}

// An agentServiceRecord is a service as the agent it is registered with shows it.
type agentServiceRecord struct {
	Kind              string `json:",omitempty"`
	ID                string
	Service           string
	Tags              []string
	Meta              map[string]string
	Port              int
	Address           string
	SocketPath        string                    `json:",omitempty"`
	TaggedAddresses   map[string]serviceAddress `json:",omitempty"`
	Weights           weights
	EnableTagOverride bool
	ContentHash       string      `json:",omitempty" bexpr:"-"`
	Proxy             *agentProxy `json:",omitempty" bexpr:"-"`
	Connect           *connect    `json:",omitempty" bexpr:"-"`
	Datacenter        string
	Locality          *locality `json:",omitempty" bexpr:"-"`
}

// agentProxy is a proxy without the mode that nobody set.
type agentProxy struct {
	proxy
	Mode string `json:",omitempty"`
}

func (c *Catalog) agentRecord(s *service) agentServiceRecord {
	a := agentServiceRecord{
		Kind: s.Kind, ID: s.ID, Service: s.Service, Tags: s.Tags, Meta: notNil(s.Meta), Port: s.Port,
		Address: s.Address, SocketPath: s.SocketPath, TaggedAddresses: maps.Clone(s.TaggedAddresses),
		Weights: s.Weights, EnableTagOverride: s.EnableTagOverride, Datacenter: c.opts.Datacenter, Locality: s.Locality,
	}
	delete(a.TaggedAddresses, virtualAddress) // the catalog's, not the agent's
	if s.Kind != "" {
		a.Proxy = &agentProxy{proxy: s.Proxy, Mode: s.Proxy.Mode}
	}
	if s.Connect.Native {
		a.Connect = &s.Connect
	}
	return a
}

// localService finds a service registered with the agent.
func (c *Catalog) localService(id string) *service {
	if s := c.store.nodes[c.opts.Node].services[id]; s != nil && s.local {
		return s
	}
	return nil
}

func (c *Catalog) agentServices(w http.ResponseWriter, r *http.Request) (any, error) {
	if err := refuseEnterprise(r.URL.Query()); err != nil {
		return nil, err
	}
	matches, err := compileFilter[agentServiceRecord](r.URL.Query().Get("filter"))
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	may, err := c.authorized(r, "", "", read)
	if err != nil {
		return nil, err
	}
	byID := map[string]agentServiceRecord{}
	for id, s := range c.store.nodes[c.opts.Node].services {
		switch record := c.agentRecord(s); {
		case !s.local:
		case !may.allow(serviceResource, s.Service, read):
			markFiltered(w, may)
		case matches(record):
			byID[id] = record
		}
	}
	return byID, nil
}

func (c *Catalog) agentService(w http.ResponseWriter, r *http.Request) (any, error) {
	id := r.PathValue("id")
	c.mu.Lock()
	defer c.mu.Unlock()
	may, err := c.authorized(r, "", "", read)
	if err != nil {
		return nil, err
	}
	s := c.localService(id)
	if s == nil {
		return nil, failure(http.StatusNotFound, "unknown service ID: %s", id)
	}
	if err := may.require(serviceResource, s.Service, read); err != nil {
		return nil, err
	}
	record := c.agentRecord(s)
	sum := fnv.New64a()
	if err := json.NewEncoder(sum).Encode(record); err != nil {
		return nil, err
	}
	record.ContentHash = strconv.FormatUint(sum.Sum64(), 16)
	w.Header().Set("X-Consul-Contenthash", record.ContentHash)
	return record, nil
}

func (c *Catalog) agentChecks(w http.ResponseWriter, r *http.Request) (any, error) {
	if err := refuseEnterprise(r.URL.Query()); err != nil {
		return nil, err
	}
	matches, err := compileFilter[check](r.URL.Query().Get("filter"))
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	may, err := c.authorized(r, "", "", read)
	if err != nil {
		return nil, err
	}
	byID := map[string]check{}
	for id := range c.checks {
		switch chk := c.agentCheck(id); {
		case chk.ServiceName != "" && !may.allow(serviceResource, chk.ServiceName, read),
			chk.ServiceName == "" && !may.allow(nodeResource, c.opts.Node, read):
			markFiltered(w, may)
		case matches(chk):
			byID[id] = chk
		}
	}
	return byID, nil
}

// agentCheck is a check as the agent knows it: its output may be newer than
// the catalog's, and it has no indexes.
func (c *Catalog) agentCheck(id string) check {
	chk := *c.store.nodes[c.opts.Node].checks[id]
	chk.Output = c.checks[id].output
	chk.CreateIndex, chk.ModifyIndex = 0, 0
	return chk
}

func markFiltered(w http.ResponseWriter, may *permissions) {
	if may.accessor != "" {
		w.Header().Set("X-Consul-Results-Filtered-By-Acls", "true")
	}
}
