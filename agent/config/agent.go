package config

import (
	"fmt"
	"time"
)

func (c *Config) spec() spec {
	return spec{
		blocks: []child{
			one("agent", c.Agent.spec),
			one("consul", c.Consul.spec),
			one("admin", c.Admin.spec),
			one("telemetry", c.Telemetry.spec),
			{name: "service", example: "NAME", label: serviceName, spec: func(name string) spec {
				r := Registration{Name: name}
				s := r.spec()
				s.done = func(b *block) {
					r.finish(b)
					c.Service = &r
				}
				return s
			}},
			{name: "upstream", example: "NAME", label: labelName, many: true, spec: func(name string) spec {
				u := Upstream{Name: name}
				s := u.spec()
				s.done = func(b *block) {
					u.finish(b)
					c.Upstreams = append(c.Upstreams, u)
				}
				return s
			}},
		},
		done: c.finish,
	}
}

// finish finds listeners that cannot be bound beside an earlier one.
func (c *Config) finish(b *block) {
	type listener struct {
		endpoint
		owner string
	}
	var taken []listener

	listen, owner, sound := c.Admin.Listen, fmt.Sprintf("admin, which has %q by default", c.Admin.Listen), true
	for _, admin := range b.blocks["admin"] {
		if admin.has("listen") {
			owner, sound = "admin at "+line(admin.at("listen")), admin.sound("listen")
		}
	}
	if e, p := parseEndpoint(listen); p == nil && sound {
		taken = append(taken, listener{e, owner})
	}
	for i, upstream := range b.blocks["upstream"] {
		u := c.Upstreams[i]
		e, p := parseEndpoint(u.Listen)
		if p != nil {
			continue // reported where it was read
		}
		for _, first := range taken {
			if first.overlaps(e) {
				upstream.reject("listen", fmt.Sprintf("listen %q is taken by %s", u.Listen, first.owner), "each listener needs its own address")
				break
			}
		}
		taken = append(taken, listener{e, upstream.title + " at " + line(upstream.at("listen"))})
	}
}

func (a *Agent) spec() spec {
	return spec{blocks: []child{one("probes", a.Probes.spec)}, fields: []field{
		text("name", &a.Name, "", printable),
		text("data_dir", &a.DataDir, "", printable),
		text("log_level", &a.LogLevel, "info", oneOf("trace", "debug", "info", "warn", "error")),
		text("log_format", &a.LogFormat, "text", oneOf("text", "json")),
		duration("drain_timeout", &a.DrainTimeout, 30*time.Second),
		text("zone", &a.Zone, "", printable),
		whole("reserved_files", &a.ReservedFiles, 128, 0, 1_000_000),
	}}
}

func (p *Probes) spec() spec {
	return spec{fields: []field{
		whole("per_second", &p.PerSecond, 1000, 1, 1_000_000),
		whole("at_once", &p.AtOnce, 256, 1, 1_000_000),
	}}
}

func (a *Admin) spec() spec {
	return spec{fields: []field{
		text("listen", &a.Listen, "127.0.0.1:9917", adminAddress),
	}}
}
