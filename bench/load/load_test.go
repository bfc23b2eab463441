package load

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/outrigger-sidecar/outrigger/bench/backend"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func backends(t *testing.T, n int) (all []backend.Addresses) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{}, n)
	for range n {
		b, err := backend.Listen()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b.Addresses())
		go func() { b.Serve(ctx); done <- struct{}{} }()
	}
	t.Cleanup(func() {
		cancel()
		for range n {
			<-done
		}
	})
	return all
}

const short = 50 * time.Millisecond

func TestEveryKind(t *testing.T) {
	both := backends(t, 2)
	for _, p := range []Plan{
		{Kind: HTTP, Connections: 3, Answer: 1024},
		{Kind: HTTP, Connections: 3, Answer: 1 << 20},
		{Kind: HTTP, Connections: 3, Answer: 1024, Posts: []int{1024, 100, 16 << 10}},
		{Kind: HTTP, Connections: 2, Answer: 10, Posts: []int{1 << 20}}, // more than is sent at once
		{Kind: Close, Connections: 3, Answer: 1024},
		{Kind: TCP, Connections: 3, Ask: 1024, Answer: 1024},
		{Kind: TCP, Connections: 2, Ask: 8, Answer: 1 << 20},
		{Kind: TCPClose, Connections: 3, Ask: 1024, Answer: 1024},
		{Kind: H2C, Connections: 2, Streams: 4},
		{Kind: Idle, Connections: 100, Answer: 1024},
		{Kind: TCPIdle, Connections: 100, Ask: 1024, Answer: 1024},
	} {
		t.Run(string(p.Kind), func(t *testing.T) {
			for _, b := range both {
				switch p.Kind {
				case TCP, TCPClose, TCPIdle:
					p.Targets = append(p.Targets, b.TCP)
				case H2C:
					p.Targets = append(p.Targets, b.H2C)
				default:
					p.Targets = append(p.Targets, b.HTTP)
				}
			}
			p.Warmup, p.Duration, p.PID = short/2, short, os.Getpid()
			r, err := Run(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			if r.Requests == 0 || r.Errors > 0 || r.Error != "" || r.P50 <= 0 || r.P99 < r.P50 || r.Elapsed < short {
				t.Errorf("%+v", r)
			}
			if p.Kind.Idles() && r.Requests != 100 {
				t.Errorf("%d connections of 100", r.Requests)
			}
		})
	}
}

// TestErrorsAreSeen plays against servers that are wrong in one way each.
func TestErrorsAreSeen(t *testing.T) {
	for name, answer := range map[string]string{
		"status":    "HTTP/1.1 503 Busy\r\nContent-Length: 3\r\n\r\nxxx",
		"too short": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nxx",
		"too much":  "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nxxxx",
		"chunked":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxxx\r\n0\r\n\r\n",
		"cut":       "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nxx",
		"no head":   "HTTP/1.1 200 OK\r\n",
		"nothing":   "",
		"no HTTP":   "220 mail.example.com ESMTP\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			for _, kind := range []Kind{HTTP, Close} {
				r, err := Run(t.Context(), Plan{Kind: kind, Targets: []string{raw(t, answer)}, Connections: 1, Answer: 3, Duration: short})
				if err != nil {
					t.Fatal(err)
				}
				if r.Requests > 0 || r.Errors == 0 || r.Error == "" {
					t.Errorf("%s: %+v", kind, r)
				}
			}
		})
	}
	t.Run("nobody", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		for _, kind := range []Kind{HTTP, Close, TCP, TCPClose, H2C, Idle, TCPIdle} {
			r, err := Run(t.Context(), Plan{Kind: kind, Targets: []string{l.Addr().String()}, Connections: 2, Streams: 1, Ask: 8, Duration: short})
			if err != nil || r.Errors == 0 || r.Requests > 0 {
				t.Errorf("%s: %+v, %v", kind, r, err)
			}
			if r.Errors > 100 {
				t.Errorf("%s: asked %d times in %v", kind, r.Errors, short)
			}
		}
	})
}

func TestCallsThatFailAreSeen(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"status": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "busy", http.StatusServiceUnavailable) },
		"grpc-status": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Grpc-Status", "14")
		},
		"no trailers": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) },
		"reset":       func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(handler)
			s.Config.Protocols = new(http.Protocols)
			s.Config.Protocols.SetUnencryptedHTTP2(true)
			s.Start()
			defer s.Close()
			r, err := Run(t.Context(), Plan{Kind: H2C, Targets: []string{strings.TrimPrefix(s.URL, "http://")}, Connections: 1, Streams: 2, Duration: short})
			if err != nil || r.Errors == 0 || r.Requests > 0 {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

// TestGoneConnection has the server end connections where it may: that is no
// error, and the requests go on.
func TestGoneConnection(t *testing.T) {
	var served atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if served.Add(1)%5 == 0 {
			w.Header().Set("Connection", "close")
		}
		_, _ = w.Write([]byte("xxx"))
	}))
	defer s.Close()
	r, err := Run(t.Context(), Plan{Kind: HTTP, Targets: []string{strings.TrimPrefix(s.URL, "http://")}, Connections: 2, Answer: 3, Duration: short})
	if err != nil || r.Errors > 0 || r.Requests < 10 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestEndsEarly(t *testing.T) {
	b := backends(t, 1)[0]
	for _, kind := range []Kind{HTTP, Idle} {
		ctx, cancel := context.WithTimeout(t.Context(), short)
		began := time.Now()
		_, err := Run(ctx, Plan{Kind: kind, Targets: []string{b.HTTP}, Connections: 1, Answer: 10, Duration: time.Minute})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 10*time.Second {
			t.Errorf("%s: %v after %v", kind, err, time.Since(began))
		}
	}
}

func TestPlansThatAreNone(t *testing.T) {
	for _, p := range []Plan{{}, {Kind: HTTP, Connections: 1}, {Kind: HTTP, Targets: []string{"127.0.0.1:1"}}} {
		if _, err := Run(t.Context(), p); err == nil {
			t.Errorf("%+v is played", p)
		}
	}
}

// raw answers whatever comes by the same bytes, and ends the connection.
func raw(t *testing.T, answer string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = conn.Write([]byte(answer))
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}
