package config

import (
	"fmt"
	"math"
	"time"
)

func (l *Limits) spec(protocol *string) spec {
	// http is what stands in a block of its own, and means nothing to tcp.
	http := func(s spec, keep func()) spec {
		done := s.done
		s.done = func(b *block) {
			b.rejectFor(*protocol, "tcp")
			if done != nil {
				done(b)
			}
			keep()
		}
		return s
	}
	return spec{
		fields: []field{
			count("max_requests", &l.MaxRequests, 10_000).except(protocol, "tcp"),
			count("max_connections", &l.MaxConnections, 10_000),
			count("max_requests_per_server", &l.MaxRequestsPerServer, 0),
			bind("max_header_bytes", &l.MaxHeaderBytes, 64<<10, parseSize, between(1<<10, math.MaxInt32)).except(protocol, "tcp"),
			whole("max_headers", &l.MaxHeaders, 256, 16, 100_000).except(protocol, "tcp"),
			bind("max_request_line", &l.MaxRequestLine, 8<<10, parseSize, between(64, math.MaxInt32)).except(protocol, "tcp"),
			count("max_queue", &l.MaxQueue, 0),
			duration("queue_timeout", &l.QueueTimeout, time.Second),
		},
		blocks: []child{
			{name: "rate_limit", spec: func(string) spec {
				var r RateLimit
				return http(r.spec(), func() { l.RateLimit = &r })
			}},
			{name: "circuit_breaker", spec: func(string) spec {
				var c CircuitBreaker
				return http(c.spec(), func() { l.CircuitBreaker = &c })
			}},
			{name: "adaptive_concurrency", spec: func(string) spec {
				var a AdaptiveConcurrency
				return http(a.spec(), func() { l.Adaptive = &a })
			}},
		},
	}
}

func (r *RateLimit) spec() spec {
	return spec{
		fields: []field{
			bind("requests_per_second", &r.RequestsPerSecond, 0, parseNumber, between(0.001, 1e6)).
				required("write how many requests pass in the long run: requests_per_second = 100"),
			whole("burst", &r.Burst, 1, 1, 1_000_000),
		},
		done: func(b *block) {
			if !b.has("burst") { // what a second brings may come at once
				r.Burst = max(int(math.Ceil(r.RequestsPerSecond)), 1)
			}
		},
	}
}

func (c *CircuitBreaker) spec() spec {
	return spec{fields: []field{
		whole("failure_percent", &c.FailurePercent, 50, 1, 100),
		duration("window", &c.Window, 10*time.Second, atLeast(100*time.Millisecond)),
		whole("min_requests", &c.MinRequests, 20, 1, 1_000_000),
		duration("open_time", &c.OpenTime, 5*time.Second, atLeast(10*time.Millisecond)),
		whole("trial_requests", &c.TrialRequests, 3, 1, 1000),
	}}
}

func (a *AdaptiveConcurrency) spec() spec {
	return spec{
		fields: []field{
			whole("min", &a.Min, 10, 1, 1_000_000),
			whole("max", &a.Max, 1000, 1, 1_000_000),
			bind("tolerance", &a.Tolerance, 1.5, parseNumber, between(1.0, 100.0)),
		},
		done: func(b *block) {
			if a.Min > a.Max && b.sound("min", "max") {
				at := "min"
				if !b.has(at) {
					at = "max"
				}
				b.reject(at, fmt.Sprintf("min %d is more than max %d", a.Min, a.Max), "the limit moves between them")
			}
		},
	}
}
