package config

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb"
)

// FuzzParse holds every Config that comes without errors against what the agent
// takes for granted. It finds panics and hangs of the parser too.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/mistakes/*.hcl")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range append(files, "testdata/full.hcl", "../../agent.hcl") {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Add([]byte("agent { name = 1e99999999 }"))
	f.Add([]byte("agent { name = \"${1e99999999}\" }"))
	f.Fuzz(func(t *testing.T, src []byte) {
		c, diags := Parse("agent.hcl", src)
		_ = diags.Error()
		for _, d := range diags {
			if d.Summary == "" || d.File != "agent.hcl" {
				t.Errorf("diagnostic %+v", d)
			}
		}
		if diags.HasErrors() {
			if !reflect.DeepEqual(c, Config{}) {
				t.Error("a Config with errors")
			}
			return
		}
		for _, broken := range brokenPromises(c) {
			t.Error(broken)
		}
	})
}

// brokenPromises lists what a valid Config never is.
func brokenPromises(c Config) (broken []string) {
	promise := func(holds bool, what string) {
		if !holds {
			broken = append(broken, what)
		}
	}
	promise(len(c.Upstreams) > 0 || c.Service != nil, "there is something to do")
	if s := c.Service; s != nil {
		promise(serviceName(s.Name) == nil && consulName(s.ID) == nil && s.Port >= 1 && s.Port <= 65535, "the service can be registered")
		promise(orEmpty(registeredHost)(s.Address) == nil && metadata(s.Meta) == nil && (s.Zone == "" || s.Region != ""), "Consul takes the service")
		promise(s.Weights.Passing >= 1 && s.Weights.Warning >= 0 && max(s.Weights.Passing, s.Weights.Warning) <= 65535, "its weights are in range")
		promise(s.DeregisterWait >= 0 && minuteOrNone(s.DeregisterCriticalAfter) == nil, "its times are in range")
		types := map[string]bool{}
		for _, k := range s.Checks {
			promise(!types[k.Type] && slices.Contains([]string{"http", "tcp", "grpc", "ttl"}, k.Type), "a service has a check of each type at most")
			promise(k.Timeout > 0 && k.Timeout <= k.Interval && (k.Type == "ttl") == (k.TTL > 0), "its checks end before the next")
			promise(k.Type != "ttl" || k.Interval < k.TTL, "a report comes before the last expires")
			promise((k.Type == "http") == (k.Path != "" || k.URL != "") && headers(k.Header) == nil, "an http check asks for something")
			types[k.Type] = true
		}
	}
	promise(slices.IsSorted(c.Telemetry.Metrics.LatencyBuckets) && len(c.Telemetry.Metrics.LatencyBuckets) <= maxBuckets && c.Telemetry.Metrics.BackendLimit > 0, "metrics have series that can be")
	promise(c.Telemetry.Metrics.Interval > 0 && c.Telemetry.ShutdownTimeout > 0, "intervals of telemetry are positive")
	promise(c.Telemetry.Traces.SampleRatio >= 0 && c.Telemetry.Traces.SampleRatio <= 1, "sample_ratio is 0 to 1")
	promise(c.Consul.Wait > 0 && c.Consul.Wait <= 10*time.Minute, "wait is what Consul allows")
	promise(c.Consul.StartJitter >= 0 && c.Consul.StartJitter <= time.Minute, "start_jitter is in range")
	promise(c.Consul.Token == "" || c.Consul.TokenFile == "", "there is one token")
	promise(c.Agent.DrainTimeout >= 0, "drain_timeout is not negative")

	var taken []endpoint
	names := map[string]bool{}
	if c.Admin.Listen != "off" {
		e, p := parseEndpoint(c.Admin.Listen)
		promise(p == nil && e.path == "", "admin has a TCP address")
		taken = append(taken, e)
	}
	for _, u := range c.Upstreams {
		e, p := parseEndpoint(u.Listen)
		promise(p == nil, "an upstream has a listener")
		promise(!slices.ContainsFunc(taken, e.overlaps), "listeners do not overlap")
		taken = append(taken, e)
		promise(labelName(u.Name) == nil && !names[u.Name], "upstreams have names of their own")
		names[u.Name] = true
		promise(slices.Contains(lb.Names(), u.Strategy), "the strategy is known")
		promise(hashKey(u.HashOn) == nil, "hash_on is known")
		promise(u.HashBalance == 0 || u.HashBalance >= 1, "hash_balance is none or at least 1")
		promise(u.ShadowStrategy == "" || slices.Contains(lb.Names(), u.ShadowStrategy) && u.ShadowStrategy != u.Strategy, "the shadow strategy is another one that is known")
		promise(u.SlowStart.Window >= 0 && u.SlowStart.Aggression > 0 && u.SlowStart.LeastPercent >= 1 && u.SlowStart.LeastPercent <= 100, "slow_start is in range")
		promise(u.Subset.Size >= 0 && u.Limits.MaxQueue >= 0 && u.Limits.QueueTimeout >= 0, "subset and queue are not negative")
		if s := u.Sticky; s != nil {
			promise(u.Protocol == "http" && cookieName(s.Cookie) == nil && (s.TTL == 0 || s.TTL >= time.Second) && s.Path[0] == '/', "a session has a cookie")
		}
		promise(u.Protocol == "http" || u.Protocol == "tcp" && u.HashOn == "client_ip" && u.BackendProtocol == "auto", "the protocol is known")
		promise(u.Protocol == "tcp" || !u.AcceptProxy && u.SendProxy == "" && u.OnRemove == "keep", "http knows nothing of the PROXY protocol and removals")
		promise(slices.Contains([]string{"", "v1", "v2"}, u.SendProxy) && slices.Contains([]string{"keep", "drain", "close"}, u.OnRemove) && u.RemoveGrace >= 0, "PROXY protocol and removals are known")
		promise(!slices.ContainsFunc(u.Trusted, func(p netip.Prefix) bool { return !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() }), "trusted are networks")
		promise((u.Consul != nil) != (len(u.Servers) > 0), "backends come from one place")
		promise(u.Consul == nil || (u.Consul.Name != "") != (u.Consul.PreparedQuery != ""), "the service has a name or a query")
		promise(u.Consul == nil || metaKey("locality")(u.Consul.ZoneFrom) == nil && orEmpty(metaKey())(u.Consul.PriorityFrom) == nil, "zones and priorities come from somewhere")
		if s := u.Consul; s != nil {
			promise(s.OnEmpty == "drop" || s.OnEmpty == "hold" && s.OnEmptyHold > 0, "on_empty is known")
			promise(s.Datacenter == "" || s.Peer == "", "a service is in a datacenter or at a peer")
			for i, f := range s.Failover {
				promise(f != Failover{} && !slices.Contains(s.Failover[:i], f) && (f.Datacenter == "" || f.Peer == ""), "each failover is another place")
			}
		}
		servers := map[string]bool{}
		for _, s := range u.Servers {
			promise(!servers[s.Name] && backendAddress(s.Address) == nil, "servers have names and addresses")
			promise(s.Weight >= 1 && s.Weight <= 65535 && s.MaxConnections >= 0 && s.Priority >= 0 && s.Priority <= lb.MaxPriority, "servers have weights and limits")
			servers[s.Name] = true
		}
		if k := u.Health.Check; k != nil {
			promise(slices.Contains([]string{"http", "tcp", "grpc"}, k.Type), "the check is known")
			promise(k.Timeout > 0 && k.Timeout <= k.Interval && k.Rise > 0 && k.Fall > 0, "a check ends before the next")
			promise((k.Type == "http") == (k.Path != "") && (k.Type == "http") == (len(k.Status) > 0), "an http check has a path and codes")
		}
		promise(u.Health.MaxStale > 0 && u.Health.PanicThreshold >= 0 && u.Health.PanicThreshold <= 100, "health is in range")
		j := u.Health.Ejection
		promise(j.BaseTime > 0 && j.BaseTime <= j.MaxTime && j.MaxPercent >= 0 && j.MaxPercent <= 100 && j.ConsecutiveFailures >= 0, "ejection is in range")
		promise(u.Retry.Max >= 0 && u.Retry.BudgetPercent >= 0 && u.Retry.BudgetPercent <= 100 && u.Retry.BudgetPerSecond >= 0, "retry is in range")
		for _, a := range u.Retry.On {
			promise(u.Retry.Max > 0 && (a.RetryAfter || a.GRPC > 0 || a.Status.From >= 400 && a.Status.To >= a.Status.From), "what is retried is a failure")
		}
		if h := u.Retry.Hedge; h != nil {
			promise(h.Percentile >= 50 && h.Percentile < 100 && h.Least > 0 && u.Retry.BudgetPercent+u.Retry.BudgetPerSecond > 0, "a hedge has a delay and a budget")
		}
		m := u.Timeouts
		promise(min(m.Connect, m.FirstByte, m.Idle, m.Client, m.Request, m.Tunnel, m.Header, m.KeepAlive) >= 0, "timeouts are not negative")
		l := u.Limits
		promise(min(l.MaxRequests, l.MaxConnections, l.MaxRequestsPerServer) >= 0 && min(l.MaxHeaderBytes, l.MaxHeaders, l.MaxRequestLine) > 0, "limits are in range")
		if r := l.RateLimit; r != nil {
			promise(u.Protocol == "http" && r.RequestsPerSecond > 0 && r.RequestsPerSecond <= 1e6 && r.Burst > 0, "a rate limit lets requests pass")
		}
		if k := l.CircuitBreaker; k != nil {
			promise(u.Protocol == "http" && k.FailurePercent > 0 && k.Window > 0 && k.MinRequests > 0 && k.OpenTime > 0 && k.TrialRequests > 0, "a circuit breaker closes again")
		}
		if a := l.Adaptive; a != nil {
			promise(u.Protocol == "http" && a.Min > 0 && a.Min <= a.Max && a.Tolerance >= 1, "adaptive concurrency has bounds")
		}
		for _, r := range []HeaderRules{u.Headers.Request, u.Headers.Response} {
			promise(headerValues(r.Set) == nil && headerValues(r.Add) == nil, "headers can be set")
			for _, name := range r.Remove {
				promise(headerName(name) == nil, "headers can be removed")
			}
		}
	}
	return broken
}
