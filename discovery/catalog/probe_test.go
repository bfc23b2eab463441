package catalog_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/outrigger-sidecar/outrigger/discovery/catalog"
)

// target is what the probes are pointed at.
func target(t *testing.T) *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("/code/{code}", func(w http.ResponseWriter, r *http.Request) {
		var code int
		fmt.Sscan(r.PathValue("code"), &code)
		w.WriteHeader(code)
		fmt.Fprint(w, "body")
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %q %q %s", r.Method, r.Host, r.Header["X-A"], r.UserAgent(), body)
	})
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/code/200", http.StatusFound)
	})
	mux.HandleFunc("/long", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, strings.Repeat("x", 9000)) })
	mux.HandleFunc("/never", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

// grpcTarget serves grpc.health.v1 for the services up, down and "".
func grpcTarget(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	states := health.NewServer()
	states.SetServingStatus("up", healthpb.HealthCheckResponse_SERVING)
	states.SetServingStatus("down", healthpb.HealthCheckResponse_NOT_SERVING)
	server := grpc.NewServer()
	healthpb.RegisterHealthServer(server, states)
	ended := make(chan error)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// The texts are those of Consul 1.21.4 for the same targets.
func TestProbes(t *testing.T) {
	server := target(t)
	url, tcp, rpc := server.URL, server.Listener.Addr().String(), grpcTarget(t)
	tests := []struct{ definition, status, output string }{
		{`"HTTP": "` + url + `/code/200"`, "passing", "HTTP GET " + url + "/code/200: 200 OK Output: body"},
		{`"HTTP": "` + url + `/code/201"`, "passing", "HTTP GET " + url + "/code/201: 201 Created Output: body"},
		{`"HTTP": "` + url + `/code/429"`, "warning", "HTTP GET " + url + "/code/429: 429 Too Many Requests Output: body"},
		{`"HTTP": "` + url + `/code/404"`, "critical", "HTTP GET " + url + "/code/404: 404 Not Found Output: body"},
		{`"HTTP": "` + url + `/code/500"`, "critical", "HTTP GET " + url + "/code/500: 500 Internal Server Error Output: body"},
		{`"HTTP": "` + url + `/away"`, "passing", "HTTP GET " + url + "/away: 200 OK Output: body"},
		{`"HTTP": "` + url + `/away", "DisableRedirects": true`, "critical", "HTTP GET " + url + "/away: 302 Found Output: <a href=\"/code/200\">Found</a>.\n\n"},
		{`"HTTP": "` + url + `/echo", "Method": "POST", "Body": "hi", "Header": {"X-A": ["1", "2"], "Host": ["h.example"]}`, "passing",
			"HTTP POST " + url + `/echo: 200 OK Output: POST h.example ["1" "2"] "Consul Health Check" hi`},
		{`"HTTP": "` + url + `/long"`, "passing", "HTTP GET " + url + "/long: 200 OK Output: " + strings.Repeat("x", 4096)},
		{`"HTTP": "` + url + `/long", "OutputMaxSize": 3`, "passing", "HTTP GET " + url + "/long: 200 OK Output: xxx"},
		{`"HTTP": "` + url + `/never", "Timeout": "20ms"`, "critical", `Get "` + url + `/never": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`},
		{`"HTTP": "not a url"`, "critical", `Get "not%20a%20url": unsupported protocol scheme ""`},
		{`"HTTP": "http://127.0.0.1:1"`, "critical", `Get "http://127.0.0.1:1": dial tcp 127.0.0.1:1: connect: connection refused`},
		{`"HTTP": "https://` + tcp + `", "TLSSkipVerify": true`, "critical", `Get "https://` + tcp + `": http: server gave HTTP response to HTTPS client`},
		{`"TCP": "` + tcp + `"`, "passing", "TCP connect " + tcp + ": Success"},
		{`"TCP": "127.0.0.1:1"`, "critical", "dial tcp 127.0.0.1:1: connect: connection refused"},
		{`"TCP": "nowhere"`, "critical", "dial tcp: address nowhere: missing port in address"},
		{`"TCP": "` + tcp + `", "TCPUseTLS": true`, "critical", "tls: first record does not look like a TLS handshake"},
		{`"GRPC": "` + rpc + `"`, "passing", "gRPC check " + rpc + ": success"},
		{`"GRPC": "` + rpc + `/up"`, "passing", "gRPC check " + rpc + "/up: success"},
		{`"GRPC": "` + rpc + `/down"`, "critical", "gRPC " + rpc + "/down serving status: NOT_SERVING"},
		{`"GRPC": "` + rpc + `/nope"`, "critical", "rpc error: code = NotFound desc = unknown service"},
		{`"GRPC": "127.0.0.1:1"`, "critical", `rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:1: connect: connection refused"`},
	}
	c, _ := serve(t, catalog.Options{CheckUpdateInterval: -1})
	for i, test := range tests {
		must(t, c, "PUT", "/v1/agent/service/register",
			fmt.Sprintf(`{"Name": "s%d", "Check": {%s, "Interval": "1h", "Status": "warning"}}`, i, test.definition))
	}
	for i, test := range tests {
		// Every result changes the output, so a watch sees it.
		path, index := fmt.Sprintf("/v1/health/service/s%d", i), uint64(0)
		for {
			w := must(t, c, "GET", fmt.Sprintf("%s?index=%d&wait=10s", path, index), "")
			checks := instances(t, w)[0].Checks
			got := checks[len(checks)-1]
			if got.Output == "" && indexOf(t, w) > index {
				index = indexOf(t, w)
				continue
			}
			if got.Status != test.status || got.Output != test.output {
				t.Errorf("%s: %s %q, want %s %q", test.definition, got.Status, got.Output, test.status, test.output)
			}
			break
		}
	}
}

// What answers is no gRPC server at all.
func TestGRPCProbeOfStrangers(t *testing.T) {
	server := target(t)
	c, _ := serve(t, catalog.Options{CheckUpdateInterval: -1})
	must(t, c, "PUT", "/v1/agent/service/register",
		`{"Name": "web", "Check": {"GRPC": "`+server.Listener.Addr().String()+`", "Interval": "1h", "Timeout": "2s", "Status": "passing"}}`)
	index := indexOf(t, must(t, c, "GET", "/v1/health/service/web", ""))
	got := instances(t, must(t, c, "GET", fmt.Sprintf("/v1/health/service/web?index=%d&wait=10s&passing=false", index-1), ""))
	for got[0].Checks[1].Output == "" {
		got = instances(t, must(t, c, "GET", fmt.Sprintf("/v1/health/service/web?index=%d&wait=10s", index), ""))
	}
	if chk := got[0].Checks[1]; chk.Status != "critical" || !strings.HasPrefix(chk.Output, "rpc error: code = Unavailable") {
		t.Errorf("%+v", chk)
	}
}
