package socket

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// looped moves bytes of a connection that is a loop's. What waits is a fiber.
type looped struct {
	Conn
	loop  *Loop
	fd    int
	isTCP bool
	peer  netip.AddrPort

	// Of what runs on the loop.
	reader  *fiber      // waits to read
	writer  *fiber      // waits to write
	turn    func() bool // see Serve; nil: none
	turns   func()      // c.takeTurns, made once
	turning bool
	dry     bool          // there is nothing to read until the kernel tells of more
	posted  bool          // the loop is to send
	failure syscall.Errno // of what the loop sent

	parted  atomic.Bool // the peer's end is there, or will be once all else was read; or it failed
	stopped atomic.Bool // reading, by StopRead
	noRead  atomic.Bool // by Interrupt and InterruptRead
	noWrite atomic.Bool

	waiting atomic.Int32 // fibers

	mu     sync.Mutex // held by who uses fd elsewhere, and who closes it
	closed atomic.Bool
	left   atomic.Bool // the peer was found gone
}

func newLooped(l *Loop, fd int, isTCP bool, peer netip.AddrPort) *looped {
	c := &looped{loop: l, fd: fd, isTCP: isTCP, peer: peer, dry: true}
	c.line = c
	return c
}

// told is called by the loop with what the kernel tells.
func (c *looped) told(events uint32) {
	if events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		c.parted.Store(true)
	}
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		c.dry = false
		c.wakeReader()
	}
	if events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		c.wakeWriter()
	}
}

// wakeReader has whoever reads go on.
func (c *looped) wakeReader() {
	switch f := c.reader; {
	case f != nil:
		c.reader = nil
		c.loop.resume(f)
	case c.turn != nil && !c.turning:
		c.turning = true
		c.loop.begin(c.turns)
	}
}

func (c *looped) wakeWriter() {
	if f := c.writer; f != nil {
		c.writer = nil
		c.loop.resume(f)
	}
}

// takeTurns calls turn as long as there may be something to read.
func (c *looped) takeTurns() {
	for c.turn() {
		if c.dry && c.readHalted() == nil {
			c.turning = false
			return
		}
	}
	c.turn = nil
}

// await waits for more to read.
func (c *looped) await() error {
	c.loop.spend()
	for c.dry {
		if err := c.readHalted(); err != nil {
			return err
		}
		c.waitAs(&c.reader)
	}
	return c.readHalted()
}

// waitAs has the fiber wait, as the reader or the writer.
func (c *looped) waitAs(place **fiber) {
	*place = c.loop.running
	c.waiting.Add(1)
	if !c.closed.Load() { // from now on close sees that something waits
		c.loop.pause()
	}
	c.waiting.Add(-1)
}

func (c *looped) readHalted() error { return c.halted(c.noRead.Load() || c.stopped.Load()) }

func (c *looped) halted(why bool) error {
	switch {
	case c.closed.Load():
		return net.ErrClosed
	case why:
		return os.ErrDeadlineExceeded
	}
	return nil
}

// receive is one recv. What comes is all there is for now if it is less than
// there was room for, but for the peer's end.
func (c *looped) receive(p []byte) (int, error) {
	n, errno := recv(uintptr(c.fd), p, 0)
	switch {
	case errno == syscall.EAGAIN:
		c.dry = true
		return 0, ErrAgain
	case errno != 0:
		return 0, c.failed("read", "recvfrom", errno)
	case n == 0:
		c.ended.Store(true)
		return 0, io.EOF
	}
	c.dry = n < len(p) && !c.parted.Load()
	return n, nil
}

func (c *looped) read(p []byte) (int, error) {
	for {
		if err := c.await(); err != nil {
			return 0, err
		}
		if n, err := c.receive(p); err != ErrAgain { //nolint:errorlint // it is our own, as it is
			return n, err
		}
	}
}

func (c *looped) fill() (*Buffer, int, error) {
	for {
		if err := c.await(); err != nil {
			return nil, 0, err
		}
		b := GetBuffer()
		n, err := c.receive(b.B[:])
		if n > 0 {
			return b, n, nil
		}
		b.Free()
		if err != ErrAgain { //nolint:errorlint // as above
			return nil, 0, err
		}
	}
}

func (c *looped) ask(reused, repeatable bool) (*Buffer, int, error) {
	if err := c.readHalted(); err != nil {
		return nil, 0, err
	}
	if !repeatable || !c.dry {
		bytes, over := peek(uintptr(c.fd))
		if over || bytes && reused {
			return nil, 0, ErrStale
		}
		c.dry = !bytes
	}
	if err := c.sendLater(); err != nil {
		// A peer that refuses to read on may have told why.
		b := GetBuffer()
		if n, _ := c.receive(b.B[:]); n > 0 {
			return b, n, nil
		}
		b.Free()
		return nil, 0, err
	}
	return c.fill()
}

func (c *looped) watch(f func() bool, _ bool) error {
	c.dry = false // as nothing is known, f has to find out
	for f() {
		if err := c.await(); err != nil {
			return err
		}
	}
	return nil
}

func (c *looped) tryRead(p []byte) (int, error) {
	c.loop.spend()
	if err := c.readHalted(); err != nil {
		return 0, err
	}
	if c.dry {
		return 0, ErrAgain
	}
	return c.receive(p)
}

func (c *looped) send() error {
	for !c.out.empty() {
		c.loop.spend()
		if err := c.halted(c.noWrite.Load()); err != nil {
			return err
		}
		n, errno := 0, c.failure
		if c.failure = 0; errno == 0 {
			n, errno = send(uintptr(c.fd), c.out.slice)
		}
		switch errno {
		case 0:
			c.out.sent(n)
			c.written.Add(int64(n))
		case syscall.EAGAIN:
			c.waitAs(&c.writer)
		default:
			return c.failed("write", "sendmsg", errno)
		}
	}
	return nil
}

// sendLater waits for the answer along with the sending, which is left to the
// loop's end of turn: what it sends in a row meets warm caches, and peers that
// are awake.
func (c *looped) sendLater() error {
	if !c.dry || c.out.empty() {
		return c.send()
	}
	c.posted = true
	c.loop.outbox = append(c.loop.outbox, c)
	c.waitAs(&c.reader)
	c.posted = false
	return c.send() // what is left
}

// post sends what is to be sent. Whoever waits for the answer sees to it if that
// does not do.
func (c *looped) post() {
	if !c.posted {
		return
	}
	n, errno := send(uintptr(c.fd), c.out.slice)
	if errno == 0 {
		c.out.sent(n)
		c.written.Add(int64(n))
	} else if errno != syscall.EAGAIN {
		c.failure = errno
	}
	if c.posted = false; !c.out.empty() {
		c.wakeReader()
	}
}

// gone asks the kernel only once that has told of an end: what came before it
// may still be there to be read.
func (c *looped) gone() bool {
	if c.left.Load() || c.closed.Load() {
		return true
	}
	if !c.parted.Load() {
		return false
	}
	c.outside(func(fd int) {
		if _, over := peek(uintptr(fd)); over {
			c.left.Store(true)
		}
	})
	return c.left.Load() || c.closed.Load()
}

func (c *looped) quiet() (quiet bool) {
	c.outside(func(fd int) {
		bytes, over := peek(uintptr(fd))
		quiet = !bytes && !over
	})
	return quiet
}

func (c *looped) broken() bool { return brokenBy(c.info()) }

func (c *looped) acked() (int64, bool) { return ackedBy(c.info()) }

func (c *looped) info() (info *unix.TCPInfo) {
	if c.isTCP {
		c.outside(func(fd int) { info = infoOf(fd) })
	}
	return info
}

// outside uses the descriptor where it could be closed meanwhile.
func (c *looped) outside(f func(fd int)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed.Load() {
		f(c.fd)
	}
}

func (c *looped) home() *Loop { return c.loop }

func (c *looped) address() netip.AddrPort { return c.peer }

func (c *looped) closeWrite() (err error) {
	c.outside(func(fd int) { err = os.NewSyscallError("shutdown", unix.Shutdown(fd, unix.SHUT_WR)) })
	return err
}

func (c *looped) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	c.loop.remove(c.fd)
	if c.waiting.Load() > 0 {
		c.wake()
	}
	return os.NewSyscallError("close", unix.Close(c.fd))
}

func (c *looped) breakOnClose() {
	c.outside(func(fd int) {
		_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	})
}

func (c *looped) interrupt(write bool) {
	c.noRead.Store(true)
	if write {
		c.noWrite.Store(true)
	}
	c.wake()
}

// wake has what waits find out that it should not.
func (c *looped) wake() {
	c.loop.post(func() {
		c.wakeReader()
		c.wakeWriter()
	})
}

func (c *looped) stopRead(stop bool) {
	if c.stopped.Store(stop); stop {
		c.wake()
	}
}

func (c *looped) release() (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed.Swap(true) {
		return nil, net.ErrClosed
	}
	c.turn = nil
	c.loop.remove(c.fd)
	file := os.NewFile(uintptr(c.fd), "")
	defer file.Close()
	if err := c.loop.unwatch(c.fd); err != nil {
		return nil, err
	}
	return net.FileConn(file)
}

func (c *looped) failed(op, call string, errno syscall.Errno) error {
	err := &net.OpError{Op: op, Net: "unix", Err: os.NewSyscallError(call, errno)}
	if c.isTCP {
		err.Net, err.Addr = "tcp", net.TCPAddrFromAddrPort(c.peer)
	}
	return err
}
