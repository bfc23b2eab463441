package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func TestS1DrainLosesNothing(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	f := startHTTP(t, defaults(), backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(arrived)
			<-release
		}
		_, _ = io.WriteString(w, "done")
	}))
	kept, err := net.Dial("tcp", f.address) // a connection that is kept alive
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	reader := bufio.NewReader(kept)
	ask := func() *http.Response {
		t.Helper()
		_, _ = io.WriteString(kept, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = bodyOf(t, resp)
		return resp
	}
	if resp := ask(); resp.Close {
		t.Error("told to go away before the drain")
	}
	var slow string
	var wg sync.WaitGroup
	wg.Go(func() { _, slow = get(t, "http://"+f.address+"/slow") })
	<-arrived
	drained := make(chan struct{})
	go func() { f.stop(t.Context()); close(drained) }()
	for !f.server.(*HTTP).draining.Load() {
		time.Sleep(time.Millisecond)
	}
	if _, err := net.Dial("tcp", f.address); err == nil {
		t.Error("new connections are still taken")
	}
	if resp := ask(); resp.StatusCode != 200 || !resp.Close {
		t.Errorf("while draining a kept connection got %d, close %v", resp.StatusCode, resp.Close)
	}
	select {
	case <-drained:
		t.Error("the drain did not wait for the request in flight")
	default:
	}
	close(release)
	wg.Wait()
	<-drained
	if slow != "done" {
		t.Errorf("the request in flight got %q", slow)
	}
	if err := <-f.served; err != nil {
		t.Error(err)
	}
}

func TestS1DrainEndsOnTime(t *testing.T) {
	arrived := make(chan struct{}, 1)
	o := defaults()
	f := startHTTP(t, o, backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			arrived <- struct{}{}
			<-r.Context().Done()
			return
		}
		conn, err := websocket.Accept(w, r, nil)
		if err == nil {
			_, _, _ = conn.Read(r.Context())
			_ = conn.CloseNow()
		}
	}))
	conn, _, err := websocket.Dial(t.Context(), "ws://"+f.address+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	var wg sync.WaitGroup
	wg.Go(func() {
		resp, err := client(t).Get("http://" + f.address + "/hang")
		if err == nil {
			resp.Body.Close()
			t.Errorf("the hanging request got %d", resp.StatusCode)
		}
	})
	<-arrived
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	begin := time.Now()
	f.stop(ctx)
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("the drain took %v", took)
	}
	if _, _, err := conn.Read(t.Context()); err == nil || time.Since(begin) > 3*time.Second {
		t.Errorf("the tunnel lived on for %v: %v", time.Since(begin), err)
	}
	wg.Wait()
}

// HTTP/2 clients are told by GOAWAY, and what they have under way goes on.
func TestS1DrainOfHTTP2(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	f := startHTTP(t, defaults(), backend(t, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-release
		_, _ = io.WriteString(w, "done")
	}))
	c := h2cClient(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		resp, err := c.Get("http://" + f.address + "/")
		if err != nil {
			t.Error(err)
			return
		}
		if body := bodyOf(t, resp); body != "done" {
			t.Errorf("got %q", body)
		}
	})
	<-arrived
	drained := make(chan struct{})
	go func() { f.stop(t.Context()); close(drained) }()
	for !f.server.(*HTTP).draining.Load() {
		time.Sleep(time.Millisecond)
	}
	close(release)
	wg.Wait()
	<-drained
}

// echoTCP answers each connection with what it got, once that has ended.
func echoTCP(t *testing.T) string {
	address, _ := rawBackend(t, func(conn net.Conn, r *bufio.Reader) {
		all, err := io.ReadAll(r)
		if err == nil {
			_, _ = fmt.Fprintf(conn, "%d bytes: %s", len(all), all)
		}
	})
	return address
}

func TestB8HalfCloseOfTCP(t *testing.T) {
	f := startTCP(t, defaults(), refusing(t), echoTCP(t))
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(conn, "hel")
	_, _ = io.WriteString(conn, "lo")
	_ = conn.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(conn); err != nil || string(got) != "5 bytes: hello" {
		t.Errorf("%q, %v", got, err)
	}
	settled(t, f)
	m := f.Meter
	if m.Requests.Load() != 1 || m.Errors.Load() != 0 || m.Retries.Load() != 1 || m.Sent.Load() != 5 || m.Received.Load() != 14 || m.Connections.Load() != 0 || m.Backends.Load() != 0 {
		t.Errorf("requests %d, errors %d, retries %d, sent %d, received %d, open %d and %d", m.Requests.Load(), m.Errors.Load(), m.Retries.Load(),
			m.Sent.Load(), m.Received.Load(), m.Connections.Load(), m.Backends.Load())
	}
	if st := statsOf(t, f, 0); st.Failures != 1 {
		t.Errorf("%d failures held against the one that refused", st.Failures)
	}
}

// The other direction: the backend ends first, and still gets what comes.
func TestB8HalfCloseOfATCPBackend(t *testing.T) {
	got := make(chan string, 1)
	address, _ := rawBackend(t, func(conn net.Conn, r *bufio.Reader) {
		_, _ = io.WriteString(conn, "bye")
		_ = conn.(*net.TCPConn).CloseWrite()
		all, _ := io.ReadAll(r)
		got <- string(all)
	})
	f := startTCP(t, defaults(), address)
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "a")
	if rest, err := io.ReadAll(conn); err != nil || string(rest) != "bye" {
		t.Fatalf("%q, %v", rest, err)
	}
	_, _ = io.WriteString(conn, "fter")
	conn.Close()
	if all := <-got; all != "after" {
		t.Errorf("the backend got %q", all)
	}
}

func TestTCPWithoutABackend(t *testing.T) {
	for _, tt := range []struct {
		backends []string
		kind     Kind
	}{{nil, NoBackend}, {[]string{refusing(t)}, ConnectRefused}} {
		f := startTCP(t, defaults(), tt.backends...)
		if got := raw(t, f.address, ""); got != "" {
			t.Errorf("%s: got %q", tt.kind, got)
		}
		settled(t, f)
		if f.Meter.Failures()[tt.kind] != 1 || f.Meter.Errors.Load() != 1 {
			t.Errorf("counted %v", f.Meter.Failures())
		}
	}
}

func TestTCPSilenceEnds(t *testing.T) {
	o := defaults()
	o.Timeouts.Tunnel = 50 * time.Millisecond
	f := startTCP(t, o, echoTCP(t))
	begin := time.Now()
	if got := raw(t, f.address, "hello"); got != "" || time.Since(begin) > 5*time.Second {
		t.Errorf("%q after %v", got, time.Since(begin))
	}
	settled(t, f)
	if f.Meter.Failures()[IdleTimeout] != 1 {
		t.Errorf("counted %v", f.Meter.Failures())
	}
}

func TestTCPDrain(t *testing.T) {
	f := startTCP(t, defaults(), echoTCP(t))
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", f.address)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "x")
		return conn
	}
	polite, rude := dial(), dial()
	defer rude.Close()
	for f.Balancer.Stats().Active < 2 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	drained := make(chan struct{})
	go func() { f.stop(ctx); close(drained) }()
	_ = polite.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(polite); err != nil || string(got) != "1 bytes: x" {
		t.Errorf("%q, %v", got, err)
	}
	<-drained
	if n, err := rude.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d bytes of a connection that should have been cut", n)
	}
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Error("the drain did not wait")
	}
}

func TestTCPLimitOnConnections(t *testing.T) {
	o := defaults()
	o.Limits.MaxConnections = 1
	f := startTCP(t, o, echoTCP(t))
	first, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(first, "x")
	for f.Meter.Active.Load() < 1 {
		time.Sleep(time.Millisecond)
	}
	second, err := net.Dial("tcp", f.address) // waits in the listener's queue
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	_, _ = io.WriteString(second, "y")
	_ = second.(*net.TCPConn).CloseWrite()
	_ = second.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := second.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("the second connection was served: %v", err)
	}
	first.Close()
	_ = second.SetReadDeadline(time.Now().Add(10 * time.Second))
	if got, err := io.ReadAll(second); err != nil || string(got) != "1 bytes: y" {
		t.Errorf("%q, %v", got, err)
	}
}

// A request that came in before a connection is shut down is answered, though
// nobody had the time to read it yet.
func TestShutDownSparesWhoHasAsked(t *testing.T) {
	f := startHTTP(t, defaults(), backend(t, func(http.ResponseWriter, *http.Request) {}))
	loop := f.Loops.Pick()
	if loop == nil {
		t.Skip("only a loop can be held up")
	}
	conn := dialed(t, f)
	reader := bufio.NewReader(conn)
	ask := func() {
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	answered := func() {
		t.Helper()
		if resp, err := http.ReadResponse(reader, nil); err != nil || resp.StatusCode != 200 {
			t.Fatalf("%v, %v", resp, err)
		}
	}
	ask()
	answered()
	held, release := make(chan struct{}), make(chan struct{})
	loop.Go(func() { close(held); <-release })
	<-held
	ask()
	f.server.(*HTTP).each((*connection).shutDown)
	close(release)
	answered()
	settled(t, f)
	f.server.(*HTTP).each((*connection).shutDown)
	if _, err := reader.ReadByte(); err != io.EOF {
		t.Errorf("shut down without a request: %v", err)
	}
}
