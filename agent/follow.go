package agent

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/config"
	"github.com/outrigger-sidecar/outrigger/discovery"
	"github.com/outrigger-sidecar/outrigger/discovery/consul"
)

// lookup is where an upstream looks its backends up.
type lookup struct {
	service config.Service
	client  *consul.Client
	hub     *discovery.Hub[consul.Query]
}

// question is what a kept snapshot must be the answer to. What a prepared query
// says is not known before Consul answers.
func (l *lookup) question() (q string) {
	if name := l.service.PreparedQuery; name != "" {
		return "prepared query " + name + " " + queriesOf(l.service)[0].String()
	}
	for _, query := range queriesOf(l.service) {
		q += query.String() + "\n"
	}
	return q[:len(q)-1]
}

// subscribe follows all places that queries name, in order of preference.
func (l *lookup) subscribe(queries []consul.Query, known discovery.Snapshot) *discovery.Subscription {
	if len(queries) == 1 {
		return l.hub.Resume(queries[0], known)
	}
	places := make([]discovery.Place, len(queries))
	for i, q := range queries {
		places[i] = discovery.Place{Name: placeOf(q), Watch: l.hub.Resume(q, known.Of(i))}
	}
	return discovery.Merge(known, places...)
}

// run follows the catalog and makes the probes until ctx ends.
func (u *upstream) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { _ = u.balancer.Run(ctx) })

	f := &follower{upstream: u, ageing: time.NewTimer(0), review: time.NewTimer(0)}
	defer f.end()
	for {
		select {
		case <-ctx.Done():
			return
		case next := <-u.follow:
			f.turn(next)
		case s := <-f.snapshots:
			f.take(s)
		case p := <-f.plans:
			f.replan(p)
		case <-f.review.C:
			f.reviewHold()
		case <-f.ageing.C:
		}
		f.age(f.lookup != nil, f.ageing)
	}
}

// tellRun has run follow a lookup from now on, nil for none; the one that it
// follows already has it put the snapshot in force again.
func (u *upstream) tellRun(l *lookup) {
	select {
	case u.follow <- l:
	case <-u.ended:
	}
}

// follower is the course of one run.
type follower struct {
	*upstream
	lookup    *lookup // nil for static servers
	snapshots chan discovery.Snapshot
	plans     chan planned       // nil without a prepared query
	endPlans  func()             // nil likewise
	queries   []consul.Query     // that are followed
	healthy   bool               // without those that warn
	believed  discovery.Snapshot // the last that was in no doubt
	question  string             // that it answers
	held      *hold              // nil where nothing is held
	kept      time.Time          // At of the snapshot on disk
	unkept    bool               // the last snapshot could not be kept
	ageing    *time.Timer        // at the next change of the freshness
	review    *time.Timer        // of what is held
}

func (f *follower) end() {
	f.leavePlan()
	f.ageing.Stop()
	f.review.Stop()
	if f.watch != nil {
		f.watch.Close()
	}
}

// turn goes over to another lookup. What the one before found stays in force
// until the new one has an answer.
func (f *follower) turn(next *lookup) {
	if next == f.lookup {
		if s := f.current(); next != nil && !s.At.IsZero() {
			f.put(s)
		}
		return
	}
	f.leavePlan()
	before := f.lookup
	f.lookup = next
	f.release("the configuration says something else; no instance is held any more", 0)
	if next == nil {
		f.ask(nil, false)
		f.mu.Lock()
		f.snapshot, f.last = discovery.Snapshot{}, discovery.Status{}
		f.mu.Unlock()
		return
	}
	f.recall()
	if next.service.PreparedQuery == "" {
		f.ask(queriesOf(next.service), false)
		return
	}
	if before == nil || before.hub != next.hub || before.question() != next.question() {
		f.ask(nil, false) // until the plan is known
	}
	f.followPlan()
}

// ask follows what answers queries, nil for none. Where only healthy instances
// are asked for, those that warn are not used.
func (f *follower) ask(queries []consul.Query, healthy bool) {
	f.queries, f.healthy = queries, healthy
	if len(queries) == 0 {
		f.watchBy(nil)
		return
	}
	known := f.believed
	if f.question != f.lookup.question() {
		known = discovery.Snapshot{}
	}
	f.watchBy(f.lookup.subscribe(queries, known))
}

// watchBy puts a watch in the place of the one before, which ends last, so that
// what both ask for goes on without a break.
func (f *follower) watchBy(watch *discovery.Subscription) {
	f.mu.Lock()
	before := f.watch
	f.watch = watch
	if before != nil {
		if s := before.Status(); !s.Answered.IsZero() {
			f.last = s
		}
	}
	f.mu.Unlock()
	f.snapshots = nil
	if watch != nil {
		f.snapshots = watch.C
	}
	if before != nil {
		before.Close()
	}
}

// recall puts the snapshot that is kept on disk in force, where there is none
// yet, so that the app is served before Consul answers.
func (f *follower) recall() {
	if f.archive == nil || !f.current().At.IsZero() {
		return
	}
	question := f.lookup.question()
	s, err := f.archive.Load(f.name, question)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return
	case errors.Is(err, discovery.ErrQuestion):
		f.log.Info("what is kept on disk answers another question than this configuration asks; it is not used")
		return
	case errors.Is(err, discovery.ErrNewer):
		f.log.Warn("a newer version has kept what is on disk; it is not used, and replaced once Consul answers", "error", err)
		return
	case errors.Is(err, discovery.ErrDamaged):
		f.log.Warn("what was kept on disk is damaged; it is not used, and replaced once Consul answers", "error", err)
		return
	case err != nil:
		f.log.Warn("cannot read what was kept on disk", "error", err)
		return
	}
	f.log.Info("until Consul answers, what it said last is in force", "age", time.Since(s.At).Round(time.Second), "backends", len(s.Instances))
	f.believed, f.question, f.kept = s, question, s.At
	f.put(s)
}

// take puts an answer of Consul in force, and keeps it.
func (f *follower) take(s discovery.Snapshot) {
	last := f.current()
	if f.healthy {
		s = withoutWarned(s)
	}
	for _, why := range s.Skipped {
		if !slices.Contains(last.Skipped, why) {
			f.log.Warn("left out an entry of the catalog", "entry", why)
		}
	}
	for _, what := range s.Notes {
		if !slices.Contains(last.Notes, what) {
			f.log.Warn("an entry of the catalog is odd", "entry", what)
		}
	}
	if f.holds(s) {
		return
	}
	f.put(s)
	f.tell.Propagated(f.name, time.Since(s.At))
	if s.Doubt == "" {
		f.believed, f.question = s, f.lookup.question()
		f.keep(s, last.At.IsZero() || !last.Equal(s))
	}
}

// keepEvery is how old a snapshot on disk may grow while nothing changes.
const keepEvery = 5 * time.Minute

// keep puts a snapshot on disk, when it says something new and else now and
// then, for its age counts when it is read.
func (f *follower) keep(s discovery.Snapshot, changed bool) {
	if f.archive == nil || !changed && s.At.Sub(f.kept) < keepEvery {
		return
	}
	err := f.archive.Save(f.name, f.question, s)
	if err != nil && !f.unkept { // once is enough, as long as it lasts
		f.log.Warn("cannot keep what Consul says on disk", "error", err)
	}
	f.kept, f.unkept = s.At, err != nil
}
