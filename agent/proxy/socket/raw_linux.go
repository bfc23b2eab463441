package socket

import (
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// raw moves bytes inside the callbacks of a RawConn. Its callbacks are made
// once; what they work on is written down here first.
type raw struct {
	netted
	rc       syscall.RawConn
	readable func(fd uintptr) bool
	writable func(fd uintptr) bool
	looks    func(fd uintptr)
	isTCP    bool

	// Of the reader.
	step   func(r *raw, fd uintptr) bool // what readable does
	into   []byte                        // read: where to
	buf    *Buffer                       // fill, ask: what was filled
	n      int
	err    error
	reused bool
	asked  bool        // ask: the question is sent
	f      func() bool // watch
	brief  bool        // watch: an end right behind bytes may go unnoticed
	fd     uintptr     // watch: of the call that f runs in
	proven bool        // watch: nothing is left unread that no wake-up will tell of
	asks   bool        // watch: the kernel was asked to tell what is left
	tells  bool        // watch: it does

	// Of the writer.
	sendErr error

	left atomic.Bool // the peer was found gone
}

// newRaw is nil for what is not a socket of the kernel's.
func newRaw(c *Conn) line {
	r := &raw{netted: netted{c}}
	var err error
	switch conn := c.conn.(type) {
	case *net.TCPConn:
		r.isTCP = true
		r.rc, err = conn.SyscallConn()
	case *net.UnixConn:
		r.rc, err = conn.SyscallConn()
	default:
		return nil
	}
	if err != nil {
		return nil
	}
	r.readable = func(fd uintptr) bool { return r.step(r, fd) }
	r.writable = r.sendSome
	r.looks = r.look
	return r
}

// await runs a step each time there may be something to read.
func (r *raw) await(step func(*raw, uintptr) bool) error {
	r.step, r.n, r.err = step, 0, nil
	if err := r.rc.Read(r.readable); err != nil {
		return err
	}
	return r.err
}

func (r *raw) read(p []byte) (int, error) {
	r.into = p
	err := r.await((*raw).readSome)
	r.into = nil
	return r.n, err
}

func (r *raw) readSome(fd uintptr) bool {
	n, errno := recv(fd, r.into, 0)
	return r.received(n, errno)
}

// received notes what a recv came to; it is false if there was nothing.
func (r *raw) received(n int, errno syscall.Errno) bool {
	switch {
	case errno == syscall.EAGAIN:
		return false
	case errno != 0:
		r.err = r.failed("read", "recvfrom", errno)
	case n == 0:
		r.ended.Store(true)
		r.err = io.EOF
	default:
		r.n = n
	}
	return true
}

func (r *raw) fill() (*Buffer, int, error) {
	err := r.await((*raw).fillSome)
	return r.filled(err)
}

func (r *raw) filled(err error) (*Buffer, int, error) {
	b := r.buf
	r.buf = nil
	return b, r.n, err
}

func (r *raw) fillSome(fd uintptr) bool {
	b := GetBuffer()
	n, errno := recv(fd, b.B[:], 0)
	if errno == 0 && n > 0 {
		r.buf = b
	} else {
		b.Free()
	}
	return r.received(n, errno)
}

func (r *raw) ask(reused, _ bool) (*Buffer, int, error) {
	r.reused, r.asked = reused, false
	err := r.await((*raw).askSome)
	return r.filled(err)
}

// askSome looks whether the connection is of use, and sends the question; then
// it is there for the answer.
func (r *raw) askSome(fd uintptr) bool {
	if r.asked {
		return r.fillSome(fd)
	}
	bytes, over := peek(fd)
	if over || bytes && r.reused {
		r.err = ErrStale
		return true
	}
	r.asked = true
	if err := r.send(); err != nil {
		// A peer that refuses to read on may have told why.
		if !r.fillSome(fd) || r.n == 0 {
			r.err = err
		}
		return true
	}
	if bytes {
		return r.fillSome(fd) // no wake-up will tell of it
	}
	return false // an answer that came meanwhile has left its wake-up
}

func (r *raw) watch(f func() bool, brief bool) error {
	r.f, r.brief = f, brief
	if r.isTCP && !r.asks && !brief {
		r.asks = true
		_ = r.rc.Control(r.askToTell) // closed already, which the wait will tell
	}
	err := r.await((*raw).watchSome)
	r.f = nil
	return err
}

// askToTell has the kernel say with each read how much is left, which spares
// the read that finds nothing after each one that was short. It counts the
// peer's end as something left (Linux 4.18; tcp_inq_hint in net/ipv4/tcp.c).
func (r *raw) askToTell(fd uintptr) {
	r.tells = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_INQ, 1) == nil
}

// watchSome calls f until it is certain that nothing is left to read, for
// which there would be no further wake-up: of bytes and an end that come at
// about the same time, the poller tells once. Only of a reset right behind
// bytes nothing is known, see Broken.
func (r *raw) watchSome(fd uintptr) bool {
	r.fd = fd
	for {
		r.proven = false
		if !r.f() {
			return true
		}
		if r.proven {
			return false
		}
	}
}

func (r *raw) tryRead(p []byte) (int, error) {
	var (
		n, left int
		errno   syscall.Errno
	)
	switch {
	case r.brief:
		n, errno = recv(r.fd, p, 0)
		r.proven = n > 0 && n < len(p)
	case r.tells:
		n, left, errno = recvTelling(r.fd, p)
		r.proven = n > 0 && left == 0
	default:
		n, errno = recv(r.fd, p, 0)
	}
	r.n, r.err = 0, nil
	if !r.received(n, errno) {
		r.proven = true
		return 0, ErrAgain
	}
	n, err := r.n, r.err
	r.err = nil // it is f's to report
	return n, err
}

func (r *raw) send() error {
	r.sendErr = nil
	if err := r.rc.Write(r.writable); err != nil {
		return err
	}
	return r.sendErr
}

// sendSome is true when there is nothing to send any more, or no use in it.
func (r *raw) sendSome(fd uintptr) bool {
	for !r.out.empty() {
		n, errno := send(fd, r.out.slice)
		switch errno {
		case 0:
			r.out.sent(n)
			r.written.Add(int64(n))
		case syscall.EAGAIN:
			return false
		default:
			r.sendErr = r.failed("write", "sendmsg", errno)
			return true
		}
	}
	return true
}

// gone remembers what it found, which cannot change, and needs no place for it
// that goroutines would have to share.
func (r *raw) gone() bool {
	if !r.left.Load() {
		if err := r.rc.Control(r.looks); err != nil {
			return true // it is we who closed it
		}
	}
	return r.left.Load()
}

func (r *raw) look(fd uintptr) {
	if _, over := peek(fd); over {
		r.left.Store(true)
	}
}

func (r *raw) quiet() bool {
	quiet := false
	_ = r.rc.Control(func(fd uintptr) {
		bytes, over := peek(fd)
		quiet = !bytes && !over
	})
	return quiet
}

// broken asks for the state of the connection: only a reset or a timeout
// closes one of which both ends were open, or ours.
func (r *raw) broken() bool { return brokenBy(r.info()) }

func brokenBy(info *unix.TCPInfo) bool {
	return info != nil && info.State == unix.BPF_TCP_CLOSE
}

// acked is how many of the bytes written were acknowledged by the peer's
// kernel. It is for connections that we opened: of those the count, as the
// kernel keeps it, has one more for the SYN.
func (r *raw) acked() (acked int64, known bool) {
	return ackedBy(r.info())
}

func ackedBy(info *unix.TCPInfo) (acked int64, known bool) {
	if info == nil {
		return 0, false
	}
	return int64(info.Bytes_acked) - 1, true
}

// info is what TCP knows of the connection; nil where there is nothing.
func (r *raw) info() (info *unix.TCPInfo) {
	if !r.isTCP {
		return nil
	}
	_ = r.rc.Control(func(fd uintptr) { // closed: nil
		info = infoOf(int(fd))
	})
	return info
}

func infoOf(fd int) *unix.TCPInfo {
	info, _ := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	return info
}

func (r *raw) failed(op, call string, errno syscall.Errno) error {
	local, remote := r.conn.LocalAddr(), r.conn.RemoteAddr()
	return &net.OpError{Op: op, Net: local.Network(), Source: local, Addr: remote, Err: os.NewSyscallError(call, errno)}
}
