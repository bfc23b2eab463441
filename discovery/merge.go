package discovery

import (
	"context"
	"fmt"
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

// Merge makes one subscription of several, in order of preference: the
// instances of the first have Priority 0, those of the next 1, and so on. A
// place that fails keeps what it had and stands in nobody's way. What is known
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
		g.parts[i] = part{Place: p, latest: known.Place(i)}
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

// Place is what one place contributed to a merged snapshot, as it was before;
// it is zero where that was nothing.
func (s Snapshot) Place(priority int) (out Snapshot) {
	for _, i := range s.Instances {
		if i.Priority == priority {
			i.Priority = 0
			out.Instances = append(out.Instances, i)
			out.At, out.Index = s.At, s.Index
		}
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
	unknown, told := false, false
	for priority := range g.parts {
		p := &g.parts[priority]
		p.count = 0
		switch {
		case p.latest.At.IsZero():
			unknown = true
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
		for _, i := range p.latest.Instances {
			if ids[i.ID] || addresses[i.Address] {
				continue
			}
			ids[i.ID], addresses[i.Address] = true, true
			i.Priority = priority
			s.Instances = append(s.Instances, i)
			p.count++
		}
		for _, why := range p.latest.Skipped {
			s.Skipped = append(s.Skipped, p.Name+": "+why)
		}
		if p.latest.Doubt != "" {
			s.Doubt = strings.TrimPrefix(fmt.Sprintf("%s; %s: %s", s.Doubt, p.Name, p.latest.Doubt), "; ")
		}
	}
	slices.SortFunc(s.Instances, func(a, b Instance) int { return strings.Compare(a.ID, b.ID) })
	return s, told && g.answered
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
