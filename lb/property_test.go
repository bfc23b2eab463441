package lb_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/outrigger-sidecar/outrigger/lb"
	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// The tests here hold for every strategy, those to come included, over
// sequences of calls that nobody thought of. A failure prints the shortest
// sequence that was found.

// TestEverySequence compares a balancer with a model of it after every step.
// Time is the bubble's: -rapid.shrinktime=24h gives a failure time to shrink.
func TestEverySequence(t *testing.T) {
	for _, name := range lb.Names() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				noDeadline := struct{ testing.TB }{t} // a bubble has none, and panics when asked
				rapid.Check(noDeadline, func(t *rapid.T) {
					m := &model{b: lb.New(strategy(t, name)), here: make(map[string]*known)}
					t.Repeat(map[string]func(*rapid.T){
						"":          m.check,
						"add":       m.add,
						"remove":    m.remove,
						"replace":   m.replace,
						"reweigh":   m.reweigh,
						"mark":      m.mark,
						"declare":   m.declare,
						"freshness": m.freshen,
						"health":    m.setHealth,
						"strategy":  m.setStrategy,
						"shadow":    m.setShadow,
						"placement": m.setPlacement,
						"drain":     m.drain,
						"return":    m.comeBack,
						"wait":      m.wait,
						"pick":      m.pick,
						"pick more": m.pick,
						"retry":     m.retry,
						"record":    m.record,
						"fail":      m.fail,
						"fail more": m.fail,
						"release":   m.release,
					})
				})
			})
		})
	}
}

// model is what a balancer should be after the calls so far. It takes only
// the merging of evidence from package health, which has tests of its own.
type model struct {
	b      *lb.Balancer
	here   map[string]*known
	gone   []*known
	health lb.Health
	fresh  health.Freshness
	place  lb.Placement
	usable map[string]bool
	first  map[string]bool // those of the usable that get everything, if they can take it; nil where no tier does
	held   []*held

	panicked, crossZone int64 // leases given

	shadow   string // the shadow strategy; "" for none
	shadowed int64  // selections since it was set
}

// known is a server, at one address.
type known struct {
	spec                       lb.Server
	verdict                    health.Verdict
	probe                      health.ProbeStatus
	streak                     int
	drained                    bool
	ejected, left              time.Time // until, and since; zero when it is not
	flaps                      health.Flaps
	flapped                    string    // "up" or "down", whichever it was last without damping; "" where that does not count
	against                    time.Time // since when the catalog speaks against it; zero when it does not
	active, requests, failures int64
}

// held is a lease, kept after its release to see that a second does nothing.
type held struct {
	lease            lb.Lease
	on               *known
	judged, released bool
}

func strategy(t rapid.TB, name string) lb.Strategy {
	s, err := lb.ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var (
	ids    = rapid.SampledFrom([]string{"a", "b", "c", "d", "e"})
	zones  = rapid.SampledFrom([]string{"", "", "x", "y"})
	keys   = rapid.SampledFrom([]string{"", "k", "192.0.2.1", "192.0.2.1:99", "2001:db8::1"})
	declar = rapid.Custom(func(t *rapid.T) health.Declaration {
		return health.Declaration{
			Status:        health.Status(rapid.IntRange(int(health.Undeclared), int(health.Absent)).Draw(t, "status")),
			WarningWeight: rapid.IntRange(0, 2).Draw(t, "warning weight"),
		}
	})
	specs = rapid.Custom(func(t *rapid.T) lb.Server {
		id := ids.Draw(t, "id")
		s := lb.Server{
			ID:             id,
			Address:        id + rapid.SampledFrom([]string{":1", ":1", ":1", ":2"}).Draw(t, "port"),
			Weight:         rapid.IntRange(0, 4).Draw(t, "weight"),
			MaxConnections: rapid.IntRange(0, 2).Draw(t, "limit"),
			Priority:       rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "priority"),
			Zone:           zones.Draw(t, "zone"),
		}
		if rapid.IntRange(0, 3).Draw(t, "declared") == 0 {
			s.Declared = declar.Draw(t, "declaration")
		}
		return s
	})
)

func (m *model) add(t *rapid.T) {
	s := specs.Draw(t, "server")
	_, taken := m.here[s.ID]
	if err := m.b.Add(s); (err != nil) != taken {
		t.Fatalf("Add of %q: %v; taken: %v", s.ID, err, taken)
	}
	if !taken {
		m.put(s)
		m.judge()
	}
}

func (m *model) remove(t *rapid.T) {
	id := ids.Draw(t, "id")
	k, ok := m.here[id]
	if err := m.b.Remove(id); ok != (err == nil) || !ok && !errors.Is(err, lb.ErrUnknownServer) {
		t.Fatalf("Remove of %q, which is there: %v, says %v", id, ok, err)
	}
	if ok {
		m.drop(k)
		m.judge()
	}
}

func (m *model) replace(t *rapid.T) {
	m.become(t, rapid.SliceOfNDistinct(specs, 0, 5, func(s lb.Server) string { return s.ID }).Draw(t, "servers"))
}

func (m *model) reweigh(t *rapid.T) {
	m.alter(t, func(s *lb.Server) { s.Weight = rapid.IntRange(0, 5).Draw(t, "weight") })
}

func (m *model) declare(t *rapid.T) {
	m.alter(t, func(s *lb.Server) { s.Declared = declar.Draw(t, "declaration") })
}

// alter changes one server of those there are.
func (m *model) alter(t *rapid.T, change func(*lb.Server)) {
	if len(m.here) == 0 {
		t.Skip("no servers")
	}
	chosen := rapid.SampledFrom(slices.Sorted(maps.Keys(m.here))).Draw(t, "id")
	var set []lb.Server
	for _, id := range slices.Sorted(maps.Keys(m.here)) {
		s := m.here[id].spec
		if id == chosen {
			change(&s)
		}
		set = append(set, s)
	}
	m.become(t, set)
}

func (m *model) become(t *rapid.T, set []lb.Server) {
	if err := m.b.Replace(set); err != nil {
		t.Fatal(err)
	}
	for id, k := range m.here {
		if !slices.ContainsFunc(set, func(s lb.Server) bool { return s.ID == id }) {
			m.drop(k)
		}
	}
	for _, s := range set {
		m.put(s)
	}
	m.judge()
}

func (m *model) put(s lb.Server) {
	k, ok := m.here[s.ID]
	if ok && k.spec.Address == s.Address {
		k.spec = s
		return
	}
	if ok {
		m.drop(k)
	}
	back := func(k *known) bool { return k.spec.ID == s.ID && k.spec.Address == s.Address }
	k = new(known)
	if i := slices.IndexFunc(m.gone, back); i >= 0 {
		k = m.gone[i]
		m.gone = slices.Delete(m.gone, i, i+1)
	}
	k.spec, k.left, k.probe, k.flapped = s, time.Time{}, health.Unprobed, ""
	m.here[s.ID] = k
}

func (m *model) drop(k *known) {
	k.left = time.Now()
	k.spec.Declared = health.Declaration{Status: health.Absent}
	delete(m.here, k.spec.ID)
	m.gone = append(m.gone, k)
}

func (m *model) mark(t *rapid.T) {
	id, good := ids.Draw(t, "id"), rapid.Bool().Draw(t, "healthy")
	k, ok := m.here[id]
	if err := m.b.SetHealthy(id, good); ok != (err == nil) || !ok && !errors.Is(err, lb.ErrUnknownServer) {
		t.Fatalf("SetHealthy of %q, which is there: %v, says %v", id, ok, err)
	}
	if !ok {
		return
	}
	k.probe, k.flaps, k.flapped = health.ProbeDown, health.Flaps{}, ""
	if good {
		k.probe, k.ejected, k.streak = health.ProbeUp, time.Time{}, 0
	}
	m.judge()
}

func (m *model) freshen(t *rapid.T) {
	f := health.Freshness(rapid.IntRange(int(health.Fresh), int(health.Expired)).Draw(t, "freshness"))
	if changed := m.b.SetFreshness(f); changed != (f != m.fresh) {
		t.Fatalf("SetFreshness from %v to %v says %v", m.fresh, f, changed)
	} else if changed {
		m.fresh = f
		m.judge()
	}
}

// setHealth changes how servers are judged. Nothing runs the checks here: what
// they would say is said by mark.
func (m *model) setHealth(t *rapid.T) {
	h := lb.Health{
		Damping: health.Damping{
			Suppress: rapid.SampledFrom([]float64{0, 0, 2, 3}).Draw(t, "suppress"),
			HalfLife: 30 * time.Second,
		}.WithDefaults(),
		Policy: health.Policy{
			Algebra:        health.Algebra(rapid.IntRange(int(health.MergeWorst), int(health.MergeAny)).Draw(t, "algebra")),
			Warnings:       health.Warnings(rapid.IntRange(int(health.WarningReduced), int(health.WarningOut)).Draw(t, "warnings")),
			CatalogFall:    time.Duration(rapid.SampledFrom([]int{0, 0, 15}).Draw(t, "catalog fall")) * time.Second,
			PanicThreshold: rapid.SampledFrom([]float64{0, 0, 0.5, 1}).Draw(t, "panic threshold"),
			FailClosed:     rapid.IntRange(0, 3).Draw(t, "fail closed") == 0,
		},
		Ejection: health.Ejection{
			Failures: rapid.IntRange(0, 3).Draw(t, "failures"),
			Base:     10 * time.Second,
			Max:      10 * time.Second,
			MaxShare: rapid.SampledFrom([]float64{0, 0.5, 1}).Draw(t, "share"),
		},
	}
	if rapid.IntRange(0, 3).Draw(t, "check") == 0 {
		h.Check = new(health.Check)
	}
	m.b.SetHealth(h)
	if h.Check == nil && m.health.Check != nil {
		for _, k := range m.here {
			k.probe = health.Unprobed
		}
	}
	m.health = h
	m.judge()
}

func (m *model) setStrategy(t *rapid.T) {
	name := rapid.SampledFrom(lb.Names()).Draw(t, "name")
	m.b.SetStrategy(strategy(t, name))
	m.judge()
	if got := m.b.Strategy().Name(); got != name {
		t.Fatalf("strategy %q calls itself %q", name, got)
	}
}

func (m *model) setShadow(t *rapid.T) {
	m.shadow = rapid.SampledFrom(append(lb.Names(), "")).Draw(t, "name")
	m.shadowed = 0
	if m.shadow == "" {
		m.b.SetShadow(nil)
	} else {
		m.b.SetShadow(strategy(t, m.shadow))
	}
	m.judge()
}

func (m *model) setPlacement(t *rapid.T) {
	m.place = lb.Placement{
		Zone:      zones.Draw(t, "zone"),
		SlowStart: lb.SlowStart{Window: time.Duration(rapid.SampledFrom([]int{0, 0, 10, 100}).Draw(t, "window")) * time.Second},
		Subset:    lb.Subset{Size: rapid.SampledFrom([]int{0, 0, 1, 2, 5}).Draw(t, "size"), Client: keys.Draw(t, "client")},
	}
	m.b.SetPlacement(m.place)
	m.judge()
}

func (m *model) drain(t *rapid.T) {
	id, on := ids.Draw(t, "id"), rapid.Bool().Draw(t, "draining")
	k, ok := m.here[id]
	if err := m.b.SetDraining(id, on); ok != (err == nil) || !ok && !errors.Is(err, lb.ErrUnknownServer) {
		t.Fatalf("SetDraining of %q, which is there: %v, says %v", id, ok, err)
	}
	if ok {
		k.drained = on
		m.judge()
	}
}

func (m *model) wait(t *rapid.T) {
	time.Sleep(time.Duration(rapid.IntRange(1, 40).Draw(t, "seconds")) * time.Second)
	for _, k := range m.here {
		counts := k.against.Add(m.health.Policy.CatalogFall)
		in := !k.flaps.Until().IsZero() && !time.Now().Before(k.flaps.Until())
		if in || !k.ejected.IsZero() && !time.Now().Before(k.ejected) || !k.against.IsZero() && !time.Now().Before(counts) {
			m.judge()
			return
		}
	}
}

func (m *model) pick(t *rapid.T) { m.choose(t, nil, nil) }

func (m *model) retry(t *rapid.T) {
	m.choose(t, rapid.SliceOfNDistinct(ids, 1, 5, rapid.ID).Draw(t, "tried"), nil)
}

// comeBack is a request of a session: it has been at the server of a lease.
func (m *model) comeBack(t *rapid.T) { m.choose(t, nil, m.some(t)) }

func (m *model) choose(t *rapid.T, tried []string, session *held) {
	full, open := 0, make(map[string]bool)
	for id := range m.usable {
		switch k := m.here[id]; {
		case slices.Contains(tried, id):
		case k.spec.MaxConnections > 0 && k.active >= int64(k.spec.MaxConnections):
			full++
		default:
			open[id] = true
		}
	}
	var want error
	switch {
	case len(m.here) == 0:
		want = lb.ErrNoServers
	case len(m.usable) == 0:
		want = lb.ErrNoHealthy
	case len(open) == 0 && full > 0:
		want = lb.ErrNoCapacity
	case len(open) == 0:
		want = lb.ErrAllTried
	}
	h := new(held)
	var err error
	if key := keys.Draw(t, "key"); session == nil {
		h.lease, err = m.b.Select(key, tried...)
	} else {
		h.lease, err = m.b.Acquire(t.Context(), lb.Query{Key: key, Tried: tried, Prefer: session.lease.Token()})
	}
	if !errors.Is(err, want) {
		t.Fatalf("Select gives error %v, want %v", err, want)
	}
	if err != nil {
		return
	}
	id := h.lease.Server().ID
	if !open[id] {
		t.Fatalf("picked %q of which open are only %v; tried %v", id, open, tried)
	}
	if session != nil {
		if home := session.on.spec.ID; open[home] && id != home {
			t.Fatalf("a session of %q was sent to %q", home, id)
		}
	} else if m.first != nil && !m.first[id] {
		for other := range m.first {
			if open[other] {
				t.Fatalf("picked %q, though %q is of a tier that comes first", id, other)
			}
		}
	}
	if m.shadow != "" {
		m.shadowed++
	}
	switch zone := m.place.Zone; {
	case m.b.Stats().Panic:
		m.panicked++
	case zone != "" && h.lease.Server().Zone != zone:
		m.crossZone++
	}
	h.on = m.here[id]
	h.on.active++
	h.on.requests++
	m.held = append(m.held, h)
}

func (m *model) some(t *rapid.T) *held {
	if len(m.held) == 0 {
		t.Skip("no leases")
	}
	return m.held[rapid.IntRange(0, len(m.held)-1).Draw(t, "lease")]
}

func (m *model) record(t *rapid.T) {
	h := m.some(t)
	h.lease.Record(time.Duration(rapid.IntRange(0, 1000).Draw(t, "ms")) * time.Millisecond)
	if !h.judged {
		h.judged, h.on.streak = true, 0
	}
}

func (m *model) fail(t *rapid.T) {
	h := m.some(t)
	h.lease.Fail(errors.New("reset"))
	if h.judged {
		return
	}
	h.judged = true
	k, policy := h.on, m.health.Ejection
	k.failures++
	k.streak++
	ejected, up := 0, 0
	for _, k := range m.here {
		switch {
		case k.verdict.State == health.Ejected || !k.flaps.Until().IsZero():
			ejected++
		case k.verdict.State == health.Up:
			up++
		}
	}
	if policy.Failures > 0 && k.streak >= policy.Failures && k.verdict.State == health.Up && policy.Allows(ejected, len(m.here), up) {
		k.ejected = time.Now().Add(policy.Length(1))
		m.judge()
	}
}

func (m *model) release(t *rapid.T) {
	h := m.some(t)
	h.lease.Release()
	if !h.released {
		h.released = true
		h.on.active--
	}
}

// judge says who can be used, as it follows from what the model knows.
func (m *model) judge() {
	var (
		sorted   = slices.Sorted(maps.Keys(m.here))
		evidence = make([]health.Evidence, len(sorted))
	)
	for i, id := range sorted {
		k := m.here[id]
		if !k.ejected.IsZero() && !time.Now().Before(k.ejected) {
			k.ejected, k.streak = time.Time{}, 0
		}
		if m.health.Damping.Suppress == 0 {
			k.flaps, k.flapped = health.Flaps{}, ""
		}
		k.flaps.Settle(m.health.Damping, time.Now())
		switch against := m.health.Policy.SpeaksAgainst(k.spec.Declared); {
		case against && k.against.IsZero():
			k.against = time.Now()
		case !against && k.spec.Declared.Status != health.Missing:
			k.against = time.Time{}
		}
		switch {
		case m.health.Check != nil && k.probe == health.Unprobed:
			k.probe = health.Unproven
		case m.health.Check == nil && k.probe == health.Unproven:
			k.probe = health.Unprobed
		}
		evidence[i] = m.evidence(k)
	}
	calm := m.health.Policy
	calm.PanicThreshold = 0
	d := calm.Decide(evidence)
	if m.damp(sorted, evidence, d) {
		d = calm.Decide(evidence)
	}
	for i, id := range sorted {
		m.here[id].verdict = d.Verdicts[i]
	}
	if ranks, able := m.ranks(sorted, d.Usable); len(ranks) == 1 || able < 1 {
		d = m.health.Policy.Decide(evidence)
	}
	m.usable, m.first = make(map[string]bool), nil
	ranks, _ := m.ranks(sorted, d.Usable)
	for i, rank := range slices.Sorted(maps.Keys(ranks)) {
		r := ranks[rank]
		used := r.usable
		if size := m.place.Subset.Size; size > 0 && size < len(used) {
			used = m.subset(used, size)
		}
		if i == 0 && r.able >= 1 {
			m.first = used
		}
		maps.Copy(m.usable, used)
	}
	for _, k := range m.gone {
		k.verdict = m.health.Policy.Merge(m.evidence(k), false)
	}
}

// damp says whether somebody more has to be kept out for flapping.
func (m *model) damp(sorted []string, evidence []health.Evidence, d health.Decision) (more bool) {
	if m.health.Damping.Suppress == 0 {
		return false
	}
	for i, id := range sorted {
		k, e := m.here[id], evidence[i]
		e.Damped = false
		v := d.Verdicts[i]
		if v.Rule == 18 {
			v = m.health.Policy.Merge(e, d.PeerUp)
		}
		if v.Rule == 3 || v.State == health.Pending {
			continue
		}
		is := map[health.State]string{health.Up: "up", health.Down: "down", health.Ejected: "down"}[v.State]
		changed := is != "" && k.flapped != "" && is != k.flapped
		k.flapped = is
		if !changed || !k.flaps.Change(m.health.Damping, time.Now()) {
			continue
		}
		out, up := 0, 1
		for j, other := range sorted {
			switch {
			case j == i:
			case !m.here[other].flaps.Until().IsZero() || d.Verdicts[j].State == health.Ejected:
				out++
			case d.Verdicts[j].State == health.Up:
				up++
			}
		}
		if m.health.Ejection.Allows(out, len(sorted), up) {
			k.flaps.Suppress(m.health.Damping, time.Now())
			evidence[i].Damped, more = true, true
		}
	}
	return more
}

// rank is what there is of one priority and zone, own or other.
type rank struct {
	usable  map[string]bool
	up, all float64 // weight
	able    float64 // part of all requests it can carry
}

func (m *model) ranks(sorted []string, usable []int) (ranks map[int]*rank, able float64) {
	ranks = make(map[int]*rank)
	of := func(s lb.Server) *rank {
		n := 2 * s.Priority
		if m.place.Zone != "" && s.Zone != m.place.Zone {
			n++
		}
		if ranks[n] == nil {
			ranks[n] = &rank{usable: make(map[string]bool)}
		}
		return ranks[n]
	}
	for _, id := range sorted {
		if k := m.here[id]; k.verdict.State != health.Draining {
			of(k.spec).all += float64(max(k.spec.Weight, 1))
		}
	}
	for _, i := range usable {
		s := m.here[sorted[i]].spec
		of(s).up += float64(max(s.Weight, 1))
		of(s).usable[s.ID] = true
	}
	for _, r := range ranks {
		r.able = min(1.4*r.up/r.all, 1)
		able += r.able
	}
	return ranks, able
}

// subset asks the balancer whom it uses, of those it may, and sees that it is
// as many as it should be.
func (m *model) subset(may map[string]bool, size int) map[string]bool {
	used := make(map[string]bool)
	for _, st := range m.b.AllStats() {
		if id := st.Server.ID; st.Usable() && may[id] && m.here[id].spec.Address == st.Server.Address {
			used[id] = true
		}
	}
	if len(used) != size {
		panic(fmt.Sprintf("of %v, which may be used, %v are used and not %d", may, used, size))
	}
	return used
}

func (m *model) evidence(k *known) health.Evidence {
	e := health.Evidence{
		Declared: k.spec.Declared, Freshness: m.fresh, Probe: k.probe,
		Ejected: !k.ejected.IsZero(), Damped: !k.flaps.Until().IsZero(), Weight: k.spec.Weight, Before: k.verdict,
	}
	if !k.against.IsZero() {
		e.Against = time.Since(k.against)
	}
	if k.drained {
		e.Declared = health.Declaration{Status: health.Maintenance}
	}
	return e
}

// check is done before the first step and after every one.
func (m *model) check(t *rapid.T) {
	m.gone = slices.DeleteFunc(m.gone, func(k *known) bool { // as AllStats promises: not long ago, or in use
		return k.active == 0 && time.Since(k.left) >= 30*time.Second
	})
	if m.shadow != "" || m.b.Stats().Shadow.Strategy != "" {
		m.checkShadow(t)
	}
	all := m.b.AllStats()
	if len(all) != len(m.here)+len(m.gone) {
		t.Fatalf("AllStats has %d servers; there are %d, and %d left not long ago", len(all), len(m.here), len(m.gone))
	}
	sum := lb.Stats{Servers: len(m.here), Usable: len(m.usable), Panic: m.b.Stats().Panic, Shadow: m.b.Stats().Shadow, Panicked: m.panicked, CrossZone: m.crossZone}
	planned := 0.0
	for i, st := range all {
		var k *known
		if i < len(m.here) {
			k = m.here[st.Server.ID]
		} else if j := slices.IndexFunc(m.gone, func(k *known) bool {
			return k.spec.ID == st.Server.ID && k.spec.Address == st.Server.Address
		}); j >= 0 {
			k = m.gone[j]
		}
		if k == nil {
			t.Fatalf("AllStats has %q at %s, who should not be there", st.Server.ID, st.Server.Address)
		}
		if st.Active < 0 || st.Active != k.active || st.Requests != k.requests || st.Failures != k.failures {
			t.Fatalf("%s at %s: active %d, requests %d, failures %d; want %d, %d, %d", k.spec.ID, k.spec.Address,
				st.Active, st.Requests, st.Failures, k.active, k.requests, k.failures)
		}
		if waits(st.Verdict) && waits(k.verdict) {
			k.verdict = st.Verdict
		}
		if st.Verdict != k.verdict {
			t.Fatalf("%s at %s is judged %+v, want %+v", k.spec.ID, k.spec.Address, st.Verdict, k.verdict)
		}
		if !st.DampedUntil.Equal(k.flaps.Until()) {
			t.Fatalf("%s is kept out until %v, want %v", k.spec.ID, st.DampedUntil, k.flaps.Until())
		}
		if usable := i < len(m.here) && m.usable[k.spec.ID]; st.Usable() != usable {
			t.Fatalf("%s at %s: usable %v, want %v", k.spec.ID, k.spec.Address, st.Usable(), usable)
		}
		if i < len(m.here) && st.Verdict.State == health.Up {
			sum.Healthy++
		}
		planned += st.Place.Share
		sum.Active += k.active
		sum.Requests += k.requests
		sum.Failures += k.failures
	}
	if got := m.b.Stats(); got != sum {
		t.Fatalf("Stats is %+v, want %+v", got, sum)
	}
	if want := float64(min(len(m.usable), 1)); math.Abs(planned-want) > 1e-6 {
		t.Fatalf("the planned shares of %d usable servers sum up to %v", len(m.usable), planned)
	}
}

// waits tells of a verdict that is one thing or the other, as often as a server
// was judged: one that was up, has no probe's word yet and is warned of goes
// down (12), and is then as new as others that wait (11).
func waits(v health.Verdict) bool {
	return v.State == health.Pending || v.State == health.Down && v.Rule == 12
}

// checkShadow sees that the shadow was asked once for every selection, and that
// what it counts adds up.
func (m *model) checkShadow(t *rapid.T) {
	s := m.b.Stats().Shadow
	if s.Strategy != m.shadow || s.Picks != m.shadowed || s.Agreed+s.Unplaced > s.Picks {
		t.Fatalf("the shadow of %d selections by %q counts %+v", m.shadowed, m.shadow, s)
	}
	var requests, active int64
	for _, st := range m.b.AllStats() {
		if st.Shadow.Active < 0 || st.Shadow.Active > st.Shadow.Requests {
			t.Fatalf("%s has %+v in the shadow", st.Server.ID, st.Shadow)
		}
		requests += st.Shadow.Requests
		active += st.Shadow.Active
	}
	for _, h := range m.held {
		if !h.released {
			active--
		}
	}
	if active > 0 {
		t.Fatalf("in the shadow are %d leases more than there are", active)
	}
	if requests > s.Picks-s.Unplaced { // less, where a server with some of them is forgotten
		t.Fatalf("%d selections were shadowed on servers, of %+v", requests, s)
	}
}

// A rotation is exact between two changes, whatever came before: counts of
// equal servers differ by at most one.
func TestRotationIsExactBetweenChanges(t *testing.T) {
	for _, name := range []string{"round_robin", "weighted_round_robin"} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				b := lb.New(strategy(t, name))
				for range rapid.IntRange(1, 5).Draw(t, "stretches") {
					n, weight := rapid.IntRange(1, 40).Draw(t, "servers"), rapid.IntRange(0, 9).Draw(t, "weight of each")
					weights := slices.Repeat([]int{weight}, n)
					counts := tally(take(t, b, weights, rapid.IntRange(0, 200).Draw(t, "picks")), n)
					if slices.Max(counts)-slices.Min(counts) > 1 {
						t.Fatalf("counts are %v", counts)
					}
				}
			})
		})
	}
}

// Over a cycle from anywhere shares are exact, and nobody has a longer run
// than smoothness allows: a server that is never a whole turn ahead of its
// share, w of W, or behind, has less than 2 + r*w/W turns in a run of r.
func TestWeightedRotationIsSmooth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := lb.New(strategy(t, "weighted_round_robin"))
		for range rapid.IntRange(1, 3).Draw(t, "stretches") {
			weights := rapid.SliceOfN(rapid.IntRange(1, 20), 2, 8).Draw(t, "weights")
			cycle := 0
			for _, w := range weights {
				cycle += w
			}
			skip := rapid.IntRange(0, cycle).Draw(t, "start")
			turns := take(t, b, weights, skip+2*cycle)[skip:]
			for _, one := range [][]int{turns[:cycle], turns[cycle:]} {
				if got := tally(one, len(weights)); !slices.Equal(got, weights) {
					t.Fatalf("over one cycle the counts are %v, want %v", got, weights)
				}
			}
			run := 0
			for i, who := range turns {
				run++
				if i > 0 && turns[i-1] != who {
					run = 1
				}
				if others := cycle - weights[who]; run*others >= 2*cycle {
					t.Fatalf("server %d of weights %v has %d turns in a row: %v", who, weights, run, turns)
				}
			}
		}
	})
}

// take sets the pool to servers of these weights and lists who m picks go to.
func take(t *rapid.T, b *lb.Balancer, weights []int, m int) []int {
	set := make([]lb.Server, len(weights))
	for i, w := range weights {
		set[i] = lb.Server{ID: strconv.Itoa(i), Address: "10.0.0.1:80", Weight: w}
	}
	if err := b.Replace(set); err != nil {
		t.Fatal(err)
	}
	turns := make([]int, m)
	for i := range turns {
		lease, err := b.Select("")
		if err != nil {
			t.Fatal(err)
		}
		turns[i], _ = strconv.Atoi(lease.Server().ID)
		lease.Release()
	}
	return turns
}

func tally(turns []int, n int) []int {
	counts := make([]int, n)
	for _, i := range turns {
		counts[i]++
	}
	return counts
}

// A key stays where it is while nothing changes. When one server of equal
// weight leaves, its keys move and few others; when it is back, so are they.
func TestHashedKeysStay(t *testing.T) {
	const sample = 2000
	for _, name := range []string{"ip_hash", "consistent_hash"} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				b := lb.New(strategy(t, name))
				n := rapid.IntRange(2, 30).Draw(t, "servers")
				prefix := rapid.StringMatching(`[a-z]{1,8}`).Draw(t, "prefix")
				set := make([]lb.Server, n)
				for i := range set {
					set[i] = lb.Server{ID: fmt.Sprint(prefix, i), Address: "10.0.0.1:80"}
				}
				if err := b.Replace(set); err != nil {
					t.Fatal(err)
				}
				homes := func() []string {
					out := make([]string, sample)
					for i := range out {
						lease, err := b.Select("key" + strconv.Itoa(i))
						if err != nil {
							t.Fatal(err)
						}
						out[i] = lease.Server().ID
						lease.Release()
					}
					return out
				}
				before := homes()
				if !slices.Equal(before, homes()) {
					t.Fatal("keys moved though nothing changed")
				}
				gone := fmt.Sprint(prefix, rapid.IntRange(0, n-1).Draw(t, "leaves"))
				if err := b.Remove(gone); err != nil {
					t.Fatal(err)
				}
				needless := 0
				for i, home := range homes() {
					if before[i] != gone && before[i] != home {
						needless++
					}
				}
				if needless > sample/20 {
					t.Fatalf("%d of %d keys moved between servers that stayed", needless, sample)
				}
				if err := b.Add(lb.Server{ID: gone, Address: "10.0.0.1:80"}); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(before, homes()) {
					t.Fatal("the same servers as before have other keys")
				}
			})
		})
	}
}

// Limits hold for 64 callers at once, while servers come and go, weights
// change and every strategy has its turn.
func TestLimitsHoldWhileEverythingChanges(t *testing.T) {
	const callers, limit = 64, 5
	each := 1_000_000 / callers
	if testing.Short() {
		each = 50_000 / callers
	}
	set := make([]lb.Server, 6)
	inside := make(map[string]*atomic.Int64)
	for i := range set {
		id := strconv.Itoa(i)
		set[i] = lb.Server{ID: id, Address: "10.0.0.1:80", MaxConnections: limit}
		inside[id] = new(atomic.Int64)
	}
	b := lb.New(nil)
	if err := b.Replace(set); err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	for caller := range callers {
		work.Go(func() {
			for i := range each {
				lease, err := b.Select(strconv.Itoa(caller * i))
				for errors.Is(err, lb.ErrNoCapacity) { // others hold every place, and will give them back
					runtime.Gosched()
					lease, err = b.Select(strconv.Itoa(caller * i))
				}
				if err != nil {
					t.Errorf("Select: %v", err)
					return
				}
				n := inside[lease.Server().ID]
				if now := n.Add(1); now > limit {
					t.Errorf("%d leases at once on %s", now, lease.Server().ID)
				}
				if i%3 == 0 { // hold it over other callers' picks
					runtime.Gosched()
				}
				n.Add(-1)
				lease.Record(time.Microsecond)
				lease.Release()
				lease.Release()
			}
		})
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			b.SetStrategy(strategy(t, lb.Names()[i%len(lb.Names())]))
			for j := range set {
				set[j].Weight = 1 + (i+j)%4
			}
			if err := b.Replace(set[i%3 : 4+i%3]); err != nil {
				t.Error(err)
			}
			for _, st := range b.AllStats() {
				if st.Active < 0 || st.Active > limit {
					t.Errorf("%s has %d leases, its limit is %d", st.Server.ID, st.Active, limit)
				}
			}
		}
	}()
	work.Wait()
	close(stop)
	<-stopped
	if s := b.Stats(); s.Active != 0 || s.Requests != int64(each*callers) {
		t.Errorf("at the end %d leases are out and %d were given; want 0 and %d", s.Active, s.Requests, each*callers)
	}
}
