package secure

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server answers each connection of TLS with what it read, until its end.
func server(t testing.TB, c *tls.Config) (address string) {
	t.Helper()
	return serve(t, func(conn net.Conn) {
		secured := tls.Server(conn, c)
		_, _ = io.Copy(secured, secured)
		_ = secured.CloseWrite()
	})
}

func serve(t testing.TB, f func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
				f(conn)
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

func client(t testing.TB, c Config) *Client {
	t.Helper()
	made, err := New(c, Events{})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// dial makes a connection of TLS, which ends with the test.
func dial(t testing.TB, c *Client, address, protocol string) (*tls.Conn, error) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	secured, _, err := c.Handshake(ctx, conn, address, protocol)
	if err != nil {
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("the connection is left open: %v", err)
		}
		return nil, err
	}
	t.Cleanup(func() { secured.Close() })
	return secured, nil
}

// echo sends a word and reads it back.
func echo(t testing.TB, conn *tls.Conn) {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	word := make([]byte, 5)
	if _, err := io.WriteString(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, word); err != nil || string(word) != "hello" {
		t.Fatalf("got %q, %v", word, err)
	}
}

// fails holds an error against what it should be.
func fails(t testing.TB, err error, reason Reason, says ...string) {
	t.Helper()
	failure, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	if failure.Reason != reason {
		t.Errorf("reason %d of %v", failure.Reason, err)
	}
	for _, word := range says {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
}
