package lb

import (
	"maps"
	"slices"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// rebuild judges all servers and publishes the pool that follows. It alone
// stores b.pool; the caller holds mu (or is New).
func (b *Balancer) rebuild() {
	now := b.clock.now()
	b.unsettled.Store(false)
	b.forgetLeft(now)
	members := slices.SortedFunc(maps.Values(b.members), byID)
	for _, m := range members {
		b.prove(m, now)
		m.place = Place{}
	}
	levels, decision := b.judge(members, now)
	for _, m := range b.leaving {
		e := m.evidence(b.freshness, now)
		b.note(m, e, b.health.Policy.Merge(e, false), now)
	}
	last := b.pool.Load()
	next := b.arrange(levels, last, now)
	next.known, next.panic, next.peerUp = len(members), decision.Panic, decision.PeerUp
	b.markMakeshift(next)
	if len(members) > 0 {
		next.err = ErrNoHealthy
	}
	for _, m := range members {
		if m.verdict.State == health.Ejected {
			next.ejected++
		}
		m.setSound()
		if until := m.outlier.until; !until.IsZero() {
			next.revisitIn(until.Sub(now), b.clock)
		}
		if m.flaps.out() {
			next.revisitIn(m.flaps.Until().Sub(now), b.clock)
		}
		if left := b.health.Policy.CatalogFall - now.Sub(m.against); !m.against.IsZero() && left > 0 {
			next.revisitIn(left, b.clock)
		}
	}
	b.pool.Store(next)
	if b.hooks.Panic != nil && last != nil && last.panic != next.panic {
		b.events = append(b.events, func() { b.hooks.Panic(next.panic, next.usable, next.known) })
	}
	b.look()
}

// judge makes every member's verdict, and sorts them into levels. Whether most
// of them look dead only matters where those that do not are too few to carry
// everything: with another tier to go to there is no panic.
func (b *Balancer) judge(members []*member, now time.Time) ([]level, health.Decision) {
	evidence := make([]health.Evidence, len(members))
	for i, m := range members {
		evidence[i] = m.evidence(b.freshness, now)
	}
	calm := b.health.Policy
	calm.PanicThreshold = 0
	decision := calm.Decide(evidence)
	if b.damp(members, evidence, decision, now) {
		decision = calm.Decide(evidence)
	}
	for i, m := range members {
		b.note(m, evidence[i], decision.Verdicts[i], now)
	}
	levels, able := b.placement.levels(members, decision.Usable)
	if b.health.Policy.PanicThreshold > 0 && (len(levels) == 1 || able < 1) {
		decision = b.health.Policy.Decide(evidence)
		levels, _ = b.placement.levels(members, decision.Usable)
	}
	return levels, decision
}

// prove brings a member's own evidence up to date: ejections and damping end,
// the time that the catalog speaks against it counts, and probes count only
// while there are any.
func (b *Balancer) prove(m *member, now time.Time) {
	if until := m.outlier.until; !until.IsZero() && !now.Before(until) {
		m.afresh()
	}
	if b.health.Damping.Suppress == 0 {
		m.flaps = flapping{total: m.flaps.total}
	}
	m.flaps.Settle(b.health.Damping, now)
	switch against := b.health.Policy.SpeaksAgainst(m.spec.Declared); {
	case against && m.against.IsZero():
		m.against = now
	case !against && m.spec.Declared.Status != health.Missing: // what is missing is taken as it was
		m.against = time.Time{}
	}
	switch {
	case b.health.Check != nil && m.probe.Status == health.Unprobed:
		m.probe.Status = health.Unproven
	case b.health.Check == nil && m.probe.Status == health.Unproven:
		m.probe.Status = health.Unprobed
	}
}

// note takes a verdict down and remembers to tell of it if it is a new one.
func (b *Balancer) note(m *member, e health.Evidence, v health.Verdict, now time.Time) {
	last := m.verdict
	if v == last {
		return
	}
	m.verdict = v
	if v.State != last.State {
		m.since = now
	}
	if b.hooks.Change != nil {
		c := Change{Server: m.spec, From: last, To: v, Reason: m.reason(e)}
		b.events = append(b.events, func() { b.hooks.Change(c) })
	}
}

// reason tells people why the verdict is what it is.
func (m *member) reason(e health.Evidence) string {
	r := m.verdict.Reason(e)
	switch {
	case m.drained && m.verdict.Rule == 1:
		r = "drained by hand"
	case m.verdict.State == health.Ejected && m.outlier.cause != "":
		r += ": " + m.outlier.cause
	case m.verdict.Rule == 18:
		r += ", until " + m.flaps.Until().UTC().Format(time.RFC3339)
	case m.verdict.Rule == 4 && m.probe.Output != "":
		r += ": " + m.probe.Output
	}
	return r
}
