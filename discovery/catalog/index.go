package catalog

import "cmp"

// A watermark is the index of the last change of one thing (a table, a node,
// all instances of a service) and wakes those who wait for the next. The zero
// value is a thing that never changed.
type watermark struct {
	index uint64
	next  chan struct{} // nil while nobody waits
}

// changed returns a channel that the next fire closes.
func (w *watermark) changed() <-chan struct{} {
	if w.next == nil {
		w.next = make(chan struct{})
	}
	return w.next
}

// advance moves the index and wakes nobody.
func (w *watermark) advance(index uint64) { w.index = index }

// fire moves the index and wakes everyone who waits.
func (w *watermark) fire(index uint64) {
	w.advance(index)
	if w.next != nil {
		close(w.next)
		w.next = nil
	}
}

// baseIndex is where a new or restored catalog starts counting: a real
// server's first log entries are not about the catalog, and index 1 must stay
// what it is there, the mark of an answer that knows nothing.
const baseIndex = 10

// restore renumbers everything as a restored snapshot would, and fires every
// watermark there is.
func (s *store) restore() {
	const i = baseIndex + 1
	s.restores++
	s.nodesGone, s.servicesGone = 0, 0
	for _, entry := range s.nodes {
		n := *entry.node
		n.CreateIndex, n.ModifyIndex = i, i
		entry.node = &n
		for id, svc := range entry.services {
			renumbered := *svc
			renumbered.CreateIndex, renumbered.ModifyIndex = i, i
			entry.services[id] = &renumbered
		}
		for id, chk := range entry.checks {
			renumbered := *chk
			renumbered.CreateIndex, renumbered.ModifyIndex = i, i
			entry.checks[id] = &renumbered
		}
		entry.fire(i)
	}
	for _, set := range s.services {
		set.fire(i)
	}
	for _, mark := range []*watermark{&s.writes, &s.nodeRows, &s.serviceRows, &s.checkRows} {
		mark.fire(i)
	}
}

// serviceMark returns the index that a reader of a service sees, and what
// wakes it. A service with instances has an index of its own. One without
// shares missingService with all of its kind; any change of the service table
// wakes its readers, for the next one may be its registration.
func (s *store) serviceMark(name string, withChecks bool) (index uint64, changed <-chan struct{}, absent bool) {
	if set := s.services[name]; set != nil {
		return set.index, set.changed(), false
	}
	return s.missingService(withChecks), s.serviceRows.changed(), true
}

// missingService is the index of services that do not exist: that of the last
// extinction, or, before there ever was one, of the tables a reader looks at.
func (s *store) missingService(withChecks bool) uint64 {
	index := max(s.serviceRows.index, s.nodeRows.index)
	if withChecks {
		index = max(index, s.checkRows.index)
	}
	return cmp.Or(s.servicesGone, index)
}

// nodeMark is serviceMark for a node.
func (s *store) nodeMark(name string) (index uint64, changed <-chan struct{}) {
	if entry := s.nodes[name]; entry != nil {
		return entry.index, entry.changed()
	}
	return s.nodesGone, s.nodeRows.changed()
}

// fireServices wakes the readers of every service on a node: a change of the
// node or of a node check is a change of each of them.
func (s *store) fireServices(index uint64, on *nodeEntry) {
	for _, svc := range on.services {
		s.services[svc.Service].fire(index)
	}
}
