package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// B17: without a backend that can be used the answer comes at once.
func TestB17NoBackendIsTold(t *testing.T) {
	f := startHTTP(t, defaults())
	c := keptClient(t)
	var took []time.Duration
	for range 101 {
		begin := time.Now()
		resp, err := c.Get("http://" + f.address + "/")
		if err != nil {
			t.Fatal(err)
		}
		bodyOf(t, resp)
		took = append(took, time.Since(begin))
		if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || !strings.Contains(resp.Header.Get("Proxy-Status"), "error=destination_unavailable") {
			t.Fatalf("%d %v", resp.StatusCode, resp.Header)
		}
	}
	slices.Sort(took)
	t.Logf("median %v, longest %v", took[50], took[100])
	if took[50] > 5*time.Millisecond {
		t.Errorf("the median is %v", took[50])
	}
	settled(t, f)
	if n := f.Meter.Failures()[NoBackend]; n != 101 {
		t.Errorf("counted %v", f.Meter.Failures())
	}
}

// C1: who sends a head byte by byte is closed when the time for it is up, and
// nobody else notices.
func TestC1Slowloris(t *testing.T) {
	o := defaults()
	o.Timeouts.Header = 500 * time.Millisecond
	f := startHTTP(t, o, backend(t, func(http.ResponseWriter, *http.Request) {}))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			conn, err := net.Dial("tcp", f.address)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			begin := time.Now()
			go func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					case <-time.After(20 * time.Millisecond):
					}
					if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nX-Slow: "[n%24:n%24+1]); err != nil {
						return
					}
				}
			}()
			_ = conn.SetReadDeadline(time.Now().Add(15 * time.Second))
			answer, err := io.ReadAll(conn)
			if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
				t.Errorf("connection %d is still open after %v", i, time.Since(begin))
			}
			if len(answer) > 0 && !answered(answer, "408") {
				t.Errorf("answered %.60q", answer)
			}
		})
	}
	waitForConnections(t, f, 50)
	for range 20 {
		if resp, _ := get(t, "http://"+f.address+"/"); resp.StatusCode != 200 {
			t.Errorf("another client got %d", resp.StatusCode)
		}
	}
	wg.Wait()
	close(stop)
	if n := f.Meter.Connections.Load(); n > 1 {
		eventually(t, "all are gone", func() bool { return f.Meter.Connections.Load() == 0 })
	}
}

// answered tells whether an answer has a status, in whichever HTTP/1.
func answered(answer []byte, status string) bool {
	return len(answer) > 12 && string(answer[:7]) == "HTTP/1." && string(answer[8:13]) == " "+status+" "
}

func waitForConnections(t testing.TB, f *front, n int64) {
	t.Helper()
	eventually(t, fmt.Sprint(n, " connections are there"), func() bool { return f.Meter.Connections.Load() >= n })
}

// C4: heads that are too large in whatever way are refused, and not read to
// their end.
func TestC4Heads(t *testing.T) {
	o := defaults()
	o.Limits.MaxHeaderBytes, o.Limits.MaxHeaders, o.Limits.MaxRequestLine = 64<<10, 100, 4<<10
	f := startHTTP(t, o, backend(t, func(http.ResponseWriter, *http.Request) {}))
	fields := func(n int) string { return strings.Repeat("a: b\r\n", n) }
	for _, test := range []struct {
		what, request string
		status        string
	}{
		{"1 MiB in one field", "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n", "431"},
		{"10,000 fields", "GET / HTTP/1.1\r\nHost: a\r\n" + fields(10_000) + "\r\n", "431"},
		{"one field too many", "GET / HTTP/1.1\r\nHost: a\r\n" + fields(100) + "\r\n", "431"},
		{"as many as may be", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + fields(98) + "\r\n", "200"},
		{"a request line that is too long", "GET /" + strings.Repeat("x", 4<<10) + " HTTP/1.1\r\nHost: a\r\n\r\n", "414"},
		{"a request line without an end", "GET /" + strings.Repeat("x", 32<<10), "414"},
	} {
		conn, err := net.Dial("tcp", f.address)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		go func() { _, _ = io.WriteString(conn, test.request) }() // as much as is taken
		answer, _ := io.ReadAll(conn)
		conn.Close()
		if !answered(answer, test.status) {
			t.Errorf("%s: %.200q", test.what, answer)
		}
		if test.status != "200" && !strings.Contains(string(answer), "Proxy-Status: outrigger; error=http_request_error") {
			t.Errorf("%s: %.200q", test.what, answer)
		}
	}
	settled(t, f)
	if n := f.Meter.Failures()[BadRequest]; n != 5 {
		t.Errorf("counted %v", f.Meter.Failures())
	}
}

// Each refusal has an answer of its own, so that clients and operators can tell
// them apart.
func TestRefusalsAreTold(t *testing.T) {
	seen := make(map[string]Kind)
	for _, kind := range []Kind{AtCapacity, RequestLimit, ConcurrencyLimit, RateLimited, CircuitBroken, MemoryShort, NoDescriptor} {
		k := kinds[kind]
		if k.status != 503 && k.status != 429 || k.verdict != unjudged || k.grpc != 8 && k.grpc != 14 {
			t.Errorf("%s: %+v", kind, k)
		}
		seen[string(kind)] = kind
	}
	if len(seen) != 7 {
		t.Errorf("%v", seen)
	}
}

func TestLimitOnConnectionsIsCounted(t *testing.T) {
	o := defaults()
	o.Limits.MaxConnections = 1
	f := startHTTP(t, o, backend(t, func(http.ResponseWriter, *http.Request) {}))
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	eventually(t, "the next has to wait", func() bool { return f.Meter.Waits.Load() == 1 })
	conn.Close()
	if resp, _ := get(t, "http://"+f.address+"/"); resp.StatusCode != 200 {
		t.Errorf("got %d", resp.StatusCode)
	}
}
