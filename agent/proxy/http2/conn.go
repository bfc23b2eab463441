package http2

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2/hpack"
)

// conn is what both sides of a connection share. One goroutine reads it. All
// that follows mu is guarded by it, and so are the streams; it is not held
// while anything waits.
type conn struct {
	net  net.Conn
	side side
	log  func(error) // nil: nobody is told
	in   inlet

	mu            sync.Mutex
	streams       map[uint32]*stream // the open ones
	past          past
	met           bool // the peer's first SETTINGS came
	away          bool // the peer takes no more streams, or we do not
	err           error
	window        int // what the peer may still send
	credit        int // what the peer lets us send
	initialCredit int // of a new stream
	decoder       *hpack.Decoder
	encoder       *encoder
	block         block
	out           outlet
	blocked       []*stream // they wait to send
	woken         []*stream // they are to be woken once what came is dealt with
	waking        []*stream // they are being woken; the reader's
	gone          []*stream // whose watchers are to be told then
	idle          int       // frames that brought nothing, less what others make up for
	broken        int       // streams that the peer broke off, likewise
	reads         uint      // how often something came
	newest        uint32    // the last stream that the peer opened
	heads         uint      // how many came
	awaited       bool      // one has begun to come
	hungUp        bool      // we have said all, and wait for the peer to close
	watch         watch
}

// side is what the server's and the client's side of a connection do each in
// its own way. The lock is held.
type side interface {
	// opening finds the stream that a head belongs to.
	opening(b *block, f *frame) error
	// opened is told when the head is complete.
	opened(b *block) error
	// unborn tells of a stream that has not been opened yet.
	unborn(id uint32) bool
	// setting is told of one that means something to this side alone.
	setting(s setting) error
	// leaving is told that the peer goes away.
	leaving(last uint32, code Code)
	// ponged is told of the answer to a PING.
	ponged(data []byte)
	// dealt is called without the lock after what came was dealt with.
	dealt()
}

// connWindow is how much a peer may send on all streams together before it
// hears from us. It is given back at once: the windows of the streams are what
// bounds how much we hold.
const connWindow = 1 << 20

// init makes the connection ready. Of heads it gets the limits.
func (c *conn) init(nc net.Conn, s side, heads block) {
	c.net, c.side = nc, s
	c.streams = make(map[uint32]*stream)
	c.window, c.credit, c.initialCredit = connWindow, initialWindow, initialWindow
	c.encoder = newEncoder()
	c.decoder = hpack.NewDecoder(maxTable, c.block.field)
	c.decoder.SetMaxStringLength(heads.most)
	c.block = heads
	c.out.conn = c
	c.out.written.L = &c.mu
}

// read deals with what comes until the connection ends, and tells why.
func (c *conn) read() error {
	for {
		c.mu.Lock()
		err := c.deal()
		c.wake() // and lets go of the lock
		c.side.dealt()
		if err != nil {
			return err
		}
		for {
			err := c.in.fill(c.net)
			if err == nil {
				break
			}
			if !c.rested(err) {
				return err
			}
		}
	}
}

// deal deals with all the frames that are there.
func (c *conn) deal() error {
	c.reads++
	c.stir()
	for {
		f, err := c.in.next()
		if f == nil {
			c.awaited = c.block.open || c.in.awaitsHead()
			return err
		}
		if err := c.frame(f); err != nil {
			return err
		}
		if err := c.unread(); err != nil {
			return err
		}
	}
}

// wake wakes who waits for what has come, once the lock is free for them. It
// is called with the lock held, and returns without.
func (c *conn) wake() {
	c.waking, c.woken = c.woken, c.waking[:0]
	for _, s := range c.waking {
		s.woken = false
	}
	gone := len(c.gone) > 0
	c.mu.Unlock()
	for i, s := range c.waking {
		s.readable.Signal()
		s.writable.Signal()
		c.waking[i] = nil
	}
	if gone {
		c.tell()
	}
}

// tell tells the watchers of the streams that are gone.
func (c *conn) tell() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.gone {
		if w := s.watcher; w != nil && !s.closed {
			s.watcher, s.telling = nil, true
			c.mu.Unlock()
			s.tell(w)
			c.mu.Lock()
		}
	}
	c.gone = c.gone[:0]
}

// rouse has s woken.
func (c *conn) rouse(s *stream) {
	if !s.woken {
		s.woken = true
		c.woken = append(c.woken, s)
	}
}

// forget takes a stream that is over out of the connection. cut tells that
// frames of it may still be on their way to us.
func (c *conn) forget(s *stream, cut bool) {
	if c.streams[s.id] == s {
		delete(c.streams, s.id)
		c.past.add(s.id, cut)
	}
}

// lose ends a stream that the peer, or the loss of the connection, broke off.
func (c *conn) lose(s *stream, err error) {
	c.forget(s, false)
	s.fail(err)
	if !s.gone.Swap(true) {
		c.gone = append(c.gone, s)
	}
}

// end ends the connection for a reason. The streams fail once it is known what
// was written of them, which tells whether they can be tried elsewhere.
func (c *conn) end(err error) error {
	ours, wrong := errors.AsType[*Error](err)
	if !wrong {
		_ = c.net.Close() // there is nobody to be told
	}
	_ = c.net.SetWriteDeadline(time.Now().Add(linger))
	c.mu.Lock()
	if wrong {
		c.out.frames = appendGoAway(c.out.frames, c.newest, ours.Code, ours.Reason)
		if c.log != nil {
			c.log(ours)
		}
	}
	c.away = true
	c.flush()
	for c.out.flushing {
		c.out.written.Wait()
	}
	c.out.failed = true
	if c.err = err; errors.Is(err, io.EOF) {
		c.err = io.ErrUnexpectedEOF
	}
	for _, s := range c.streams {
		c.lose(s, c.err)
	}
	c.unblock()
	c.watch.timer.Stop()
	c.wake()
	if wrong {
		c.drain()
		_ = c.net.Close()
	}
	c.in.release()
	if errors.Is(err, io.EOF) || c.hungUp {
		return nil
	}
	return err
}

// linger is how long a connection stays that has said all it had to say. If it
// were closed at once with something unread, the peer might not get to read
// what it was told last.
const linger = 500 * time.Millisecond

// drain waits for the peer to close as well.
func (c *conn) drain() {
	if half, ok := c.net.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = c.net.SetReadDeadline(time.Now().Add(linger))
	_, _ = io.CopyN(io.Discard, c.net, 1<<20)
}

// past remembers some streams that are over, since frames may still come that
// the peer sent before it knew.
type past struct {
	ids  [64]uint32
	cut  [64]bool // by us
	next int
}

func (p *past) add(id uint32, cut bool) {
	p.ids[p.next], p.cut[p.next] = id, cut
	p.next = (p.next + 1) % len(p.ids)
}

func (p *past) has(id uint32) (known, cut bool) {
	for i, other := range p.ids {
		if other == id {
			return true, p.cut[i]
		}
	}
	return false, false
}
