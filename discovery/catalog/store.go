package catalog

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
)

// store is the catalog's state: nodes, and on each its services and checks.
// Whoever calls holds the Catalog's lock. A write takes the index given by
// next, and any number of puts and drops share it, like one entry of Consul's
// log; a put that changes nothing moves no index.
type store struct {
	nodes    map[string]*nodeEntry
	services map[string]*serviceEntry // by name, only those with instances
	virtual  map[string]int           // which virtual address a mesh service has

	writes                           watermark // of anything at all
	nodeRows, serviceRows, checkRows watermark
	nodesGone, servicesGone          uint64 // index of the last extinction
	restores                         int
}

type nodeEntry struct {
	watermark
	node     *node
	services map[string]*service // by ID
	checks   map[string]*check   // by ID
}

type serviceEntry struct {
	watermark
	instances map[instance]bool
}

// An instance is where a service lives. IDs are unique on their node only.
type instance struct{ node, id string }

func newStore() *store {
	s := &store{
		nodes:    map[string]*nodeEntry{},
		services: map[string]*serviceEntry{},
		virtual:  map[string]int{},
	}
	s.writes.advance(baseIndex)
	return s
}

func (s *store) next() uint64 { return s.writes.index + 1 }

// putNode adds or replaces a node. A node that carries the ID of another one
// is that node under a new name.
func (s *store) putNode(i uint64, n node) {
	for name, other := range s.nodes {
		if n.ID != "" && other.node.ID == n.ID && name != n.Node {
			s.dropNode(i, name)
		}
	}
	entry := s.nodes[n.Node]
	if entry == nil {
		entry = &nodeEntry{services: map[string]*service{}, checks: map[string]*check{}}
		s.nodes[n.Node] = entry
		n.CreateIndex = i
	} else if n.same(*entry.node) {
		return
	} else {
		n.CreateIndex = entry.node.CreateIndex
	}
	n.ModifyIndex = i
	entry.node = &n
	s.writes.fire(i)
	entry.fire(i)
	s.nodeRows.fire(i)
	s.fireServices(i, entry)
}

// putService adds or replaces a service on a node that exists.
func (s *store) putService(i uint64, nodeName string, svc service) {
	entry := s.nodes[nodeName]
	if svc.Tags == nil {
		svc.Tags = []string{}
	}
	if svc.Weights.Passing < 1 || svc.Weights.Warning < 0 || max(svc.Weights.Passing, svc.Weights.Warning) > 65535 {
		svc.Weights = weights{Passing: 1, Warning: 1}
	}
	s.assignVirtualAddress(&svc)
	old := entry.services[svc.ID]
	svc.CreateIndex = i
	if old != nil {
		svc.CreateIndex, svc.ModifyIndex = old.CreateIndex, old.ModifyIndex
		if reflect.DeepEqual(svc, *old) {
			return
		}
		if old.Service != svc.Service {
			s.forget(i, old.Service, instance{nodeName, svc.ID})
		}
	}
	svc.ModifyIndex = i
	entry.services[svc.ID] = &svc
	set := s.services[svc.Service]
	if set == nil {
		set = &serviceEntry{instances: map[instance]bool{}}
		s.services[svc.Service] = set
	}
	set.instances[instance{nodeName, svc.ID}] = true
	s.writes.fire(i)
	set.fire(i)
	entry.fire(i)
	s.serviceRows.fire(i)
	s.nodeRows.advance(i) // as recorded: the node table counts, its readers sleep
}

// putCheck adds or replaces a check on a node that exists; a check of a
// service, whose service exists, takes that service's name and tags.
func (s *store) putCheck(i uint64, nodeName string, chk check) {
	entry := s.nodes[nodeName]
	chk.Node = nodeName
	chk.ServiceName, chk.ServiceTags = "", []string{}
	svc := entry.services[chk.ServiceID]
	if svc != nil {
		chk.ServiceName, chk.ServiceTags = svc.Service, svc.Tags
	}
	if chk.Status == "" {
		chk.Status = critical
	}
	chk.CreateIndex = i
	if old := entry.checks[chk.CheckID]; old != nil {
		chk.CreateIndex, chk.ModifyIndex = old.CreateIndex, old.ModifyIndex
		if reflect.DeepEqual(chk, *old) {
			return
		}
	}
	chk.ModifyIndex = i
	entry.checks[chk.CheckID] = &chk
	s.writes.fire(i)
	s.checkRows.fire(i)
	if svc != nil {
		s.services[svc.Service].fire(i)
	} else {
		s.fireServices(i, entry)
	}
}

func (s *store) dropCheck(i uint64, nodeName, id string) {
	entry := s.nodes[nodeName]
	if entry == nil || entry.checks[id] == nil {
		return
	}
	svc := entry.services[entry.checks[id].ServiceID]
	delete(entry.checks, id)
	s.writes.fire(i)
	s.checkRows.fire(i)
	if svc != nil {
		s.services[svc.Service].fire(i)
	} else {
		s.fireServices(i, entry)
		s.serviceRows.advance(i) // as recorded
	}
}

// dropService removes a service and its checks.
func (s *store) dropService(i uint64, nodeName, id string) {
	entry := s.nodes[nodeName]
	if entry == nil || entry.services[id] == nil {
		return
	}
	for checkID, chk := range entry.checks {
		if chk.ServiceID == id {
			delete(entry.checks, checkID)
		}
	}
	name := entry.services[id].Service
	delete(entry.services, id)
	s.writes.fire(i)
	s.forget(i, name, instance{nodeName, id})
	entry.fire(i)
	s.serviceRows.fire(i)
	s.checkRows.fire(i)
	s.nodeRows.advance(i)
}

// forget takes an instance from its service; a service without instances is
// extinct.
func (s *store) forget(i uint64, name string, where instance) {
	set := s.services[name]
	delete(set.instances, where)
	if len(set.instances) == 0 {
		delete(s.services, name)
		s.servicesGone = i
	}
	set.fire(i)
}

// dropNode removes a node with all that is on it.
func (s *store) dropNode(i uint64, name string) {
	entry := s.nodes[name]
	if entry == nil {
		return
	}
	for id := range entry.services {
		s.dropService(i, name, id)
	}
	for id := range entry.checks {
		s.dropCheck(i, name, id)
	}
	delete(s.nodes, name)
	s.writes.fire(i)
	s.nodesGone = i
	entry.fire(i)
	s.nodeRows.fire(i)
}

// instances lists the instances of a service by node, then by ID.
func (s *store) instances(name string) []instance {
	set := s.services[name]
	if set == nil {
		return nil
	}
	list := slices.Collect(maps.Keys(set.instances))
	sortInstances(list)
	return list
}

func sortInstances(list []instance) {
	slices.SortFunc(list, func(a, b instance) int {
		return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(a.id, b.id))
	})
}

// sorted returns the values of a map in the order of its keys.
func sorted[V any](m map[string]V) []V {
	values := make([]V, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		values = append(values, m[key])
	}
	return values
}
