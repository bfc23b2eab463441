package catalog

import (
	"encoding/hex"
	"net/http"
	"strings"
)

// PUT /v1/catalog/register and deregister: nodes that no agent looks after. On
// the agent's own node the agent knows best: a write over what was registered
// with it is taken and has no effect, as if Consul's sync had already undone it.

type registerRequest struct {
	Datacenter      string
	ID              string
	Node            string
	Address         string
	TaggedAddresses map[string]string
	NodeMeta        map[string]string
	Service         *service
	Check           *check
	Checks          []*check
	SkipNodeUpdate  bool
}

func (c *Catalog) catalogRegister(w http.ResponseWriter, r *http.Request) (any, error) {
	var req registerRequest
	if err := decode(w, r, "Request decode", &req); err != nil {
		return nil, err
	}
	if err := c.ownDatacenter(r, req.Datacenter); err != nil {
		return nil, err
	}
	if req.Check != nil {
		req.Checks = append(req.Checks, req.Check)
	}
	if err := req.complete(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	may, err := c.acl.permissions(requestToken(r))
	if err != nil {
		return nil, err
	}
	if err := c.authorizeRegister(may, &req); err != nil {
		return nil, err
	}
	for _, chk := range req.Checks {
		if chk.ServiceID != "" && !c.hasService(&req, chk.ServiceID) {
			return nil, failure(http.StatusInternalServerError, "Unknown service ID '%s' for check ID '%s'", chk.ServiceID, chk.CheckID)
		}
	}
	own := req.Node == c.opts.Node
	if req.ID == c.nodeID && !own {
		return nil, failure(http.StatusInternalServerError, "node ID %s is that of the agent's own node %q", req.ID, c.opts.Node)
	}
	i := c.store.next()
	if c.store.nodes[req.Node] == nil || !req.SkipNodeUpdate && !own {
		c.store.putNode(i, req.node(c.opts.Datacenter))
	}
	if req.Service != nil && !(own && c.localService(req.Service.ID) != nil) {
		c.store.putService(i, req.Node, *req.Service)
	}
	for _, chk := range req.Checks {
		if !own || c.checks[chk.CheckID] == nil {
			c.store.putCheck(i, req.Node, *chk)
		}
	}
	return true, nil
}

// complete fills what may be left out and refuses what Consul refuses.
func (req *registerRequest) complete() error {
	switch {
	case req.Node == "":
		return failure(http.StatusInternalServerError, "Must provide node")
	case req.Address == "" && !req.SkipNodeUpdate:
		return failure(http.StatusInternalServerError, "Must provide address if SkipNodeUpdate is not set")
	}
	if req.ID != "" {
		if reason := uuidFault(req.ID); reason != "" {
			return failure(http.StatusInternalServerError, "Bad node ID: %s", reason)
		}
	}
	if svc := req.Service; svc != nil {
		switch {
		case svc.Service == "" && svc.ID != "":
			return failure(http.StatusInternalServerError, "Must provide service name (Service.Service) when service ID is provided")
		case svc.Service == "":
			return failure(http.StatusInternalServerError, "Must provide service name (Service.Service)")
		}
		if err := validServiceName(svc.Service); err != nil {
			return err
		}
		if svc.ID == "" {
			svc.ID = svc.Service
		}
	}
	for _, chk := range req.Checks {
		if chk == nil {
			return failure(http.StatusBadRequest, "Request decode failed: a check is null")
		}
		if chk.CheckID == "" {
			chk.CheckID = chk.Name
		}
		if chk.CheckID == "" {
			return failure(http.StatusInternalServerError, "failed inserting check on node %q: failed health check lookup: index error: object is missing a value for this index", req.Node)
		}
		if chk.Node != "" && chk.Node != req.Node {
			return failure(http.StatusInternalServerError, "Node '%s' for check '%s' doesn't match register request node '%s'", chk.Node, chk.CheckID, req.Node)
		}
		if chk.Type == "" {
			chk.Type = chk.Definition.kind()
		}
	}
	return nil
}

// kind names the type of check that a definition describes.
func (d definition) kind() string {
	switch {
	case d.HTTP != "":
		return "http"
	case d.TCP != "":
		return "tcp"
	case d.GRPC != "":
		return "grpc"
	case d.UDP != "":
		return "udp"
	case d.OSService != "":
		return "os_service"
	}
	return ""
}

func (req *registerRequest) node(dc string) node {
	return node{
		ID: req.ID, Node: req.Node, Address: req.Address, Datacenter: dc,
		TaggedAddresses: req.TaggedAddresses, Meta: req.NodeMeta,
	}
}

// hasService tells whether the service is registered, or about to be.
func (c *Catalog) hasService(req *registerRequest, id string) bool {
	if req.Service != nil && req.Service.ID == id {
		return true
	}
	on := c.store.nodes[req.Node]
	return on != nil && on.services[id] != nil
}

// authorizeRegister asks for write access to what the request changes: to the
// service, to the services of service checks, and to the node if it or a check
// of its own changes.
func (c *Catalog) authorizeRegister(may *permissions, req *registerRequest) error {
	on := c.store.nodes[req.Node]
	if req.Service != nil {
		if err := may.require(serviceResource, req.Service.Service, writeAccess); err != nil {
			return err
		}
	}
	touchesNode := on == nil || !req.SkipNodeUpdate && !req.node(c.opts.Datacenter).same(*on.node)
	for _, chk := range req.Checks {
		switch {
		case chk.ServiceID == "":
			touchesNode = true
		case on != nil && on.services[chk.ServiceID] != nil:
			if err := may.require(serviceResource, on.services[chk.ServiceID].Service, writeAccess); err != nil {
				return err
			}
		}
	}
	if touchesNode {
		return may.require(nodeResource, req.Node, writeAccess)
	}
	return nil
}

func (c *Catalog) catalogDeregister(w http.ResponseWriter, r *http.Request) (any, error) {
	var req struct{ Datacenter, Node, Address, ServiceID, CheckID string }
	if err := decode(w, r, "Request decode", &req); err != nil {
		return nil, err
	}
	if err := c.ownDatacenter(r, req.Datacenter); err != nil {
		return nil, err
	}
	if req.Node == "" {
		return nil, failure(http.StatusInternalServerError, "Must provide node")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	may, err := c.acl.permissions(requestToken(r))
	if err != nil {
		return nil, err
	}
	if !may.allow(nodeResource, req.Node, writeAccess) {
		if err := c.authorizeDeregister(may, req.Node, req.ServiceID, req.CheckID); err != nil {
			return nil, err
		}
	}
	i := c.store.next()
	own := req.Node == c.opts.Node
	switch {
	case req.ServiceID != "":
		if !own || req.ServiceID != "consul" && c.localService(req.ServiceID) == nil {
			c.store.dropService(i, req.Node, req.ServiceID)
		}
	case req.CheckID != "":
		if !own || req.CheckID != "serfHealth" && c.checks[req.CheckID] == nil {
			c.store.dropCheck(i, req.Node, req.CheckID)
		}
	case !own:
		c.store.dropNode(i, req.Node)
	}
	return true, nil
}

func (c *Catalog) authorizeDeregister(may *permissions, nodeName, serviceID, checkID string) error {
	on := c.store.nodes[nodeName]
	if serviceID == "" && on != nil && on.checks[checkID] != nil {
		serviceID = on.checks[checkID].ServiceID
	}
	if serviceID == "" {
		return may.require(nodeResource, nodeName, writeAccess)
	}
	if on == nil || on.services[serviceID] == nil {
		return failure(http.StatusInternalServerError, "Unknown service ID '%s'", serviceID)
	}
	return may.require(serviceResource, on.services[serviceID].Service, writeAccess)
}

// ownDatacenter refuses writes for a datacenter that is not this one.
func (c *Catalog) ownDatacenter(r *http.Request, inBody string) error {
	for _, dc := range []string{r.URL.Query().Get("dc"), inBody} {
		if dc != "" && dc != c.opts.Datacenter {
			return failure(http.StatusInternalServerError, "No path to datacenter")
		}
	}
	return nil
}

// uuidFault says why a text is no UUID, or "".
func uuidFault(text string) string {
	if len(text) != 36 {
		return "uuid string is wrong length"
	}
	digits := strings.ReplaceAll(text, "-", "")
	if _, err := hex.DecodeString(digits); err != nil || len(digits) != 32 {
		return "uuid is improperly formatted"
	}
	return ""
}
