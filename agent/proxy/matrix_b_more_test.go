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

// The faults of backends that say more, or sooner, than they should.

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
			conns, heard := make(chan *wire, 10), make(chan bool)
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
					<-heard
				case "resets":
					time.Sleep(20 * time.Millisecond)
					reset(w.conn)
				}
			}))
			c := s.call()
			text := s.request("POST", strings.Repeat("x", 8<<20))
			go func() { _, _ = io.WriteString(c, text) }()
			if got := c.hear("POST"); how == "stops reading" && (got.status != 413 || got.body != "large" || !got.close) {
				t.Errorf("%d %q, %v, close %v", got.status, got.body, got.broken, got.close)
			} else if got.status != 413 && got.status != 502 {
				t.Errorf("%d %q, %v", got.status, got.body, got.broken)
			}
			c.Close()
			close(heard)
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
