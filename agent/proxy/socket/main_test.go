package socket

import (
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair is a connection: our end as a socket, and the peer's.
type pair struct {
	*Conn
	peer net.Conn
}

// everyWay runs a test with raw, plain and looped sockets of TCP and unix
// connections.
func everyWay(t *testing.T, f func(t *testing.T, p pair)) {
	for _, network := range []string{"tcp", "unix"} {
		for name, make := range map[string]func(testing.TB, net.Conn) *Conn{
			"plain":  func(_ testing.TB, conn net.Conn) *Conn { return NewPlain(conn) },
			"raw":    func(_ testing.TB, conn net.Conn) *Conn { return New(conn) },
			"looped": looping,
		} {
			t.Run(network+" "+name, func(t *testing.T) {
				conn, peer := connect(t, network)
				f(t, pair{make(t, conn), peer})
			})
		}
	}
}

// rawWay runs a test with raw sockets only, where there are any.
func rawWay(t *testing.T, f func(t *testing.T, p pair)) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			conn, peer := connect(t, network)
			p := pair{New(conn), peer}
			if _, ok := p.line.(*plain); ok {
				t.Skip("there are no raw sockets here")
			}
			f(t, p)
		})
		t.Run(network+" looped", func(t *testing.T) {
			conn, peer := connect(t, network)
			f(t, pair{looping(t, conn), peer})
		})
	}
}

// connect opens a connection, and closes both ends with the test.
func connect(t testing.TB, network string) (conn, peer net.Conn) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if conn, err = net.Dial(network, l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if peer, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); peer.Close() })
	for _, c := range []net.Conn{conn, peer} {
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	return conn, peer
}

// within polls until it is true, and fails the test if it does not get so.
func within(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: it did not get so", what)
		}
	}
}

// say sends from the peer.
func (p pair) say(t testing.TB, text string) {
	t.Helper()
	if _, err := io.WriteString(p.peer, text); err != nil {
		t.Fatal(err)
	}
}

// hear reads at the peer.
func (p pair) hear(t testing.TB, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(p.peer, got); err != nil || string(got) != want {
		t.Fatalf("the peer got %q, %v; want %q", got, err, want)
	}
}

// hangUp closes the peer's end; with a reset if it is rude.
func (p pair) hangUp(rude bool) {
	if tcp, ok := p.peer.(*net.TCPConn); ok && rude {
		_ = tcp.SetLinger(0)
	}
	p.peer.Close()
}
