package main

// agents is what the agents themselves cost and lose.
func agents() row {
	return row{"Agents", []view{
		{title: "Added to a request", unit: "s", tells: "Mean time of a request without that of its attempts: what the agent and its queue add, with the pause before retries.", queries: []query{
			{`(
				sum by (outrigger_upstream_name) (rate(http_server_request_duration_seconds_sum{$of}[$r]))
				- sum by (outrigger_upstream_name) (rate(http_client_request_duration_seconds_sum{$of}[$r]))
			) / (sum by (outrigger_upstream_name) (rate(http_server_request_duration_seconds_count{$of}[$r])) > 0)`, upstream},
		}},
		{title: "Memory", unit: "bytes", tells: "Used by the Go runtime, and the heap's size at which it next collects.", queries: []query{
			{"sum by (instance) (go_memory_used_bytes{$all})", "{{instance}}"},
			{"sum by (instance) (go_memory_gc_goal_bytes{$all})", "{{instance}} goal"},
		}},
		{title: "Goroutines", unit: "none", tells: "They grow with connections, and go with them.", queries: []query{
			{"sum by (instance) (go_goroutine_count{$all})", "{{instance}}"},
		}},
		{title: "Allocated", unit: "Bps", tells: "What the collector has to clear away.", queries: []query{
			{"sum by (instance) (rate(go_memory_allocated_bytes_total{$all}[$r]))", "{{instance}}"},
		}},
		{title: "Wait for a processor, p99", unit: "s", tells: "Of goroutines. Much of it means that the agent gets too little CPU time.", queries: []query{
			{"histogram_quantile(0.99, sum by (instance, le) (rate(go_schedule_duration_seconds_bucket{$all}[$r])))", "{{instance}}"},
		}},
		{title: "Late checks", unit: "s", tells: "By so much every interval is longer, for want of the budget agent.probes.", queries: []query{
			{"max by (instance) (outrigger_health_check_late_seconds{$all})", "{{instance}}"},
		}},
		{title: "Telemetry lost", unit: "ops", tells: "Spans, log records and lines of the access log that nobody will see; `outrigger status -telemetry` says more.", kind: stacked, queries: []query{
			{`sum by (instance, result) (rate(outrigger_telemetry_spans_total{$all,result=~"dropped|failed"}[$r]))`, "{{instance}} spans {{result}}"},
			{`sum by (instance, result) (rate(outrigger_telemetry_log_records_total{$all,result=~"dropped|failed"}[$r]))`, "{{instance}} records {{result}}"},
			{`sum by (instance, result) (rate(outrigger_access_log_lines_total{$all,result=~"dropped|failed"}[$r]))`, "{{instance}} lines {{result}}"},
		}},
		{title: "Failed exports", unit: "ops", tells: "By signal.", kind: stacked, queries: []query{
			{"sum by (instance, signal) (rate(outrigger_telemetry_errors_total{$all}[$r]))", "{{instance}} {{signal}}"},
		}},
		{title: "Telemetry sent", unit: "ops", tells: "Spans and log records that left.", kind: stacked, queries: []query{
			{`sum by (instance) (rate(outrigger_telemetry_spans_total{$all,result="exported"}[$r]))`, "{{instance}} spans"},
			{`sum by (instance) (rate(outrigger_telemetry_log_records_total{$all,result="exported"}[$r]))`, "{{instance}} records"},
		}},
		{title: "Overflow", unit: "reqps", tells: "Requests and attempts counted without their labels, since an upstream has more combinations of them than are kept.", kind: stacked, queries: []query{
			{`sum by (instance, outrigger_upstream_name) (rate(http_server_request_duration_seconds_count{$of,otel_metric_overflow="true"}[$r]))`, "{{instance}} " + upstream},
			{`sum by (instance, outrigger_upstream_name) (rate(http_client_request_duration_seconds_count{$of,otel_metric_overflow="true"}[$r]))`, "{{instance}} " + upstream + " attempts"},
		}},
		{title: "Configuration in force", unit: "s", tells: "For how long; an agent that missed a reload is above the others.", queries: []query{
			{"time() - max by (instance) (outrigger_config_last_success_time_seconds{$all})", "{{instance}}"},
		}},
		{title: "Versions", unit: "none", tells: "Of the agents, with the apps that they stand beside.", kind: table, queries: []query{
			{`sum by (instance, outrigger_app_name, version, revision, go_version) (
				outrigger_build_info{$all} * on (instance, job) group_left (outrigger_app_name) target_info{$all}
			)`, ""},
		}},
	}}
}
