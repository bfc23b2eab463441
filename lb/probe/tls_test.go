package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	grpchealth "google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// What is probed over TLS has to get through the handshake, and is then asked
// as in the clear.
func TestProbesOverTLS(t *testing.T) {
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || r.ProtoMajor != 1 || r.Host != "app.internal" {
			http.Error(w, "not as it should be", http.StatusInternalServerError)
		}
	}))
	web.EnableHTTP2 = true
	web.Config.ErrorLog = log.New(io.Discard, "", 0)
	web.StartTLS()
	defer web.Close()

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	rpc := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: web.TLS.Certificates})))
	healthpb.RegisterHealthServer(rpc, grpchealth.NewServer())
	go func() { _ = rpc.Serve(l) }()
	defer rpc.Stop()

	var protocols atomic.Value
	handshake := func(ctx context.Context, conn net.Conn, address, protocol string) (net.Conn, error) {
		protocols.Store(protocol)
		c := &tls.Config{InsecureSkipVerify: true}
		if protocol != "" {
			c.NextProtos = []string{protocol}
		}
		secured := tls.Client(conn, c)
		if err := secured.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, err
		}
		return secured, nil
	}
	broken := func(_ context.Context, conn net.Conn, address, _ string) (net.Conn, error) {
		conn.Close()
		return nil, errors.New("no trust in " + address)
	}
	at := web.Listener.Addr().String()
	for _, tt := range []struct {
		name, address, protocol, says string
		probe, distrusting            health.Prober
	}{
		{"http", at, "http/1.1", "200 OK", HTTP{Host: "app.internal", Handshake: handshake}, HTTP{Host: "app.internal", Handshake: broken}},
		{"tcp", at, "", "connected, and the handshake succeeded", TCP{Handshake: handshake}, TCP{Handshake: broken}},
		{"grpc", l.Addr().String(), "h2", "SERVING", GRPC{Handshake: handshake}, GRPC{Handshake: broken}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			output, err := probe(t, tt.probe, health.Target{Address: tt.address})
			if err != nil || !strings.HasPrefix(output, tt.says) || protocols.Load() != tt.protocol {
				t.Errorf("output %q, error %v, protocol %q", output, err, protocols.Load())
			}
			_, err = probe(t, tt.distrusting, health.Target{Address: tt.address})
			if err == nil || !strings.Contains(err.Error(), "no trust in "+tt.address) {
				t.Errorf("error %v", err)
			}
		})
	}
}
