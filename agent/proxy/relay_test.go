package proxy

import (
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/socket"
)

// joined is a connection: one end for a relay, the other for the test.
func joined(t testing.TB) (relayed net.Conn, ours *net.TCPConn) {
	t.Helper()
	l := listen(t)
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if relayed, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); relayed.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return relayed, conn.(*net.TCPConn)
}

// Whatever the sockets are, what was read ahead goes first, ends are passed on
// one by one, and the bytes are counted.
func TestRelay(t *testing.T) {
	for name, ways := range map[string][2]func(net.Conn) *socket.Conn{
		"raw": {socket.New, socket.New}, "plain": {socket.NewPlain, socket.NewPlain}, "to plain": {socket.New, socket.NewPlain},
	} {
		t.Run(name, func(t *testing.T) {
			clock, ctx := socket.NewClock(), t.Context()
			var wg sync.WaitGroup
			wg.Go(func() { clock.Run(ctx) })
			t.Cleanup(wg.Wait)
			inner, app := joined(t)
			outer, backend := joined(t)
			var sent, received atomic.Int64
			r := &relay{
				app: ways[0](inner), backend: ways[1](outer), clock: clock, silence: time.Minute,
				aheadOfApp: []byte("early "), aheadOfBackend: []byte("welcome "),
				sent: &sent, received: &received,
			}
			ended := make(chan error, 1)
			go func() { ended <- r.run() }()
			_, _ = io.WriteString(app, "and late")
			_ = app.CloseWrite()
			if got, err := io.ReadAll(backend); err != nil || string(got) != "early and late" {
				t.Errorf("the backend got %q, %v", got, err)
			}
			long := strings.Repeat("and so on ", 1<<17)
			_, _ = io.WriteString(backend, long)
			_ = backend.CloseWrite()
			if got, err := io.ReadAll(app); err != nil || string(got) != "welcome "+long {
				t.Errorf("the app got %d bytes, %v", len(got), err)
			}
			if err := <-ended; err != nil {
				t.Errorf("it ended with %v", err)
			}
			if sent.Load() != 14 || received.Load() != int64(8+len(long)) {
				t.Errorf("%d bytes sent, %d received", sent.Load(), received.Load())
			}
		})
	}
}

// A cut ends a relay whose sides both wait, one of them for the other to take
// what it sends, and is no failure.
func TestRelayCut(t *testing.T) {
	for name, way := range map[string]func(net.Conn) *socket.Conn{"raw": socket.New, "plain": socket.NewPlain} {
		t.Run(name, func(t *testing.T) {
			inner, app := joined(t)
			outer, _ := joined(t)
			var sent, received atomic.Int64
			r := &relay{app: way(inner), backend: way(outer), clock: socket.NewClock(), sent: &sent, received: &received}
			ended := make(chan error, 1)
			go func() { ended <- r.run() }()
			_ = app.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
			_, _ = app.Write(make([]byte, 64<<20)) // nobody reads it
			r.cut()
			if err := <-ended; err != nil {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}
