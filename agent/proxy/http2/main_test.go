package http2

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if !playsRole() {
		goleak.VerifyTestMain(m)
	}
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serve serves every connection to an address with handle.
func serve(t testing.TB, o ServerOptions, handle func(*ServerStream)) string {
	t.Helper()
	l := listen(t)
	servers := newSet[*Server]()
	servers.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			v := NewServer(c, nil, o, handle)
			servers.Add(v, func() { _ = v.Serve() })
		}
	})
	t.Cleanup(func() {
		l.Close()
		servers.Each(func(v *Server) { v.Close() })
		servers.Wait()
	})
	return l.Addr().String()
}

// dial opens a connection to a backend.
func dial(t testing.TB, address string, o ClientOptions) *Client {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	l := NewClient(c, o)
	t.Cleanup(func() { l.Close(); <-l.Done() })
	return l
}

// relay joins a server's streams to those of clients, as the proxy does.
func relay(t testing.TB, backend string, connections int) string {
	t.Helper()
	var clients []*Client
	for range connections {
		clients = append(clients, dial(t, backend, ClientOptions{}))
	}
	r := &relaying{clients: clients}
	return serve(t, ServerOptions{}, r.handle)
}

type relaying struct {
	clients []*Client
	next    counter
}

// onward is what a handler needs over and over.
type onward struct {
	request  message.Request
	response message.Response
}

func (o *onward) ask(from *message.Request) *message.Request {
	o.request.Reset()
	r := &o.request
	r.Method, r.Target, r.Authority, r.Length = from.Method, from.Target, from.Authority, from.Length
	for i := range from.Header.Len() {
		r.Header.Append(*from.Header.At(i))
	}
	return r
}

func (r *relaying) handle(s *ServerStream) {
	o := onwards.Get().(*onward)
	defer onwards.Put(o)
	var b *ClientStream
	for {
		var err error
		if b, err = r.clients[r.next.Add(1)%int64(len(r.clients))].Open(); err == nil {
			break
		}
		if err != ErrFull {
			return
		}
		time.Sleep(time.Millisecond)
	}
	defer b.Release()
	gone := interrupting{b}
	s.OnGone(gone)
	piece, err := []byte(nil), error(nil)
	if s.Request().Length == 0 {
		err = io.EOF
	} else if s.BodyBuffered() {
		if piece, err = s.NextBody(); err != nil && err != io.EOF {
			return
		}
	}
	if err == io.EOF && s.Request().Trailer.Len() > 0 {
		err = nil
	}
	if b.Send(o.ask(s.Request()), piece, err == io.EOF) != nil {
		return
	}
	if err != io.EOF {
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				piece, err := s.NextBody()
				if len(piece) > 0 && b.SendBody(piece) != nil {
					return
				}
				if err == io.EOF {
					_ = b.FinishBody(&s.Request().Trailer)
					return
				}
				if err != nil {
					return
				}
			}
		}()
		defer func() { b.Interrupt(); s.StopBody(); <-done }()
	}
	for {
		o.response.Reset()
		if b.ReadHead(&o.response) != nil {
			return
		}
		if o.response.Status >= 200 {
			break
		}
		_ = s.Interim(&o.response)
	}
	if none := o.response.Length == 0; s.Respond(&o.response, none) != nil || none {
		return
	}
	for {
		if !b.Buffered() && s.Flush() != nil {
			return
		}
		piece, err := b.NextBody()
		if len(piece) > 0 && s.WriteBody(piece) != nil {
			return
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			s.Abort()
			return
		}
	}
	_ = s.Finish(&o.response.Trailer)
}

type interrupting struct{ *ClientStream }

func (i interrupting) ClientGone() { i.Interrupt() }
