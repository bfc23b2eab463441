package main

// discovery is what Consul says and how old it is.
func discovery() row {
	return row{"Discovery", []view{
		{title: "Staleness", unit: "s", tells: "Since Consul's last good answer, at the worst agent. One to one and a half times consul.wait is quiet, more is trouble.", queries: []query{
			{"max by (outrigger_upstream_name) (outrigger_discovery_staleness_seconds{$of})", upstream},
		}},
		{title: "Staleness by service", unit: "s", tells: "The same for each service that an upstream looks for, failover included.", queries: []query{
			{"max by (outrigger_upstream_name, outrigger_discovery_service) (outrigger_discovery_watch_staleness_seconds{$of})", upstream + " {{outrigger_discovery_service}}"},
		}},
		{title: "Answers", unit: "ops", tells: "Of Consul, by result.", kind: stacked, queries: []query{
			{"sum by (outrigger_upstream_name, result) (rate(outrigger_discovery_updates_total{$of}[$r]))", upstream + " {{result}}"},
		}},
		{title: "Errors", unit: "ops", tells: "Failed queries; what Consul said last stays in force.", kind: stacked, queries: []query{
			{"sum by (outrigger_upstream_name, error_type) (rate(outrigger_discovery_errors_total{$of}[$r]))", upstream + " {{error_type}}"},
		}},
		{title: "Propagation p99", unit: "s", tells: "From Consul's answer to the backends in force.", queries: []query{
			{"histogram_quantile(0.99, sum by (outrigger_upstream_name, le) (rate(outrigger_discovery_propagation_duration_seconds_bucket{$of}[$r])))", upstream},
		}},
		{title: "Changes", unit: "none", tells: "Times that other backends were put in force, and that Consul's index fell.", kind: stacked, queries: []query{
			{"sum by (outrigger_upstream_name) (increase(outrigger_discovery_changes_total{$of}[$r]))", upstream},
			{"sum by (outrigger_upstream_name) (increase(outrigger_discovery_index_resets_total{$of}[$r]))", upstream + " index fell"},
		}},
		{title: "Suspicions", unit: "none", tells: "Answers not believed at once, since they would remove too much: begun, and confirmed or rejected in the end.", kind: stacked, queries: []query{
			{"sum by (outrigger_upstream_name, result) (increase(outrigger_discovery_suspicions_total{$of}[$r]))", upstream + " {{result}}"},
		}},
		{title: "Kept though missing", unit: "none", tells: "Backends in force that Consul's last answer lacks, at the worst agent.", queries: []query{
			{"max by (outrigger_upstream_name) (outrigger_discovery_missing{$of})", upstream},
		}},
		{title: "Freshness and holds", unit: "none", tells: "Times that Consul's word became stale or expired or fresh again, and that backends were held though it had none.", kind: stacked, queries: []query{
			{"sum by (outrigger_upstream_name, state) (increase(outrigger_discovery_freshness_changes_total{$of}[$r]))", upstream + " {{state}}"},
			{"sum by (outrigger_upstream_name, state) (increase(outrigger_discovery_hold_changes_total{$of}[$r]))", upstream + " hold {{state}}"},
		}},
		{title: "Watches", unit: "none", tells: "How watches on services turned.", kind: stacked, queries: []query{
			{"sum by (outrigger_discovery_service, state) (increase(outrigger_discovery_state_changes_total{$all}[$r]))", "{{outrigger_discovery_service}} {{state}}"},
		}},
		{title: "Registration", unit: "none", tells: "Of the apps themselves, where agents do that.", kind: stacked, queries: []query{
			{"sum by (state) (increase(outrigger_registration_state_changes_total{$all}[$r]))", "{{state}}"},
		}},
		{title: "Reloads", unit: "none", tells: "After one that failed the configuration before stays in force.", kind: stacked, queries: []query{
			{"sum by (result) (increase(outrigger_config_reloads_total{$all}[$r]))", "{{result}}"},
		}},
	}}
}
