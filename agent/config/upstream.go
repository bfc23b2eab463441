package config

import (
	"time"

	"github.com/outrigger-sidecar/outrigger/lb"
)

func (u *Upstream) spec() spec {
	return spec{
		fields: []field{
			text("listen", &u.Listen, "", listenAddress).required(`write where the app connects: listen = "127.0.0.1:9001"`),
			text("protocol", &u.Protocol, "http", oneOf("http", "tcp")),
			text("backend_protocol", &u.BackendProtocol, "auto", oneOf("auto", "http1", "h2c", "h2")).except(&u.Protocol, "tcp"),
			text("strategy", &u.Strategy, "least_response_time", oneOf(lb.Names()...)),
			text("hash_on", &u.HashOn, "client_ip", hashKey),
			bind("hash_balance", &u.HashBalance, 0, parseNumber, shareBound),
			text("shadow_strategy", &u.ShadowStrategy, "", orEmpty(oneOf(lb.Names()...))),
			boolean("prefer_zone", &u.PreferZone, true),
			boolean("accept_proxy", &u.AcceptProxy, false).except(&u.Protocol, "http"),
			list("trusted", &u.Trusted, thisMachine(), parsePrefix).except(&u.Protocol, "http"),
			text("send_proxy", &u.SendProxy, "", orEmpty(oneOf("v1", "v2"))).except(&u.Protocol, "http"),
			text("on_remove", &u.OnRemove, "keep", oneOf("keep", "drain", "close")),
			duration("remove_grace", &u.RemoveGrace, 30*time.Second),
		},
		blocks: []child{
			{name: "consul", spec: func(string) spec {
				var service Service
				s := service.spec()
				s.done = func(b *block) {
					service.finish(b)
					u.Consul = &service
				}
				return s
			}},
			{name: "server", example: "NAME", label: labelName, many: true, spec: func(name string) spec {
				server := Server{Name: name}
				s := server.spec()
				s.done = func(*block) { u.Servers = append(u.Servers, server) }
				return s
			}},
			{name: "sticky", spec: func(string) spec {
				var sticky Sticky
				s := sticky.spec()
				s.done = func(b *block) {
					sticky.finish(b, u)
					u.Sticky = &sticky
				}
				return s
			}},
			{name: "tls", spec: func(string) spec {
				var tls BackendTLS
				s := tls.spec()
				files := s.done
				s.done = func(b *block) {
					files(b)
					tls.finish(b)
					u.TLS = &tls
				}
				return s
			}},
			one("headers", func() spec {
				s := u.Headers.spec()
				s.done = func(b *block) { b.rejectFor(u.Protocol, "tcp") }
				return s
			}),
			one("slow_start", u.SlowStart.spec),
			one("subset", u.Subset.spec),
			one("health", u.Health.spec),
			one("retry", func() spec { return u.Retry.spec(&u.Protocol) }),
			one("connections", u.Connections.spec),
			one("timeouts", func() spec { return u.Timeouts.spec(&u.Protocol) }),
			one("limits", func() spec { return u.Limits.spec(&u.Protocol) }),
		},
	}
}

func (u *Upstream) finish(b *block) {
	servers, consul := b.blocks["server"], b.blocks["consul"]
	switch {
	case len(servers) > 0 && len(consul) > 0:
		b.decoder.report(SeverityError, servers[0].header, b.title+" has both a consul block and server blocks", "keep the one or the other")
	case len(servers) == 0 && len(consul) == 0:
		b.decoder.reportAbsence(b.header, b.title+" has no backends", `write consul { service = "NAME" } or server "NAME" { address = "127.0.0.1:8081" }`)
	}
	u.finishBalancing(b)
	u.finishTLS(b)
	b.rejectAlone("on_remove", `"drain"`, "remove_grace")
	if u.Protocol == "tcp" {
		b.rejectAlone("accept_proxy", "true", "trusted")
	}
}

func (s *Server) spec() spec {
	return spec{fields: []field{
		text("address", &s.Address, "", backendAddress).required(`write where it listens: address = "127.0.0.1:8081"`),
		whole("weight", &s.Weight, 1, 1, 65535),
		count("max_connections", &s.MaxConnections, 0),
		text("zone", &s.Zone, "", printable),
		whole("priority", &s.Priority, 0, 0, lb.MaxPriority),
	}}
}

func (c *Connections) spec() spec {
	return spec{fields: []field{
		duration("idle", &c.Idle, time.Minute, atLeast(time.Second)),
		whole("max_idle", &c.MaxIdle, 512, 1, 65535),
		duration("max_age", &c.MaxAge, 0),
		whole("warm", &c.Warm, 0, 0, 64),
	}}
}

func (t *Timeouts) spec(protocol *string) spec {
	return spec{fields: []field{
		duration("connect", &t.Connect, time.Second),
		duration("first_byte", &t.FirstByte, time.Minute).except(protocol, "tcp"),
		duration("idle", &t.Idle, 5*time.Minute).except(protocol, "tcp"),
		duration("client", &t.Client, 5*time.Minute).except(protocol, "tcp"),
		duration("request", &t.Request, 0).except(protocol, "tcp"),
		duration("tunnel", &t.Tunnel, time.Hour),
		duration("header", &t.Header, 10*time.Second).except(protocol, "tcp"),
		duration("keep_alive", &t.KeepAlive, 15*time.Minute).except(protocol, "tcp"),
	}}
}

// rejectFor reports a block that does nothing where kind is without.
func (b *block) rejectFor(kind, without string) {
	if kind == without {
		b.decoder.report(SeverityError, b.header, b.title+" does nothing with "+kind, "remove it")
	}
}
