package proxy

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/outrigger-sidecar/outrigger/lb"
)

// departing is a stage whose server hears what its balancer removes.
func departing(t *testing.T, r Removal, options ...func(*Options)) *stage {
	t.Helper()
	o := defaults()
	o.Removal = r
	for _, option := range options {
		option(&o)
	}
	s := newStage(t, o)
	s.o.Balancer = lb.New(inOrder{}, lb.WithHooks(lb.Hooks{Change: func(c lb.Change) {
		if c.To.Rule == 2 {
			s.server.(Follower).Removed(c.Server)
		}
	}}))
	return s
}

// chapters is a backend whose answer begins at once, and ends when it is let.
func (s *stage) chapters(let <-chan struct{}) string {
	return s.peer(func(w *wire) {
		for w.take() != nil {
			w.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n")
			<-let
			w.say("5\r\nended\r\n0\r\n\r\n")
		}
	})
}

// What is under way when its server is removed ends as it would have, where
// nothing else is wanted or the grace lasts, and then the connection does: it is
// of no more use.
func TestRemovedRequestsEnd(t *testing.T) {
	for _, r := range []Removal{{}, {Mode: Keep}, {Drain, time.Hour}, {Close, time.Hour}} {
		t.Run(string(r.Mode), func(t *testing.T) {
			let := make(chan struct{})
			s := departing(t, r)
			s.serve(s.chapters(let))
			c := s.call()
			c.say(s.request("GET", ""))
			if head, err := c.r.Peek(len("HTTP/1.1 200")); err != nil {
				t.Fatal(string(head), err)
			}
			remove(t, s.front)
			time.Sleep(3 * glance)
			close(let)
			if got := c.hear("GET"); got.body != "begunended" || got.broken != nil {
				t.Errorf("got %+v", got)
			}
			within(t, "no connection is kept", func() bool { return s.Meter.Backends.Load() == 0 })
		})
	}
}

// The same of HTTP/2, where a connection ends with the last of its streams.
func TestRemovedStreamsEnd(t *testing.T) {
	s := departing(t, Removal{})
	s.serve(echoService(t))
	chats := []grpc.ClientStream{chat(t, s.front), chat(t, s.front)}
	remove(t, s.front)
	for i, c := range chats {
		say(t, c, "still here")
		if n := s.Meter.Backends.Load(); n != 1 {
			t.Errorf("with %d streams it has %d connections", len(chats)-i, n)
		}
		_ = c.CloseSend()
		if err := c.RecvMsg(new(wrapperspb.StringValue)); err != io.EOF {
			t.Error(err)
		}
		s.saw("200")
	}
	within(t, "no connection is kept", func() bool { return s.Meter.Backends.Load() == 0 })
}

func chat(t *testing.T, f *front) grpc.ClientStream {
	t.Helper()
	c, err := grpcClient(t, f.address).NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/test.Echo/Chat")
	if err != nil {
		t.Fatal(err)
	}
	say(t, c, "hello")
	return c
}

func say(t *testing.T, c grpc.ClientStream, word string) {
	t.Helper()
	in := new(wrapperspb.StringValue)
	if err := c.SendMsg(wrapperspb.String(word)); err != nil {
		t.Fatal(err)
	}
	if err := c.RecvMsg(in); err != nil || in.Value != word {
		t.Fatalf("%q, %v", in.Value, err)
	}
}

// After the grace a request goes to another server if it may, and an answer that
// goes on is broken off, so that its client can tell.
func TestRemovedRequestsAreCut(t *testing.T) {
	for _, mode := range []RemovalMode{Drain, Close} {
		grace := Removal{mode, 4 * glance}
		hangs := func(w *wire) { w.take(); w.hang() }
		t.Run(fmt.Sprint(mode, " without an answer"), func(t *testing.T) {
			for _, method := range []string{"GET", "POST"} {
				s := departing(t, grace)
				s.serve(s.peer(hangs), s.peer(answering(fine)))
				c := s.call()
				c.say(s.request(method, ""))
				within(t, "it is there", func() bool { return s.delivered(method) == 1 })
				begin := time.Now()
				remove(t, s.front)
				status := 200
				if method == "POST" {
					status = 502
				}
				got := c.hear(method)
				if took := time.Since(begin); got.status != status || took < grace.Grace || took > 5*time.Second {
					t.Errorf("%s got %+v after %v", method, got, took)
				}
				if method == "POST" && !strings.Contains(got.body, "remove_grace") {
					t.Errorf("it was told %q", got.body)
				}
				if s.settle(); s.Meter.Failures()[Removed] != int64(status/502) || s.blamed(1) != 0 {
					t.Errorf("counted %v", s.Meter.Failures())
				}
			}
		})
		t.Run(fmt.Sprint(mode, " within an answer"), func(t *testing.T) {
			let := make(chan struct{})
			defer close(let)
			s := departing(t, grace)
			s.serve(s.chapters(let), s.peer(answering(fine)))
			c := s.call()
			c.say(s.request("GET", ""))
			if _, err := c.r.Peek(1); err != nil {
				t.Fatal(err)
			}
			remove(t, s.front)
			if got := c.hear("GET"); got.body != "begun" || got.broken == nil {
				t.Errorf("got %+v", got)
			}
			if s.settle(); s.Meter.Failures()[Removed] != 1 {
				t.Errorf("counted %v", s.Meter.Failures())
			}
		})
		t.Run(fmt.Sprint(mode, " within a stream"), func(t *testing.T) {
			s := departing(t, grace)
			s.serve(echoService(t), echoService(t))
			c := chat(t, s.front)
			remove(t, s.front)
			if err := c.RecvMsg(new(wrapperspb.StringValue)); err == nil || err == io.EOF {
				t.Errorf("it ended with %v", err)
			}
			s.saw(broken)
			within(t, "it is counted", func() bool { return s.Meter.Failures()[Removed] == 1 })
			c = chat(t, s.front)
			_ = c.CloseSend()
			_ = c.RecvMsg(new(wrapperspb.StringValue))
			s.saw("200")
		})
	}
}

// A server that is back within the grace keeps its requests, and those of others
// are not touched.
func TestRemovedAndBackRequests(t *testing.T) {
	let := make(chan struct{})
	s := departing(t, Removal{Drain, 3 * glance})
	first := lb.Server{ID: "0", Address: s.chapters(let), MaxConnections: 1}
	s.serve()
	for _, server := range []lb.Server{first, {ID: "1", Address: s.chapters(let)}} {
		if err := s.Balancer.Add(server); err != nil {
			t.Fatal(err)
		}
	}
	callers := []*caller{s.call(), s.call()}
	for _, c := range callers {
		c.say(s.request("GET", ""))
		if _, err := c.r.Peek(1); err != nil {
			t.Fatal(err)
		}
	}
	remove(t, s.front)
	time.Sleep(2 * glance) // it has been seen to be gone
	if err := s.Balancer.Add(first); err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * glance)
	close(let)
	for i, c := range callers {
		if got := c.hear("GET"); got.body != "begunended" || got.broken != nil {
			t.Errorf("%d got %+v", i, got)
		}
	}
}

// upgraded is a tunnel through the front, to the first backend that takes one.
func (s *stage) upgraded() net.Conn {
	s.t.Helper()
	c := s.call()
	c.say(s.request("GET", "", "Connection: Upgrade", "Upgrade: websocket"))
	if got := c.hear("GET"); got.status != 101 {
		s.t.Fatalf("got %+v", got)
	}
	converse(s.t, c, "hello")
	return c
}

// tunnelling is a backend that switches, and sends back what comes.
func (s *stage) tunnelling() string {
	return s.peer(func(w *wire) {
		w.take()
		w.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(struct{ io.Writer }{w.conn}, w.r)
	})
}

func TestRemovedTunnels(t *testing.T) {
	for _, r := range []Removal{{}, {Keep, time.Millisecond}, {Drain, 300 * time.Millisecond}, {Close, time.Hour}} {
		t.Run(string(r.Mode), func(t *testing.T) {
			s := departing(t, r)
			s.serve()
			for _, server := range []lb.Server{{ID: "0", Address: s.tunnelling(), MaxConnections: 1}, {ID: "1", Address: s.tunnelling()}} {
				if err := s.Balancer.Add(server); err != nil {
					t.Fatal(err)
				}
			}
			first, second := s.upgraded(), s.upgraded()
			begin := time.Now()
			remove(t, s.front)
			switch r.Mode {
			case Drain:
				converse(t, first, "in its grace")
				cutWithin(t, first, 5*time.Second)
				if took := time.Since(begin); took < r.Grace {
					t.Errorf("it was cut after %v", took)
				}
			case Close:
				cutWithin(t, first, 5*time.Second)
			default:
				time.Sleep(50 * time.Millisecond)
				converse(t, first, "still here")
			}
			converse(t, second, "still here")
			first.Close()
			second.Close()
		})
	}
}

// A tunnel to a server that is removed while it agrees to it ends as well.
func TestRemovedWhileSwitching(t *testing.T) {
	s := departing(t, Removal{Mode: Close})
	s.serve(s.peer(func(w *wire) {
		w.take()
		_ = s.Balancer.Remove("0")
		w.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		w.hang()
	}))
	c := s.call()
	c.say(s.request("GET", "", "Connection: Upgrade", "Upgrade: websocket"))
	if got := c.hear("GET"); got.status != 101 {
		t.Errorf("got %+v", got)
	}
	cutWithin(t, c, 5*time.Second)
}
