package proxy

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// The faults of clients. Row C11, floods over HTTP/2, is in package http2:
// TestFloods and TestHandlersAreBounded.

// A head that comes drop by drop is given up, and costs nobody else anything.
func TestC1SlowHead(t *testing.T) {
	o := defaults()
	o.Timeouts.Header = 200 * time.Millisecond
	s := newStage(t, o)
	s.serve(s.peer(answering(fine)))
	var wg sync.WaitGroup
	for n := range 50 {
		wg.Go(func() {
			c := s.call()
			if n%2 == 0 { // also on a connection that was of use before
				c.say(s.request("GET", ""))
				c.hear("GET")
			}
			begin := time.Now()
			for _, letter := range "GET / HTTP/1.1\r\nHost: web\r\nX-A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb" {
				if _, err := io.WriteString(c, string(letter)); err != nil || time.Since(begin) > 2*time.Second {
					break
				}
				time.Sleep(20 * time.Millisecond)
			}
			if got := c.hear("GET"); got.status != 408 || !got.close {
				t.Errorf("got %+v", got)
			}
			if took := time.Since(begin); took < 180*time.Millisecond || took > 5*time.Second {
				t.Errorf("it was given up after %v", took)
			}
			c.ended()
		})
	}
	for range 100 {
		s.want(200, "GET", "")
	}
	wg.Wait()
}

// A client that goes away is soon found out, its backend told and not blamed.
func TestC2ClientLeaves(t *testing.T) {
	for name, leave := range map[string]func(*caller){
		"end": func(c *caller) { c.Close() }, "reset": func(c *caller) { reset(c.TCPConn) },
	} {
		for what, text := range map[string]string{"before the head": "", "in the body": "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"} {
			for _, body := range []string{"", "payload"} {
				t.Run(name+" "+what+" "+body, func(t *testing.T) {
					s := newStage(t, defaults())
					told := make(chan time.Time, 1)
					asked := make(chan bool, 1)
					s.serve(s.peer(func(w *wire) {
						w.take()
						w.say(text)
						asked <- true
						w.hang()
						told <- time.Now()
					}))
					c := s.call()
					c.say(s.request("POST", body))
					<-asked
					if text != "" {
						_, _ = c.r.Peek(len("HTTP/1.1 200 OK"))
					}
					begin := time.Now()
					leave(c)
					s.saw(departed)
					// 100 ms are promised, and a busy machine gets some more.
					if took := (<-told).Sub(begin); took > 500*time.Millisecond {
						t.Errorf("the backend was told after %v", took)
					}
					if s.settle(); s.blamed(0) != 0 || s.Meter.Errors.Load() != 0 {
						t.Errorf("blamed %d, counted %v", s.blamed(0), s.Meter.Failures())
					}
				})
			}
		}
	}
}

// Requests sent without waiting are answered in their order, each once, also
// where one has a body, fails, or comes in pieces.
func TestC3Pipelining(t *testing.T) {
	s := newStage(t, defaults())
	s.serve(s.peer(func(w *wire) {
		for n := 0; ; n++ {
			req := w.take()
			if req == nil {
				return
			}
			id := req.Header.Get("X-Request-Id")
			switch {
			case req.Method == "DELETE":
				w.say("HTTP/1.1 204 No Content\r\nX-Id: " + id + "\r\n\r\n")
			case n%3 == 2:
				w.say("HTTP/1.1 200 OK\r\nX-Id: " + id + "\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
			default:
				time.Sleep(time.Millisecond)
				w.say("HTTP/1.1 200 OK\r\nX-Id: " + id + "\r\nContent-Length: 2\r\n\r\nok")
			}
		}
	}))
	c := s.call()
	const count = 60
	methods := []string{"GET", "POST", "DELETE", "HEAD"}
	var text strings.Builder
	for n := range count {
		method, body := methods[n%4], ""
		if method == "POST" {
			body = strings.Repeat("payload ", n*100)
		}
		text.WriteString(s.request(method, body))
	}
	all := text.String()
	go func() {
		for len(all) > 0 {
			n := min(len(all), 7919)
			_, _ = io.WriteString(c, all[:n])
			all = all[n:]
			time.Sleep(time.Millisecond)
		}
	}()
	for n := range count {
		method := methods[n%4]
		if got := c.hear(method); got.header.Get("X-Id") != fmt.Sprintf("%s-%d", method, n+1) || got.broken != nil {
			t.Fatalf("answer %d is %+v", n, got)
		}
	}
	for _, method := range methods {
		if n := s.delivered(method); n != count/4 {
			t.Errorf("%d of %s delivered", n, method)
		}
	}
}

// Heads beyond the limits are refused before they are all there.
func TestC4LargeHeads(t *testing.T) {
	s := newStage(t, defaults())
	s.serve(s.peer(answering(fine)))
	for name, tt := range map[string]struct {
		text   string
		status int
	}{
		"1 MiB":          {"GET / HTTP/1.1\r\nHost: web\r\nX-A: " + strings.Repeat("x", 1<<20), 431},
		"10,000 fields":  {"GET / HTTP/1.1\r\nHost: web\r\n" + strings.Repeat("X: y\r\n", 10_000) + "\r\n", 431},
		"300 fields":     {"GET / HTTP/1.1\r\nHost: web\r\n" + strings.Repeat("X: y\r\n", 300) + "\r\n", 431},
		"a long target":  {"GET /" + strings.Repeat("x", 64<<10), 414},
		"only a method":  {strings.Repeat("X", 64<<10), 414},
		"trailers":       {"POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-A: " + strings.Repeat("x", 70<<10), 0},
		"chunk's extras": {"POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("x", 70<<10), 0},
	} {
		c := s.call()
		go func() { _, _ = io.WriteString(c, tt.text) }()
		got := c.hear("GET")
		if got.status != tt.status && (tt.status != 0 || got.status < 400 || got.status >= 500) || !got.close {
			t.Errorf("%s: %+v", name, got)
		}
		c.Close()
	}
	s.want(200, "GET", "")
}

// What could be read in two ways is not read at all.
func TestC5AmbiguousFraming(t *testing.T) {
	s := newStage(t, defaults())
	s.serve(s.peer(answering(fine)))
	smuggled := "GET /smuggled HTTP/1.1\r\nHost: web\r\nX-Request-Id: POST-smuggled\r\n\r\n"
	for name, tt := range map[string]struct {
		lines  string
		status int
	}{
		"length and chunks":   {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400},
		"chunks and length":   {"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400},
		"two lengths":         {"Content-Length: 5\r\nContent-Length: 6\r\n", 400},
		"twice the same":      {"Content-Length: 5\r\nContent-Length: 5\r\n", 400},
		"a list of lengths":   {"Content-Length: 5, 5\r\n", 400},
		"a sign":              {"Content-Length: +5\r\n", 400},
		"minus":               {"Content-Length: -5\r\n", 400},
		"hexadecimal":         {"Content-Length: 0x5\r\n", 400},
		"nothing":             {"Content-Length: \r\n", 400},
		"beyond all bounds":   {"Content-Length: 99999999999999999999\r\n", 400},
		"gzip":                {"Transfer-Encoding: gzip\r\n", 501},
		"gzip, chunked":       {"Transfer-Encoding: gzip, chunked\r\n", 501},
		"chunked, gzip":       {"Transfer-Encoding: chunked, gzip\r\n", 400},
		"chunked twice":       {"Transfer-Encoding: chunked, chunked\r\n", 400},
		"xchunked":            {"Transfer-Encoding: xchunked\r\n", 501},
		"identity":            {"Transfer-Encoding: identity\r\n", 501},
		"space before colon":  {"Transfer-Encoding : chunked\r\n", 400},
		"a tab in the name":   {"Transfer\tEncoding: chunked\r\n", 400},
		"a vertical tab":      {"Transfer-Encoding: \x0bchunked\r\n", 400},
		"folded":              {"Transfer-Encoding:\r\n chunked\r\n", 400},
		"bare LF":             {"X-A: b\nTransfer-Encoding: chunked\r\n", 400},
		"bare CR":             {"X-A: b\rTransfer-Encoding: chunked\r\n", 400},
		"NUL":                 {"X-A: b\x00\r\n", 400},
		"no name":             {": chunked\r\n", 400},
		"two hosts":           {"Host: other\r\n", 400},
		"chunks for HTTP/1.0": {"", 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := s.call()
			defer c.Close()
			head := "POST / HTTP/1.1\r\nHost: web\r\n" + tt.lines + "\r\n"
			if tt.status == 0 {
				head, tt.status = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400
			}
			c.say(head + "0\r\n\r\n" + smuggled)
			got := c.hear("POST")
			if got.status != tt.status || !got.close {
				t.Errorf("got %+v, want %d", got, tt.status)
			}
			c.ended() // and nothing is answered that came after
		})
	}
	if n := s.delivered("POST"); n != 0 {
		t.Errorf("%d were delivered", n)
	}
}

// Framing that breaks within a body ends the request, and the backend sees that
// it is incomplete.
func TestC6BrokenBody(t *testing.T) {
	for name, tail := range map[string]string{
		"bad size":      "zz\r\nhello\r\n",
		"empty size":    "\r\nhello\r\n",
		"size too long": "fffffffffffffffff\r\n",
		"bare LF":       "5\nhello\r\n",
		"LF after data": "5\r\nhello\n0\r\n\r\n",
		"NUL":           "\x00\r\n",
		"data too long": "2\r\nhello\r\n0\r\n\r\n",
		"bad trailer":   "0\r\nX A: b\r\n\r\n",
	} {
		for _, at := range []string{"at once", "streaming"} {
			t.Run(name+" "+at, func(t *testing.T) {
				s := newStage(t, defaults())
				saw := make(chan error, 1)
				s.serve(s.peer(func(w *wire) {
					req := w.read()
					if req == nil {
						saw <- io.ErrUnexpectedEOF
						return
					}
					_, err := io.Copy(io.Discard, req.Body)
					saw <- err
					w.say(fine)
				}))
				c := s.call()
				c.say("POST / HTTP/1.1\r\nHost: web\r\nX-Request-Id: POST-1\r\nTransfer-Encoding: chunked\r\n\r\n")
				if at == "streaming" {
					c.say("5\r\nfirst\r\n")
					within(t, "it is under way", func() bool { return s.delivered("POST") == 1 })
				}
				c.say(tail)
				if got := c.hear("POST"); got.status != 400 || !got.close {
					t.Errorf("got %+v", got)
				}
				c.ended()
				if s.settle(); s.blamed(0) != 0 || s.Meter.Failures()[BadRequest] != 1 {
					t.Errorf("blamed %d, counted %v", s.blamed(0), s.Meter.Failures())
				}
				if s.delivered("POST") > 0 {
					if err := <-saw; err == nil {
						t.Error("the backend takes the request for whole")
					}
				}
			})
		}
	}
}
