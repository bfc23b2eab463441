package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// An old client gets no chunks, and a connection that ends unless it asked for
// another request.
func TestC7OldClients(t *testing.T) {
	chunks := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n"
	for _, tt := range []struct {
		name, answer, lines, want string
		keeps                     bool
	}{
		{"length", fine, "", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", false},
		{"chunks", chunks, "", "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nok", false},
		{"chunks, kept alive", chunks, "Connection: keep-alive\r\n", "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nok", false},
		{"length, kept alive", fine, "Connection: keep-alive\r\n", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStage(t, defaults())
			s.serve(s.peer(answering(tt.answer)))
			c := s.call()
			for range 2 {
				c.say("GET / HTTP/1.0\r\nX-Request-Id: GET-1\r\n" + tt.lines + "\r\n")
				got := make([]byte, len(tt.want))
				if _, err := io.ReadFull(c.r, got); err != nil || string(got) != tt.want {
					t.Fatalf("got %q, %v; want %q", got, err, tt.want)
				}
				s.saw("200")
				if !tt.keeps {
					c.ended()
					return
				}
			}
		})
	}
}

// The backend's word decides whether the body is sent, and where it does not
// want it no connection is left with half a request in it.
func TestC8ExpectContinue(t *testing.T) {
	const want = "Expect: 100-continue"
	conns := make(chan *wire, 10)
	s := newStage(t, defaults())
	s.serve(s.peer(func(w *wire) {
		conns <- w
		for req := w.read(); req != nil; req = w.read() {
			switch {
			case req.Header.Get("X-Refuse") != "":
				w.say("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
			case req.Header.Get("Expect") != "":
				w.say("HTTP/1.1 100 Continue\r\n\r\n")
				fallthrough
			default:
				w.say("HTTP/1.1 200 OK\r\nX-Body: " + readAll(req.Body) + "\r\nContent-Length: 0\r\n\r\n")
			}
		}
	}))
	split := func(text string) (head, body string) {
		head, body, _ = strings.Cut(text, "\r\n\r\n")
		return head + "\r\n\r\n", body
	}
	c := s.call()
	for range 3 { // the connections of both sides are kept
		head, body := split(s.request("POST", "payload", want))
		c.say(head)
		if line, err := c.r.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
			t.Fatalf("%q, %v", line, err)
		}
		_, _ = c.r.ReadString('\n')
		c.say(body)
		if got := c.hear("POST"); got.status != 200 || got.header.Get("X-Body") != "payload" || got.close {
			t.Errorf("got %+v", got)
		}
	}
	head, _ := split(s.request("POST", "payload", want, "X-Refuse: 1"))
	c.say(head)
	if got := c.hear("POST"); got.status != 403 || !got.close {
		t.Errorf("got %+v", got)
	}
	// What the client sends all the same goes nowhere.
	_, _ = io.WriteString(c, "payload")
	c.ended()
	if got := s.want(200, "POST", "other"); got.header.Get("X-Body") != "other" {
		t.Errorf("the next request got %+v", got)
	}
	if len(conns) != 2 {
		t.Errorf("%d connections, want one for three, and another after the refusal", len(conns))
	}
	// A client that does not wait for the word.
	if got := s.want(200, "POST", "impatient", want); got.header.Get("X-Body") != "impatient" {
		t.Errorf("got %+v", got)
	}
}

// Nothing that a client writes chooses where its request goes.
func TestC10ClientsChooseNoTarget(t *testing.T) {
	s := newStage(t, defaults())
	other, elsewhere := rawBackend(t, func(net.Conn, *bufio.Reader) {})
	s.serve(s.peer(func(w *wire) {
		for req := w.take(); req != nil; req = w.take() {
			w.say("HTTP/1.1 200 OK\r\nX-Got: " + req.RequestURI + " " + req.Host + "\r\nContent-Length: 0\r\n\r\n")
		}
	}))
	for _, tt := range []struct {
		text   string
		status int
		got    string
	}{
		{"CONNECT " + other + " HTTP/1.1\r\nHost: " + other + "\r\n\r\n", 405, ""},
		{"CONNECT / HTTP/1.1\r\nHost: web\r\n\r\n", 405, ""},
		{"GET http://" + other + "/ HTTP/1.1\r\nHost: web\r\n\r\n", 400, ""},
		{"GET http://web/a?b HTTP/1.1\r\nHost: web\r\n\r\n", 200, "/a?b web"},
		{"GET ftp://web/ HTTP/1.1\r\nHost: web\r\n\r\n", 400, ""},
		{"GET //" + other + "/ HTTP/1.1\r\nHost: web\r\n\r\n", 200, "//" + other + "/ web"},
		{"GET / HTTP/1.1\r\nHost: " + other + "\r\n\r\n", 200, "/ " + other},
		{"GET / HTTP/1.1\r\n\r\n", 400, ""},
		{"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, ""},
		{"GET / HTTP/1.1\r\nHost: web/../\r\n\r\n", 400, ""},
		{"GET web/ HTTP/1.1\r\nHost: web\r\n\r\n", 400, ""},
		{"GET * HTTP/1.1\r\nHost: web\r\n\r\n", 400, ""},
		{"OPTIONS * HTTP/1.1\r\nHost: web\r\n\r\n", 200, "* web"},
	} {
		c := s.call()
		c.say(tt.text)
		if got := c.hear("GET"); got.status != tt.status || got.header.Get("X-Got") != tt.got {
			t.Errorf("%q: %d, the backend got %q; want %d, %q", tt.text, got.status, got.header.Get("X-Got"), tt.status, tt.got)
		}
		c.Close()
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d went elsewhere", n)
	}
}

// backlogged are many answers, or uploads, that nobody reads on.
func backlogged(t *testing.T, count int, begin func(*stage) io.Closer, s *stage) (each int64) {
	t.Helper()
	used := func() int64 {
		var m runtime.MemStats
		for range 3 { // a pool lets go in two
			runtime.GC()
		}
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse)
	}
	before := used()
	for range count {
		c := begin(s)
		defer c.Close()
	}
	within(t, "all are under way", func() bool { return s.Balancer.Stats().Active == int64(count) })
	time.Sleep(300 * time.Millisecond) // for the buffers of the kernel to fill
	return (used() - before) / int64(count)
}

// One side that does not read holds up the other, and not more than 64 KiB are
// held of either direction.
func TestC12SlowReaders(t *testing.T) {
	const count = 30
	endless := make([]byte, 64<<10)
	t.Run("clients", func(t *testing.T) {
		s := newStage(t, defaults())
		s.serve(s.peer(func(w *wire) {
			w.take()
			w.say("HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n")
			for {
				if _, err := w.conn.Write(endless); err != nil {
					return
				}
			}
		}))
		each := backlogged(t, count, func(s *stage) io.Closer {
			c := s.call()
			c.say(s.request("GET", ""))
			s.saw(departed)
			return c
		}, s)
		// In this process are also the client and the backend, with buffers of
		// 4 KiB and stacks, so that one buffer of 62 KiB fits in this, and no two.
		if each > 150<<10 {
			t.Errorf("%d KiB for each", each>>10)
		}
		t.Logf("%d KiB for each", each>>10)
	})
	t.Run("backends", func(t *testing.T) {
		stop := make(chan bool)
		s := newStage(t, defaults())
		s.serve(s.peer(func(w *wire) {
			_, _ = http.ReadRequest(bufio.NewReaderSize(io.LimitReader(w.r, 100), 128))
			<-stop
		}))
		each := backlogged(t, count, func(s *stage) io.Closer {
			c := s.call()
			c.say("POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 1099511627776\r\n\r\n")
			go func() {
				for {
					if _, err := c.Write(endless); err != nil {
						return
					}
				}
			}()
			s.saw("502") // it is gone, but what it sent is still there, and the backend ends first
			return c
		}, s)
		if each > 150<<10 {
			t.Errorf("%d KiB for each", each>>10)
		}
		t.Logf("%d KiB for each", each>>10)
		close(stop)
	})
}
