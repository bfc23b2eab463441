package proxy

import (
	"github.com/outrigger-sidecar/outrigger/agent/proxy/http2"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/socket"
)

// upgrade goes on with a client that began to speak HTTP/2, which is served by
// goroutines.
func (c *connection) upgrade() {
	ahead := append([]byte(nil), c.session.in...)
	c.release()
	c.idle.Store(0)
	c.head.Store(0)
	if c.home == nil {
		c.serveHTTP2(ahead)
		return
	}
	conn, err := c.sock.Release()
	if err != nil {
		return // it was closed meanwhile
	}
	d := newConnection(c.server, socket.New(conn))
	c.server.succeed(c, d)
	c.moved = true
	c.server.crew.do(func() {
		defer d.end()
		defer d.guard()
		d.serveHTTP2(ahead)
	})
}

// serveHTTP2 answers requests in HTTP/2, of which some was read ahead.
func (c *connection) serveHTTP2(ahead []byte) {
	h := c.server
	v := http2.NewServer(c.sock.NetConn(), ahead, http2.ServerOptions{
		MaxHeaderBytes: h.Limits.MaxHeaderBytes, MaxHeaders: h.Limits.MaxHeaders,
		Header: h.Timeouts.Header, Idle: h.Timeouts.KeepAlive, Stall: h.Timeouts.Client,
		Refuse: c.decline,
	}, c.carry)
	c.http2.Store(v)
	if h.draining.Load() {
		v.Drain()
	}
	if h.severed.Load() {
		_ = v.Close()
	}
	_ = v.Serve() // how a client ends is its affair
}

// stream is what a request over HTTP/2 has while it is under way.
type stream struct {
	exchange exchange
	alarm    socket.Alarm
}

func newStream(h *HTTP) *stream {
	s := new(stream)
	s.exchange.http, s.exchange.alarm = h, &s.alarm
	return s
}

// carry is one request. It runs in a goroutine of its own.
func (c *connection) carry(in *http2.ServerStream) { c.attend(in, nil) }

// decline is a request that must go no further.
func (c *connection) decline(in *http2.ServerStream, status int, why error) {
	c.attend(in, &failure{kind: BadRequest, status: status, err: why, blameless: true})
}

// attend sees to a request, which fails at once if f is not nil.
func (c *connection) attend(in *http2.ServerStream, f *failure) {
	s := c.server.streams.Get().(*stream)
	x := &s.exchange
	c.server.clock.Add(&s.alarm, x.look)
	in.Request().Peer = c.peer
	in.OnGone(x)
	if f == nil {
		x.run(in, in.Request(), c.ip)
	} else {
		x.reject(in, in.Request(), c.ip, f)
	}
	in.Close() // after which x is told of nothing more
	c.server.clock.Remove(&s.alarm)
	if x.last {
		c.announce()
	}
	c.server.streams.Put(s)
}

// ClientGone is told by a stream.
func (x *exchange) ClientGone() { x.stop(clientGone) }
