package telemetry

import "github.com/outrigger-sidecar/outrigger/agent/proxy"

// circuitStates are those of a circuit breaker, of which one is in force.
var circuitStates = [...]proxy.CircuitState{proxy.CircuitClosed, proxy.CircuitHalfOpen, proxy.CircuitOpen}

// circuitWords are the words for them.
func circuitWords() []string {
	var words []string
	for _, s := range circuitStates {
		words = append(words, s.String())
	}
	return words
}

// rejecting are the failures that stand for requests that were not taken on.
// The circuit breaker and the queue have counters of their own.
var rejecting = [...]proxy.Kind{proxy.RequestLimit, proxy.ConcurrencyLimit, proxy.RateLimited, proxy.MemoryShort, proxy.NoDescriptor}

// limits tells what bounds an upstream, and whom that has kept out. There are
// zeros from the start, so that the first rejection is a change too.
func (o observation) limits(u Upstream, with labeller) {
	m := u.Meter
	o.int(appConnections, max(0, m.Connections.Load()), with())
	o.int(connectionWaits, m.Waits.Load(), with())
	o.int(retryDenials, m.Denied.Load(), with(labelReason.String(reasonBudget)))
	if u.Protocol == "tcp" {
		return
	}
	failures := m.Failures()
	for _, kind := range rejecting {
		o.int(rejections, failures[kind], with(labelReason.String(string(kind))))
	}
	// Of two numbers that are read one after the other the one read first is
	// never too large.
	won := m.HedgesWon.Load()
	o.int(hedges, m.Hedges.Load(), with(labelResult.String("begun")))
	o.int(hedges, won, with(labelResult.String("won")))
	if limit := m.Concurrency.Load(); limit > 0 {
		o.int(concurrencyLimit, limit, with())
	}
	if !u.Breaker {
		return
	}
	now := proxy.CircuitState(m.Circuit.Load())
	for _, s := range circuitStates {
		var here int64
		if s == now {
			here = 1
		}
		o.int(circuitState, here, with(labelState.String(s.String())))
	}
	o.int(circuitRejections, failures[proxy.CircuitBroken], with())
}
