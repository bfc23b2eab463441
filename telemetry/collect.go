package telemetry

import (
	"context"
	"runtime"
	"slices"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// collector observes, at each collection, everything that is no histogram.
type collector struct {
	meters
	source   Source // nil: nothing but the agent's own
	observed *upstreams
	exports  *exports
	tally    *tally
	build    attribute.Set
	backends int // of an upstream that have series of their own

	mu     sync.Mutex // readers collect at once, and the ledger is one
	ledger ledger
}

// collect is the callback of all observable instruments.
func (c *collector) collect(_ context.Context, to metric.Observer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := observation{c.meters, to, c.backends}
	o.int(buildInfo, 1, c.build)
	c.exports.observe(o)
	if c.source == nil {
		return nil
	}
	o.agent(c.source.Agent())
	all := c.source.Upstreams()
	for _, u := range all {
		o.upstream(u, c.ledger.account(u), c.observed.get(u.Name))
	}
	c.ledger.keep(all)
	c.tally.observe(o, all)
	return nil
}

func (o observation) agent(s AgentState) {
	o.float(healthCheckLate, s.ProbesLate.Seconds(), *attribute.EmptySet())
	o.int(healthCheckSkipped, s.ProbesSkipped, *attribute.EmptySet())
	if l := s.AccessLog; l != nil {
		for word, n := range map[string]int64{"written": l.Written, "dropped": l.Dropped, "failed": l.Failed} {
			o.int(accessLogLines, n, attribute.NewSet(labelResult.String(word)))
		}
	}
	if d := s.Descriptors; d != nil {
		o.int(descriptorWaits, d.Waits.Load(), *attribute.EmptySet())
		o.int(descriptorRefusals, d.Refused.Load(), *attribute.EmptySet())
	}
	if !s.LastReload.IsZero() {
		o.float(configLastSuccess, float64(s.LastReload.UnixMilli())/1000, *attribute.EmptySet())
	}
}

func (o observation) upstream(u Upstream, a *account, seen *upstream) {
	label := keyUpstream.String(text(u.Name))
	with := func(more ...attribute.KeyValue) attribute.Set { return attribute.NewSet(append(more, label)...) }
	if u.Meter != nil {
		if u.Protocol == "tcp" {
			o.tcp(u.Meter, a, with)
		} else {
			o.http(u, seen, with)
		}
		o.limits(u, with)
	}
	listed, rest := a.book(u, o.backends)
	if rest != nil {
		listed = append(listed, *rest)
	}
	for _, b := range listed {
		o.backend(b, u.Stats.Shadow.Strategy != "", with)
	}
	o.states(u, with)
	o.int(ejections, a.ejections, with(labelReason.String(reasonFailuresInRow)))
	o.int(ejections, a.dampings, with(labelReason.String(reasonFlapping)))
	o.picks(&a.picks, with)
	o.queue(u, a, with)
	o.shadow(u, a, with)
	if u.Catalog != nil {
		o.catalog(*u.Catalog, &a.catalog, with)
	}
}

// labeller makes the attribute set of a series of one upstream.
type labeller func(...attribute.KeyValue) attribute.Set

func (o observation) http(u Upstream, seen *upstream, with labeller) {
	address := semconv.ServerAddress(text(u.Name))
	for method, name := range methods {
		label := semconv.HTTPRequestMethodKey.String(name)
		if n, used := seen.serving.active(method); used {
			o.int(httpServerActive, n, with(label, semconv.URLScheme("http")))
		}
		if n, used := seen.sending.active(method); used {
			o.int(httpClientActive, n, with(label, address))
		}
	}
	// HTTP/1 has one request on a connection; for HTTP/2 this is a bound.
	open := max(0, u.Meter.Backends.Load())
	active := min(open, max(0, u.Stats.Active))
	o.int(httpClientConnections, active, with(address, semconv.HTTPConnectionStateActive))
	o.int(httpClientConnections, open-active, with(address, semconv.HTTPConnectionStateIdle))
	for i := range seen.retries {
		if n := seen.retries[i].Load(); n > 0 {
			cause := other
			switch {
			case i < len(kinds):
				cause = string(kinds[i])
			case i == len(kinds):
				cause = reasonHedge
			}
			o.int(retries, n, with(labelReason.String(cause)))
		}
	}
}

func (o observation) tcp(m *proxy.Meter, a *account, with labeller) {
	o.int(tcpActive, max(0, m.Active.Load()), with())
	o.int(tcpConnections, a.settled, with())
	for kind, n := range m.Failures() {
		o.int(tcpConnections, n, with(semconv.ErrorTypeKey.String(string(kind))))
	}
	o.int(tcpIO, m.Sent.Load(), with(semconv.NetworkIODirectionTransmit))
	o.int(tcpIO, m.Received.Load(), with(semconv.NetworkIODirectionReceive))
	for kind, n := range m.Retried() {
		o.int(retries, n, with(labelReason.String(string(kind))))
	}
}

func (o observation) backend(b backend, shadowed bool, with labeller) {
	id := keyBackend.String(text(b.id))
	labels := []attribute.KeyValue{id}
	if b.zone != "" {
		labels = append(labels, keyZone.String(text(b.zone)))
	}
	plus := func(more ...attribute.KeyValue) attribute.Set { return with(append(more, labels...)...) }
	set := plus()
	o.int(backendRequests, b.totals.ok, plus(labelOutcome.String(outcomeOK)))
	o.int(backendRequests, b.totals.failed, plus(labelOutcome.String(outcomeFailed)))
	o.float(backendRequestTime, b.totals.busy.Seconds(), set)
	o.int(backendActive, b.active, set)
	o.int(backendWeight, b.weight, set)
	o.float(backendShare, b.share, set)
	if shadowed {
		o.int(backendShadowRequests, b.totals.shadow, set)
	}
	if b.latency > 0 {
		o.float(backendLatency, b.latency.Seconds(), set)
	}
}

// backendStates are the words for verdicts, with zeros where there is none, so
// that "no healthy backend" is a value and no absence.
var backendStates = [...]struct {
	word   string
	states []health.State
}{
	{"healthy", []health.State{health.Up}},
	{"unhealthy", []health.State{health.Down}},
	{"ejected", []health.State{health.Ejected}},
	{"draining", []health.State{health.Draining}},
	{"warming", []health.State{health.Pending, health.Unseen}},
}

// stateWord is the word for one state.
func stateWord(s health.State) string {
	for _, row := range backendStates {
		if slices.Contains(row.states, s) {
			return row.word
		}
	}
	return other
}

// states counts backends by zone and state. Zones of backends beyond the limit
// are not told apart.
func (o observation) states(u Upstream, with labeller) {
	counts := make(map[string]map[health.State]int64)
	for i, s := range u.Servers {
		zone := s.Server.Zone
		if i >= o.backends {
			zone = otherBackends
		}
		if counts[zone] == nil {
			counts[zone] = make(map[health.State]int64)
		}
		counts[zone][s.Verdict.State]++
	}
	if len(counts) == 0 {
		counts[""] = nil
	}
	for zone, byState := range counts {
		var labels []attribute.KeyValue
		if zone != "" {
			labels = append(labels, keyZone.String(text(zone)))
		}
		for _, row := range backendStates {
			var n int64
			for _, state := range row.states {
				n += byState[state]
			}
			o.int(backendCount, n, with(append(labels[:len(labels):len(labels)], labelState.String(row.word))...))
		}
	}
}

func (o observation) queue(u Upstream, a *account, with labeller) {
	o.int(queueWaiting, int64(u.Stats.Waiting), with())
	for result, n := range map[string]growing{"placed": a.queue.placed, "gave_up": a.queue.gaveUp, "refused": a.queue.refused} {
		o.int(queueRequests, n.sum, with(labelResult.String(result)))
	}
}

func (o observation) shadow(u Upstream, a *account, with labeller) {
	for strategy, t := range a.shadow {
		for agreed, n := range map[string]growing{"true": t.agreed, "false": t.differed, "none": t.unplaced} {
			o.int(shadowPicks, n.sum, with(labelStrategy.String(strategy), labelAgreed.String(agreed)))
		}
	}
	if u.Stats.Shadow.Strategy == "" || u.Imbalance.Picks == 0 {
		return
	}
	of := func(strategy, kind string, v float64) {
		o.float(shadowImbalance, v, with(labelStrategy.String(strategy), labelType.String(kind)))
	}
	of(u.Strategy, "picks", u.Imbalance.Picks)
	of(u.Strategy, "load", u.Imbalance.Load)
	of(u.Stats.Shadow.Strategy, "picks", u.Imbalance.ShadowPicks)
	of(u.Stats.Shadow.Strategy, "load", u.Imbalance.ShadowLoad)
}

// buildOf describes this build.
func buildOf(c Config) attribute.Set {
	return attribute.NewSet(labelVersion.String(c.Version), labelRevision.String(c.Revision), labelGo.String(runtime.Version()))
}
