package config

import (
	"fmt"
	"math"
	"strings"
	"time"
)

func (s *Sticky) spec() spec {
	return spec{fields: []field{
		text("cookie", &s.Cookie, "", cookieName).required(`write the name of a cookie that the app does not use: cookie = "outrigger"`),
		duration("ttl", &s.TTL, 0, zeroOr(time.Second)),
		text("path", &s.Path, "/", cookiePath),
	}}
}

func (s *SlowStart) spec() spec {
	return spec{
		fields: []field{
			duration("window", &s.Window, 0),
			bind("aggression", &s.Aggression, 1, parseNumber, between(0.1, 10.0)),
			whole("least_percent", &s.LeastPercent, 10, 1, 100),
		},
		done: func(b *block) { b.rejectAlone("window", `"30s"`, "aggression", "least_percent") },
	}
}

func (s *Subset) spec() spec {
	return spec{
		fields: []field{
			count("size", &s.Size, 0),
			text("client", &s.Client, "", printable),
		},
		done: func(b *block) { b.rejectAlone("size", "20", "client") },
	}
}

// rejectAlone reports attributes that mean nothing where another is not
// written.
func (b *block) rejectAlone(without, example string, names ...string) {
	for _, name := range names {
		if b.has(name) && !b.has(without) {
			b.reject(name, name+" does nothing without "+without, "write "+without+" = "+example+" too, or remove it")
		}
	}
}

// finish holds the block against the upstream that it stands in.
func (s *Sticky) finish(b *block, u *Upstream) {
	switch {
	case u.Protocol == "tcp":
		b.decoder.report(SeverityError, b.header, "sticky does nothing with tcp", "remove it: a connection stays where it is anyway")
	case u.HashOn == "cookie:"+s.Cookie:
		b.reject("cookie", fmt.Sprintf("cookie %q is the one of hash_on", s.Cookie), "write a name that the app does not use")
	}
}

// finishBalancing holds what goes together with a strategy against it. Of a
// connection it is not known when it is answered, so that tcp has another
// default than http.
func (u *Upstream) finishBalancing(b *block) {
	if u.Protocol == "tcp" && !b.has("strategy") {
		u.Strategy = "least_connections"
	}
	u.finishQueue(b)
	if !b.sound("strategy", "shadow_strategy") {
		return
	}
	if u.Strategy == u.ShadowStrategy {
		b.reject("shadow_strategy", fmt.Sprintf("shadow_strategy %q is the strategy itself", u.ShadowStrategy), "write another one to compare it with, or remove it")
	}
	uses := func(name string) bool { return u.Strategy == name || u.ShadowStrategy == name }
	switch {
	case u.HashOn == "client_ip" || !b.sound("hash_on", "protocol"):
	case u.Protocol == "tcp":
		b.reject("hash_on", fmt.Sprintf("hash_on %q does nothing with tcp", u.HashOn), `write "client_ip", all that is known of a connection`)
	case !uses("consistent_hash"):
		b.reject("hash_on", fmt.Sprintf("hash_on %q does nothing with strategy %q", u.HashOn, u.Strategy), `write strategy = "consistent_hash" or remove it`)
	case uses("ip_hash"):
		b.reject("hash_on", fmt.Sprintf("hash_on %q does not go with ip_hash", u.HashOn), "a strategy and its shadow see the same key, and that of ip_hash is the client's address: remove the one or the other")
	}
	if u.HashBalance != 0 && b.sound("hash_balance") && !uses("consistent_hash") && !uses("ip_hash") {
		b.reject("hash_balance", fmt.Sprintf("hash_balance %v does nothing with strategy %q", u.HashBalance, u.Strategy), `write strategy = "consistent_hash" or remove it`)
	}
}

// finishQueue finds a queue for backends that are never full.
func (u *Upstream) finishQueue(b *block) {
	unlimited := u.Limits.MaxRequestsPerServer == 0
	for i, server := range b.blocks["server"] {
		unlimited = unlimited && u.Servers[i].MaxConnections == 0 && server.sound("max_connections")
	}
	for _, limits := range b.blocks["limits"] {
		limits.rejectAlone("max_queue", "100", "queue_timeout")
		if u.Limits.MaxQueue > 0 && unlimited && limits.has("max_queue") && limits.sound("max_queue", "max_requests_per_server") {
			limits.reject("max_queue", fmt.Sprintf("max_queue %d does nothing: no backend has a limit", u.Limits.MaxQueue), "write max_requests_per_server = 100 too, or remove it")
		}
	}
}

// shareBound is the rule for hash_balance.
func shareBound(f float64) *problem {
	if f == 0 || f >= 1 && !math.IsInf(f, 0) {
		return nil
	}
	return wrong("is out of range", "write 1 or more, such as 1.25: how many times its share a backend takes; 0 sets no bound")
}

// zeroOr lets 0 pass beside what is long enough.
func zeroOr(low time.Duration) rule[time.Duration] {
	enough := atLeast(low)
	return func(d time.Duration) *problem {
		if d == 0 {
			return nil
		}
		return enough(d)
	}
}

// cookieName is the rule for the name of a cookie that the agent sets. Browsers
// take names with some prefixes over HTTPS only, which the agent does not speak.
func cookieName(s string) *problem {
	if !isToken(s) {
		return wrong("is no valid name", "use letters, digits, '_' and '-'")
	}
	for _, prefix := range []string{"__secure-", "__host-", "__http-"} {
		if strings.HasPrefix(strings.ToLower(s), prefix) {
			return wrong("is taken over HTTPS only", "write a name without "+s[:len(prefix)])
		}
	}
	return nil
}

// cookiePath is the rule for the path of a cookie, which stands in a header.
func cookiePath(s string) *problem {
	switch {
	case !strings.HasPrefix(s, "/"):
		return wrong("does not begin with a slash", `write one such as "/shop"`)
	case strings.Contains(s, ";"):
		return wrong("holds a ';'", "remove it")
	}
	return visibleASCII(s)
}
