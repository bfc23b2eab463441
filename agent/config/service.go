package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

func (r *Registration) spec() spec {
	return spec{
		fields: []field{
			text("id", &r.ID, "", consulName),
			text("address", &r.Address, "", orEmpty(registeredHost)),
			whole("port", &r.Port, 0, 1, 65535).required("write where the app listens: port = 8080"),
			list("tags", &r.Tags, nil, parseText, notEmpty, printable),
			bind("meta", &r.Meta, nil, parseTexts, metadata),
			boolean("enable_tag_override", &r.EnableTagOverride, false),
			text("region", &r.Region, "", printable),
			text("zone", &r.Zone, "", printable),
			duration("deregister_critical_after", &r.DeregisterCriticalAfter, 0, minuteOrNone),
			duration("deregister_wait", &r.DeregisterWait, 5*time.Second),
		},
		blocks: []child{
			one("weights", r.Weights.spec),
			{name: "check", example: "http", label: oneOf("http", "tcp", "grpc", "ttl"), many: true, spec: func(kind string) spec {
				check := ServiceCheck{Type: kind}
				s := check.spec()
				s.done = func(b *block) {
					check.finish(b)
					r.Checks = append(r.Checks, check)
				}
				return s
			}},
		},
	}
}

func (r *Registration) finish(b *block) {
	if r.Zone != "" && r.Region == "" && b.sound("zone", "region") {
		b.reject("zone", "zone stands without region", "Consul takes both or none; write the region too, or keep the zone in meta")
	}
	if r.DeregisterCriticalAfter > 0 && len(b.blocks["check"]) == 0 {
		b.reject("deregister_critical_after", "deregister_critical_after does nothing without a check", `write check "http" { … } or another, or remove it`)
	}
}

func (w *Weights) spec() spec {
	return spec{fields: []field{
		whole("passing", &w.Passing, 1, 1, 65535),
		whole("warning", &w.Warning, 1, 0, 65535),
	}}
}

func (c *ServiceCheck) spec() spec {
	path, ttl := "", time.Duration(0)
	switch c.Type {
	case "http":
		path = "/health"
	case "ttl":
		ttl = 30 * time.Second
	}
	return spec{fields: []field{
		text("path", &c.Path, path, requestPath).except(&c.Type, "tcp", "grpc", "ttl"),
		text("url", &c.URL, "", orEmpty(checkURL)).except(&c.Type, "tcp", "grpc", "ttl"),
		bind("header", &c.Header, nil, parseTexts, headers).except(&c.Type, "tcp", "grpc", "ttl"),
		text("address", &c.Address, "", orEmpty(hostAndPort)).except(&c.Type, "http"),
		text("service", &c.Service, "", consulName).except(&c.Type, "http", "tcp", "ttl"),
		boolean("tls", &c.TLS, false).except(&c.Type, "http", "ttl"),
		duration("ttl", &c.TTL, ttl, atLeast(time.Second)).except(&c.Type, "http", "tcp", "grpc"),
		duration("interval", &c.Interval, 10*time.Second, atLeast(time.Second)), // as often as Consul's agents check
		duration("timeout", &c.Timeout, 2*time.Second, atLeast(time.Millisecond)),
	}}
}

func (c *ServiceCheck) finish(b *block) {
	if c.URL != "" && b.has("path") {
		b.reject("path", "check http has both path and url", "keep one of them")
	}
	if c.Type == "ttl" && b.sound("ttl", "interval") {
		switch {
		case !b.has("interval"):
			c.Interval = min(c.Interval, c.TTL/3) // so that one report may be lost
		case c.Interval >= c.TTL:
			b.reject("interval", fmt.Sprintf("interval %q is not shorter than the ttl of %q", c.Interval, c.TTL), "each report has to come before the one before it expires")
		}
	}
	switch {
	case !b.sound("interval", "timeout"):
	case !b.has("timeout"):
		c.Timeout = min(c.Timeout, c.Interval)
	case c.Timeout > c.Interval:
		b.reject("timeout", fmt.Sprintf("timeout %q is longer than the interval of %q", c.Timeout, c.Interval), "one check has to end before the next begins")
	}
}

// serviceName is the rule for a name that is registered, which newer Consuls
// take only if it can stand in DNS.
func serviceName(s string) *problem {
	if s == "" || strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" || strings.Trim(s, "-") != s {
		return wrong("is no valid name of a service", "use letters, digits and '-', and begin and end without '-'")
	}
	return nil
}

// registeredHost is the rule for an address by which others reach the app.
func registeredHost(s string) *problem {
	if ip, ok := parseIP(s); ok && ip.IsUnspecified() {
		return wrong("is no address to connect to", `write one of this machine's, or "" for that of Consul's node`)
	}
	return hostName(s)
}

// hostAndPort is the rule for what a check connects to.
func hostAndPort(s string) *problem {
	host, _, p := hostPort(s, 1)
	if p != nil {
		return p
	}
	return hostName(host)
}

// checkURL is the rule for the URL of an http check, which may have a query.
func checkURL(s string) *problem {
	bare, _, _ := strings.Cut(s, "?")
	if p := webURL(bare); p != nil {
		return p
	}
	return visibleASCII(s)
}

// minuteOrNone is the rule for what Consul does not do sooner.
func minuteOrNone(d time.Duration) *problem {
	if d > 0 && d < time.Minute {
		return wrong("is too short", `write "1m" or more, which is the least that Consul does, or "0s" for never`)
	}
	return nil
}

// metadata is the rule for metadata, as Consul takes it.
func metadata(m map[string]string) *problem {
	if len(m) > 64 {
		return wrong("has more than 64 keys", "Consul takes no more")
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		switch {
		case !metaPattern.MatchString(key):
			return wrong(fmt.Sprintf("has the key %q", key), "Consul takes letters, digits, '_' and '-', up to 128 of them")
		case strings.HasPrefix(key, "consul-"):
			return wrong(fmt.Sprintf("has the key %q", key), "Consul keeps keys that begin with consul- for itself")
		case len(m[key]) > 512:
			return wrong(fmt.Sprintf("has more than 512 bytes at the key %q", key), "Consul takes no more")
		}
	}
	return nil
}

// headers is the rule for headers of a request.
func headers(m map[string]string) *problem {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !isToken(name) {
			return wrong(fmt.Sprintf("has the name %q", name), "no header is called so")
		}
		if printable(m[name]) != nil {
			return wrong(fmt.Sprintf("has a control character at %q", name), "remove it")
		}
	}
	return nil
}
