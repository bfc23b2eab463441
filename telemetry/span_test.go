package telemetry

import (
	"errors"
	"maps"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/lb"
	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// stub finds the n-th ended span of a kind, from 0.
func stub(t testing.TB, spans tracetest.SpanStubs, kind trace.SpanKind, n int) tracetest.SpanStub {
	t.Helper()
	for _, s := range spans {
		if s.SpanKind == kind {
			if n == 0 {
				return s
			}
			n--
		}
	}
	t.Fatalf("too few spans of kind %v in %v", kind, spans)
	return tracetest.SpanStub{}
}

// attributesOf are a span's, with its name and status beside them.
func attributesOf(s tracetest.SpanStub) map[string]string {
	m := map[string]string{"name": s.Name, "status": s.Status.Code.String()}
	for _, kv := range s.Attributes {
		m[string(kv.Key)] = kv.Value.String()
	}
	return m
}

// same compares attributes and names what differs.
func same(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for key := range maps.Keys(want) {
		if got[key] != want[key] {
			t.Errorf("%s: %s is %q, not %q", what, key, got[key], want[key])
		}
	}
	for key := range maps.Keys(got) {
		if _, ok := want[key]; !ok {
			t.Errorf("%s: %s is %q and should not be there", what, key, got[key])
		}
	}
}

func TestSpans(t *testing.T) {
	rig := newRig(t, trusting())
	r := request("GET", "http://pay.local:9001/orders/a%2Fb?x=1&sig=secret", "User-Agent", "app/1")
	r.Peer = netip.MustParseAddrPort("[::ffff:127.0.0.1]:5123")
	b := lb.New(lb.Random(), lb.WithHealth(lb.Health{Ejection: health.Ejection{Failures: 1, Base: time.Minute, Max: time.Hour, MaxShare: 0.5}}))
	for _, id := range []string{"a", "b", "c"} {
		if err := b.Add(lb.Server{ID: id, Address: "10.0.0.7:8080", Zone: "z1"}); err != nil {
			t.Fatal(err)
		}
	}
	lease, err := b.Select("", "a", "b")
	if err != nil {
		t.Fatal(err)
	}
	lease.Fail(errors.New("it broke"))
	lease.Release()
	if lease, err = b.Select("", "b"); err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	x := rig.Observer("payments", choosing{b, 1500 * time.Millisecond}).Begin(r)
	x.Attempt(attempted(r), lease.Server(), 0, "").End(good)
	ended := good
	ended.Attempts = 1
	x.End(ended)
	spans := rig.spans.GetSpans()
	same(t, "server", attributesOf(stub(t, spans, trace.SpanKindServer, 0)), map[string]string{
		"name": "GET", "status": "Unset",
		"http.request.method": "GET", "url.scheme": "http", "url.path": "/orders/a%2Fb", "url.query": "x=1&sig=REDACTED",
		"server.address": "pay.local", "server.port": "9001", "network.protocol.version": "1.1",
		"network.peer.address": "127.0.0.1", "network.peer.port": "5123", "client.address": "127.0.0.1",
		"user_agent.original": "app/1", "http.response.status_code": "200",
		"outrigger.upstream.name": "payments", "outrigger.strategy": "random",
		"outrigger.attempts": "1", "outrigger.outcome": "ok",
	})
	same(t, "client", attributesOf(stub(t, spans, trace.SpanKindClient, 0)), map[string]string{
		"name": "GET", "status": "Unset",
		"http.request.method": "GET", "url.full": "http://pay.local:9001/orders/a%2Fb?x=1&sig=REDACTED",
		"server.address": "pay.local", "server.port": "9001", "network.protocol.version": "1.1",
		"network.peer.address": "10.0.0.7", "network.peer.port": "8080", "http.response.status_code": "200",
		"service.peer.name": "payments", "outrigger.upstream.name": "payments", "outrigger.strategy": "random",
		"outrigger.backend.id": "a", "outrigger.backend.zone": "z1", "outrigger.backend.state": "healthy",
		"outrigger.candidates": "2", "outrigger.ejected": "1", "outrigger.catalog.age": "1.5",
	})
}

// What a client makes up must not get into names, nor break an export.
func TestSpanOfAnOddRequest(t *testing.T) {
	rig := newRig(t, trusting())
	r := request("GET", "http://web.local/")
	r.Method, r.Authority, r.Minor = []byte("BREW\xff"), nil, 0
	r.Header.Set(message.UserAgent, strings.Repeat("é", textLimit))
	r.Target = []byte("/?q=\xfe")
	x := rig.Observer("web", nil).Begin(r)
	x.Attempt(attempted(r), &lb.Server{ID: "s", Address: "unix:///run/s.sock"}, 0, "").End(good)
	x.End(good)
	spans := rig.spans.GetSpans()
	server, client := attributesOf(stub(t, spans, trace.SpanKindServer, 0)), attributesOf(stub(t, spans, trace.SpanKindClient, 0))
	if server["name"] != "HTTP" || server["http.request.method"] != "_OTHER" || server["http.request.method_original"] != "BREW\uFFFD" {
		t.Errorf("method: %v", server)
	}
	if n := len(server["user_agent.original"]); n > textLimit || n < textLimit-4 || !strings.HasSuffix(server["user_agent.original"], "é") {
		t.Errorf("a user agent of %d bytes", n)
	}
	if server["url.query"] != "q=\uFFFD" || server["network.protocol.version"] != "1.0" || server["server.address"] != "" || server["client.address"] != "" {
		t.Errorf("%v", server)
	}
	if client["network.peer.address"] != "/run/s.sock" || client["network.peer.port"] != "" {
		t.Errorf("%v", client)
	}
}

// Of what came in instead of a request there may be nothing to tell.
func TestSpanOfNoRequest(t *testing.T) {
	rig := newRig(t, trusting())
	x := rig.Observer("web", nil).Begin(new(message.Request))
	x.End(proxy.Result{Status: 400, Major: 1, GRPC: -1, Error: string(proxy.BadRequest)})
	same(t, "server", attributesOf(stub(t, rig.spans.GetSpans(), trace.SpanKindServer, 0)), map[string]string{
		"name": "HTTP", "status": "Unset", "http.request.method": "_OTHER", "url.scheme": "http", "url.path": "",
		"http.response.status_code": "400", "outrigger.upstream.name": "web", "outrigger.attempts": "0", "outrigger.outcome": "ok",
	})
	if points := histogram(t, rig.collect(t), httpServerDuration); len(points) != 1 || points[0]["network.protocol.version"] != "" || points[0]["http.request.method"] != "_OTHER" {
		t.Errorf("%v", points)
	}
}

func TestSplitAddress(t *testing.T) {
	for s, want := range map[string]struct {
		address string
		port    int
	}{
		"web.local": {"web.local", 0}, "web.local:80": {"web.local", 80}, "web.local:": {"web.local", 0},
		"10.0.0.7:65535": {"10.0.0.7", 65535}, "10.0.0.7:65536": {"10.0.0.7", 0}, "web:http": {"web", 0},
		"[::1]:80": {"::1", 80}, "[::1]": {"::1", 0}, "::1": {"::1", 0}, ":80": {"", 80},
		"unix:///run/s.sock": {"/run/s.sock", 0}, "": {"", 0}, "[": {"[", 0}, "]": {"]", 0},
	} {
		if address, port := splitAddress(s); address != want.address || port != want.port {
			t.Errorf("%q: %q and %d", s, address, port)
		}
	}
}

// One kind of end: what the spans and the duration metrics say of it.
func TestEnds(t *testing.T) {
	for name, test := range map[string]struct {
		proxy.Result
		attempt, exchange string // status and error.type, such as "Error 503"
		outcome           string
		grpc              string
	}{
		"ok":                     {Result: proxy.Result{Status: 204, Major: 2, GRPC: -1}, attempt: "Unset ", exchange: "Unset ", outcome: "ok"},
		"not found":              {Result: proxy.Result{Status: 404, Major: 1, GRPC: -1}, attempt: "Error 404", exchange: "Unset ", outcome: "ok"},
		"backend's 503":          {Result: proxy.Result{Status: 503, Major: 1, GRPC: -1}, attempt: "Error 503", exchange: "Error 503", outcome: "failed"},
		"refused":                {Result: proxy.Result{Status: 502, GRPC: -1, Error: "connect_refused"}, attempt: "Error connect_refused", exchange: "Error connect_refused", outcome: "failed"},
		"broke after the head":   {Result: proxy.Result{Status: 200, Major: 1, GRPC: -1, Error: "reset"}, attempt: "Error reset", exchange: "Error reset", outcome: "failed"},
		"unheard-of kind":        {Result: proxy.Result{GRPC: -1, Error: "x\xff"}, attempt: "Error _OTHER", exchange: "Error _OTHER", outcome: "failed"},
		"client's mistake":       {Result: proxy.Result{Status: 400, GRPC: -1, Error: "bad_request"}, attempt: "Error bad_request", exchange: "Unset ", outcome: "ok"},
		"unknown transfer":       {Result: proxy.Result{Status: 501, GRPC: -1, Error: "bad_request"}, attempt: "Error bad_request", exchange: "Error bad_request", outcome: "failed"},
		"cancelled":              {Result: proxy.Result{GRPC: -1, Cancelled: true}, attempt: "Unset ", exchange: "Unset ", outcome: "client_cancelled"},
		"cancelled after a 500":  {Result: proxy.Result{Status: 500, GRPC: -1, Cancelled: true}, attempt: "Unset ", exchange: "Unset ", outcome: "client_cancelled"},
		"cancelled, with a kind": {Result: proxy.Result{GRPC: -1, Cancelled: true, Error: "reset"}, attempt: "Unset ", exchange: "Unset ", outcome: "client_cancelled"},
		"gRPC ok":                {Result: proxy.Result{Status: 200, Major: 2, GRPC: 0}, attempt: "Unset ", exchange: "Unset ", outcome: "ok", grpc: "OK"},
		"gRPC not found":         {Result: proxy.Result{Status: 200, Major: 2, GRPC: 5}, attempt: "Error NOT_FOUND", exchange: "Unset ", outcome: "ok", grpc: "NOT_FOUND"},
		"gRPC unavailable":       {Result: proxy.Result{Status: 200, Major: 2, GRPC: 14}, attempt: "Error UNAVAILABLE", exchange: "Error UNAVAILABLE", outcome: "failed", grpc: "UNAVAILABLE"},
		"gRPC of the future":     {Result: proxy.Result{Status: 200, Major: 2, GRPC: 99}, attempt: "Error _OTHER", exchange: "Error _OTHER", outcome: "failed", grpc: "99"},
		"gRPC at capacity":       {Result: proxy.Result{Status: 200, Major: 2, GRPC: 8, Error: "queue_full"}, attempt: "Error queue_full", exchange: "Error queue_full", outcome: "failed", grpc: "RESOURCE_EXHAUSTED"},
	} {
		t.Run(name, func(t *testing.T) {
			rig := newRig(t, trusting())
			carry(rig.Observer("web", nil), request("POST", "http://web.local/"), test.Result)
			spans := rig.spans.GetSpans()
			metrics := rig.collect(t)
			for _, side := range []struct {
				kind   trace.SpanKind
				metric string
				want   string
			}{{trace.SpanKindClient, httpClientDuration, test.attempt}, {trace.SpanKindServer, httpServerDuration, test.exchange}} {
				got := attributesOf(stub(t, spans, side.kind, 0))
				if s := got["status"] + " " + got["error.type"]; s != side.want {
					t.Errorf("%v: %s, not %s", side.kind, s, side.want)
				}
				if got["rpc.response.status_code"] != test.grpc {
					t.Errorf("%v: gRPC status %q", side.kind, got["rpc.response.status_code"])
				}
				points := histogram(t, metrics, side.metric)
				if len(points) != 1 {
					t.Fatalf("%s: %d series", side.metric, len(points))
				}
				for _, p := range points {
					if p["error.type"] != got["error.type"] {
						t.Errorf("%s: error.type %q, on the span %q", side.metric, p["error.type"], got["error.type"])
					}
				}
			}
			if got := attributesOf(stub(t, spans, trace.SpanKindServer, 0)); got["outrigger.outcome"] != test.outcome {
				t.Errorf("outcome %q", got["outrigger.outcome"])
			}
		})
	}
}

func TestRetriesAreSiblings(t *testing.T) {
	rig := newRig(t, trusting())
	r := request("GET", "http://web.local/", "traceparent", sampledParent)
	x := rig.Observer("web", nil).Begin(r)
	var seen []string
	for n, reason := range []string{"", "connect_refused", "hedge"} {
		out := attempted(r)
		a := x.Attempt(out, &lb.Server{ID: "s" + reason, Address: "10.0.0.1:80"}, n, reason)
		seen = append(seen, string(out.Header.Get(message.Traceparent)))
		result := proxy.Result{GRPC: -1, Error: "reset"}
		if n == 2 {
			result = good
		}
		a.End(result)
	}
	x.End(proxy.Result{Status: 200, Major: 1, GRPC: -1, Attempts: 3})
	spans := rig.spans.GetSpans()
	server := stub(t, spans, trace.SpanKindServer, 0)
	if got := attributesOf(server); got["status"] != "Unset" || got["error.type"] != "" || got["outrigger.attempts"] != "3" {
		t.Errorf("a handled retry shows in the request: %v", got)
	}
	for n, want := range []struct{ count, reason string }{{"", ""}, {"1", "connect_refused"}, {"2", "hedge"}} {
		s := stub(t, spans, trace.SpanKindClient, n)
		got := attributesOf(s)
		if got["http.request.resend_count"] != want.count || got["outrigger.retry.reason"] != want.reason {
			t.Errorf("attempt %d: %v", n, got)
		}
		if s.Parent.SpanID() != server.SpanContext.SpanID() {
			t.Errorf("attempt %d is no sibling", n)
		}
		if p, _ := parseTraceparent([]byte(seen[n])); p.span != s.SpanContext.SpanID() {
			t.Errorf("attempt %d carried %s", n, seen[n])
		}
	}
	if got := sums(t, rig.with(Upstream{Name: "web", Protocol: "http", Meter: new(proxy.Meter)}).collect(t), retries); got["reason=connect_refused,outrigger.upstream.name=web"] != 1 || got["reason=hedge,outrigger.upstream.name=web"] != 1 {
		t.Errorf("retries: %v", got)
	}
}

// Attempts may overlap.
func TestAttemptsAtOnce(t *testing.T) {
	rig := newRig(t, trusting())
	r := request("GET", "http://web.local/")
	x := rig.Observer("web", nil).Begin(r)
	first := x.Attempt(attempted(r), backendA, 0, "")
	second := x.Attempt(attempted(r), &lb.Server{ID: "b", Address: "10.0.0.8:80"}, 1, "")
	first.End(good)
	second.End(good)
	x.End(good)
	for n, id := range []string{"a", "b"} {
		if got := attributesOf(stub(t, rig.spans.GetSpans(), trace.SpanKindClient, n)); got["outrigger.backend.id"] != id {
			t.Errorf("attempt %d: %v", n, got)
		}
	}
}

func TestGRPCAttributes(t *testing.T) {
	rig := newRig(t, trusting())
	r := request("POST", "http://web.local/pkg.Service/Do", "Content-Type", "application/grpc+proto")
	r.Major, r.Minor = 2, 0
	carry(rig.Observer("web", nil), r, proxy.Result{Status: 200, Major: 2, GRPC: 0})
	for _, s := range rig.spans.GetSpans() {
		got := attributesOf(s)
		for key, want := range map[string]string{
			"name": "POST", "rpc.system.name": "grpc", "rpc.method": "_OTHER", "rpc.method_original": "pkg.Service/Do",
			"rpc.response.status_code": "OK", "network.protocol.version": "2",
		} {
			if got[key] != want {
				t.Errorf("%v: %s is %q", s.SpanKind, key, got[key])
			}
		}
	}
}
