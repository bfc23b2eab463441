package agent

import (
	"io"
	"net"
	"net/http"
	"testing"
)

// backendServer answers with its name, and can be stopped like a process that
// was killed, and started again at the same address.
type backendServer struct {
	name, address string
	server        *http.Server
}

func startBackend(t testing.TB, name string) *backendServer {
	t.Helper()
	b := &backendServer{name: name, address: "127.0.0.1:0"}
	b.start(t)
	t.Cleanup(b.stop)
	return b
}

func (b *backendServer) start(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", b.address)
	if err != nil {
		t.Fatal(err)
	}
	b.address = l.Addr().String()
	b.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, b.name)
	})}
	server := b.server
	go func() { _ = server.Serve(l) }()
}

// stop closes the listener and all connections, whatever goes on there.
func (b *backendServer) stop() { _ = b.server.Close() }
