package telemetry

import (
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/lb"
)

// ledger makes counters out of what balancers and meters know. Those numbers
// belong to servers that come and go, and are read one after the other while
// requests end; a counter that goes down would be taken for a restart and be
// counted twice. So each collection only adds what is new since the last. It
// is guarded by the collector.
type ledger map[string]*account

// account is the ledger of one upstream.
type account struct {
	servers   map[serverKey]reading
	backends  map[string]*totals // by ID, those with series of their own
	rest      totals             // of the backends beyond the limit
	picks     pickAccount
	ejections int64
	dampings  int64
	shadow    map[string]*shadowTotals // by strategy
	queue     struct{ placed, gaveUp, refused growing }
	catalog   catalogAccount

	meter   *proxy.Meter
	settled int64 // connections without a failure
}

// serverKey is what a balancer keeps numbers by.
type serverKey struct{ id, address string }

// reading is what a server's numbers were.
type reading struct {
	requests, ok, failed, ejections, dampings, shadow int64
	busy                                              time.Duration
}

// totals are a backend's counters.
type totals struct {
	ok, failed, shadow int64
	busy               time.Duration
}

// shadowTotals are what a shadow strategy was counted to do.
type shadowTotals struct{ agreed, differed, unplaced growing }

// growing makes a counter that only grows of a number that may begin anew.
type growing struct{ last, sum int64 }

// to brings it up to date, and returns what is new.
func (g *growing) to(now int64) (more int64) {
	if now < g.last {
		g.last = 0
	}
	more = now - g.last
	g.sum, g.last = g.sum+more, now
	return more
}

// backend is one backend, or the rest of them, as it is reported.
type backend struct {
	id, zone       string
	totals         *totals
	active, weight int64
	share          float64
	latency        time.Duration
}

// account brings the books of u up to date.
func (l ledger) account(u Upstream) *account {
	a, ok := l[u.Name]
	if !ok {
		a = &account{
			backends: make(map[string]*totals), shadow: make(map[string]*shadowTotals),
			picks: pickAccount{byStrategy: make(map[string]*pickTotals)},
		}
		l[u.Name] = a
	}
	if u.Meter != nil {
		a.read(u)
	}
	a.picks.read(u)
	a.queue.placed.to(u.Stats.Queued - u.Stats.GaveUp - int64(u.Stats.Waiting))
	a.queue.gaveUp.to(u.Stats.GaveUp)
	a.queue.refused.to(u.Stats.Refused)
	a.readShadow(u.Stats.Shadow)
	return a
}

// keep closes the accounts of upstreams that are gone.
func (l ledger) keep(all []Upstream) {
	present := make(map[string]bool, len(all))
	for _, u := range all {
		present[u.Name] = true
	}
	for name := range l {
		if !present[name] {
			delete(l, name)
		}
	}
}

func (a *account) read(u Upstream) {
	if a.meter != u.Meter {
		a.meter, a.settled, a.picks.none.last = u.Meter, 0, 0
	}
	ended := u.Meter.Requests.Load()
	failures := u.Meter.Failures()
	a.picks.of(u.Strategy).none += a.picks.none.to(failures[proxy.NoBackend])
	for _, n := range failures {
		ended -= n
	}
	a.settled = max(a.settled, ended)
}

// readShadow brings up to date what the shadow strategy would have done. The
// numbers of one that is not in force any more stay, and go on from 0 should it
// come back.
func (a *account) readShadow(s lb.ShadowStats) {
	for name, t := range a.shadow {
		if name != s.Strategy {
			t.agreed.last, t.differed.last, t.unplaced.last = 0, 0, 0
		}
	}
	if s.Strategy == "" {
		return
	}
	t := a.shadow[s.Strategy]
	if t == nil {
		t = new(shadowTotals)
		a.shadow[s.Strategy] = t
	}
	t.agreed.to(s.Agreed)
	t.unplaced.to(s.Unplaced)
	t.differed.to(s.Picks - s.Agreed - s.Unplaced)
}

// book adds what the servers did since the last time, and lists the backends;
// rest sums those beyond the limit and is nil when there are none.
func (a *account) book(u Upstream, limit int) (listed []backend, rest *backend) {
	servers := make(map[serverKey]reading, len(u.Servers))
	backends := make(map[string]*totals, len(u.Servers))
	places := make(map[string]int, len(u.Servers)) // in listed, by ID
	for _, s := range u.Servers {
		key := serverKey{s.Server.ID, s.Server.Address}
		now, since := advance(a.servers[key], s)
		servers[key] = now
		a.picks.of(u.Strategy).made += since.requests
		a.ejections += since.ejections
		a.dampings += since.dampings

		place, known := places[key.id] // as when it moved to another address
		switch {
		case known:
		case len(listed) < limit:
			t := a.backends[key.id]
			if t == nil {
				t = new(totals)
			}
			place = len(listed)
			places[key.id], backends[key.id] = place, t
			listed = append(listed, backend{id: key.id, zone: s.Server.Zone, totals: t, latency: s.MeanResponseTime})
		default:
			if rest == nil {
				rest = &backend{id: otherBackends, totals: &a.rest}
			}
			rest.add(s, since)
			continue
		}
		listed[place].add(s, since)
	}
	a.servers, a.backends = servers, backends
	return listed, rest
}

func (b *backend) add(s lb.ServerStats, since reading) {
	b.totals.ok += since.ok
	b.totals.failed += since.failed
	b.totals.busy += since.busy
	b.totals.shadow += since.shadow
	b.active += s.Active
	b.share += s.Place.Share
	b.weight += int64(s.Verdict.Weight)
}

// advance is a server's present reading, and what is new in it. Numbers that
// went back belong to a server that was forgotten meanwhile.
func advance(last reading, s lb.ServerStats) (now, since reading) {
	if s.Requests < last.requests {
		last = reading{}
	}
	if s.Shadow.Requests < last.shadow { // another shadow strategy
		last.shadow = 0
	}
	now = reading{
		requests: s.Requests,
		// The three are not read at one moment.
		ok:        max(last.ok, s.Requests-s.Active-s.Failures),
		failed:    max(last.failed, s.Failures),
		ejections: max(last.ejections, s.Ejections),
		dampings:  max(last.dampings, s.Dampings),
		busy:      max(last.busy, s.Busy),
		shadow:    s.Shadow.Requests,
	}
	return now, reading{
		requests:  now.requests - last.requests,
		ok:        now.ok - last.ok,
		failed:    now.failed - last.failed,
		ejections: now.ejections - last.ejections,
		dampings:  now.dampings - last.dampings,
		busy:      now.busy - last.busy,
		shadow:    now.shadow - last.shadow,
	}
}
