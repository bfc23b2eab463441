package main

// resilience is what the agent does so that apps do not notice.
func resilience() row {
	return row{"Resilience", []view{
		{title: "Retries per request", unit: "percentunit", tells: "The budget bounds it (retry.budget_percent, 20% by default, and budget_per_second beside it).", queries: []query{
			{`sum by (outrigger_upstream_name) (rate(outrigger_retries_total{$of}[$r]))
			/ (sum by (outrigger_upstream_name) (rate(http_server_request_duration_seconds_count{$of}[$r])) > 0)`, upstream},
		}},
		{title: "Retries by reason", unit: "ops", tells: "What the attempt before came to.", kind: stacked, queries: []query{
			{"sum by (outrigger_upstream_name, reason) (rate(outrigger_retries_total{$of}[$r]))", upstream + " {{reason}}"},
		}},
		{title: "Retries denied", unit: "ops", tells: "The budget was spent: most of what is tried fails, and retries would make it worse.", kind: stacked, queries: []query{
			{"sum by (outrigger_upstream_name, reason) (rate(outrigger_retry_denials_total{$of}[$r]))", upstream + " {{reason}}"},
		}},
		{title: "Shed", unit: "reqps", tells: "Requests refused by the agent itself, by the limit that was reached.", kind: stacked, queries: []query{
			{"sum by (outrigger_upstream_name, error_type) (rate(http_server_request_duration_seconds_count{$of,error_type=~\"" +
				"queue_full|queue_timeout|request_limit|concurrency_limit|rate_limited|circuit_open|memory_short|no_descriptor" +
				"\"}[$r]))", upstream + " {{error_type}}"},
		}},
		{title: "Waiting", unit: "none", tells: "For a place at a backend, now.", queries: []query{
			{"sum by (outrigger_upstream_name) (outrigger_queue_waiting{$of})", upstream},
		}},
		{title: "Queue", unit: "reqps", tells: "What became of those that wanted to wait.", kind: stacked, queries: []query{
			{"sum by (outrigger_upstream_name, result) (rate(outrigger_queue_requests_total{$of}[$r]))", upstream + " {{result}}"},
		}},
		{title: "Hedges", unit: "ops", tells: "Requests that were sent to a second backend too, and those that it answered first. Where few are won they are load for nothing: raise retry.hedge.percentile.", queries: []query{
			{"sum by (outrigger_upstream_name, result) (rate(outrigger_hedges_total{$of}[$r]))", upstream + " {{result}}"},
		}},
		{title: "Circuits", unit: "none", tells: "Agents whose circuit breaker is open or half open.", kind: stacked, queries: []query{
			{`sum by (outrigger_upstream_name, state) (outrigger_circuit_state{$of,state!="closed"})`, upstream + " {{state}}"},
		}},
		{title: "Circuits opened", unit: "none", tells: "Times. Many short ones are a backend service at its limit.", kind: stacked, queries: []query{
			{"sum by (outrigger_upstream_name) (increase(outrigger_circuit_state_changes_total{$of,state=\"open\"}[$r]))", upstream},
		}},
		{title: "Ejections", unit: "none", tells: "Backends taken out for a while, because of failed requests or of flapping.", kind: stacked, queries: []query{
			{"sum by (outrigger_upstream_name, reason) (increase(outrigger_ejections_total{$of}[$r]))", upstream + " {{reason}}"},
		}},
		{title: "Ejected", unit: "percentunit", tells: "Share of the backends that are out for a while.", queries: []query{
			{`sum by (outrigger_upstream_name) (outrigger_backend_count{$of,state="ejected"}) / (sum by (outrigger_upstream_name) (outrigger_backend_count{$of}) > 0)`, upstream},
		}},
		{title: "Panic", unit: "none", tells: "Times that too few backends were up, so that others were used too (or requests refused, as health.panic says), and that enough were again.", kind: stacked, queries: []query{
			{"sum by (outrigger_upstream_name, state) (increase(outrigger_panic_state_changes_total{$of}[$r]))", upstream + " {{state}}"},
		}},
		{title: "Picks", unit: "ops", tells: "Choices of a backend by strategy: in a panic, where too few are up and others are used too; outside the own zone, where that is preferred; none is where there was nobody to choose.", kind: stacked, queries: []query{
			{"sum by (outrigger_upstream_name, strategy, result) (rate(outrigger_picks_total{$of}[$r]))", upstream + " {{strategy}} {{result}}"},
		}},
		{title: "Shadow strategy", unit: "ops", tells: "Whether shadow_strategy would have chosen the same.", kind: stacked, queries: []query{
			{"sum by (outrigger_upstream_name, strategy, agreed) (rate(outrigger_shadow_picks_total{$of}[$r]))", upstream + " {{strategy}} {{agreed}}"},
		}},
		{title: "Imbalance", unit: "none", tells: "How many times its planned share the fullest backend has had in the last minute, of picks or of load: the strategy in force beside its shadow.", queries: []query{
			{"max by (outrigger_upstream_name, strategy, type) (outrigger_shadow_imbalance{$of})", upstream + " {{strategy}} {{type}}"},
		}},
		{title: "Time in the queue", unit: "s", tells: "How long those waited that did, in vain or not. Near limits.queue_timeout the queue only puts off refusals: shorten it.", queries: []query{
			{"histogram_quantile(0.5, sum by (outrigger_upstream_name, le) (rate(outrigger_queue_wait_duration_seconds_bucket{$of}[$r])))", upstream + " p50"},
			{"histogram_quantile(0.99, sum by (outrigger_upstream_name, le) (rate(outrigger_queue_wait_duration_seconds_bucket{$of}[$r])))", upstream + " p99"},
		}},
	}}
}
