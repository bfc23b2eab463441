package catalog

import (
	"maps"
	"net/netip"
)

// assignVirtualAddress gives a service of the mesh the address by which Consul's
// transparent proxies know it: one per destination, from 240.0.0.0/4.
func (s *store) assignVirtualAddress(svc *service) {
	destination := svc.destination()
	if destination == "" {
		return
	}
	n := s.virtual[destination]
	if n == 0 {
		n = len(s.virtual) + 1
		s.virtual[destination] = n
	}
	tagged := maps.Clone(svc.TaggedAddresses)
	if tagged == nil {
		tagged = map[string]serviceAddress{}
	}
	address := netip.AddrFrom4([4]byte{240, byte(n >> 16), byte(n >> 8), byte(n)})
	tagged[virtualAddress] = serviceAddress{Address: address.String(), Port: svc.Port}
	svc.TaggedAddresses = tagged
}

const virtualAddress = "consul-virtual"

// meshInstances lists the sidecars and native instances that offer a service,
// and the index of the youngest. They may bear any name, so their readers wake
// with every write.
func (s *store) meshInstances(name string) (found []instance, index uint64) {
	for _, offered := range sorted(s.services) {
		for where := range offered.instances {
			if s.nodes[where.node].services[where.id].destination() == name {
				found = append(found, where)
				index = max(index, offered.index)
			}
		}
	}
	if len(found) == 0 {
		index = s.missingService(true)
		if set := s.services[name]; set != nil && s.servicesGone == 0 {
			index = set.index // as recorded
		}
	}
	sortInstances(found)
	return found, index
}
