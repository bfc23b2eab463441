package socket

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Loops are event loops, which share connections out among them: each
// connection belongs to one loop, and what it is read and written by runs there,
// one after the other. The poller and the scheduler of the runtime, which wake
// threads for one another, are not asked. Nil are none, with which everything
// runs in goroutines.
type Loops struct {
	all  []*Loop
	next atomic.Uint32
	done sync.WaitGroup
}

// Loop is one event loop. A nil one is that of goroutines, which wait by
// themselves.
type Loop struct {
	poll int // epoll's descriptor
	bell int // one of an eventfd, which wakes the loop
	// holds tells that the loop may keep its processor for a moment when there
	// is nothing to do.
	holds bool

	mu     sync.Mutex // guards what follows
	conns  []*looped  // by descriptor
	posts  []func()   // what others want to have run
	asleep bool       // the bell has to be rung

	// Of the loop's goroutine.
	ended   bool
	running *fiber // nil between two
	spent   int    // calls that it made without a wait
	idle    []*fiber
	events  [256]unix.EpollEvent
	ready   []readiness
	taken   []func()
	outbox  []*looped // of which something is to be sent
}

// readiness is what the kernel tells of a connection.
type readiness struct {
	conn   *looped
	events uint32
}

// NewLoops makes n loops, at least one. While it is busy, each holds one of the
// processors that GOMAXPROCS gives out: it should be greater than n. Close them
// when nothing uses them any more.
func NewLoops(n int) (*Loops, error) {
	ls := new(Loops)
	holds := runtime.GOMAXPROCS(0) > n
	for range n {
		l, err := newLoop(holds)
		if err != nil {
			ls.Close()
			return nil, fmt.Errorf("socket: event loop: %w", err)
		}
		ls.all = append(ls.all, l)
		ls.done.Go(l.run)
	}
	return ls, nil
}

func newLoop(holds bool) (*Loop, error) {
	poll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(poll)
		return nil, os.NewSyscallError("eventfd", err)
	}
	l := &Loop{poll: poll, bell: bell, holds: holds}
	if err := l.watch(bell); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// Close ends the loops.
func (ls *Loops) Close() {
	if ls == nil {
		return
	}
	for _, l := range ls.all {
		l.post(func() { l.ended = true })
	}
	ls.done.Wait()
	for _, l := range ls.all {
		l.close()
	}
}

// Pick is a loop for a connection; nil where there are none.
func (ls *Loops) Pick() *Loop {
	if ls == nil {
		return nil
	}
	return ls.all[int(ls.next.Add(1))%len(ls.all)]
}

func (l *Loop) close() {
	unix.Close(l.bell)
	unix.Close(l.poll)
}

// watch has the kernel tell of each change of a descriptor once.
func (l *Loop) watch(fd int) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(fd)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(l.poll, unix.EPOLL_CTL_ADD, fd, &event))
}

// unwatch ends that, for a descriptor of what stays open by another one: to
// close it does not.
func (l *Loop) unwatch(fd int) error {
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(l.poll, unix.EPOLL_CTL_DEL, fd, nil))
}

// add makes c one of the loop's.
func (l *Loop) add(c *looped) error {
	l.mu.Lock()
	for c.fd >= len(l.conns) {
		l.conns = append(l.conns, make([]*looped, max(64, len(l.conns)))...)
	}
	l.conns[c.fd] = c
	l.mu.Unlock()
	if err := l.watch(c.fd); err != nil {
		l.remove(c.fd)
		return err
	}
	return nil
}

// remove lets go of a descriptor, which is still open.
func (l *Loop) remove(fd int) {
	l.mu.Lock()
	if fd < len(l.conns) { // else it never was added
		l.conns[fd] = nil
	}
	l.mu.Unlock()
}

// post has f run by the loop's goroutine, between two fibers.
func (l *Loop) post(f func()) {
	l.mu.Lock()
	l.posts = append(l.posts, f)
	ring := l.asleep
	l.asleep = false
	l.mu.Unlock()
	if ring {
		one := [8]byte{1}
		_, _ = unix.Write(l.bell, one[:]) // full is rung
	}
}

// run is the loop.
func (l *Loop) run() {
	for turns := uint(1); !l.ended; turns++ {
		l.gather(l.wait())
		for i, f := range l.taken {
			l.taken[i] = nil
			f()
		}
		for i, r := range l.ready {
			l.ready[i].conn = nil
			r.conn.told(r.events)
		}
		for i := 0; i < len(l.outbox); i++ { // what fails may be asked elsewhere, which makes it longer
			c := l.outbox[i]
			l.outbox[i] = nil
			c.post()
		}
		l.outbox = l.outbox[:0]
		if turns%yieldEvery == 0 {
			runtime.Gosched() // what was made ready here, and timers, are for this processor
		}
	}
	for _, f := range l.idle {
		f.end()
	}
}

const (
	yieldEvery = 8 // turns
	// patience is how long a loop holds its processor while nothing happens,
	// in milliseconds. To give it back and to get one again costs more than
	// what is done for a request.
	patience = 4
)

// wait is for something to happen.
func (l *Loop) wait() (events int) {
	l.mu.Lock()
	l.asleep = len(l.posts) == 0
	timeout, more := 0, !l.asleep
	if l.holds && !more {
		timeout = patience
	}
	l.mu.Unlock()
	n, errno := epollWait(l.poll, l.events[:], timeout)
	if n > 0 || more || errno == syscall.EINTR { // then the runtime wants to be heard
		return n
	}
	n, _ = unix.EpollWait(l.poll, l.events[:], -1)
	return max(n, 0)
}

// gather takes over what there is to do.
func (l *Loop) gather(events int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asleep = false
	l.taken, l.posts = l.posts, l.taken[:0]
	l.ready = l.ready[:0]
	for _, e := range l.events[:events] {
		if fd := int(e.Fd); fd == l.bell {
			var rung [8]byte
			_, _ = unix.Read(l.bell, rung[:])
		} else if c := l.conns[fd]; c != nil {
			l.ready = append(l.ready, readiness{c, e.Events})
		}
	}
}

// Go has f run beside all else: by the loop, or in a goroutine without one. Any
// goroutine may call it.
func (l *Loop) Go(f func()) {
	if l == nil {
		go f()
		return
	}
	l.post(func() { l.begin(f) })
}

// Block calls f, which may wait for what is no socket of the loop, and must not
// touch one that is: others go on meanwhile.
func (l *Loop) Block(f func()) {
	if l == nil {
		f()
		return
	}
	me := l.running
	var fault any
	go func() {
		defer l.post(func() { l.resume(me) })
		defer func() { fault = recover() }()
		f()
	}()
	l.pause()
	if fault != nil {
		panic(fault)
	}
}
