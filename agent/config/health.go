package config

import (
	"fmt"
	"time"
)

func (h *Health) spec() spec {
	return spec{
		fields: []field{
			text("merge", &h.Merge, "worst", oneOf("worst", "catalog", "probe", "any")),
			text("warning", &h.Warning, "reduced", oneOf("reduced", "passing", "out")),
			duration("consul_fall", &h.ConsulFall, 0),
			text("panic", &h.Panic, "threshold", oneOf("threshold", "off", "fail_closed")),
			whole("panic_threshold", &h.PanicThreshold, 50, 0, 100).except(&h.Panic, "off"),
			duration("max_stale", &h.MaxStale, 24*time.Hour, atLeast(time.Millisecond)),
		},
		blocks: []child{
			{name: "check", example: "http", label: oneOf("http", "tcp", "grpc"), spec: func(kind string) spec {
				check := Check{Type: kind}
				s := check.spec()
				s.done = func(b *block) {
					check.finish(b)
					h.Check = &check
				}
				return s
			}},
			one("ejection", h.Ejection.spec),
			{name: "damping", spec: func(string) spec {
				var damping Damping
				s := damping.spec()
				s.done = func(b *block) {
					damping.finish(b)
					h.Damping = &damping
				}
				return s
			}},
		},
	}
}

func (c *Check) spec() spec {
	path, status := "", []StatusRange(nil)
	if c.Type == "http" {
		path, status = "/health", []StatusRange{{From: 200, To: 399}}
	}
	return spec{fields: []field{
		text("path", &c.Path, path, requestPath).except(&c.Type, "tcp", "grpc"),
		list("status", &c.Status, status, parseStatus).except(&c.Type, "tcp", "grpc"),
		text("host", &c.Host, "", hostHeader).except(&c.Type, "tcp", "grpc"),
		text("service", &c.Service, "", printable).except(&c.Type, "http", "tcp"),
		duration("interval", &c.Interval, 5*time.Second, atLeast(10*time.Millisecond)),
		duration("timeout", &c.Timeout, 2*time.Second, atLeast(time.Millisecond)),
		whole("rise", &c.Rise, 2, 1, 1000),
		whole("fall", &c.Fall, 3, 1, 1000),
		boolean("trust_traffic", &c.TrustTraffic, false),
	}}
}

func (c *Check) finish(b *block) {
	if b.has("status") && b.sound("status") && len(c.Status) == 0 {
		b.reject("status", "status names no code, so no answer would be good", `write at least one, such as ["200"]`)
	}
	switch {
	case !b.sound("interval", "timeout"):
	case !b.has("timeout"): // so that a short interval alone is a whole answer
		c.Timeout = min(c.Timeout, c.Interval)
	case c.Timeout > c.Interval:
		b.reject("timeout", fmt.Sprintf("timeout %q is longer than the interval of %q", c.Timeout, c.Interval), "one check has to end before the next begins")
	}
}

func (e *Ejection) spec() spec {
	return spec{
		fields: []field{
			count("consecutive_failures", &e.ConsecutiveFailures, 5),
			duration("base_time", &e.BaseTime, 30*time.Second, atLeast(time.Millisecond)),
			duration("max_time", &e.MaxTime, 5*time.Minute, atLeast(time.Millisecond)),
			whole("max_percent", &e.MaxPercent, 10, 0, 100),
		},
		done: func(b *block) {
			if e.BaseTime > e.MaxTime && b.sound("base_time", "max_time") {
				at := "base_time"
				if !b.has(at) {
					at = "max_time"
				}
				b.reject(at, fmt.Sprintf("base_time %q is longer than max_time %q", e.BaseTime, e.MaxTime), "an ejection lasts base_time at first and max_time at most")
			}
		},
	}
}
