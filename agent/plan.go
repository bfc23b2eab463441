package agent

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/outrigger-sidecar/outrigger/discovery"
	"github.com/outrigger-sidecar/outrigger/discovery/consul"
	"github.com/outrigger-sidecar/outrigger/telemetry"
)

// planned is the plan of a prepared query, or why it cannot be read.
type planned struct {
	plan consul.Plan
	err  error
}

// followPlan reads the plan of the lookup's prepared query until leavePlan.
func (f *follower) followPlan() {
	ctx, cancel := context.WithCancel(context.Background())
	plans, l := make(chan planned), f.lookup
	var wg sync.WaitGroup
	wg.Go(func() {
		l.client.FollowPlan(ctx, l.service.PreparedQuery, func(p consul.Plan, err error) {
			select {
			case plans <- planned{p, err}:
			case <-ctx.Done():
			}
		})
	})
	f.plans, f.endPlans = plans, func() { cancel(); wg.Wait() }
}

// leavePlan ends the reading of a plan, if there is one.
func (f *follower) leavePlan() {
	if f.endPlans != nil {
		f.endPlans()
	}
	f.plans, f.endPlans = nil, nil
	_ = f.notePlan(planned{})
}

// replan goes over to what a prepared query says now. What was found before
// stays in force until there are answers.
func (f *follower) replan(p planned) {
	before := f.notePlan(p)
	name := f.lookup.service.PreparedQuery
	if p.err != nil {
		if before == nil { // once is enough, as long as it lasts
			announce(f.log, f.tell, hclog.Warn, "cannot read a prepared query; what it said before stays in force", telemetry.WatchChanged{
				Service: queryName(name), State: telemetry.WatchFails, Class: kindOf(p.err), Err: p.err,
			}, "query", name, "error", p.err)
		}
		return
	}
	queries := f.lookup.planned(p.plan)
	if f.watch != nil && f.healthy == p.plan.OnlyPassing && slices.Equal(f.queries, queries) {
		if before != nil {
			announce(f.log, f.tell, hclog.Info, "a prepared query can be read again",
				telemetry.WatchChanged{Service: queryName(name), State: telemetry.WatchAnswers}, "query", name)
		}
		return
	}
	var places []string
	for _, q := range queries {
		places = append(places, placeOf(q))
	}
	announce(f.log, f.tell, hclog.Info, "a prepared query says where to look",
		telemetry.WatchChanged{Service: queryName(name), State: telemetry.WatchAnswers},
		"query", name, "places", strings.Join(places, ", "), "only_passing", p.plan.OnlyPassing)
	f.ask(queries, p.plan.OnlyPassing)
}

// queryName is how a prepared query is called among services.
func queryName(name string) string { return "prepared query " + name }

// notePlan notes for people what a prepared query is about, and returns why it
// could not be read before.
func (f *follower) notePlan(p planned) (before error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before, f.plan.err = f.plan.err, p.err
	if p.err == nil {
		f.plan.plan = p.plan
	}
	return before
}

// planned is what to ask by a plan, with what the configuration adds.
func (l *lookup) planned(p consul.Plan) []consul.Query {
	own := queriesOf(l.service)[0]
	queries := slices.Clone(p.Places)
	for i := range queries {
		q := &queries[i]
		q.TaggedAddress, q.ZoneFrom, q.PriorityFrom = own.TaggedAddress, own.ZoneFrom, own.PriorityFrom
		switch {
		case q.Ignore == "":
			q.Ignore = own.Ignore
		case own.Ignore != "":
			q.Ignore = consul.IgnoreOf(append(strings.Split(q.Ignore, "\n"), l.service.IgnoreChecks...))
		}
	}
	return queries
}

// withoutWarned keeps instances that warn from traffic.
func withoutWarned(s discovery.Snapshot) discovery.Snapshot {
	s.Instances = slices.Clone(s.Instances)
	for i := range s.Instances {
		s.Instances[i].Declared.WarningWeight = 0
	}
	return s
}
