package floor

import (
	"context"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/outrigger-sidecar/outrigger/bench/backend"
	"github.com/outrigger-sidecar/outrigger/bench/load"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEveryKind(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b, err := backend.Listen()
	if err != nil {
		t.Fatal(err)
	}
	job := Job{HTTP: []string{free(t), free(t)}, H2C: free(t), TCP: free(t), Backends: []backend.Addresses{b.Addresses()}}
	ended := make(chan error, 2)
	go func() { b.Serve(ctx); ended <- nil }()
	go func() { ended <- Serve(ctx, job) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	for _, p := range []load.Plan{
		{Kind: load.HTTP, Targets: job.HTTP, Connections: 4, Answer: 1024, Posts: []int{1024}},
		{Kind: load.HTTP, Targets: job.HTTP, Connections: 1, Answer: 1 << 20},
		{Kind: load.Close, Targets: job.HTTP, Connections: 2, Answer: 1024},
		{Kind: load.TCP, Targets: []string{job.TCP}, Connections: 2, Ask: 1024, Answer: 1 << 20},
		{Kind: load.TCPClose, Targets: []string{job.TCP}, Connections: 2, Ask: 1024, Answer: 1024},
		{Kind: load.H2C, Targets: []string{job.H2C}, Connections: 2, Streams: 4},
	} {
		for _, target := range p.Targets {
			await(t, target)
		}
		p.Duration = 50 * time.Millisecond
		r, err := load.Run(t.Context(), p)
		if err != nil || r.Errors > 0 || r.Requests == 0 {
			t.Errorf("%s: %+v, %v", p.Kind, r, err)
		}
	}
}

func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := Serve(t.Context(), Job{HTTP: []string{free(t)}, H2C: l.Addr().String(), TCP: free(t)}); err == nil {
		t.Error("it serves on a port that is taken")
	}
}

func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// await waits until somebody listens.
func await(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
