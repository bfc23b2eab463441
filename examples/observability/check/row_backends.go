package main

const (
	backend = "{{outrigger_upstream_name}} {{outrigger_backend_id}} {{outrigger_backend_zone}}"
	zone    = "{{outrigger_upstream_name}} {{outrigger_backend_zone}}"
)

// backends is where it is hot. Each agent judges by itself, so that states and
// weights are means over the chosen agents.
func backends() row {
	by := "by (outrigger_upstream_name, outrigger_backend_id, outrigger_backend_zone) "
	rate := "sum " + by + "(rate(outrigger_backend_requests_total{$of}[$r]))"
	return row{"Backends", []view{
		{title: "Mean response time", unit: "s", tells: "Of each backend: the hottest is on top.", queries: []query{
			{"sum " + by + "(rate(outrigger_backend_request_time_seconds_total{$of}[$r])) / (" + rate + " > 0)", backend},
		}},
		{title: "Requests", unit: "reqps", tells: "Requests or TCP connections that ended.", kind: stacked, queries: []query{{rate, backend}}},
		{title: "In flight", unit: "none", tells: "What each backend has now.", queries: []query{
			{"sum " + by + "(outrigger_backend_active_requests{$of})", backend},
		}},
		{title: "Failed", unit: "percentunit", tells: "Share of a backend's requests that count against it.", queries: []query{
			{"sum " + by + `(rate(outrigger_backend_requests_total{$of,outcome="failed"}[$r])) / (` + rate + " > 0)", backend},
		}},
		{title: "Share over plan", unit: "none", tells: "A backend's share of the requests over what priorities, zones and weights alone would give it. Strategies that look at load or latency move it away from 1, and that is their work.", queries: []query{
			{rate + `
			/ on (outrigger_upstream_name) group_left () (sum by (outrigger_upstream_name) (rate(outrigger_backend_requests_total{$of}[$r])) > 0)
			/ on (outrigger_upstream_name, outrigger_backend_id, outrigger_backend_zone) (avg ` + by + "(outrigger_backend_share{$of}) > 0)", backend},
		}},
		{title: "Smoothed latency", unit: "s", tells: "What least_response_time goes by; mean over agents.", queries: []query{
			{"avg " + by + "(outrigger_backend_latency_ewma_seconds{$of})", backend},
		}},
		{title: "State by zone", unit: "none", tells: "Backends by state, as the mean agent sees them. `outrigger explain` says why.", kind: stacked, queries: []query{
			{"avg by (outrigger_upstream_name, outrigger_backend_zone, state) (outrigger_backend_count{$of})", zone + " {{state}}"},
		}},
		{title: "Weight", unit: "none", tells: "In force, slow start and warnings included; 0 is out. Mean over agents.", queries: []query{
			{"avg " + by + "(outrigger_backend_weight{$of})", backend},
		}},
		{title: "Requests by zone", unit: "reqps", tells: "Where requests go.", kind: stacked, queries: []query{
			{"sum by (outrigger_upstream_name, outrigger_backend_zone) (rate(outrigger_backend_requests_total{$of}[$r]))", zone},
		}},
		{title: "Changes of state", unit: "none", tells: "What backends became. Each is an event too, with its reason.", kind: stacked, queries: []query{
			{"sum by (outrigger_upstream_name, state) (increase(outrigger_backend_state_changes_total{$of}[$r]))", upstream + " {{state}}"},
		}},
		{title: "Checks", unit: "s", tells: "p99 of the agent's own checks.", queries: []query{
			{"histogram_quantile(0.99, sum by (outrigger_upstream_name, type, le) (rate(outrigger_health_check_duration_seconds_bucket{$of}[$r])))", upstream + " {{type}}"},
		}},
		{title: "Checks by result", unit: "ops", tells: "How the agent's own checks end.", kind: stacked, queries: []query{
			{"sum by (outrigger_upstream_name, result) (rate(outrigger_health_check_duration_seconds_count{$of}[$r]))", upstream + " {{result}}"},
		}},
	}}
}
