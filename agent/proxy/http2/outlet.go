package http2

import (
	"runtime"
	"sync"
	"time"
)

// outlet gathers frames and writes them. While one write is under way, what
// follows gathers for the next.
type outlet struct {
	conn     *conn
	frames   []byte    // to be written
	spare    []byte    // room for the next
	urgent   int       // of frames: those that wait for nobody
	tail     tail      // the DATA that was added last
	handed   int64     // bytes that the connection was given so far, all told
	flushing bool      // a goroutine writes
	written  sync.Cond // flushing has ended
	last     bool      // the connection is over when all is written
	failed   bool      // it takes nothing any more
}

const (
	fullOutlet = 64 << 10 // bytes that wait before those who send wait too
	maxUrgent  = 64 << 10 // bytes of answers to a peer that does not read them
	keptOutlet = 16 << 10 // what a connection keeps for later
)

// full tells those who send to wait.
func (c *conn) full() bool { return len(c.out.frames) >= fullOutlet }

// control takes frames, with one added that waits for nobody, and has them
// written.
func (c *conn) control(frames []byte) {
	c.out.urgent += len(frames) - len(c.out.frames)
	c.out.frames = frames
	c.flush()
}

// reset writes RST_STREAM.
func (c *conn) reset(id uint32, code Code) { c.control(appendReset(c.out.frames, id, code)) }

// data writes a piece of a body. The caller has seen to it that it may.
func (c *conn) data(id uint32, p []byte, last bool) {
	flags := uint8(0)
	if last {
		flags = flagEndStream
	}
	start := len(c.out.frames)
	c.out.frames = append(appendFrame(c.out.frames, len(p), kindData, flags, id), p...)
	c.out.tail = tail{id, start, len(c.out.frames)}
	c.productive()
}

// tail is where a frame of DATA lies in what is to be written.
type tail struct {
	stream     uint32
	start, end int
}

// endTail makes the last frame that waits the end of a stream, where it is of
// its DATA. That saves an empty one.
func (c *conn) endTail(id uint32) bool {
	t := c.out.tail
	if t.stream != id || t.end != len(c.out.frames) {
		return false
	}
	c.out.frames[t.start+4] |= flagEndStream
	return true
}

// head writes what fill writes as a head, which end tells to be all there is.
func (c *conn) head(id uint32, end bool, fill func(b []byte) []byte) {
	flags := uint8(flagEndHeaders)
	if end {
		flags |= flagEndStream
	}
	start := len(c.out.frames)
	b := fill(appendFrame(c.out.frames, 0, kindHeaders, flags, id))
	length := len(b) - start - frameHeaderLen
	if length > maxFrame {
		b = split(b, start, id)
		length = maxFrame
	}
	b[start], b[start+1], b[start+2] = byte(length>>16), byte(length>>8), byte(length)
	c.out.frames = b
	c.productive()
}

// split puts what is too long for the HEADERS frame at start into
// CONTINUATIONs.
func split(b []byte, start int, id uint32) []byte {
	first := start + frameHeaderLen + maxFrame
	rest := append([]byte(nil), b[first:]...)
	b = b[:first]
	b[start+4] &^= flagEndHeaders
	for len(rest) > 0 {
		n := min(len(rest), maxFrame)
		flags := uint8(0)
		if n == len(rest) {
			flags = flagEndHeaders
		}
		b = append(appendFrame(b, n, kindContinuation, flags, id), rest[:n]...)
		rest = rest[n:]
	}
	return b
}

// flush has what there is written.
func (c *conn) flush() {
	if !c.out.flushing && !c.out.failed && (len(c.out.frames) > 0 || c.out.last) {
		c.out.flushing = true
		go c.out.write()
	}
}

// write writes until there is nothing left. Before each time it lets those go
// first who are about to add something, which is what makes many streams cheap.
func (o *outlet) write() {
	c := o.conn
	for {
		runtime.Gosched()
		c.mu.Lock()
		if len(o.frames) == 0 || o.failed {
			break
		}
		p := o.frames
		o.frames, o.spare, o.urgent, o.tail = o.spare[:0], nil, 0, tail{}
		o.handed += int64(len(p))
		c.unblock()
		c.mu.Unlock()
		n, err := c.net.Write(p)
		c.mu.Lock()
		if o.spare = p[:0]; cap(p) > keptOutlet && len(o.frames) == 0 {
			o.spare = nil
		}
		if err != nil {
			o.handed -= int64(len(p) - n)
			o.failed = true
		}
		c.mu.Unlock()
		if err != nil {
			_ = c.net.Close() // the reader finds out
		}
	}
	o.flushing = false
	o.written.Broadcast()
	over := o.last && !o.failed
	c.hungUp = c.hungUp || over
	o.last = false
	c.mu.Unlock()
	if over {
		c.hangUp()
	}
}

// unblock wakes those who wait to send.
func (c *conn) unblock() {
	for _, s := range c.blocked {
		s.blocked = false
		s.writable.Signal()
	}
	c.blocked = c.blocked[:0]
}

// hangUp ends our half, and the other soon.
func (c *conn) hangUp() {
	if half, ok := c.net.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = c.net.SetReadDeadline(time.Now().Add(linger))
}
