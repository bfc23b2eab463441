package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// socketHost is a backend that echoes messages, and ends as the path says.
func socketHost(t *testing.T, ends chan<- string) string {
	return backend(t, func(w http.ResponseWriter, r *http.Request) {
		var pings atomic.Int64
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			OnPingReceived: func(context.Context, []byte) bool { pings.Add(1); return true },
		})
		if err != nil {
			return
		}
		defer conn.CloseNow()
		conn.SetReadLimit(8 << 20)
		switch r.URL.Path {
		case "/close":
			_ = conn.Close(4321, "enough of it")
		case "/vanish":
			_ = conn.CloseNow()
		case "/ping":
			go func() { _, _, _ = conn.Read(r.Context()) }()
			if err := conn.Ping(r.Context()); err == nil {
				_ = conn.Close(websocket.StatusNormalClosure, "ponged")
			}
		default:
			for {
				kind, message, err := conn.Read(r.Context())
				if err != nil {
					ends <- fmt.Sprintf("%d pings, %v, %v", pings.Load(), websocket.CloseStatus(err), errors.Is(err, io.EOF))
					return
				}
				if conn.Write(r.Context(), kind, message) != nil {
					return
				}
			}
		}
	})
}

// What WebSocket says goes through as it would without us: each conversation
// is the same on both sides, word for word, with and without.
func TestWebSocketDirectIsProxied(t *testing.T) {
	ends := make(chan string, 1)
	direct := socketHost(t, ends)
	f := startHTTP(t, defaults(), direct)
	type talk struct {
		conn *websocket.Conn
		said strings.Builder
	}
	read := func(s *talk) {
		kind, message, err := s.conn.Read(t.Context())
		if err != nil {
			var ended websocket.CloseError
			if errors.As(err, &ended) {
				fmt.Fprintf(&s.said, "closed %d %q;", ended.Code, ended.Reason)
			} else {
				fmt.Fprintf(&s.said, "broken, at the end %v;", errors.Is(err, io.EOF))
			}
			return
		}
		fmt.Fprintf(&s.said, "%v %d %.10q;", kind, len(message), message)
	}
	write := func(s *talk, kind websocket.MessageType, message []byte) {
		if err := s.conn.Write(t.Context(), kind, message); err != nil {
			t.Error(err)
		}
	}
	for _, tt := range []struct {
		name, path string
		play       func(*talk)
		want       string
		end        string // as the backend sees it; "" where it does not look
	}{
		{"messages of all sizes", "/", func(s *talk) {
			for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 5 << 20} {
				write(s, websocket.MessageBinary, bytes.Repeat([]byte{'b'}, n))
				read(s)
			}
			write(s, websocket.MessageText, []byte("grüße"))
			read(s)
			_ = s.conn.Close(websocket.StatusNormalClosure, "bye")
		}, `MessageBinary 0 "";MessageBinary 1 "b";MessageBinary 125 "bbbbbbbbbb";MessageBinary 126 "bbbbbbbbbb";MessageBinary 127 "bbbbbbbbbb";MessageBinary 65535 "bbbbbbbbbb";MessageBinary 65536 "bbbbbbbbbb";MessageBinary 5242880 "bbbbbbbbbb";MessageText 7 "grüße";`,
			"0 pings, StatusNormalClosure, false"},
		{"fragments", "/", func(s *talk) {
			w, err := s.conn.Writer(t.Context(), websocket.MessageText)
			if err != nil {
				t.Error(err)
				return
			}
			for range 100 { // each a frame of its own
				_, _ = io.WriteString(w, strings.Repeat("f", 5000))
			}
			_ = w.Close()
			read(s)
			_ = s.conn.Close(websocket.StatusGoingAway, "")
		}, `MessageText 500000 "ffffffffff";`, "0 pings, StatusGoingAway, false"},
		{"pings of the client", "/", func(s *talk) {
			go func() { _, _, _ = s.conn.Read(t.Context()) }() // which takes the pongs
			for range 3 {
				if err := s.conn.Ping(t.Context()); err != nil {
					t.Error(err)
				}
			}
			_ = s.conn.Close(3999, "with a code of its own")
		}, "", "3 pings, StatusCode(3999), false"},
		{"a ping of the server", "/ping", read, `closed 1000 "ponged";`, ""},
		{"the server closes", "/close", read, `closed 4321 "enough of it";`, ""},
		{"the server vanishes", "/vanish", read, "broken, at the end true;", ""},
		{"the client vanishes", "/", func(s *talk) { _ = s.conn.CloseNow() }, "", "0 pings, StatusCode(-1), true"},
	} {
		for _, address := range []string{direct, f.address} {
			conn, _, err := websocket.Dial(t.Context(), "ws://"+address+tt.path, nil)
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			conn.SetReadLimit(8 << 20)
			s := &talk{conn: conn}
			tt.play(s)
			if s.said.String() != tt.want {
				t.Errorf("%s at %s: %s", tt.name, address, s.said.String())
			}
			if tt.end != "" {
				if got := <-ends; got != tt.end {
					t.Errorf("%s at %s: the backend saw %s", tt.name, address, got)
				}
			}
			_ = conn.CloseNow()
		}
	}
	settled(t, f)
}

// Each side can have said all it has to say, and still listen.
func TestUpgradedHalfClose(t *testing.T) {
	const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
	for _, first := range []string{"client", "backend"} {
		direct, _ := rawBackend(t, func(conn net.Conn, r *bufio.Reader) {
			readHead(r)
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n"+upgrade)
			if first == "backend" {
				_, _ = io.WriteString(conn, "all of it")
				_ = conn.(*net.TCPConn).CloseWrite()
			}
			heard := readAll(r)
			if first == "client" {
				_, _ = io.WriteString(conn, "heard "+heard)
			} else if heard != "later" {
				t.Errorf("the backend heard %q", heard)
			}
		})
		f := startHTTP(t, defaults(), direct)
		for _, address := range []string{direct, f.address} {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n"+upgrade)
			r := bufio.NewReader(conn)
			for line := ""; line != "\r\n"; {
				if line, err = r.ReadString('\n'); err != nil {
					t.Fatal(err)
				}
			}
			want := "heard later"
			if first == "backend" {
				want = "all of it"
				if got := readAll(r); got != want {
					t.Errorf("%s: heard %q", address, got)
				}
				want = ""
			}
			_, _ = io.WriteString(conn, "later")
			_ = conn.(*net.TCPConn).CloseWrite()
			if got := readAll(r); got != want {
				t.Errorf("%s: heard %q", address, got)
			}
			conn.Close()
		}
		settled(t, f)
	}
}
