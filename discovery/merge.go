package discovery

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

// Place is one of several that a service is looked for in, such as a
// datacenter.
type Place struct {
	Name  string // for people
	Watch *Subscription
}

// PlaceStatus is how the watch of one place is doing.
type PlaceStatus struct {
	Name      string
	Instances int // that the place has a part in the whole
	Status
}

// patience is how long the places that come first may take to answer at all
// before later ones are listened to without them.
const patience = 3 * time.Second

// Merge makes one subscription of several, in order of preference: instances
// keep the order of their priorities within a place, and those of a place come
// after all of the one before. So as a rule the first place has priority 0, the
// next 1, and so on. A place that fails keeps what it had and stands in nobody's
// way. What is known
// from before stands in for a place until that has answered, so that no place
// is lost to a slower one. The Subscription takes the places over and closes
// them with itself.
//
// Its Status is that of the first place that ever answered, with all places
// beside it.
func Merge(known Snapshot, places ...Place) *Subscription {
	g := &group{parts: make([]part, len(places))}
	ctx, cancel := context.WithCancel(context.Background())
	g.out = &Subscription{C: make(chan Snapshot, 1), status: g.status}
	g.out.close = sync.OnceFunc(func() {
		cancel()
		g.wg.Wait()
		for _, p := range places {
			p.Watch.Close()
		}
	})
	for i, p := range places {
		g.parts[i] = part{Place: p, latest: known.Of(i)}
	}
	for i := range places {
		g.wg.Go(func() { g.listen(ctx, i) })
	}
	g.wg.Go(func() { g.wait(ctx) })
	return g.out
}

// group is what is behind a merged Subscription.
type group struct {
	out *Subscription
	wg  sync.WaitGroup

	mu       sync.Mutex
	parts    []part
	answered bool // one place at least has
	overdue  bool // the patience with the first ones is over
}

type part struct {
	Place
	latest Snapshot // zero before it is known
	count  int      // of its instances that are not another's too
}

// Of is what one place, by its position, contributed to a merged snapshot, as
// it was before; it is zero where that was nothing.
func (s Snapshot) Of(place int) (out Snapshot) {
	first := math.MaxInt
	for _, i := range s.Instances {
		if i.Place == place {
			first = min(first, i.Priority)
			out.Instances = append(out.Instances, i)
			out.At, out.Index = s.At, s.Index
		}
	}
	for n := range out.Instances {
		i := &out.Instances[n]
		i.Place, i.Priority = 0, i.Priority-first
	}
	return out
}

func (g *group) listen(ctx context.Context, i int) {
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-g.parts[i].Watch.C:
			g.mu.Lock()
			g.parts[i].latest, g.answered = s, true
			g.publish()
			g.mu.Unlock()
		}
	}
}

func (g *group) wait(ctx context.Context) {
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
		g.mu.Lock()
		defer g.mu.Unlock()
		g.overdue = true
		g.publish()
	}
}

// publish puts the whole out, if it can be told yet; the caller holds g.mu.
func (g *group) publish() {
	if s, ok := g.whole(); ok {
		g.out.put(s)
	}
}

// whole is what all places have together. An instance that two places tell of
// is the first one's.
func (g *group) whole() (s Snapshot, ok bool) {
	ids, addresses := make(map[string]bool), make(map[string]bool)
	unknown, told, group := false, false, 0
	for place := range g.parts {
		p := &g.parts[place]
		p.count = 0
		switch {
		case p.latest.At.IsZero():
			unknown = true
			group++
			continue
		case unknown && !g.overdue:
			return Snapshot{}, false
		case !told:
			told = true
			s.Index, s.Origin = p.latest.Index, p.latest.Origin
		}
		if p.latest.At.After(s.At) {
			s.At = p.latest.At
		}
		last := group
		for _, i := range p.latest.Instances {
			if ids[i.ID] || addresses[i.Address] {
				continue
			}
			ids[i.ID], addresses[i.Address] = true, true
			last = max(last, group+i.Priority)
			i.Place, i.Priority = place, min(group+i.Priority, lastGroup)
			s.Instances = append(s.Instances, i)
			p.count++
		}
		group = last + 1
		s.Skipped = append(s.Skipped, prefix(p.Name, p.latest.Skipped)...)
		s.Notes = append(s.Notes, prefix(p.Name, p.latest.Notes)...)
		if p.latest.Doubt != "" {
			s.Doubt = strings.TrimPrefix(fmt.Sprintf("%s; %s: %s", s.Doubt, p.Name, p.latest.Doubt), "; ")
		}
	}
	slices.SortFunc(s.Instances, func(a, b Instance) int { return strings.Compare(a.ID, b.ID) })
	return s, told && g.answered
}

// lastGroup is the last failover group that there can be.
const lastGroup = 127

func prefix(name string, lines []string) (out []string) {
	for _, line := range lines {
		out = append(out, name+": "+line)
	}
	return out
}

func (g *group) status() (s Status) {
	g.mu.Lock()
	parts := slices.Clone(g.parts)
	g.mu.Unlock()
	var places []PlaceStatus
	chosen := -1
	for i, p := range parts {
		places = append(places, PlaceStatus{Name: p.Name, Instances: p.count, Status: p.Watch.Status()})
		if chosen < 0 && !places[i].Answered.IsZero() {
			chosen = i
		}
	}
	if len(places) > 0 {
		s = places[max(0, chosen)].Status
	}
	s.Places = places
	return s
}
