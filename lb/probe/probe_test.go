package probe

import (
	"context"
	"encoding/binary"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	grpchealth "google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

func probe(t *testing.T, p health.Prober, target health.Target) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return p.Probe(ctx, target)
}

// refused is an address where nothing listens.
func refused(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestHTTPProbe(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/moved":
			http.Redirect(w, r, "/health", http.StatusFound)
		case r.URL.Path == "/host" && r.Host == "app.internal":
		case r.URL.Path == "/health":
			_, _ = w.Write([]byte("fine\n" + strings.Repeat("x", 1000)))
		default:
			http.Error(w, "broken", http.StatusInternalServerError)
		}
	})
	server := httptest.NewServer(handler)
	defer server.Close()
	address := server.Listener.Addr().String()

	socket := filepath.Join(t.TempDir(), "app.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	unix := &http.Server{Handler: handler}
	go func() { _ = unix.Serve(l) }()
	defer unix.Close()

	only204 := func(status int) bool { return status == 204 }
	for _, tt := range []struct {
		name   string
		probe  HTTP
		target health.Target
		good   bool
		says   string
	}{
		{"default path", HTTP{}, health.Target{Address: address}, true, "200 OK fine"},
		{"unix socket", HTTP{}, health.Target{Address: "unix://" + socket}, true, "200 OK"},
		{"own path", HTTP{Path: "/broken"}, health.Target{Address: address}, false, "500 Internal Server Error broken"},
		{"the target's path wins", HTTP{Path: "/broken"}, health.Target{Address: address, Path: "/health"}, true, "200"},
		{"a redirect is an answer", HTTP{Path: "/moved"}, health.Target{Address: address}, true, "302"},
		{"host header", HTTP{Path: "/host", Host: "app.internal"}, health.Target{Address: address}, true, "200"},
		{"no host header", HTTP{Path: "/host"}, health.Target{Address: address}, false, "500"},
		{"other status wanted", HTTP{Expect: only204}, health.Target{Address: address}, false, "200"},
		{"refused", HTTP{}, health.Target{Address: refused(t)}, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			output, err := probe(t, tt.probe, tt.target)
			if (err == nil) != tt.good || !strings.HasPrefix(output, tt.says) {
				t.Errorf("output %q, error %v", output, err)
			}
			if len(output) > outputLimit+64 {
				t.Errorf("%d bytes of output kept", len(output))
			}
		})
	}
}

func TestTCPProbe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := probe(t, TCP{}, health.Target{Address: l.Addr().String()}); err != nil {
		t.Error(err)
	}
	if _, err := probe(t, TCP{}, health.Target{Address: refused(t)}); err == nil {
		t.Error("nothing listens, but the probe passes")
	}
}

// The real implementation is asked, so that our hand-made messages are right.
func TestGRPCProbe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	state, server := grpchealth.NewServer(), grpc.NewServer()
	healthpb.RegisterHealthServer(server, state)
	go func() { _ = server.Serve(l) }()
	defer server.Stop()
	state.SetServingStatus("good", healthpb.HealthCheckResponse_SERVING)
	state.SetServingStatus("bad", healthpb.HealthCheckResponse_NOT_SERVING)
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	for _, tt := range []struct {
		name, service, address string
		good                   bool
		says                   string
	}{
		{"the whole server", "", l.Addr().String(), true, "SERVING"},
		{"a service", "good", l.Addr().String(), true, "SERVING"},
		{"one that is not serving", "bad", l.Addr().String(), false, "NOT_SERVING"},
		{"an unknown one", "nope", l.Addr().String(), false, "grpc-status 5"},
		{"refused", "", refused(t), false, "refused"},
		{"not gRPC", "", plain.Listener.Addr().String(), false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			output, err := probe(t, GRPC{Service: tt.service}, health.Target{Address: tt.address})
			if err != nil {
				output += " " + err.Error()
			}
			if (err == nil) != tt.good || !strings.Contains(output, tt.says) {
				t.Errorf("output %q, error %v", output, err)
			}
		})
	}
}

func FuzzServingStatus(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 2, 8, 1})
	f.Add([]byte{0, 0, 0, 0, 0})
	f.Add([]byte{0, 0, 0, 0, 6, 18, 2, 1, 1, 8, 2})
	f.Fuzz(func(t *testing.T, body []byte) {
		status, err := servingStatus(body)
		if (status == "") == (err == nil) {
			t.Errorf("status %q, error %v", status, err)
		}
		if err == nil && int(binary.BigEndian.Uint32(body[1:5])) != len(body)-5 {
			t.Error("a wrong length was accepted")
		}
	})
}
