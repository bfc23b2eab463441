package telemetry

import (
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/lb"
	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// span is one under way, with the attributes to give it in the end, all in one
// go, since the SDK makes room for each lot anew. It copies them, so that the
// list can be used for the next span. The zero value is none.
type span struct {
	trace.Span
	attrs []attribute.KeyValue
}

func (s *span) recorded() bool { return s.Span != nil }

// forget makes s none again, and keeps the room for attributes, but nothing
// that they said.
func (s *span) forget() {
	clear(s.attrs)
	s.Span, s.attrs = nil, s.attrs[:0]
}

// spanName is the method, for a path has no end of values.
func spanName(method int) string {
	if method == otherMethod {
		return "HTTP"
	}
	return methods[method]
}

// appendExchange describes a request from the app.
func appendExchange(attrs []attribute.KeyValue, x *exchange, r *message.Request) []attribute.KeyValue {
	attrs = appendRequest(attrs, x.observer, x.method, r)
	attrs = append(attrs,
		semconv.URLScheme("http"),
		semconv.URLPath(text(string(r.Path()))),
	)
	if x.version != 0 { // it could not be understood
		attrs = append(attrs, semconv.NetworkProtocolVersion(versions[x.version]))
	}
	if query := r.Query(); len(query) > 0 {
		attrs = append(attrs, semconv.URLQuery(text(redactQuery(string(query)))))
	}
	attrs = appendServer(attrs, string(r.Authority))
	if x.choosing != nil {
		attrs = append(attrs, keyStrategy.String(x.choosing.Choice(nil).Strategy))
	}
	if r.Peer.IsValid() { // a unix socket has none
		address := r.Peer.Addr().Unmap().String()
		attrs = append(attrs, semconv.NetworkPeerAddress(address), semconv.ClientAddress(address), semconv.NetworkPeerPort(int(r.Peer.Port())))
	}
	if agent := r.Header.Get(message.UserAgent); len(agent) > 0 {
		attrs = append(attrs, semconv.UserAgentOriginal(text(string(agent))))
	}
	return attrs
}

// appendAttempt describes a try at a backend.
func appendAttempt(attrs []attribute.KeyValue, a *attempt, out *message.Request, server *lb.Server, number int, reason string) []attribute.KeyValue {
	attrs = appendRequest(attrs, a.observer, a.method, out)
	attrs = append(attrs,
		semconv.URLFull(text(redactURL(out))),
		semconv.ServicePeerName(text(a.upstream.name)),
	)
	attrs = appendServer(attrs, string(out.Authority))
	if number > 0 {
		attrs = append(attrs, semconv.HTTPRequestResendCount(number))
		if reason != "" {
			attrs = append(attrs, keyRetryReason.String(text(reason)))
		}
	}
	if a.choosing != nil {
		attrs = appendChoice(attrs, a.choosing, server)
	}
	if server == nil {
		return attrs
	}
	attrs = append(attrs, keyBackend.String(text(server.ID)))
	if server.Zone != "" {
		attrs = append(attrs, keyZone.String(text(server.Zone)))
	}
	address, port := splitAddress(server.Address)
	attrs = append(attrs, semconv.NetworkPeerAddress(text(address)))
	if port != 0 {
		attrs = append(attrs, semconv.NetworkPeerPort(port))
	}
	return attrs
}

// appendChoice adds among what a backend was chosen.
func appendChoice(attrs []attribute.KeyValue, c Choosing, server *lb.Server) []attribute.KeyValue {
	choice := c.Choice(server)
	attrs = append(attrs, keyStrategy.String(choice.Strategy), keyCandidates.Int(choice.Candidates), keyEjected.Int(choice.Ejected))
	if choice.State != health.Unseen {
		attrs = append(attrs, keyBackendState.String(stateWord(choice.State)))
	}
	if age := c.Age(); age > 0 {
		attrs = append(attrs, keyCatalogAge.Float64(age.Seconds()))
	}
	return attrs
}

// appendRequest adds what the spans of a request and of its attempts share.
func appendRequest(attrs []attribute.KeyValue, o *observer, method int, r *message.Request) []attribute.KeyValue {
	attrs = append(attrs, semconv.HTTPRequestMethodKey.String(methods[method]), keyUpstream.String(text(o.upstream.name)))
	if method == otherMethod && len(r.Method) > 0 {
		attrs = append(attrs, semconv.HTTPRequestMethodOriginal(text(string(r.Method))))
	}
	if r.IsGRPC() {
		attrs = append(attrs, semconv.RPCSystemNameGRPC, semconv.RPCMethod(other),
			semconv.RPCMethodOriginal(text(strings.TrimPrefix(string(r.Path()), "/"))))
	}
	return attrs
}

// appendServer adds the server that a Host header names.
func appendServer(attrs []attribute.KeyValue, host string) []attribute.KeyValue {
	if host == "" {
		return attrs
	}
	address, port := splitAddress(host)
	attrs = append(attrs, semconv.ServerAddress(text(address)))
	if port != 0 {
		attrs = append(attrs, semconv.ServerPort(port))
	}
	return attrs
}

// endExchange ends a request's span. A failure that a retry made good does not
// show in it.
func (s *span) endExchange(r proxy.Result, f failure) {
	s.attrs = append(s.attrs, keyAttempts.Int(r.Attempts), keyOutcome.String(outcomeOf(r, f)))
	s.end(r, f)
}

// endAttempt ends an attempt's span.
func (s *span) endAttempt(r proxy.Result, f failure) {
	if v := versionOf(r.Major, 1); v != 0 {
		s.attrs = append(s.attrs, semconv.NetworkProtocolVersion(versions[v]))
	}
	s.end(r, f)
}

func (s *span) end(r proxy.Result, f failure) {
	if r.Status != 0 {
		s.attrs = append(s.attrs, semconv.HTTPResponseStatusCode(r.Status))
	}
	if r.GRPC >= 0 {
		s.attrs = append(s.attrs, keyGRPCStatus.String(grpcStatus(r.GRPC)))
	}
	if f != noFailure {
		s.attrs = append(s.attrs, semconv.ErrorTypeKey.String(f.errorType(r.Status)))
		s.SetStatus(codes.Error, "") // error.type says what
	}
	s.SetAttributes(s.attrs...)
	s.End()
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
