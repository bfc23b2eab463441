package main

const upstream = "{{outrigger_upstream_name}}"

// requests is rate, errors and duration as apps see them. A request is one of
// the app's, whatever it takes; an attempt is what a backend was sent.
func requests() row {
	quantile := func(q, metric string) string {
		return "histogram_quantile(" + q + ", sum by (outrigger_upstream_name, le) (rate(" + metric + "_bucket{$of}[$r])))"
	}
	return row{"Requests by upstream", []view{
		{title: "Requests", unit: "reqps", tells: "Requests of apps that ended.", kind: stacked, queries: []query{
			{"sum by (outrigger_upstream_name) (rate(http_server_request_duration_seconds_count{$of}[$r]))", upstream},
		}},
		{title: "Errors", unit: "percentunit", tells: "Share of requests that failed after all retries: answers 5xx, and what no backend answered.", queries: []query{
			{`(
				sum by (outrigger_upstream_name) (rate(http_server_request_duration_seconds_count{$of,error_type!=""}[$r]))
				or sum by (outrigger_upstream_name) (rate(http_server_request_duration_seconds_count{$of}[$r])) * 0
			) / (sum by (outrigger_upstream_name) (rate(http_server_request_duration_seconds_count{$of}[$r])) > 0)`, upstream},
		}},
		{title: "Latency", unit: "s", tells: "Of requests, retries included, up to the end of the answer.", queries: []query{
			{quantile("0.5", "http_server_request_duration_seconds"), upstream + " p50"},
			{quantile("0.95", "http_server_request_duration_seconds"), upstream + " p95"},
			{quantile("0.99", "http_server_request_duration_seconds"), upstream + " p99"},
		}},
		{title: "Attempts per request", unit: "none", tells: "1 is the best there is; below 1 requests fail before any backend was tried.", queries: []query{
			{`sum by (outrigger_upstream_name) (rate(http_client_request_duration_seconds_count{$of}[$r]))
			/ (sum by (outrigger_upstream_name) (rate(http_server_request_duration_seconds_count{$of}[$r])) > 0)`, upstream},
		}},
		{title: "Errors by type", unit: "reqps", tells: "A number is a backend's own status; words are what went wrong before there was one.", kind: stacked, queries: []query{
			{`sum by (outrigger_upstream_name, error_type) (rate(http_server_request_duration_seconds_count{$of,error_type!=""}[$r]))`, upstream + " {{error_type}}"},
		}},
		{title: "Failed attempts by type", unit: "reqps", tells: "What backends did wrong, whether or not a retry made it good. 4xx count here.", kind: stacked, queries: []query{
			{`sum by (outrigger_upstream_name, error_type) (rate(http_client_request_duration_seconds_count{$of,error_type!=""}[$r]))`, upstream + " {{error_type}}"},
		}},
		{title: "Answers by status", unit: "reqps", tells: "As apps got them.", kind: stacked, queries: []query{
			{`sum by (http_response_status_code) (rate(http_server_request_duration_seconds_count{$of}[$r]))`, "{{http_response_status_code}}"},
		}},
		{title: "In flight", unit: "none", tells: "Requests under way, and TCP connections.", queries: []query{
			{"sum by (outrigger_upstream_name) (http_server_active_requests{$of})", upstream},
			{"sum by (outrigger_upstream_name) (outrigger_tcp_connection_active{$of})", upstream + " tcp"},
		}},
		{title: "Connections to backends", unit: "none", tells: "HTTP; those that idle are kept for the next request.", kind: stacked, queries: []query{
			{"sum by (outrigger_upstream_name, http_connection_state) (http_client_open_connections{$of})", upstream + " {{http_connection_state}}"},
		}},
		{title: "TCP connections", unit: "cps", tells: "Of apps, that ended; with why, where they failed.", kind: stacked, queries: []query{
			{"sum by (outrigger_upstream_name, error_type) (rate(outrigger_tcp_connections_total{$of}[$r]))", upstream + " {{error_type}}"},
		}},
		{title: "TCP bytes", unit: "Bps", tells: "transmit is from the app to backends.", queries: []query{
			{"sum by (outrigger_upstream_name, network_io_direction) (rate(outrigger_tcp_io_bytes_total{$of}[$r]))", upstream + " {{network_io_direction}}"},
		}},
		{title: "Latency of attempts", unit: "s", tells: "How many attempts at backends took how long.", kind: heat, queries: []query{
			{"sum by (le) (increase(http_client_request_duration_seconds_bucket{$of}[$r]))", "{{le}}"},
		}},
		{title: "Size of bodies", unit: "bytes", tells: "p99 of requests from apps and of their answers, where telemetry.metrics.body_size is on.", queries: []query{
			{"histogram_quantile(0.99, sum by (outrigger_upstream_name, le) (rate(http_server_request_body_size_bytes_bucket{$of}[$r])))", upstream + " requests"},
			{"histogram_quantile(0.99, sum by (outrigger_upstream_name, le) (rate(http_server_response_body_size_bytes_bucket{$of}[$r])))", upstream + " answers"},
		}},
	}}
}
