package catalog

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// PUT /v1/agent/check/...

// A localCheck is a check that this agent runs.
type localCheck struct {
	definition checkDefinition
	status     string
	output     string    // may be newer than the catalog's
	publish    time.Time // when a changed output may follow; zero: none waits
	since      time.Time // of the critical status
	stop       context.CancelFunc
	reported   chan struct{} // TTL only: the application spoke
}

// record makes the check that the catalog holds.
func (d *checkDefinition) record() check {
	return check{
		CheckID: d.CheckID, Name: d.Name, Notes: d.Notes, Status: d.Status, ServiceID: d.ServiceID, Type: d.kind(),
	}
}

func (c *Catalog) registerCheck(w http.ResponseWriter, r *http.Request) (any, error) {
	var body struct {
		ID    string
		Token string
		checkDefinition
		withoutCheckID
	}
	if err := decode(w, r, "Request decode", &body); err != nil {
		return nil, err
	}
	d := body.checkDefinition
	d.CheckID = body.ID
	if d.CheckID == "" {
		d.CheckID = d.Name
	}
	switch {
	case d.Name == "":
		return nil, failure(http.StatusBadRequest, "Missing check name")
	case !validStatus(d.Status):
		return nil, failure(http.StatusBadRequest, "Bad check status")
	}
	if err := d.validate(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	may, err := c.authorized(r, "", "", writeAccess)
	if err != nil {
		return nil, err
	}
	of, name := nodeResource, c.opts.Node
	if d.ServiceID != "" {
		svc := c.localService(d.ServiceID)
		if svc == nil {
			return nil, failure(http.StatusNotFound, "ServiceID %q does not exist", d.ServiceID)
		}
		of, name = serviceResource, svc.Service
	}
	if err := may.require(of, name, writeAccess); err != nil {
		return nil, err
	}
	record := d.record()
	record.Interval, record.Timeout = d.interval().String(), time.Duration(d.Timeout).String()
	c.addCheck(c.store.next(), d, record)
	return nil, nil
}

// withoutCheckID, embedded beside a checkDefinition, makes CheckID ambiguous and
// so unknown to encoding/json: a check on its own has an ID, no CheckID.
type withoutCheckID struct{ CheckID string }

func (c *Catalog) deregisterCheck(_ http.ResponseWriter, r *http.Request) (any, error) {
	id := r.PathValue("id")
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := c.authorizeCheck(r, id); err != nil {
		return nil, err
	}
	c.dropCheck(c.store.next(), id)
	return nil, nil
}

// authorizeCheck asks for write access to a local check.
func (c *Catalog) authorizeCheck(r *http.Request, id string) (*localCheck, error) {
	may, err := c.authorized(r, "", "", writeAccess)
	if err != nil {
		return nil, err
	}
	lc := c.checks[id]
	if lc == nil {
		return nil, failure(http.StatusNotFound, "Unknown check ID %q. Ensure that the check ID is passed, not the check name.", id)
	}
	if name := c.store.nodes[c.opts.Node].checks[id].ServiceName; name != "" {
		return lc, may.require(serviceResource, name, writeAccess)
	}
	return lc, may.require(nodeResource, c.opts.Node, writeAccess)
}

// ttlReport sets a TTL check to a status, with ?note as its output.
func (c *Catalog) ttlReport(status string) handler {
	return func(_ http.ResponseWriter, r *http.Request) (any, error) {
		return c.report(r, status, r.URL.Query().Get("note"))
	}
}

func (c *Catalog) ttlUpdate(w http.ResponseWriter, r *http.Request) (any, error) {
	var body struct{ Status, Output string }
	if err := decode(w, r, "Request decode", &body); err != nil {
		return nil, err
	}
	if body.Status == "" || !validStatus(body.Status) {
		return nil, failure(http.StatusBadRequest, "Invalid check status: '%s'", body.Status)
	}
	return c.report(r, body.Status, body.Output)
}

func (c *Catalog) report(r *http.Request, status, output string) (any, error) {
	id := r.PathValue("id")
	c.mu.Lock()
	defer c.mu.Unlock()
	lc, err := c.authorizeCheck(r, id)
	if err != nil {
		return nil, err
	}
	if lc.definition.TTL == 0 {
		return nil, failure(http.StatusInternalServerError, "CheckID %q does not have associated TTL", id)
	}
	if limit := lc.definition.outputLimit(); len(output) > limit {
		output = fmt.Sprintf("%s ... (captured %d of %d bytes)", output[:limit], limit, len(output))
	}
	c.result(id, lc, status, output)
	select {
	case lc.reported <- struct{}{}:
	default: // the last report was not noticed yet; it restarts the TTL as well
	}
	return nil, nil
}

// addCheck puts a check in the agent and in the catalog, and runs it. One that
// was there keeps its state, as in Consul: to register again is no news of the
// application's health.
func (c *Catalog) addCheck(i uint64, d checkDefinition, record check) {
	lc := &localCheck{
		definition: d, status: record.Status, stop: func() {}, since: time.Now(), reported: make(chan struct{}, 1),
	}
	if lc.status == "" {
		lc.status = critical
	}
	if old := c.checks[d.CheckID]; old != nil {
		old.stop()
		lc.status, lc.output, lc.since = old.status, old.output, old.since
	}
	record.Status, record.Output = lc.status, lc.output
	c.checks[d.CheckID] = lc
	c.store.putCheck(i, c.opts.Node, record)
	c.start(lc)
}

// dropCheck removes a local check and ends its goroutine.
func (c *Catalog) dropCheck(i uint64, id string) {
	c.checks[id].stop()
	delete(c.checks, id)
	c.store.dropCheck(i, c.opts.Node, id)
}

// checksOf lists the local checks of a local service.
func (c *Catalog) checksOf(serviceID string) []string {
	var ids []string
	for _, chk := range sorted(c.store.nodes[c.opts.Node].checks) {
		if chk.ServiceID == serviceID && c.checks[chk.CheckID] != nil {
			ids = append(ids, chk.CheckID)
		}
	}
	return ids
}

// result takes the outcome of a run or report. A status is published at once;
// an output alone waits, so that a chatty check does not wake every watcher.
func (c *Catalog) result(id string, lc *localCheck, status, output string) {
	now := time.Now()
	if status != lc.status {
		lc.since = now
	} else if output != lc.output && lc.publish.IsZero() {
		lc.publish = now.Add(max(c.opts.CheckUpdateInterval, 0))
	}
	changed := status != lc.status
	lc.status, lc.output = status, output
	if changed || !lc.publish.IsZero() && !now.Before(lc.publish) {
		lc.publish = time.Time{}
		record := *c.store.nodes[c.opts.Node].checks[id]
		record.Status, record.Output = status, output
		c.store.putCheck(c.store.next(), c.opts.Node, record)
	}
}
