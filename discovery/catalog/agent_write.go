package catalog

import (
	"fmt"
	"net/http"
	"strconv"
)

// PUT /v1/agent/service/..., /v1/agent/maintenance

const (
	nodeMaintenanceID        = "_node_maintenance"
	serviceMaintenancePrefix = "_service_maintenance:"
)

func (c *Catalog) registerService(w http.ResponseWriter, r *http.Request) (any, error) {
	d, err := decodeService(w, r)
	if err != nil {
		return nil, err
	}
	svc := d.record()
	replace := r.URL.Query().Get("replace-existing-checks") == "true"
	c.mu.Lock()
	defer c.mu.Unlock()
	may, err := c.authorized(r, serviceResource, svc.Service, writeAccess)
	if err != nil {
		return nil, err
	}
	if old := c.localService(svc.ID); old != nil {
		if err := may.require(serviceResource, old.Service, writeAccess); err != nil {
			return nil, err
		}
	}
	i := c.store.next()
	c.store.putService(i, c.opts.Node, svc)
	kept := map[string]bool{}
	for n, chk := range d.Checks {
		if chk.CheckID == "" {
			chk.CheckID = "service:" + svc.ID
			if len(d.Checks) > 1 {
				chk.CheckID += ":" + strconv.Itoa(n+1)
			}
		}
		if chk.Name == "" {
			chk.Name = fmt.Sprintf("Service '%s' check", svc.Service)
		}
		chk.ServiceID = svc.ID
		record := chk.record()
		if chk.Interval > 0 {
			record.Interval = chk.interval().String()
		}
		if chk.Timeout > 0 {
			record.Timeout = chk.timeout().String()
		}
		c.addCheck(i, *chk, record)
		kept[chk.CheckID] = true
	}
	for _, id := range c.checksOf(svc.ID) {
		if replace && !kept[id] {
			c.dropCheck(i, id)
			continue
		}
		// The service's name and tags are part of its checks.
		c.store.putCheck(i, c.opts.Node, *c.store.nodes[c.opts.Node].checks[id])
	}
	return nil, nil
}

func (c *Catalog) deregisterService(_ http.ResponseWriter, r *http.Request) (any, error) {
	id := r.PathValue("id")
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.authorizeService(r, id); err != nil {
		return nil, err
	}
	c.dropService(id)
	return nil, nil
}

// authorizeService asks for write access to a local service.
func (c *Catalog) authorizeService(r *http.Request, id string) error {
	may, err := c.authorized(r, "", "", writeAccess)
	if err != nil {
		return err
	}
	svc := c.localService(id)
	if svc == nil {
		return failure(http.StatusNotFound, "Unknown service ID %q. Ensure that the service ID is passed, not the service name.", id)
	}
	return may.require(serviceResource, svc.Service, writeAccess)
}

// dropService removes a local service, its checks and their goroutines.
func (c *Catalog) dropService(id string) {
	for _, checkID := range c.checksOf(id) {
		c.checks[checkID].stop()
		delete(c.checks, checkID)
	}
	c.store.dropService(c.store.next(), c.opts.Node, id)
}

func (c *Catalog) serviceMaintenance(_ http.ResponseWriter, r *http.Request) (any, error) {
	id := r.PathValue("id")
	if id == "" {
		return nil, failure(http.StatusBadRequest, "Missing service ID")
	}
	enable, err := maintenanceSwitch(r)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.authorizeService(r, id); err != nil {
		return nil, err
	}
	c.setMaintenance(enable, r, check{
		CheckID: serviceMaintenancePrefix + id, Name: "Service Maintenance Mode", ServiceID: id,
		Notes: "Maintenance mode is enabled for this service, but no reason was provided. This is a default message.",
	})
	return nil, nil
}

func (c *Catalog) nodeMaintenance(_ http.ResponseWriter, r *http.Request) (any, error) {
	enable, err := maintenanceSwitch(r)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.authorized(r, nodeResource, c.opts.Node, writeAccess); err != nil {
		return nil, err
	}
	c.setMaintenance(enable, r, check{
		CheckID: nodeMaintenanceID, Name: "Node Maintenance Mode",
		Notes: "Maintenance mode is enabled for this node, but no reason was provided. This is a default message.",
	})
	return nil, nil
}

func maintenanceSwitch(r *http.Request) (bool, error) {
	text := r.URL.Query().Get("enable")
	if text == "" {
		return false, failure(http.StatusBadRequest, "Missing value for enable")
	}
	enable, err := strconv.ParseBool(text)
	if err != nil {
		return false, failure(http.StatusBadRequest, "Invalid value for enable: %q", text)
	}
	return enable, nil
}

// setMaintenance adds or removes the critical check that is maintenance mode.
func (c *Catalog) setMaintenance(enable bool, r *http.Request, mode check) {
	i := c.store.next()
	switch known := c.checks[mode.CheckID] != nil; {
	case enable && !known:
		if reason := r.URL.Query().Get("reason"); reason != "" {
			mode.Notes = reason
		}
		mode.Status, mode.Type = critical, maintenance
		c.addCheck(i, checkDefinition{CheckID: mode.CheckID}, mode)
	case !enable && known:
		c.dropCheck(i, mode.CheckID)
	}
}
