package proxy

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// frames is a backend's end of a connection of HTTP/2, frame by frame. What a
// client of HTTP/2 does to us is tested in package http2 (row C11 too:
// TestFloods, TestHandlersAreBounded).
type frames struct {
	*http2.Framer
	*wire
	heads bytes.Buffer
	hpack *hpack.Encoder
}

// framed is a backend that speaks HTTP/2 by a script, which begins after the
// settings of both sides.
func (s *stage) framed(script func(*frames), settings ...http2.Setting) string {
	return s.peer(func(w *wire) {
		preface := make([]byte, len(http2.ClientPreface))
		if _, err := io.ReadFull(w.r, preface); err != nil || string(preface) != http2.ClientPreface {
			return
		}
		f := &frames{Framer: http2.NewFramer(w.conn, w.r), wire: w}
		f.AllowIllegalWrites = true
		f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
		f.hpack = hpack.NewEncoder(&f.heads)
		_ = f.WriteSettings(settings...)
		script(f)
	})
}

// next is the next request's stream and ID, 0 at the end. It is not yet
// delivered, as the backend can still say that it will not look at it.
func (f *frames) next() (stream uint32, id string) {
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return 0, ""
		}
		if head, ok := frame.(*http2.MetaHeadersFrame); ok {
			for _, field := range head.Fields {
				if field.Name == "x-request-id" {
					id = field.Value
				}
			}
			return head.StreamID, id
		}
	}
}

// deliver writes a request down.
func (f *frames) deliver(id string) {
	f.stage.mu.Lock()
	defer f.stage.mu.Unlock()
	f.stage.journal[id]++
}

func (f *frames) head(stream uint32, status int, end bool, fields ...string) {
	f.heads.Reset()
	_ = f.hpack.WriteField(hpack.HeaderField{Name: ":status", Value: strconv.Itoa(status)})
	for i := 0; i < len(fields); i += 2 {
		_ = f.hpack.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: f.heads.Bytes(), EndHeaders: true, EndStream: end})
}

// respond answers all there is from now on.
func (f *frames) respond() {
	for stream, id := f.next(); stream != 0; stream, id = f.next() {
		f.deliver(id)
		f.head(stream, 200, false)
		_ = f.WriteData(stream, true, []byte("ok"))
	}
}

func newStageOfHTTP2(t *testing.T) *stage {
	o := defaults()
	o.Backend = H2C
	return newStage(t, o)
}

// askAtOnce asks with several requests at a time, on connections of their own.
func (s *stage) askAtOnce(count int, method string) (statuses map[string]int) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	statuses = make(map[string]int)
	for range count {
		wg.Go(func() {
			got := s.ask(method, "")
			mu.Lock()
			defer mu.Unlock()
			if statuses[strconv.Itoa(got.status)]++; got.broken != nil {
				statuses[broken]++
			}
		})
	}
	wg.Wait()
	return statuses
}

// Of a connection that the backend ends, what it still looks at is finished,
// and what it does not is resent, whatever it is.
func TestB16GoAway(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		for _, looksAt := range []int{0, 1, 5, 10} {
			t.Run(fmt.Sprint(method, " ", looksAt), func(t *testing.T) {
				s := newStageOfHTTP2(t)
				var conns atomic.Int64
				s.serve(s.framed(func(f *frames) {
					if conns.Add(1) > 1 {
						f.respond()
						return
					}
					var streams []uint32
					last := uint32(0)
					for n := range 10 {
						stream, id := f.next()
						if streams = append(streams, stream); n < looksAt {
							f.deliver(id)
							last = stream
						}
					}
					_ = f.WriteGoAway(last, http2.ErrCodeNo, nil)
					for _, stream := range streams[:looksAt] {
						f.head(stream, 200, false)
						time.Sleep(time.Millisecond)
						_ = f.WriteData(stream, true, []byte("ok"))
					}
					f.next() // until the end
				}), s.framed((*frames).respond))
				if got := s.askAtOnce(10, method); got["200"] != 10 || len(got) != 1 {
					t.Errorf("got %v", got)
				}
				if n := s.delivered(method); n != 10 {
					t.Errorf("%d delivered", n)
				}
			})
		}
	}
}

// What ends a stream, and whether the request may go on.
func TestB16ResetStreams(t *testing.T) {
	for _, tt := range []struct {
		code      http2.ErrCode
		method    string
		status    string
		delivered int
	}{
		{http2.ErrCodeRefusedStream, "GET", "200", 1},
		{http2.ErrCodeRefusedStream, "POST", "200", 1},
		{http2.ErrCodeInternal, "GET", "200", 2},
		{http2.ErrCodeInternal, "POST", "502", 1},
		{http2.ErrCodeCancel, "POST", "502", 1},
		{http2.ErrCodeNo, "POST", "502", 1},
	} {
		t.Run(fmt.Sprint(tt.code, " ", tt.method), func(t *testing.T) {
			s := newStageOfHTTP2(t)
			s.serve(s.framed(func(f *frames) {
				for stream, id := f.next(); stream != 0; stream, id = f.next() {
					if tt.code != http2.ErrCodeRefusedStream {
						f.deliver(id)
					}
					_ = f.WriteRSTStream(stream, tt.code)
				}
			}), s.framed((*frames).respond))
			if got := s.askAtOnce(1, tt.method); got[tt.status] != 1 {
				t.Errorf("got %v, want %s", got, tt.status)
			}
			if n := s.delivered(tt.method); n != tt.delivered {
				t.Errorf("delivered %d times", n)
			}
		})
	}
	for name, end := range map[string]func(*frames, uint32){
		"stream":     func(f *frames, stream uint32) { _ = f.WriteRSTStream(stream, http2.ErrCodeInternal); f.next() },
		"connection": func(f *frames, _ uint32) { reset(f.conn) },
	} {
		t.Run("half way, "+name, func(t *testing.T) {
			s := newStageOfHTTP2(t)
			s.serve(s.framed(func(f *frames) {
				stream, id := f.next()
				f.deliver(id)
				f.head(stream, 200, false)
				_ = f.WriteData(stream, false, []byte("half"))
				time.Sleep(20 * time.Millisecond)
				end(f, stream)
			}), s.framed((*frames).respond))
			if got := s.askAtOnce(1, "GET"); got[broken] != 1 || s.Meter.Retries.Load() != 0 {
				t.Errorf("got %v, %d retries", got, s.Meter.Retries.Load())
			}
		})
	}
}

// A connection that breaks takes down what may have been worked on, and only
// that.
func TestB16BrokenConnection(t *testing.T) {
	for method, status := range map[string]string{"GET": "200", "POST": "502"} {
		s := newStageOfHTTP2(t)
		s.serve(s.framed(func(f *frames) {
			for range 5 {
				_, id := f.next()
				f.deliver(id)
			}
			reset(f.conn)
		}), s.framed((*frames).respond))
		if got := s.askAtOnce(5, method); got[status] != 5 {
			t.Errorf("%s: got %v", method, got)
		}
	}
}

// Settings and frames that nobody can work with cost the requests that meet
// them, no more: each attempt opens at most one connection, and none is left.
func TestB16AbusiveBackends(t *testing.T) {
	for name, backend := range map[string]func(*stage) string{
		"no streams": func(s *stage) string {
			return s.framed(func(f *frames) {
				for stream, _ := f.next(); stream != 0; stream, _ = f.next() {
					_ = f.WriteRSTStream(stream, http2.ErrCodeRefusedStream)
				}
			}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0})
		},
		"frames of 0": func(s *stage) string {
			return s.framed(func(f *frames) { f.next(); f.next() }, http2.Setting{ID: http2.SettingMaxFrameSize, Val: 0})
		},
		"a window too large": func(s *stage) string {
			return s.framed(func(f *frames) { f.next(); f.next() }, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31})
		},
		"a flood of settings": func(s *stage) string {
			return s.framed(func(f *frames) {
				for f.WriteSettings() == nil {
				}
			})
		},
		"goes away at once": func(s *stage) string {
			return s.framed(func(f *frames) { _ = f.WriteGoAway(0, http2.ErrCodeNo, nil); f.next(); f.next() })
		},
		"no HTTP/2": func(s *stage) string {
			return s.peer(func(w *wire) { w.say("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"); w.hang() })
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStageOfHTTP2(t)
			var opened atomic.Int64
			address := backend(s)
			s.o.Retry.Max = 0
			s.serve(relayTo(t, address, &opened))
			const count = 20
			begin := time.Now()
			for range count {
				if got := s.ask("POST", ""); got.status != 502 {
					t.Errorf("got %d %q, %v", got.status, strings.TrimSpace(got.body), got.broken)
				}
			}
			if took, n := time.Since(begin), opened.Load(); n > 2*count || took > 10*time.Second {
				t.Errorf("%d connections in %v", n, took)
			}
			within(t, "hardly a connection is left", func() bool { return s.Meter.Backends.Load() <= 1 })
		})
	}
}
