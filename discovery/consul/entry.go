package consul

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/outrigger-sidecar/outrigger/discovery"
)

// reading is what one of Consul's health entries comes to: an instance, and what
// was odd about it, or why it is left out.
type reading struct {
	instance discovery.Instance
	note     string // "" for none
	skipped  string // why there is no instance, for people
	foreign  bool   // it is nothing that could be an instance
}

// readingOf takes or leaves one entry.
func readingOf(e *api.ServiceEntry, q Query, ignored map[string]bool) *reading {
	if e == nil || e.Node == nil || e.Service == nil {
		return &reading{skipped: "an entry without node or service"}
	}
	if e.Service.Kind != api.ServiceKindTypical {
		return &reading{foreign: true} // proxies and gateways speak mutual TLS of the mesh
	}
	i, odd := instanceOf(e, q, ignored)
	if q.Datacenter != "" {
		i.ID = q.Datacenter + "/" + i.ID // nodes elsewhere may have the same names
	}
	if i.Address == "" {
		return &reading{skipped: i.ID + ": no port and no socket is registered"}
	}
	f := &reading{instance: i}
	if odd != "" {
		f.note = i.ID + ": " + odd
	}
	return f
}

// snapshotOf puts together what was found. Each entry is taken or left by
// itself: one odd instance must not cost the service the others.
func snapshotOf(all []*reading) discovery.Snapshot {
	s := discovery.Snapshot{Instances: make([]discovery.Instance, 0, len(all))}
	for _, f := range all {
		switch {
		case f.skipped != "":
			s.Skipped = append(s.Skipped, f.skipped)
		case !f.foreign:
			s.Instances = append(s.Instances, f.instance)
			if f.note != "" {
				s.Notes = append(s.Notes, f.note)
			}
		}
	}
	slices.SortFunc(s.Instances, func(a, b discovery.Instance) int { return strings.Compare(a.ID, b.ID) })
	s.Instances, s.Skipped = distinct(s.Instances, s.Skipped)
	slices.Sort(s.Skipped)
	slices.Sort(s.Notes)
	return s
}

// distinct merges instances with one address, as are seen while a service is
// registered anew under another ID, and drops a second one with the same ID.
func distinct(sorted []discovery.Instance, skipped []string) ([]discovery.Instance, []string) {
	out := sorted[:0]
	at := make(map[string]int, len(sorted)) // address → position in out
	for _, i := range sorted {
		if n := len(out); n > 0 && out[n-1].ID == i.ID {
			skipped = append(skipped, i.ID+": registered twice")
			continue
		}
		first, ok := at[i.Address]
		if !ok {
			at[i.Address] = len(out)
			out = append(out, i)
			continue
		}
		kept := &out[first]
		kept.Weight, kept.Priority = max(kept.Weight, i.Weight), min(kept.Priority, i.Priority)
		if i.Declared.Status < kept.Declared.Status { // statuses go from well to ill
			kept.Declared, kept.Checks = i.Declared, i.Checks
		}
		skipped = append(skipped, fmt.Sprintf("%s: same address as %s", i.ID, kept.ID))
	}
	return out, skipped
}

// instanceOf makes an instance of an entry, and says what was odd about it, ""
// for nothing.
func instanceOf(e *api.ServiceEntry, q Query, ignored map[string]bool) (i discovery.Instance, odd string) {
	i = discovery.Instance{
		ID:       identify(e),
		Address:  addressOf(e, q.TaggedAddress),
		Weight:   min(max(1, e.Service.Weights.Passing), maxWeight),
		Zone:     zoneOf(e, q.ZoneFrom),
		Metadata: e.Service.Meta,
		Declared: declarationOf(e.Checks, ignored),
		Checks:   checksOf(e.Checks, ignored),
	}
	i.Priority, odd = priorityOf(e, q.PriorityFrom)
	i.Declared.WarningWeight = min(max(0, e.Service.Weights.Warning), maxWeight)
	if e.Service.Weights == (api.AgentWeights{}) { // absent, as from old servers
		i.Declared.WarningWeight = 1
	}
	return i, odd
}

// maxWeight is the largest that Consul itself takes.
const maxWeight = 65535

// maxPriority is the last failover group that there can be.
const maxPriority = 127

// identify makes a key of what identifies a service instance to Consul: its ID
// alone is only unique on its node, and node IDs may be missing.
func identify(e *api.ServiceEntry) string {
	id := e.Node.Node + "/" + e.Service.ID
	for _, outer := range []string{e.Service.Namespace, e.Service.Partition, e.Service.PeerName} {
		if outer != "" && outer != "default" {
			id = outer + "/" + id
		}
	}
	return id
}

// addressOf is where an instance is reached, "" where nothing says so. A
// tagged address comes first if one is wanted, the service's own before its
// node's, as Consul itself chooses.
func addressOf(e *api.ServiceEntry, tag string) string {
	host, port := e.Service.Address, e.Service.DefaultPort()
	if tagged, ok := e.Service.TaggedAddresses[tag]; ok && tag != "" && tagged.Address != "" {
		host = tagged.Address
		if tagged.Port != 0 {
			port = tagged.Port
		}
	} else if host == "" && tag != "" {
		host = e.Node.TaggedAddresses[tag]
	}
	if host == "" {
		host = e.Node.Address
	}
	switch {
	case port > 0 && port <= 65535 && host != "":
		return net.JoinHostPort(host, strconv.Itoa(port))
	case e.Service.SocketPath != "":
		return "unix://" + e.Service.SocketPath
	}
	return ""
}

// zoneOf is where an instance runs, "" where nothing says so.
func zoneOf(e *api.ServiceEntry, from string) string {
	if from != "" {
		return metaOf(e, from)
	}
	if l := e.Service.Locality; l != nil && l.Zone != "" {
		return l.Zone
	}
	if l := e.Node.Locality; l != nil {
		return l.Zone
	}
	return ""
}

// priorityOf is an instance's failover group. One that says nothing of it is
// in the first, and so is one whose word cannot be read: it may be all there
// is, so that leaving it out would be worse.
func priorityOf(e *api.ServiceEntry, from string) (priority int, odd string) {
	value := strings.TrimSpace(metaOf(e, from))
	if value == "" {
		return 0, ""
	}
	priority, err := strconv.Atoi(value)
	if err != nil || priority < 0 || priority > maxPriority {
		return 0, fmt.Sprintf("its priority %.60q is no whole number from 0 to %d, and counts as 0", value, maxPriority)
	}
	return priority, ""
}

// metaOf is the metadata at node_meta:KEY or service_meta:KEY, "" for none.
func metaOf(e *api.ServiceEntry, from string) string {
	if key, ok := strings.CutPrefix(from, "node_meta:"); ok {
		return e.Node.Meta[key]
	}
	if key, ok := strings.CutPrefix(from, "service_meta:"); ok {
		return e.Service.Meta[key]
	}
	return ""
}
