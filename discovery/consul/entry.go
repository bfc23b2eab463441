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

// snapshotOf makes instances of Consul's health entries. Each entry is taken
// or left by itself: one odd instance must not cost the service the others.
func snapshotOf(entries []*api.ServiceEntry, q Query) discovery.Snapshot {
	var s discovery.Snapshot
	ignored := q.ignored()
	for _, e := range entries {
		if e == nil || e.Node == nil || e.Service == nil {
			s.Skipped = append(s.Skipped, "an entry without node or service")
			continue
		}
		if e.Service.Kind != api.ServiceKindTypical {
			continue // proxies and gateways speak mutual TLS of the mesh
		}
		i := instanceOf(e, q.TaggedAddress, ignored)
		if q.Datacenter != "" {
			i.ID = q.Datacenter + "/" + i.ID // nodes elsewhere may have the same names
		}
		if i.Address == "" {
			s.Skipped = append(s.Skipped, i.ID+": no port and no socket is registered")
			continue
		}
		s.Instances = append(s.Instances, i)
	}
	slices.SortFunc(s.Instances, func(a, b discovery.Instance) int { return strings.Compare(a.ID, b.ID) })
	s.Instances, s.Skipped = distinct(s.Instances, s.Skipped)
	slices.Sort(s.Skipped)
	return s
}

// distinct merges instances with one address, as are seen while a service is
// registered anew under another ID, and drops a second one with the same ID.
func distinct(sorted []discovery.Instance, skipped []string) ([]discovery.Instance, []string) {
	var out []discovery.Instance
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
		kept.Weight = max(kept.Weight, i.Weight)
		if i.Declared.Status < kept.Declared.Status { // statuses go from well to ill
			kept.Declared, kept.Checks = i.Declared, i.Checks
		}
		skipped = append(skipped, fmt.Sprintf("%s: same address as %s", i.ID, kept.ID))
	}
	return out, skipped
}

func instanceOf(e *api.ServiceEntry, taggedAddress string, ignored map[string]bool) discovery.Instance {
	i := discovery.Instance{
		ID:       identify(e),
		Address:  addressOf(e, taggedAddress),
		Weight:   min(max(1, e.Service.Weights.Passing), maxWeight),
		Zone:     zoneOf(e),
		Metadata: e.Service.Meta,
		Declared: declarationOf(e.Checks, ignored),
		Checks:   checksOf(e.Checks, ignored),
	}
	i.Declared.WarningWeight = min(max(0, e.Service.Weights.Warning), maxWeight)
	if e.Service.Weights == (api.AgentWeights{}) { // absent, as from old servers
		i.Declared.WarningWeight = 1
	}
	return i
}

// maxWeight is the largest that Consul itself takes.
const maxWeight = 65535

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

func zoneOf(e *api.ServiceEntry) string {
	if l := e.Service.Locality; l != nil && l.Zone != "" {
		return l.Zone
	}
	if l := e.Node.Locality; l != nil {
		return l.Zone
	}
	return ""
}
