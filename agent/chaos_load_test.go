package agent

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The tests named F are figures of the agent under faults, at 500 requests a
// second. They run for a few seconds each, and in full with OUTRIGGER_CHAOS=1.

// inFull is the number of a figure, or less of it where there is little time.
func inFull(full, short int) int {
	if os.Getenv("OUTRIGGER_CHAOS") != "" {
		return full
	}
	return short
}

// shot is one request of a volley load, and what became of it.
type shot struct {
	method string
	fresh  bool // it was the first on its connection
	dialed bool // there was a connection at all
	status int  // 0: there was no answer, or not all of it
	err    error
	at     time.Time
	took   time.Duration
}

// volley is an app that calls at a steady rate, whatever the answers do, by
// connections that it keeps and requests that it never repeats.
type volley struct {
	address string
	methods []string
	due     chan time.Time
	stop    chan struct{}
	wg      sync.WaitGroup
	ids     atomic.Int64

	mu    sync.Mutex
	shots []shot
}

func startVolley(address string, rate int, methods ...string) *volley {
	p := &volley{address: address, methods: methods, due: make(chan time.Time, rate), stop: make(chan struct{})}
	p.wg.Go(func() {
		defer close(p.due)
		for next := time.Now(); ; next = next.Add(time.Second / time.Duration(rate)) {
			select {
			case <-p.stop:
				return
			case <-time.After(time.Until(next)):
				p.due <- next
			}
		}
	})
	const most = 200 // at once
	for range most {
		p.wg.Go(p.work)
	}
	return p
}

func (p *volley) work() {
	var conn net.Conn
	var r *bufio.Reader
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	for at := range p.due {
		n := p.ids.Add(1)
		s := shot{method: p.methods[int(n)%len(p.methods)], at: at, fresh: conn == nil}
		if conn == nil {
			if conn, s.err = net.Dial("tcp", p.address); s.err == nil {
				r = bufio.NewReader(conn)
			}
		}
		keep := false
		if s.dialed = s.err == nil; s.dialed {
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			body := ""
			if s.method == http.MethodPost {
				body = "Content-Length: 8\r\n"
			}
			text := fmt.Sprintf("%s / HTTP/1.1\r\nHost: web\r\nX-Request-Id: %s-%d\r\n%s\r\n", s.method, s.method, n, body)
			if body != "" {
				text += "an order"
			}
			if _, s.err = io.WriteString(conn, text); s.err == nil {
				s.status, keep, s.err = readAnswer(r, s.method)
			}
		}
		s.took = time.Since(at)
		p.mu.Lock()
		p.shots = append(p.shots, s)
		p.mu.Unlock()
		if !keep && conn != nil {
			conn.Close()
			conn = nil
		}
	}
}

func readAnswer(r *bufio.Reader, method string) (status int, keep bool, err error) {
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		return 0, false, err
	}
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		return resp.StatusCode, !resp.Close, fmt.Errorf("%s", strings.TrimSpace(string(text)))
	}
	return resp.StatusCode, !resp.Close, err
}

// end stops the load, and returns what it did.
func (p *volley) end() []shot {
	close(p.stop)
	p.wg.Wait()
	return p.shots
}

// failed are those of a method that got no good answer.
func failed(shots []shot, method string) (all []shot) {
	for _, s := range shots {
		if s.method == method && s.err != nil {
			all = append(all, s)
		}
	}
	return all
}

func report(t *testing.T, what string, all []shot) {
	t.Helper()
	for _, s := range all[:min(len(all), 5)] {
		t.Logf("%s: %s after %v, fresh %v: %d %v", what, s.method, s.took, s.fresh, s.status, s.err)
	}
}

// quantile of how long those between two moments took, counted from when they
// were due.
func quantile(shots []shot, q float64, from, to time.Time) time.Duration {
	var took []time.Duration
	for _, s := range shots {
		if s.at.After(from) && s.at.Before(to) {
			took = append(took, s.took)
		}
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[min(int(q*float64(len(took))), len(took)-1)]
}

// mortal is a backend that can be killed, and keeps a journal for all of its
// lives.
type mortal struct {
	address string
	server  *http.Server
	hung    chan struct{} // closed: it does not hang
	posts   atomic.Int64  // under way

	mu      sync.Mutex
	journal map[string]int
}

func startMortal(t testing.TB) *mortal {
	t.Helper()
	m := &mortal{address: "127.0.0.1:0", journal: make(map[string]int), hung: make(chan struct{})}
	close(m.hung)
	m.start(t)
	t.Cleanup(func() { m.kill() })
	return m
}

func (m *mortal) start(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", m.address)
	if err != nil {
		t.Fatal(err)
	}
	m.address = l.Addr().String()
	server := &http.Server{Handler: m}
	m.server = server
	go func() { _ = server.Serve(l) }()
}

// ServeHTTP takes a millisecond.
func (m *mortal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	m.journal[r.Header.Get("X-Request-Id")]++
	hung := m.hung
	m.mu.Unlock()
	if r.Method == http.MethodPost {
		m.posts.Add(1)
		defer m.posts.Add(-1)
	}
	_, _ = io.Copy(io.Discard, r.Body)
	select {
	case <-hung:
	case <-r.Context().Done():
		return
	}
	time.Sleep(time.Millisecond)
	_, _ = io.WriteString(w, "done")
}

// seen is how many requests came. One may still come in while it is killed.
func (m *mortal) seen() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.journal)
}

// hang has it answer nothing any more until the end is called.
func (m *mortal) hang() (end func()) {
	hung := make(chan struct{})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hung = hung
	return func() { close(hung) }
}

// kill ends it at once, and tells how many POSTs were under way.
func (m *mortal) kill() int64 {
	n := m.posts.Load()
	_ = m.server.Close()
	return n
}

// met is how many requests it got so far.
func (m *mortal) met() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.journal)
}

// deliveries of all backends, by request.
func deliveries(all []*mortal) map[string]int {
	total := make(map[string]int)
	for _, m := range all {
		m.mu.Lock()
		for id, n := range m.journal {
			total[id] += n
		}
		m.mu.Unlock()
	}
	return total
}

func noPostTwice(t *testing.T, all []*mortal) {
	t.Helper()
	for id, n := range deliveries(all) {
		if n > 1 && strings.HasPrefix(id, "POST-") {
			t.Errorf("%s was delivered %d times", id, n)
		}
	}
}

// mortals are four of them, and the blocks that name them.
func mortals(t testing.TB) (all []*mortal, blocks string) {
	for n := range 4 {
		m := startMortal(t)
		all = append(all, m)
		blocks += fmt.Sprintf("server \"s%d\" { address = %q }\n", n, m.address)
	}
	return all, blocks
}
