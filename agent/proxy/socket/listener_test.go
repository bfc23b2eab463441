package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// listening makes a Listener, which is closed with the test.
func listening(t *testing.T, network, address string) *Listener {
	t.Helper()
	from, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewListener(from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func dial(t testing.TB, to net.Addr) net.Conn {
	t.Helper()
	conn, err := net.Dial(to.Network(), to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// A listener goes on to listen whoever accepts from it, and while nobody does.
func TestListener(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	networks := map[string]string{"tcp": "127.0.0.1:0"}
	if runtime.GOOS != "windows" {
		networks["unix"] = path
	}
	for network, address := range networks {
		t.Run(network, func(t *testing.T) {
			l := listening(t, network, address)
			for range 3 {
				early := dial(t, l.Addr())
				if _, err := io.WriteString(early, "x"); err != nil {
					t.Fatal(err)
				}
				conn, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
					t.Error(err)
				}
				conn.Close()
				if err := l.SetDeadline(time.Now()); err != nil {
					t.Error(err)
				}
				if _, err := l.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("after the deadline: %v", err)
				}
				l.Rest()
			}
			if err := l.SetDeadline(time.Now().Add(-time.Second)); err != nil { // before anybody accepts
				t.Error(err)
			}
			if _, err := l.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("a deadline before: %v", err)
			}
			l.Rest()
			woken := make(chan error)
			go func() {
				_, err := l.Accept()
				woken <- err
			}()
			time.Sleep(5 * time.Millisecond) // both before and after it waits it must do
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			if err := <-woken; !errors.Is(err, net.ErrClosed) {
				t.Errorf("Accept as it closed: %v", err)
			}
			if _, err := net.Dial(network, l.Addr().String()); err == nil {
				t.Error("it listens after the end")
			}
		})
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
}
