package command

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/outrigger-sidecar/outrigger/agent"
)

// headOfLimits prints what bounds an upstream and is of interest: what has kept
// something out, or moves by itself.
func headOfLimits(w io.Writer, u agent.UpstreamStatus) {
	l := u.Limits
	if l.Circuit != nil {
		fmt.Fprintln(w, circuit(*l.Circuit))
	}
	if l.Concurrency > 0 {
		fmt.Fprintf(w, "adaptive concurrency: %d of %d requests in flight\n", u.Active, l.Concurrency)
	}
	if l.ConnectionWaits > 0 {
		fmt.Fprintf(w, "connections: %d of %d; some had to wait to be accepted, %s\n", l.Connections, l.MaxConnections, times(l.ConnectionWaits))
	}
	if len(l.Rejected) > 0 {
		var parts []string
		for _, kind := range slices.Sorted(maps.Keys(l.Rejected)) {
			parts = append(parts, fmt.Sprintf("%d %s", l.Rejected[kind], kind))
		}
		fmt.Fprintf(w, "rejected: %s\n", strings.Join(parts, ", "))
	}
	if h := u.Hedges; h != nil {
		fmt.Fprintf(w, "hedges: %d requests went to a second backend, which answered %d of them first\n", h.Sent, h.Won)
	}
	if l.RetriesDenied > 0 {
		fmt.Fprintf(w, "retries: %d, and %d not allowed by the budget\n", u.Retries, l.RetriesDenied)
	}
}

// circuit is how a circuit breaker is doing.
func circuit(c agent.CircuitStatus) string {
	words := "the circuit breaker is " + strings.ReplaceAll(c.State, "_", " ")
	if c.Opened > 0 {
		words += "; it has opened " + times(c.Opened)
	}
	return words
}
