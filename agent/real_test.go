package agent

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/outrigger-sidecar/outrigger/discovery/catalog"
)

// consuls runs a test against the embedded catalog, and against a real Consul
// where OUTRIGGER_TEST_CONSUL is the path of its program. Before either is a
// front that can die and misbehave, which neither can be made to do itself;
// behind it a real one goes on.
func consuls(t *testing.T, test func(t *testing.T, c *consulServer)) {
	t.Parallel()
	for name, start := range catalogs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start(t))
		})
	}
}

func catalogs() map[string]func(testing.TB) *consulServer {
	all := map[string]func(testing.TB) *consulServer{"embedded": startConsul}
	if program := os.Getenv("OUTRIGGER_TEST_CONSUL"); program != "" && !strings.HasPrefix(program, "http") {
		all["real"] = func(t testing.TB) *consulServer { return startReal(t, program) }
	}
	return all
}

// startReal starts a Consul, and a front before it.
func startReal(t testing.TB, program string) *consulServer {
	t.Helper()
	var ports []any
	var held []net.Listener // all at once, so that they differ
	for range 4 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		held, ports = append(held, l), append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	for _, l := range held {
		l.Close()
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, strings.Fields(fmt.Sprintf("agent -dev -node dev-node -bind 127.0.0.1 -client 127.0.0.1 -log-level error"+
		" -grpc-port -1 -grpc-tls-port -1 -dns-port -1 -http-port %d -server-port %d -serf-lan-port %d -serf-wan-port %d", ports...))...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // killed
	})
	target := &url.URL{Scheme: "http", Host: fmt.Sprint("127.0.0.1:", ports[0])}
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	t.Cleanup(transport.CloseIdleConnections)
	c := &consulServer{address: "127.0.0.1:0"}
	c.handler, c.faults = catalog.Faulty(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: transport, ErrorLog: log.New(io.Discard, "", 0),
	})
	c.start(t)
	t.Cleanup(c.stop)
	eventually(t, "Consul knows itself", func() bool {
		resp, body := get(t, "http://"+c.address+"/v1/health/service/consul?passing")
		return resp.StatusCode == 200 && strings.Contains(body, "serfHealth")
	})
	return c
}
