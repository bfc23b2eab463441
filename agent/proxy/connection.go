package proxy

import (
	"bytes"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/http2"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/socket"
)

// connection is one from the app that speaks HTTP/1.1, or begins to speak
// HTTP/2 and is handed on then.
type connection struct {
	server *HTTP
	sock   *socket.Conn
	home   *socket.Loop // which serves it; nil: a goroutine does
	peer   netip.AddrPort
	ip     string // "" for a unix socket
	alarm  socket.Alarm
	arrive func() bool // c.arrived, made once

	session *session // nil while nothing is at hand
	ending  bool     // no further request is read
	broken  bool     // its end must not look like one
	moved   bool     // another one has taken its place
	begun   bool     // some request was read
	after   step     // what to do when arrived returned false

	busy  atomic.Pointer[exchange] // what is under way
	idle  atomic.Int64             // when idling is over, by the clock; 0: it does not idle
	head  atomic.Int64             // when the head of a request has to be there; 0: none is awaited
	late  atomic.Bool              // it was not
	http2 atomic.Pointer[http2.Server]
	state atomic.Int32 // free, taken or shut
}

// The states of a connection: a request can only be taken up on a free one, and
// only a free one be closed by a drain.
const (
	free = iota
	taken
	shut
)

// step is how a connection goes on.
type step int

const (
	closing  step = iota // it ends
	blocking             // the request at hand needs more reading
	upgraded             // it speaks HTTP/2
)

func newConnection(h *HTTP, sock *socket.Conn) *connection {
	c := &connection{server: h, sock: sock, home: sock.Loop(), peer: sock.Peer()}
	if c.peer.IsValid() {
		c.ip = c.peer.Addr().Unmap().String()
	}
	c.arrive = c.arrived
	return c
}

// serve answers requests until the connection ends, in a goroutine.
func (c *connection) serve() {
	defer c.end()
	defer c.guard()
	c.begin()
	for c.sock.WhenBytes(c.arrive) == nil && c.goOn() {
	}
	c.conclude()
}

// turn is what serve does each time something comes, for a connection that a
// loop serves.
func (c *connection) turn() (again bool) {
	defer func() {
		if !again {
			c.end()
		}
	}()
	defer c.guard()
	for !c.arrived() {
		if !c.goOn() {
			c.conclude()
			return false
		}
	}
	return true
}

func (c *connection) begin() {
	c.server.clock.Add(&c.alarm, c.ring)
	c.idles(c.server.clock.Now())
}

// guard deals with a fault of this program outside of an exchange: it costs the
// connection.
func (c *connection) guard() {
	if fault := recover(); fault != nil {
		c.server.reportFault(fault)
	}
}

func (c *connection) end() {
	c.sock.Close()
	c.server.clock.Remove(&c.alarm)
	if !c.moved {
		c.server.farewell(c)
	}
}

// goOn does what arrived left to be done, and tells whether that may be called
// again.
func (c *connection) goOn() bool {
	on := false
	for c.after == blocking {
		c.after = closing
		on = c.process(true)
	}
	if on && len(c.session.in) == 0 {
		c.idles(c.session.exchange.now)
		c.release()
	}
	return on
}

// conclude is the last that is said on a connection.
func (c *connection) conclude() {
	if c.after == upgraded {
		c.upgrade()
		return
	}
	if c.late.Load() && c.session != nil {
		c.refuse(&failure{kind: BadRequest, status: 408, err: errLate, blameless: true})
	}
	if c.ending && !c.broken {
		c.part()
	}
	c.release()
}

// arrived reads what has come and answers the requests that are complete. It
// is called within the socket's wait, which misses nothing as long as all that
// can be read without waiting is.
func (c *connection) arrived() (again bool) {
	c.after = closing
	if c.session == nil {
		c.session = c.server.sessions.Get().(*session)
		c.session.connection = c
		c.session.exchange.alarm, c.session.exchange.home = &c.alarm, c.home
	}
	for {
		room := c.session.room()
		n, err := c.sock.TryRead(room)
		if errors.Is(err, socket.ErrAgain) {
			if len(c.session.in) == 0 {
				c.release()
			}
			return true
		}
		if err != nil {
			return false
		}
		c.session.in = c.session.in[:len(c.session.in)+n]
		if c.state.Load() == free {
			c.headBegins()
		}
		if !c.process(false) {
			return false
		}
		if n < len(room) { // nothing more is there
			if len(c.session.in) == 0 {
				c.idles(c.session.exchange.now)
				c.release()
			}
			return true
		}
	}
}

// process answers the requests at hand, and tells whether to go on reading.
// Those whose body has to be waited for are answered only if it may block.
func (c *connection) process(block bool) bool {
	s := c.session
	for len(s.in) > 0 {
		if s.head == 0 {
			if !c.begun && bytes.HasPrefix(preface, s.in[:min(len(s.in), len(preface))]) {
				if len(s.in) < len(preface) {
					return true
				}
				c.after = upgraded
				return false
			}
			there, f := s.parse()
			if f != nil {
				c.refuse(f)
				return false
			}
			if !there {
				return true
			}
			c.begun = true
		}
		if !block && (!s.whole() || s.request.Upgrade != nil) {
			c.after = blocking
			return false
		}
		block = false
		if !c.state.CompareAndSwap(free, taken) {
			return false // closed by a drain
		}
		c.idle.Store(0)
		c.head.Store(0)
		c.busy.Store(&s.exchange)
		s.exchange.run(s, &s.request, c.ip)
		c.busy.Store(nil)
		if c.state.Store(free); c.ending {
			return false
		}
		s.renew()
		if len(s.in) > 0 {
			c.headBegins()
		}
	}
	return true
}

var preface = []byte(http2.Preface)

// refuse answers bytes that are no request, or half of one in time for it.
func (c *connection) refuse(f *failure) {
	if !c.state.CompareAndSwap(free, taken) {
		return
	}
	s := c.session
	c.idle.Store(0)
	c.head.Store(0)
	c.ending, s.refused = true, true
	if s.head == 0 {
		s.request.Reset() // it still was the one before
		s.request.Peer = c.peer
	}
	s.request.Last, s.request.Length = true, 0
	s.request.Major, s.request.Minor = 1, 1 // whatever it is in, the answer is in ours
	c.busy.Store(&s.exchange)
	s.exchange.reject(s, &s.request, c.ip, f)
	c.busy.Store(nil)
}

// part ends the connection gently: if what a client still sends met a closed
// connection, that would be reset, and the answer lost with it. Some is taken
// in, and then the client has to wait, for a while.
func (c *connection) part() {
	s := c.session
	if s.request.Last && s.framing.Done() && !s.refused || c.sock.CloseWrite() != nil {
		return
	}
	c.sock.ResumeRead()
	until := c.server.clock.Now() + linger
	c.head.Store(int64(until))
	c.alarm.Earlier(until)
	room := s.in[:cap(s.in)]
	for left := 256 << 10; left > 0; {
		n, err := c.sock.Read(room)
		if left -= n; err != nil {
			return
		}
	}
	c.home.Block(func() {
		for c.server.clock.Now() < until && !c.sock.Gone() {
			time.Sleep(glance)
		}
	})
}

// release gives the session back.
func (c *connection) release() {
	if s := c.session; s != nil {
		c.session = nil
		s.freeBuffer()
		if cap(s.in) > leastInput {
			s.in = make([]byte, 0, leastInput) // few need more: it is not kept
		}
		s.in, s.used = s.in[:0], 0
		s.connection, s.scanned, s.head = nil, 0, 0
		c.server.sessions.Put(s)
	}
}

const forEver = time.Duration(1 << 62)

// idles begins the time without a request.
func (c *connection) idles(now time.Duration) {
	until := forEver
	if d := c.server.Timeouts.KeepAlive; d > 0 {
		until = now + d
	}
	c.idle.Store(int64(until))
	c.head.Store(0)
	if c.home == nil {
		// A client that has closed its end along with its last request is met
		// with nothing to read, of which the socket does not tell.
		until = now + glance
	}
	c.alarm.Earlier(until)
}

// headBegins begins the time for a request's head.
func (c *connection) headBegins() {
	if d := c.server.Timeouts.Header; d > 0 && c.head.Load() == 0 {
		at := c.server.clock.Now() + d
		c.head.Store(int64(at))
		c.alarm.Earlier(at)
	}
	c.idle.Store(0)
}

// ring is the alarm.
func (c *connection) ring(now time.Duration) (next time.Duration) {
	if x := c.busy.Load(); x != nil {
		return x.look(now)
	}
	if at := time.Duration(c.head.Load()); at > 0 {
		if at > now {
			return at
		}
		c.late.Store(true)
		c.sock.StopRead()
		return 0
	}
	if at := time.Duration(c.idle.Load()); at > 0 {
		if at > now && !c.sock.Gone() {
			return at
		}
		c.shutDown()
	}
	return 0
}

var errLate = errors.New("the request's head did not come in time")

// announce tells a client of HTTP/2 to open no more streams. One of HTTP/1.1
// is told with its next answer.
func (c *connection) announce() {
	if v := c.http2.Load(); v != nil {
		v.Drain()
	}
}

// shutDown ends the connection if no request is under way, nor waits to be read,
// as it may on a machine that has much to do: that one will be the last.
func (c *connection) shutDown() {
	if !c.sock.Quiet() && !c.sock.Gone() {
		return
	}
	if c.http2.Load() == nil && c.state.CompareAndSwap(free, shut) {
		c.sock.Interrupt()
	}
}

// cut ends the connection whatever is under way.
func (c *connection) cut() {
	if x := c.busy.Load(); x != nil {
		x.stop(drainEnded)
	}
	if v := c.http2.Load(); v != nil {
		_ = v.Close()
	}
	c.sock.Interrupt()
}
