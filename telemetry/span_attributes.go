package telemetry

import (
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/lb"
	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// spanName is the method, for a path has no end of values, and the upstream's
// name where that is wanted.
func (t *tracing) spanName(method int, upstream string) string {
	if method == otherMethod {
		return t.named("HTTP", upstream)
	}
	return t.named(methods[method], upstream)
}

func (t *tracing) named(name, upstream string) string {
	if t.byUpstream {
		name += " " + text(upstream)
	}
	return name
}

// shared is what the spans of an upstream's requests by one method have in
// common.
type shared struct {
	name           string
	server, client attributes // that they begin with
}

// shared is that of each method.
func (t *tracing) shared(upstream string) (all [len(methods)]shared) {
	for method, name := range methods {
		write := func(more attribute.Key, value string) attributes {
			r := record{limits: t.limits}
			r.string(semconv.HTTPRequestMethodKey, name)
			r.string(keyUpstream, upstream)
			r.string(more, value)
			return attributes{r.wire, r.given, r.dropped}
		}
		all[method] = shared{
			name:   t.spanName(method, upstream),
			server: write(semconv.URLSchemeKey, "http"),
			client: write(semconv.ServicePeerNameKey, upstream),
		}
	}
	return all
}

// exchange describes a request from the app.
func (s *record) exchange(x *exchange, r *message.Request) {
	s.all(x.shared[x.method].server)
	s.request(x.method, r)
	s.string(semconv.URLPathKey, view(r.Path()))
	if x.version != 0 { // it could not be understood
		s.string(semconv.NetworkProtocolVersionKey, versions[x.version])
	}
	if query := r.Query(); len(query) > 0 {
		s.string(semconv.URLQueryKey, redactQuery(view(query)))
	}
	s.server(view(r.Authority))
	if x.choosing != nil {
		s.string(keyStrategy, x.choosing.Choice(nil).Strategy)
	}
	if r.Peer.IsValid() { // a unix socket has none
		s.scratch = r.Peer.Addr().Unmap().AppendTo(s.scratch[:0])
		s.string(semconv.NetworkPeerAddressKey, view(s.scratch))
		s.string(semconv.ClientAddressKey, view(s.scratch))
		s.int(semconv.NetworkPeerPortKey, int(r.Peer.Port()))
	}
	if agent := r.Header.Get(message.UserAgent); len(agent) > 0 {
		s.string(semconv.UserAgentOriginalKey, view(agent))
	}
}

// attempt describes a try at a backend.
func (s *record) attempt(a *attempt, out *message.Request, server *lb.Server, number int, reason string) {
	s.all(a.shared[a.method].client)
	s.request(a.method, out)
	s.scratch = appendRedacted(s.scratch[:0], out)
	s.string(semconv.URLFullKey, view(s.scratch))
	s.server(view(out.Authority))
	if number > 0 {
		s.int(semconv.HTTPRequestResendCountKey, number)
		if reason != "" {
			s.string(keyRetryReason, reason)
		}
	}
	if a.choosing != nil {
		s.choice(a.choosing, server)
	}
	if server == nil {
		return
	}
	s.backend(server)
}

// backend tells of a server that was sent to.
func (s *record) backend(server *lb.Server) {
	s.string(keyBackend, server.ID)
	if server.Zone != "" {
		s.string(keyZone, server.Zone)
	}
	address, port := splitAddress(server.Address)
	s.string(semconv.NetworkPeerAddressKey, address)
	if port != 0 {
		s.int(semconv.NetworkPeerPortKey, port)
	}
}

// choice tells among what a backend was chosen.
func (s *record) choice(c Choosing, server *lb.Server) {
	choice := c.Choice(server)
	s.string(keyStrategy, choice.Strategy)
	s.int(keyCandidates, choice.Candidates)
	s.int(keyEjected, choice.Ejected)
	if choice.State != health.Unseen {
		s.string(keyBackendState, stateWord(choice.State))
	}
	if age := c.Age(); age > 0 {
		s.float(keyCatalogAge, age.Seconds())
	}
}

// request tells what the spans of a request and of its attempts share.
func (s *record) request(method int, r *message.Request) {
	if method == otherMethod && len(r.Method) > 0 {
		s.string(semconv.HTTPRequestMethodOriginalKey, view(r.Method))
	}
	if r.IsGRPC() {
		s.string(semconv.RPCSystemNameKey, semconv.RPCSystemNameGRPC.Value.AsString())
		s.string(semconv.RPCMethodKey, other)
		s.string(semconv.RPCMethodOriginalKey, strings.TrimPrefix(view(r.Path()), "/"))
	}
}

// server tells of the server that a Host header names.
func (s *record) server(host string) {
	if host == "" {
		return
	}
	address, port := splitAddress(host)
	s.string(semconv.ServerAddressKey, address)
	if port != 0 {
		s.int(semconv.ServerPortKey, port)
	}
}

// exchangeEnd tells how a request ended. A failure that a retry made good does
// not show in it.
func (s *record) exchangeEnd(r proxy.Result, f failure) {
	s.int(keyAttempts, r.Attempts)
	s.string(keyOutcome, outcomeOf(r, f))
	s.result(r, f)
}

// attemptEnd tells how an attempt ended.
func (s *record) attemptEnd(r proxy.Result, f failure) {
	if v := versionOf(r.Major, 1); v != 0 {
		s.string(semconv.NetworkProtocolVersionKey, versions[v])
	}
	s.result(r, f)
}

func (s *record) result(r proxy.Result, f failure) {
	if r.Status != 0 {
		s.int(semconv.HTTPResponseStatusCodeKey, r.Status)
	}
	if r.GRPC >= 0 {
		s.string(keyGRPCStatus, grpcStatus(r.GRPC))
	}
	if f != noFailure {
		s.string(semconv.ErrorTypeKey, f.errorType(r.Status))
	}
}

// splitAddress takes host:port, a host alone, or a path of a unix socket
// apart. The port is 0 where there is none.
func splitAddress(s string) (address string, port int) {
	if path, ok := strings.CutPrefix(s, "unix://"); ok {
		return path, 0
	}
	host, digits := s, ""
	if end := strings.IndexByte(s, ']'); end > 0 && s[0] == '[' {
		host, digits = s[1:end], strings.TrimPrefix(s[end+1:], ":")
	} else if strings.Count(s, ":") == 1 { // an IPv6 address has more
		host, digits, _ = strings.Cut(s, ":")
	}
	if digits != "" {
		if n, err := strconv.ParseUint(digits, 10, 16); err == nil {
			port = int(n)
		}
	}
	return host, port
}
