package main

import "time"

// event is something that will happen: a request is answered, or a server
// joins.
type event struct {
	at     time.Duration
	number uint64   // of events at one time the first planned comes first
	answer *request // nil for a server that joins
	joins  *server
}

func (e *event) before(o *event) bool {
	return e.at < o.at || e.at == o.at && e.number < o.number
}

// agenda is a heap of events. It is made by hand, since container/heap would
// allocate for each of millions.
type agenda struct {
	heap    []event
	planned uint64
}

// plan puts an event into the agenda.
func (a *agenda) plan(e event) {
	a.planned++
	e.number = a.planned
	a.heap = append(a.heap, e)
	i := len(a.heap) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !e.before(&a.heap[parent]) {
			break
		}
		a.heap[i] = a.heap[parent]
		i = parent
	}
	a.heap[i] = e
}

// next is when the next event is; never, when there is none.
func (a *agenda) next() time.Duration {
	if len(a.heap) == 0 {
		return never
	}
	return a.heap[0].at
}

// pop takes the next event out. There must be one.
func (a *agenda) pop() event {
	first, last := a.heap[0], len(a.heap)-1
	e := a.heap[last]
	a.heap[last] = event{}
	a.heap = a.heap[:last]
	if last == 0 {
		return first
	}
	i := 0
	for child := 1; child < last; child = 2*i + 1 {
		if child+1 < last && a.heap[child+1].before(&a.heap[child]) {
			child++
		}
		if !a.heap[child].before(&e) {
			break
		}
		a.heap[i] = a.heap[child]
		i = child
	}
	a.heap[i] = e
	return first
}
