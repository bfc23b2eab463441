package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The faults of backends once their answers have begun, or should have.

// Whatever the framing and however it breaks, the client sees that its answer
// is incomplete, and nothing is tried again.
func TestB4BreaksInTheBody(t *testing.T) {
	for name, text := range map[string]string{
		"length":          "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
		"chunks":          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
		"within a chunk":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf",
		"within its head": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n1",
		"trailers":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nX-Sum: 1\r\n",
		"nothing yet":     "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
	} {
		for how, end := range map[string]func(*wire){"reset": func(w *wire) { reset(w.conn) }, "end": func(*wire) {}} {
			t.Run(name+", "+how, func(t *testing.T) {
				s := newStage(t, defaults())
				s.serve(s.peer(func(w *wire) {
					w.take()
					w.say(text)
					time.Sleep(10 * time.Millisecond) // a reset takes with it what was not read yet
					end(w)
				}), s.peer(answering(fine)))
				if got := s.ask("GET", ""); got.broken == nil {
					t.Errorf("HTTP/1.1: the client takes %d %q for all", got.status, got.body)
				}
				c := s.call()
				c.say("GET / HTTP/1.0\r\nX-Request-Id: GET-0\r\n\r\n")
				if got := c.hear("GET"); got.broken == nil {
					t.Errorf("HTTP/1.0: the client takes %d %q for all", got.status, got.body)
				}
				resp, err := h2cClient(t).Get("http://" + s.address + "/")
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					resp.Body.Close()
				}
				if s.saw(broken); err == nil {
					t.Error("HTTP/2: the client takes it for all")
				}
				if s.settle(); s.blamed(0) != 3 || s.Meter.Retries.Load() != 0 || s.Meter.Failures()[Reset] != 3 {
					t.Errorf("blamed %d, %d retries, counted %v", s.blamed(0), s.Meter.Retries.Load(), s.Meter.Failures())
				}
			})
		}
	}
}

// A body may take any time as long as it moves.
func TestB6SlowBody(t *testing.T) {
	o := defaults()
	o.Timeouts.FirstByte, o.Timeouts.Idle = 150*time.Millisecond, 150*time.Millisecond
	slow := func(pieces int) func(*wire) {
		return func(w *wire) {
			w.take()
			w.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			for range pieces {
				time.Sleep(30 * time.Millisecond)
				w.say("1\r\nx\r\n")
			}
			if pieces > 5 {
				w.say("0\r\n\r\n")
			}
			w.hang()
		}
	}
	s := newStage(t, o)
	s.serve(s.peer(slow(15)))
	if got := s.want(200, "POST", "x"); len(got.body) != 15 {
		t.Errorf("got %q", got.body)
	}
	s = newStage(t, o)
	s.serve(s.peer(slow(3)))
	begin := time.Now()
	if got := s.ask("GET", ""); got.broken == nil || got.body != "xxx" {
		t.Errorf("of a body that stopped: %q, %v", got.body, got.broken)
	}
	if took := time.Since(begin); took < 200*time.Millisecond || took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	if s.settle(); s.Meter.Failures()[IdleTimeout] != 1 || s.blamed(0) != 1 {
		t.Errorf("counted %v, blamed %d", s.Meter.Failures(), s.blamed(0))
	}
}

// What cannot be understood is no answer. None of its bytes go anywhere, least
// of all into a terminal.
func TestB10Garbage(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":            "",
		"no HTTP":            "\x1b]0;owned\x07 220 mail\r\n\r\n",
		"another version":    "HTTP/3.0 200 OK\r\n\r\n",
		"no status":          "HTTP/1.1 two OK\r\nContent-Length: 0\r\n\r\n",
		"status 99":          "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
		"half a head":        "HTTP/1.1 200 OK\r\nContent-Le",
		"bare LF":            "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
		"two lengths":        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
		"length and chunks":  "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"unknown coding":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"a NUL":              "HTTP/1.1 200 OK\r\nX-A: \x00\r\nContent-Length: 0\r\n\r\n",
		"space before colon": "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
		"a folded line":      "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
		"an upgrade unasked": "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
		"HTTP/2 unasked":     "\x00\x00\x00\x04\x00\x00\x00\x00\x00\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan struct{}, 2)
			garbage := func(w *wire) {
				w.take()
				w.say(text)
				if text != "" && name != "half a head" {
					w.hang() // until the connection is discarded
				}
				ended <- struct{}{}
			}
			s := newStage(t, defaults())
			s.o.Retry.Max = 0
			s.serve(s.peer(garbage))
			for _, method := range []string{"GET", "POST"} {
				got := s.want(502, method, "")
				if strings.ContainsAny(got.body+got.header.Get("Proxy-Status"), "\x1b\x07\x00") || strings.Contains(got.body, "owned") {
					t.Errorf("the answer shows %q", got.body)
				}
				within(t, "the connection is closed", func() bool { return len(ended) == 1 })
				<-ended
			}
			if s.settle(); s.Meter.Failures()[BadResponse]+s.Meter.Failures()[Reset] != 2 || s.blamed(0) != 2 {
				t.Errorf("counted %v, blamed %d", s.Meter.Failures(), s.blamed(0))
			}
		})
	}
}

// A head without an end is given up when it is too large, however it comes.
func TestB11LargeHead(t *testing.T) {
	for name, text := range map[string]string{
		"one line":    strings.Repeat("x", 1000),
		"many fields": strings.Repeat("X: y\r\n", 200),
		"status line": "",
	} {
		t.Run(name, func(t *testing.T) {
			took := make(chan int, 3)
			s := newStage(t, defaults())
			s.serve(s.peer(func(w *wire) {
				w.take()
				w.say("HTTP/1.1 200 ")
				if text != "" {
					w.say("OK\r\nX-A: ")
				} else {
					text = strings.Repeat("OK", 500)
				}
				sent := 0
				for sent < 64<<20 {
					n, err := io.WriteString(w.conn, text)
					if sent += n; err != nil {
						break
					}
				}
				took <- sent
			}))
			s.want(502, "POST", "")
			if sent := <-took; sent > 16<<20 {
				t.Errorf("%d MiB were taken before the connection was closed", sent>>20)
			}
			if s.Meter.Failures()[BadResponse] != 1 {
				t.Errorf("counted %v", s.Meter.Failures())
			}
		})
	}
}

// Framing that breaks is as if the connection had, and nothing that comes after
// it is read as anything.
func TestB12BadFraming(t *testing.T) {
	for name, body := range map[string]string{
		"no number":     "4\r\nhalf\r\nzz\r\n",
		"too large":     "4\r\nhalf\r\nffffffffffffffffff\r\n",
		"minus":         "4\r\nhalf\r\n-1\r\n",
		"no line end":   "4\r\nhalfway",
		"bare LF":       "4\r\nhalf\n0\r\n\r\n",
		"bad trailer":   "4\r\nhalf\r\n0\r\nX A: b\r\n\r\n",
		"large trailer": "4\r\nhalf\r\n0\r\nX-A: " + strings.Repeat("x", 70<<10) + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, defaults())
			s.serve(s.peer(func(w *wire) {
				w.take()
				w.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + fine)
				w.hang()
			}))
			for range 2 {
				if got := s.ask("GET", ""); got.broken == nil || !strings.HasPrefix("halfway", got.body) {
					t.Errorf("got %d %q, %v", got.status, got.body, got.broken)
				}
			}
			if s.settle(); s.Meter.Failures()[BadResponse] != 2 || s.blamed(0) != 2 {
				t.Errorf("counted %v, blamed %d", s.Meter.Failures(), s.blamed(0))
			}
		})
	}
}

func TestB13InterimAnswers(t *testing.T) {
	for _, count := range []int{1, 10, maxInterim, maxInterim + 1, 1 << 20} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			s := newStage(t, defaults())
			s.serve(s.peer(func(w *wire) {
				for w.take() != nil {
					for range count {
						if _, err := io.WriteString(w.conn, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"); err != nil {
							return
						}
					}
					w.say(fine)
				}
			}))
			for _, version := range []string{"1.1", "1.0"} {
				c := s.call()
				c.say("POST / HTTP/" + version + "\r\nHost: web\r\nX-Request-Id: POST-" + version + "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
				all := readAll(c.r)
				got, final := strings.Count(all, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), all[strings.LastIndex(all, "HTTP/1."):]
				resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(final)), nil)
				if err != nil {
					t.Fatal(err)
				}
				s.saw(fmt.Sprint(resp.StatusCode))
				status, interim := 200, min(count, maxInterim)
				if count > maxInterim {
					status = 502
				}
				if version == "1.0" { // which knows none
					interim = 0
				}
				if got != interim || resp.StatusCode != status {
					t.Errorf("HTTP/%s: %d interim answers and %d, want %d and %d", version, got, resp.StatusCode, interim, status)
				}
			}
		})
	}
}

// An answer that comes before the request has ended is delivered, the rest of
// the request goes nowhere, and neither connection is used again.
func TestB14EarlyAnswer(t *testing.T) {
	for _, how := range []string{"stops reading", "closes", "resets"} {
		t.Run(how, func(t *testing.T) {
			conns := make(chan *wire, 10)
			s := newStage(t, defaults())
			s.serve(s.peer(func(w *wire) {
				conns <- w
				if req := w.read(); req.ContentLength == 0 {
					w.say(fine)
					return
				}
				_, _ = io.CopyN(io.Discard, w.r, 1000)
				w.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge")
				switch how {
				case "stops reading":
					for range 200 { // until the connection is closed
						if _, err := io.WriteString(w.conn, ""); err != nil {
							return
						}
						_ = w.conn.SetReadDeadline(time.Now().Add(time.Second))
						if _, err := w.r.Peek(w.r.Size()); err != nil {
							return
						}
						_, _ = w.r.Discard(w.r.Buffered())
					}
				case "resets":
					time.Sleep(20 * time.Millisecond)
					reset(w.conn)
				}
			}))
			c := s.call()
			text := s.request("POST", strings.Repeat("x", 8<<20))
			written := make(chan int, 1)
			go func() {
				n, _ := io.WriteString(c, text)
				written <- n
			}()
			if got := c.hear("POST"); how == "stops reading" && (got.status != 413 || got.body != "large" || !got.close) {
				t.Errorf("%d %q, %v, close %v", got.status, got.body, got.broken, got.close)
			} else if got.status != 413 && got.status != 502 {
				t.Errorf("%d %q, %v", got.status, got.body, got.broken)
			}
			c.Close()
			if n := <-written; n == len(text) && how == "stops reading" {
				t.Log("all of the upload was taken")
			}
			s.want(200, "GET", "")
			if first, second := <-conns, <-conns; first == second {
				t.Error("the connection was used again")
			}
		})
	}
}

// Bytes behind an answer are never taken for the next one.
func TestB15BytesAfterTheAnswer(t *testing.T) {
	poison := strings.Replace(fine, "ok", "no", 1)
	for name, script := range map[string]func(w *wire, said chan<- bool){
		"at once": func(w *wire, said chan<- bool) { w.take(); w.say(fine + poison); said <- true; w.hang() },
		"later": func(w *wire, said chan<- bool) {
			w.take()
			w.say(fine)
			time.Sleep(20 * time.Millisecond)
			w.say(poison)
			said <- true
			w.hang()
		},
		"after no body": func(w *wire, said chan<- bool) {
			w.take()
			w.say("HTTP/1.1 204 No Content\r\n\r\n" + poison)
			said <- true
			w.hang()
		},
		"after a HEAD": func(w *wire, said chan<- bool) {
			w.take()
			w.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno")
			said <- true
			w.hang()
		},
		"after chunks": func(w *wire, said chan<- bool) {
			w.take()
			w.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + poison)
			said <- true
			w.hang()
		},
	} {
		t.Run(name, func(t *testing.T) {
			said := make(chan bool, 10)
			s := newStage(t, defaults())
			s.serve(s.peer(func(w *wire) { script(w, said) }))
			for range 3 {
				method := "POST"
				if name == "after a HEAD" {
					method = "HEAD"
				}
				if got := s.ask(method, ""); got.broken != nil || got.status > 204 || got.body != "ok" && got.body != "" {
					t.Errorf("got %d %q, %v", got.status, got.body, got.broken)
				}
				<-said
			}
			if s.settle(); s.delivered("POST")+s.delivered("HEAD") != 3 || s.blamed(0) != 0 {
				t.Errorf("delivered %v, blamed %d", s.journal, s.blamed(0))
			}
		})
	}
}
