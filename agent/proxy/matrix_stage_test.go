package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The tests named after rows B, C and S are the fault matrix: what a backend,
// a client or the agent's surroundings can do to the data plane, and what must
// come of it. Each row plays on a stage.

// stage is a front between scripted backends and scripted clients, all of which
// keep count. When its test ends, what the clients saw, the observer was told,
// the meter counted and the balancer leased must agree; no backend may have got
// a request twice that does harm twice; and nothing may be left: no lease, no
// connection, no goroutine.
type stage struct {
	*front
	t     *testing.T
	o     Options
	books *books

	mu      sync.Mutex
	seen    map[string]int // by clients, see outcome
	journal map[string]int // requests that backends got, by ID
	ids     int
}

func newStage(t *testing.T, o Options) *stage {
	t.Helper()
	s := &stage{t: t, o: o, books: new(books), seen: make(map[string]int), journal: make(map[string]int)}
	s.o.Observer, s.o.Meter = s.books, new(Meter)
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { // the last of all
		if s.front != nil {
			m := s.Meter
			within(t, "nothing is open any more", func() bool { return m.Connections.Load() == 0 && m.Backends.Load() == 0 && m.Active.Load() == 0 })
		}
		goleak.VerifyNone(t, before)
	})
	return s
}

// serve starts the front, before the backends in the order given.
func (s *stage) serve(backends ...string) *stage {
	s.t.Helper()
	s.front = startHTTP(s.t, s.o, backends...)
	s.t.Cleanup(s.settle)
	return s
}

// settle waits until all is over, and compares the books.
func (s *stage) settle() {
	s.t.Helper()
	settled(s.t, s.front)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.books.agree(s.t, s.front, s.seen)
	for id, n := range s.journal {
		if method, _, _ := strings.Cut(id, "-"); n > 1 && !idempotent([]byte(method)) {
			s.t.Errorf("%s was delivered %d times", id, n)
		}
	}
}

func (s *stage) saw(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[what]++
}

// delivered is how often backends got requests of a method.
func (s *stage) delivered(method string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, times := range s.journal {
		if strings.HasPrefix(id, method+"-") {
			n += times
		}
	}
	return n
}

// failures held against the backend at a position.
func (s *stage) blamed(position int) int64 { return statsOf(s.t, s.front, position).Failures }

// peer is a backend that plays a script on each connection.
func (s *stage) peer(script func(*wire)) string {
	address, _ := rawBackend(s.t, func(conn net.Conn, r *bufio.Reader) { script(&wire{stage: s, conn: conn, r: r}) })
	return address
}

// wire is a backend's end of a connection.
type wire struct {
	stage *stage
	conn  net.Conn
	r     *bufio.Reader
}

// read reads a request's head, and writes it down; nil at the end.
func (w *wire) read() *http.Request {
	req := readHead(w.r)
	if req == nil {
		return nil
	}
	w.stage.mu.Lock()
	defer w.stage.mu.Unlock()
	if id := req.Header.Get("X-Request-Id"); id != "" {
		w.stage.journal[id]++
	}
	return req
}

// take reads a whole request.
func (w *wire) take() *http.Request {
	req := w.read()
	if req != nil {
		body, _ := io.ReadAll(req.Body)
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	return req
}

func (w *wire) say(text string) { _, _ = io.WriteString(w.conn, text) }

// hang waits until the other side has had enough.
func (w *wire) hang() { _, _ = io.Copy(io.Discard, w.r) }

const fine = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// answering answers every request with the same bytes.
func answering(text string) func(*wire) {
	return func(w *wire) {
		for w.take() != nil {
			w.say(text)
		}
	}
}

// answer is what a client got.
type answer struct {
	status int
	header http.Header
	body   string
	broken error // nil when it is complete
	close  bool
}

// caller is a client's connection, bytes on a socket.
type caller struct {
	stage *stage
	*net.TCPConn
	r *bufio.Reader
}

func (s *stage) call() *caller {
	s.t.Helper()
	conn := dialed(s.t, s.front)
	return &caller{stage: s, TCPConn: conn, r: bufio.NewReader(conn)}
}

func (c *caller) say(text string) {
	c.stage.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.stage.t.Fatal(err)
	}
}

// request is one with an ID of its own, with a body if there is one.
func (s *stage) request(method, body string, lines ...string) string {
	s.mu.Lock()
	s.ids++
	id := s.ids
	s.mu.Unlock()
	text := fmt.Sprintf("%s / HTTP/1.1\r\nHost: web\r\nX-Request-Id: %s-%d\r\n", method, method, id)
	for _, line := range lines {
		text += line + "\r\n"
	}
	if body != "" || method == "POST" {
		text += "Content-Length: " + strconv.Itoa(len(body)) + "\r\n"
	}
	return text + "\r\n" + body
}

// hear reads the next answer, interim ones left out, and counts it.
func (c *caller) hear(method string) answer {
	c.stage.t.Helper()
	for {
		resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				c.stage.t.Errorf("no answer: %v", err)
			}
			c.stage.saw(broken)
			return answer{broken: err}
		}
		if resp.StatusCode < 200 && resp.StatusCode != 101 {
			continue
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			c.stage.saw(broken)
		} else {
			c.stage.saw(strconv.Itoa(resp.StatusCode))
		}
		return answer{resp.StatusCode, resp.Header, string(body), err, resp.Close}
	}
}

// ended tells that the front closes the connection, and says nothing more.
func (c *caller) ended() {
	c.stage.t.Helper()
	begin := time.Now()
	if rest, err := io.ReadAll(c.r); len(rest) > 0 || errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) > 5*time.Second {
		c.stage.t.Errorf("instead of the end %q came, %v, after %v", rest, err, time.Since(begin))
	}
}

// ask makes one request on a connection of its own.
func (s *stage) ask(method, body string, lines ...string) answer {
	s.t.Helper()
	c := s.call()
	defer c.Close()
	c.say(s.request(method, body, lines...))
	return c.hear(method)
}

// want asks, and tells whether the status is that.
func (s *stage) want(status int, method, body string, lines ...string) answer {
	s.t.Helper()
	got := s.ask(method, body, lines...)
	if got.status != status || got.broken != nil {
		s.t.Errorf("%s: got %d %q, %v; want %d", method, got.status, got.body, got.broken, status)
	}
	return got
}

func readAll(r io.Reader) string {
	all, _ := io.ReadAll(r)
	return string(all)
}

// relayTo is a backend that hands all on to another, and counts connections.
func relayTo(t testing.TB, address string, opened *atomic.Int64) string {
	l := listen(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			opened.Add(1)
			wg.Go(func() {
				defer from.Close()
				to, err := net.Dial("tcp", address)
				if err != nil {
					return
				}
				defer to.Close()
				wg.Go(func() { _, _ = io.Copy(to, from); to.Close() })
				_, _ = io.Copy(from, to)
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}
