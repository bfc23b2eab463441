// Package socket has stream sockets that look as if they blocked, as plain
// code wants them, and that cost little more than the system calls they make.
//
// On Linux, beneath a TCP or unix connection, bytes are read and written by
// raw system calls that never block, inside the callbacks of
// [syscall.RawConn]; the runtime's poller waits. That spares what package net
// spends around each call, the read that finds nothing before each wait, and
// the buffers of connections that wait. Everywhere else, and for TLS, the
// same calls go to the net.Conn. Which of them it is gets decided in one place,
// raw_linux.go and raw_other.go. What runs over a raw connection, as TLS does,
// has it looked at before it is used again.
//
// Where there are [Loops], connections of a loop wait there instead: what reads
// and writes them runs on a fiber of the loop, and nothing of the runtime stands
// between the kernel and it. One that has nothing to do costs neither a stack
// nor a buffer.
//
// The raw way rests on two things that package net does without promising
// them: RawConn.Read forgets wake-ups of before the call as it begins, and none
// that come while it lasts; and the poller tells of each change once (it is
// edge-triggered). Tests hold on to both.
package socket

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
)

// Errors that callers tell apart. Others are those of package net.
var (
	// ErrStale says that a connection that was to be used again is of no use
	// any more, and that nothing was sent on it.
	ErrStale = errors.New("socket: the peer has closed the kept connection, or sent what nobody asked for")
	// ErrAgain says that there is nothing to read at the moment.
	ErrAgain = errors.New("socket: nothing to read yet")
	// ErrInterrupted says that Interrupt or InterruptRead was called.
	ErrInterrupted = errors.New("socket: interrupted")
)

// Conn is a stream socket, for one goroutine that reads and one that writes at
// a time. Gone, Interrupt, StopRead, Close and what only asks may be called by
// any. One of a [Loop] is read and written by what runs on that alone.
type Conn struct {
	conn    net.Conn // nil for one of a loop
	line    line
	out     outgoing     // of the writer
	written atomic.Int64 // bytes that the kernel took
	ended   atomic.Bool  // the peer's FIN was read
	cut     atomic.Bool  // Interrupt or InterruptRead was called
}

// line is a way to move bytes. What is to be sent lies in Conn.out.
type line interface {
	read(p []byte) (int, error)
	fill() (*Buffer, int, error)
	ask(reused, repeatable bool) (*Buffer, int, error)
	watch(f func() (again bool), brief bool) error
	tryRead(p []byte) (int, error)
	send() error
	gone() bool
	quiet() bool
	broken() bool
	acked() (n int64, known bool)

	closeWrite() error
	close() error
	breakOnClose()
	interrupt(write bool) // reading, and with write writing too
	stopRead(bool)
	home() *Loop
	address() netip.AddrPort
}

// ofLoop is what only a line of a loop can do.
type ofLoop interface {
	serve(turn func() (again bool)) error
	release() (net.Conn, error)
}

// New makes a socket of a connection: a raw one of a *net.TCPConn or
// *net.UnixConn where that is possible, and a plain one of all else. The
// connection is to be read and written through the socket only from then on.
func New(c net.Conn) *Conn {
	s := &Conn{conn: c}
	if s.line = newRaw(s); s.line == nil {
		s.line = &plain{netted: netted{s}, beneath: beneath(c)}
	}
	return s
}

// beneath is what c runs over, nil where that is not known.
func beneath(c net.Conn) line {
	if over, ok := c.(interface{ NetConn() net.Conn }); ok {
		return New(over.NetConn()).line
	}
	return nil
}

// NewPlain makes a socket that only does what any net.Conn can.
func NewPlain(c net.Conn) *Conn {
	s := &Conn{conn: c}
	s.line = &plain{netted: netted{s}}
	return s
}

// NetConn is the connection beneath, for addresses and options; nil for one of
// a loop.
func (c *Conn) NetConn() net.Conn { return c.conn }

// Peer is the address of the other side; the zero value for a unix socket.
func (c *Conn) Peer() netip.AddrPort { return c.line.address() }

// Loop is the loop that the connection belongs to, nil for none.
func (c *Conn) Loop() *Loop { return c.line.home() }

// Serve has turn called each time there may be something to read, on the loop
// of a connection that was accepted for it, until turn returns false; it must
// close the connection then. turn reads by TryRead at least once.
func (c *Conn) Serve(turn func() (again bool)) error {
	return c.line.(ofLoop).serve(turn)
}

// Release takes a connection off its loop, to be used by any goroutine as package
// net has it. The socket is of no use any more.
func (c *Conn) Release() (net.Conn, error) { return c.line.(ofLoop).release() }

// Read reads what there is, or waits for it. The end is io.EOF.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := c.line.read(p)
	return n, c.outcome(err)
}

// Fill is Read into a buffer that is taken from the pool only once there is
// something to read, so that waiting holds none (a plain one cannot do that).
// Free the buffer; it is nil with an error.
func (c *Conn) Fill() (*Buffer, int, error) {
	b, n, err := c.line.fill()
	return b, n, c.outcome(err)
}

// Ask sends all of out and waits for the first bytes of the answer, which are
// in the buffer. If the connection is reused, bytes that came in before
// anything was sent mean ErrStale, as they do not belong to this question; on
// a fresh one they are taken for the answer. The peer's end or a reset found
// before anything was sent mean ErrStale for both. A plain one can look only at
// what it runs over, and only if it is reused.
//
// When sending fails, what the peer had said before is still read, if it said
// anything: Written then tells how much was sent.
//
// The one wait that reads the answer begins before the question is sent, so
// that its wake-up cannot be lost, and no read has to find out that there is
// nothing yet.
//
// With repeatable the question may as well be asked elsewhere if the connection
// turns out to be stale, so that one of a loop, which is told of what comes in,
// is not looked at once more.
func (c *Conn) Ask(out []byte, reused, repeatable bool) (*Buffer, int, error) {
	defer c.out.clear()
	if c.out.all[0], c.out.slice = out, c.out.all[:1]; len(out) == 0 {
		c.out.slice = nil
	}
	b, n, err := c.line.ask(reused, repeatable)
	return b, n, c.outcome(err)
}

// WhenReadable calls f each time the connection may be readable, the first
// time at once, until f returns false, which ends it without an error, or
// waiting fails. Within f only TryRead and TryFill may read; f reads at least
// once, and as much or as little as it likes, before it asks to be called
// again. f must not close the connection: Close waits for f.
//
// One wait lives as long as the call, so that no wake-up is lost and none has
// to be followed by a read that finds nothing. On a plain connection f is
// called at once each time, and TryRead blocks.
func (c *Conn) WhenReadable(f func() (again bool)) error { return c.outcome(c.line.watch(f, false)) }

// WhenBytes is WhenReadable for those to whom an end may come late: after a
// read that was short no other follows, so that an end which came with the
// bytes goes unnoticed until more is read or Gone is asked. That spares a
// system call for each connection, and the kernel some work with each read.
func (c *Conn) WhenBytes(f func() (again bool)) error { return c.outcome(c.line.watch(f, true)) }

// TryRead reads what there is, within WhenReadable: ErrAgain if that is
// nothing, in which case f returns true. The end is io.EOF.
func (c *Conn) TryRead(p []byte) (int, error) {
	n, err := c.line.tryRead(p)
	return n, c.outcome(err)
}

// TryFill is TryRead into a buffer from the pool, which is nil with an error.
func (c *Conn) TryFill() (*Buffer, int, error) {
	b := GetBuffer()
	n, err := c.TryRead(b.B[:])
	if n == 0 {
		b.Free()
		b = nil
	}
	return b, n, err
}

// Write writes all of p, or fails.
func (c *Conn) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	defer c.out.clear()
	before := c.written.Load()
	c.out.all[0], c.out.slice = p, c.out.all[:1]
	err := c.line.send()
	return int(c.written.Load() - before), c.outcome(err)
}

// Writev writes several slices, with one system call if there are few, or
// fails. It does not change them.
func (c *Conn) Writev(bufs ...[]byte) error {
	defer c.out.clear()
	for {
		bufs = c.out.load(bufs)
		if c.out.empty() {
			return nil
		}
		if err := c.line.send(); err != nil {
			return c.outcome(err)
		}
	}
}

// CloseWrite ends the direction away from here, so that the peer reads io.EOF.
// What cannot do that is closed altogether.
func (c *Conn) CloseWrite() error { return c.line.closeWrite() }

// Close ends the connection; calls that wait fail with net.ErrClosed. It waits
// for what they are at, such as the f of WhenReadable: see Interrupt to wake
// that.
func (c *Conn) Close() error { return c.line.close() }

// Interrupt makes calls that wait, and all later ones, fail with
// ErrInterrupted.
func (c *Conn) Interrupt() {
	c.cut.Store(true)
	c.line.interrupt(true)
}

// InterruptRead is Interrupt for reading (Ask included), so that the peer can
// still be told why.
func (c *Conn) InterruptRead() {
	c.cut.Store(true)
	c.line.interrupt(false)
}

// StopRead makes reading fail with os.ErrDeadlineExceeded, until ResumeRead.
// Nothing gets lost between.
func (c *Conn) StopRead() { c.line.stopRead(true) }

// ResumeRead ends what StopRead began.
func (c *Conn) ResumeRead() { c.line.stopRead(false) }

// Gone tells, without blocking or reading, whether the peer has closed or
// reset the connection and everything it sent was read. Where that cannot be
// known it is false. It may be called while another goroutine reads. A peer
// that only closed its own direction, and waits for an answer, looks the same.
func (c *Conn) Gone() bool { return c.line.gone() }

// Broken tells whether the connection was reset, or given up by the kernel, as
// far as that can be known: otherwise it is false. It is not for one of which
// both directions were ended. Any goroutine may call it.
//
// A reset that comes right behind bytes may get lost on WhenReadable, of which
// the next Write would tell. Who does not write asks once it gets quiet.
func (c *Conn) Broken() bool { return c.line.broken() }

// Written is the number of bytes given to the kernel so far.
func (c *Conn) Written() int64 { return c.written.Load() }

// Undelivered tells that it is proven that no byte written after the first
// from ever reached the peer's socket, so that they can be sent elsewhere
// whatever they ask for. It is for a TCP connection that we opened, New having
// been called before anything was written, and known on Linux only: reading
// ended with io.EOF, and the peer acknowledged nothing beyond from.
//
// Every segment of the peer acknowledges all that it had received by then, and
// so does its FIN. If that acknowledges nothing of the request, then it was
// sent before the request came, by a peer that had closed the connection; the
// request met no socket, or one whose owner has said its last word and must
// not act on further requests (RFC 9112, section 9.6). An ACK that comes after
// the FIN counts as delivery. A reset alone proves nothing, as it does not
// say what was received.
func (c *Conn) Undelivered(from int64) bool {
	if !c.ended.Load() {
		return false
	}
	n, known := c.line.acked()
	return known && n <= from
}

// outcome keeps book of how reading or writing ended.
func (c *Conn) outcome(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		c.ended.Store(true)
	case c.cut.Load() && errors.Is(err, os.ErrDeadlineExceeded):
		return ErrInterrupted
	}
	return err
}

// Quiet tells, without blocking or reading, that there is nothing to read: no
// bytes and no end. Where that cannot be known it is true.
func (c *Conn) Quiet() bool { return c.line.quiet() }

// BreakOnClose has Close reset the connection, so that the peer sees it broken
// and not ended. Unlike Close it waits for nothing.
func (c *Conn) BreakOnClose() { c.line.breakOnClose() }
