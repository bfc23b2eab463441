package proxy

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb"
	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// The faults of backends, as far as their connections are opened and their
// answers begun. What comes later is in matrix_b_answer_test.go.

func resets(w *wire) { w.take(); reset(w.conn) }
func closes(w *wire) { w.take() }
func hangs(w *wire)  { w.take(); w.hang() }

func TestB1NoConnection(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		t.Run(method, func(t *testing.T) {
			s := newStage(t, defaults())
			s.serve(refusing(t), s.peer(answering(fine)))
			s.want(200, method, "")
			if s.blamed(0) != 1 || s.blamed(1) != 0 || s.delivered(method) != 1 || s.Meter.Retries.Load() != 1 {
				t.Errorf("blamed %d and %d, %d delivered, %d retries", s.blamed(0), s.blamed(1), s.delivered(method), s.Meter.Retries.Load())
			}
		})
		t.Run(method+" refused by all", func(t *testing.T) {
			s := newStage(t, defaults())
			s.serve(refusing(t), refusing(t), refusing(t))
			got := s.want(502, method, "")
			if s.Meter.Failures()[ConnectRefused] != 1 || !strings.Contains(got.header.Get("Proxy-Status"), "connection_refused") {
				t.Errorf("%v, counted %v", got.header, s.Meter.Failures())
			}
		})
	}
}

func TestB2ConnectIntoNowhere(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		t.Run(method, func(t *testing.T) {
			o := defaults()
			o.Timeouts.Connect = 250 * time.Millisecond
			s := newStage(t, o)
			s.serve(blackhole(t), s.peer(answering(fine)))
			begin := time.Now()
			s.want(200, method, "")
			if took := time.Since(begin); took < 200*time.Millisecond || took > 2*time.Second || s.blamed(0) != 1 {
				t.Errorf("it took %v; blamed %d", took, s.blamed(0))
			}
		})
	}
	t.Run("all", func(t *testing.T) {
		o := defaults()
		o.Timeouts.Connect = 100 * time.Millisecond
		s := newStage(t, o)
		nowhere := blackhole(t)
		s.serve(nowhere, nowhere)
		s.want(504, "POST", "")
		if s.Meter.Failures()[ConnectTimeout] != 1 {
			t.Errorf("counted %v", s.Meter.Failures())
		}
	})
}

// row is a backend's fault before the head of its answer: a request goes on to
// the second backend, or fails with a status.
type row struct {
	name   string
	script func(*wire)
	method string
	body   string
	status int
	kind   Kind // where it fails
}

func (r row) play(t *testing.T) {
	t.Helper()
	t.Run(r.name+" "+r.method, func(t *testing.T) {
		o := defaults()
		o.Timeouts.FirstByte = 100 * time.Millisecond
		s := newStage(t, o)
		s.serve(s.peer(r.script), s.peer(func(w *wire) {
			for req := w.take(); req != nil; req = w.take() {
				if got := readAll(req.Body); got != r.body {
					t.Errorf("the second backend got %d bytes of body, not %d", len(got), len(r.body))
				}
				w.say(fine)
			}
		}))
		s.want(r.status, r.method, r.body, "Idempotency-Key: 1") // a client's word is no leave to repeat
		times := 1
		if r.status == 200 {
			times = 2
		}
		if s.delivered(r.method) != times || s.blamed(0) != 1 || s.blamed(1) != 0 {
			t.Errorf("delivered %d times, want %d; blamed %d and %d", s.delivered(r.method), times, s.blamed(0), s.blamed(1))
		}
		if r.kind != "" && s.Meter.Failures()[r.kind] != 1 {
			t.Errorf("counted %v", s.Meter.Failures())
		}
	})
}

func TestB3ResetBeforeTheHead(t *testing.T) {
	large := strings.Repeat("x", keepLimit+1)
	for name, script := range map[string]func(*wire){"reset": resets, "closed": closes} {
		for _, method := range []string{"GET", "HEAD", "OPTIONS", "DELETE"} {
			row{name, script, method, "", 200, ""}.play(t)
		}
		row{name, script, "PUT", "payload", 200, ""}.play(t)
		row{name, script, "PUT", large[:keepLimit], 200, ""}.play(t)
		row{name, script, "PUT", large, 502, Reset}.play(t)
		row{name, script, "POST", "", 502, Reset}.play(t)
		row{name, script, "POST", "payload", 502, Reset}.play(t)
		row{name, script, "PATCH", "payload", 502, Reset}.play(t)
	}
}

func TestB5HangBeforeTheHead(t *testing.T) {
	row{"hang", hangs, "GET", "", 200, ""}.play(t)
	row{"hang", hangs, "PUT", "payload", 200, ""}.play(t)
	row{"hang", hangs, "POST", "", 504, FirstByteTimeout}.play(t)
	row{"hang", hangs, "POST", "payload", 504, FirstByteTimeout}.play(t)
}

// An answer passes as it is, whatever its status, and counts against its
// backend where that says it is at fault; enough of them in a row put it out.
func TestB7BurstOfErrors(t *testing.T) {
	for status, blamed := range map[int]int64{500: 0, 501: 0, 502: 1, 503: 1, 504: 1, 404: 0} {
		s := newStage(t, defaults())
		s.serve(s.peer(answering(fmt.Sprintf("HTTP/1.1 %d x\r\nContent-Length: 4\r\n\r\nsick", status))), s.peer(answering(fine)))
		if got := s.want(status, "GET", ""); got.body != "sick" || s.blamed(0) != blamed || s.Meter.Retries.Load() != 0 {
			t.Errorf("%d: %q, blamed %d, %d retries", status, got.body, s.blamed(0), s.Meter.Retries.Load())
		}
	}
	o := defaults()
	o.Balancer = lb.New(inOrder{}, lb.WithHealth(lb.Health{Ejection: health.Ejection{Failures: 5, Base: time.Minute, Max: time.Minute}}))
	s := newStage(t, o)
	s.serve(s.peer(answering("HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n")), s.peer(answering(fine)))
	for range 5 {
		s.want(503, "GET", "")
	}
	for range 20 {
		s.want(200, "GET", "")
	}
}

// Where all fail, retries cannot multiply the load (figure F8).
func TestB7RetriesHaveABudget(t *testing.T) {
	o := defaults()
	o.Retry = Retry{Max: 2, BudgetPercent: 20, BudgetPerSecond: 10}
	s := newStage(t, o)
	s.serve(s.peer(resets), s.peer(resets), s.peer(resets))
	const count = 200
	begin := time.Now()
	for range count {
		s.want(502, "GET", "")
	}
	most := count + count/5 + 10 + int(10*time.Since(begin).Seconds()) + 1
	if got := s.delivered("GET"); got > most || got < count+count/5 {
		t.Errorf("%d requests were delivered %d times, want at most %d", count, got, most)
	}
	if s.Meter.Denied.Load() == 0 {
		t.Error("no retry was denied")
	}
}

// A connection that the backend closes as it is used again: see also
// TestStaleTrials.
func TestB9StaleKeepAlive(t *testing.T) {
	for _, tt := range []struct {
		method, body string
		status       int
		delivered    int // the second request
	}{{"GET", "", 200, 2}, {"PUT", "payload", 200, 2}, {"POST", "", 502, 1}, {"POST", "payload", 502, 1}} {
		for name, end := range map[string]func(net.Conn){"reset": reset, "end": func(net.Conn) {}} {
			t.Run(tt.method+tt.body+" "+name, func(t *testing.T) {
				s := newStage(t, defaults())
				s.serve(s.peer(func(w *wire) {
					w.take()
					w.say(fine)
					if w.take() != nil {
						end(w.conn)
					}
				}))
				s.want(200, "OPTIONS", "")
				s.want(tt.status, tt.method, tt.body, "Idempotency-Key: 1", "X-Idempotency-Key: 1")
				if n := s.delivered(tt.method); n != tt.delivered {
					t.Errorf("delivered %d times, want %d", n, tt.delivered)
				}
			})
		}
	}
	t.Run("closed before", func(t *testing.T) { // nothing is sent on it, so that all may be resent
		s := newStage(t, defaults())
		closed := make(chan struct{}, 10)
		s.serve(s.peer(func(w *wire) { w.take(); w.say(fine); w.conn.Close(); closed <- struct{}{} }))
		for range 5 {
			if got := s.want(200, "POST", "payload"); got.status != 200 {
				return
			}
			<-closed
		}
	})
}

// All backends are down: the answer is there at once, and tells why.
func TestB17NoBackends(t *testing.T) {
	s := newStage(t, defaults())
	s.serve(s.peer(answering(fine)), s.peer(answering(fine)))
	for _, id := range []string{"0", "1"} {
		if err := s.Balancer.SetHealthy(id, false); err != nil {
			t.Fatal(err)
		}
	}
	best := time.Hour
	for range 20 {
		begin := time.Now()
		got := s.want(503, "GET", "")
		best = min(best, time.Since(begin))
		if got.header.Get("Retry-After") == "" || !strings.Contains(got.header.Get("Proxy-Status"), "destination_unavailable") {
			t.Errorf("%v", got.header)
		}
	}
	if best > 5*time.Millisecond || s.Meter.Failures()[NoBackend] != 20 {
		t.Errorf("the fastest took %v; counted %v", best, s.Meter.Failures())
	}
}

// Of a connection each direction ends for itself, also where it began as HTTP;
// of TCP, see TestB8HalfCloseOfTCP.
func TestB8HalfCloseOfATunnel(t *testing.T) {
	const upgrade = "Connection: upgrade\r\nUpgrade: x"
	s := newStage(t, defaults())
	s.serve(s.peer(func(w *wire) {
		w.read()
		w.say("HTTP/1.1 101 Switching Protocols\r\n" + upgrade + "\r\n\r\nhello, ")
		all := readAll(w.r)
		w.say("after your end: " + all)
	}))
	c := s.call()
	c.say(s.request("GET", "", upgrade))
	if got := c.hear("GET"); got.status != 101 {
		t.Fatalf("%+v", got)
	}
	c.say("some ")
	c.say("bytes")
	_ = c.CloseWrite()
	if got := readAll(c.r); got != "hello, after your end: some bytes" {
		t.Errorf("got %q", got)
	}
	// And the other way around.
	said := make(chan string, 1)
	s = newStage(t, defaults())
	s.serve(s.peer(func(w *wire) {
		w.read()
		w.say("HTTP/1.1 101 Switching Protocols\r\n" + upgrade + "\r\n\r\nbye")
		_ = w.conn.(*net.TCPConn).CloseWrite()
		said <- readAll(w.r)
	}))
	c = s.call()
	c.say(s.request("GET", "", upgrade) + "with the head, ")
	c.hear("GET")
	if got := readAll(c.r); got != "bye" {
		t.Errorf("got %q", got)
	}
	c.say("and after your end")
	_ = c.CloseWrite()
	if got := <-said; got != "with the head, and after your end" {
		t.Errorf("the backend got %q", got)
	}
}

// A connection that was a tunnel is never used for a request again, however the
// tunnel ended.
func TestB8TunnelsAreNotPooled(t *testing.T) {
	const upgrade = "Connection: upgrade\r\nUpgrade: x"
	o := defaults()
	o.Timeouts.Tunnel = 50 * time.Millisecond
	s := newStage(t, o)
	s.serve(s.peer(func(w *wire) {
		if req := w.read(); req.Header.Get("Upgrade") == "" {
			w.say(fine)
			return
		}
		w.say("HTTP/1.1 101 Switching Protocols\r\n" + upgrade + "\r\n\r\n")
		w.hang()
	}))
	c := s.call()
	c.say(s.request("GET", "", upgrade))
	c.hear("GET")
	c.ended() // by its silence
	s.settle()
	if n := s.Meter.Backends.Load(); n != 0 {
		t.Errorf("%d connections are kept", n)
	}
	s.want(200, "POST", "")
}
