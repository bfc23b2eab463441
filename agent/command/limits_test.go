package command

import (
	"strings"
	"testing"

	"github.com/outrigger-sidecar/outrigger/agent"
)

func TestLimitsAreShown(t *testing.T) {
	u := agent.UpstreamStatus{
		Name: "web", Listen: ":1", Protocol: "http", Strategy: "random", Active: 7, Retries: 5, Ready: true,
		Hedges: &agent.HedgesStatus{Sent: 4, Won: 3},
		Limits: agent.LimitsStatus{
			Connections: 9, MaxConnections: 10, ConnectionWaits: 2, RetriesDenied: 1, Concurrency: 40,
			Rejected: map[string]int64{"rate_limited": 2, "circuit_open": 6},
			Circuit:  &agent.CircuitStatus{State: "half_open", Opened: 1},
		},
	}
	want := `web on :1: http, random
the circuit breaker is half open; it has opened once
adaptive concurrency: 7 of 40 requests in flight
connections: 9 of 10; some had to wait to be accepted, 2 times
rejected: 6 circuit_open, 2 rate_limited
hedges: 4 requests went to a second backend, which answered 3 of them first
retries: 5, and 1 not allowed by the budget
`
	if o := call(t, nil, "explain", "web", "-admin", answers(t, agent.Explanation{UpstreamStatus: u})); !strings.HasPrefix(o.stdout, want) {
		t.Errorf("got\n%s\nwant\n%s", o.stdout, want)
	}
	open := "\nweb: the circuit breaker is half open; it has opened once\n"
	if o := call(t, nil, "status", "-admin", answers(t, agent.Status{Upstreams: []agent.UpstreamStatus{u}})); !strings.HasSuffix(o.stdout, open) {
		t.Errorf("got\n%s", o.stdout)
	}
	u.Limits.Circuit = &agent.CircuitStatus{State: "closed"}
	if o := call(t, nil, "status", "-admin", answers(t, agent.Status{Upstreams: []agent.UpstreamStatus{u}})); strings.Contains(o.stdout, "circuit") {
		t.Errorf("got\n%s", o.stdout)
	}
}
