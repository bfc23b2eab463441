package main

import (
	"math"
	"slices"
	"time"
)

// tally counts what is measured: the requests after the warm-up, and what the
// servers do between the first of them and the last.
type tally struct {
	servers  []*server
	position map[*server]int
	begun    time.Duration // never: not yet
	ended    time.Duration // never: not yet

	answers   []time.Duration // response times of what was served
	failures  []time.Duration // and of what failed
	refused   int             // of the failures, for want of room
	inTime    int             // served before the end
	busy      []time.Duration // of each server's workers, between begun and ended
	picks     []int
	due       []float64 // picks by weight alone
	unsettled int       // picks that are not in due
}

func newTally(servers []*server, requests int) *tally {
	t := &tally{
		servers: servers, position: make(map[*server]int), begun: never, ended: never,
		answers: make([]time.Duration, 0, requests),
		busy:    make([]time.Duration, len(servers)), picks: make([]int, len(servers)), due: make([]float64, len(servers)),
	}
	for i, s := range servers {
		t.position[s] = i
	}
	return t
}

func (t *tally) begin(now time.Duration) { t.begun = now }

func (t *tally) end(now time.Duration) {
	t.ended = now
	t.settle()
}

// chosen counts a pick.
func (t *tally) chosen(r *request) {
	if r.measured && r.server != nil {
		t.picks[t.position[r.server]]++
		t.unsettled++
	}
}

// settle says whose the picks so far should have been. It is called before
// servers join.
func (t *tally) settle() {
	weights := 0
	for _, s := range t.servers {
		if s.present {
			weights += s.weight
		}
	}
	for i, s := range t.servers {
		if s.present {
			t.due[i] += float64(t.unsettled) * float64(s.weight) / float64(weights)
		}
	}
	t.unsettled = 0
}

// answered counts an answer.
func (t *tally) answered(r *request, now time.Duration) {
	if s := r.server; s != nil && !r.failed {
		from, to := max(r.begun, t.begun), min(now, t.ended)
		if from < to {
			t.busy[t.position[s]] += to - from - s.trouble.idle(from, to)
		}
	}
	if !r.measured {
		return
	}
	took := now - r.arrived
	switch {
	case r.failed:
		t.failures = append(t.failures, took)
		if r.server == nil {
			t.refused++
		}
		return
	case t.ended == never:
		t.inTime++
	}
	t.answers = append(t.answers, took)
}

// quantiles are those of a number of times.
type quantiles struct{ mean, p50, p99, p999 time.Duration }

// quantilesOf sorts times and reads the quantiles off: each is a time that
// occurred, the lowest that so many are not above.
func quantilesOf(times []time.Duration) (q quantiles) {
	if len(times) == 0 {
		return q
	}
	slices.Sort(times)
	sum := 0.0
	for _, t := range times {
		sum += float64(t)
	}
	at := func(part float64) time.Duration { return times[int(math.Ceil(part*float64(len(times))))-1] }
	return quantiles{time.Duration(sum / float64(len(times))), at(0.5), at(0.99), at(0.999)}
}

// result is what a strategy made of a model.
type result struct {
	strategy   string
	requests   int     // measured
	throughput float64 // served in a second
	took       quantiles
	failed     int
	refused    int // of those, for want of room
	failedTook quantiles
	servers    []share
}

// share is one server's part.
type share struct {
	id          string
	special     string // what is special about it, if anything
	capacity    float64
	utilisation float64 // of its workers, as slow as they are
	picked, due float64 // parts of all picks; due by weight alone
}

func (t *tally) result(s *simulation, strategy string) result {
	over := (t.ended - t.begun).Seconds()
	r := result{
		strategy: strategy, requests: len(t.answers) + len(t.failures), throughput: float64(t.inTime) / over,
		took: quantilesOf(t.answers), failed: len(t.failures), refused: t.refused, failedTook: quantilesOf(t.failures),
	}
	picks := 0
	for _, n := range t.picks {
		picks += n
	}
	for i, server := range t.servers {
		one := share{
			id: server.id, capacity: server.capacity(s.service),
			utilisation: t.busy[i].Seconds() / over / float64(server.workers),
			picked:      float64(t.picks[i]) / float64(picks), due: t.due[i] / float64(picks),
		}
		if i == s.position() {
			one.special = server.trouble.String()
			if server.joins > 0 {
				one.special = "new"
			}
		}
		r.servers = append(r.servers, one)
	}
	return r
}

// spread is the highest utilisation over the mean one, by capacity.
func (r result) spread() float64 {
	highest, sum, capacity := 0.0, 0.0, 0.0
	for _, s := range r.servers {
		highest = max(highest, s.utilisation)
		sum += s.utilisation * s.capacity
		capacity += s.capacity
	}
	return highest / (sum / capacity)
}

// overDue is the most picks that a server got, over what was due to it.
func (r result) overDue() (most float64) {
	for _, s := range r.servers {
		if s.due > 0 {
			most = max(most, s.picked/s.due)
		}
	}
	return most
}

// special is the server that the scenario is about.
func (r result) special() (share, bool) {
	i := slices.IndexFunc(r.servers, func(s share) bool { return s.special != "" })
	if i < 0 {
		return share{}, false
	}
	return r.servers[i], true
}
