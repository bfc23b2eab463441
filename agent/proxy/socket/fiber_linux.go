package socket

import "iter"

// fiber runs on a loop until it has to wait, and goes on there later: a
// goroutine that is switched to and from by name, past the scheduler.
type fiber struct {
	work   func()
	next   func() (struct{}, bool)
	end    func()
	yields func(struct{}) bool
}

// begin runs work on a fiber, up to where it waits first. It is for the loop's
// goroutine, as is resume.
func (l *Loop) begin(work func()) {
	var f *fiber
	if last := len(l.idle) - 1; last >= 0 {
		f = l.idle[last]
		l.idle = l.idle[:last]
	} else {
		f = l.newFiber()
	}
	f.work = work
	l.resume(f)
}

// mostIdle bounds the fibers of a loop that wait for work, each of which keeps a
// stack.
const mostIdle = 256

func (l *Loop) newFiber() *fiber {
	f := new(fiber)
	f.next, f.end = iter.Pull(func(yields func(struct{}) bool) {
		f.yields = yields
		for {
			f.work()
			f.work = nil
			if len(l.idle) == mostIdle {
				return
			}
			l.idle = append(l.idle, f)
			if !yields(struct{}{}) {
				return
			}
		}
	})
	return f
}

func (l *Loop) resume(f *fiber) {
	l.running, l.spent = f, 0
	f.next()
	l.running = nil
}

// mostInARow is how many calls a fiber makes before others have their turn. Of
// a download that is 124 KiB in and out, which takes some 50 µs.
const mostInARow = 4

// spend is to be called by a fiber before each call that may find that it need
// not wait: where a peer is as quick as we are it never would.
func (l *Loop) spend() {
	if l.spent++; l.spent > mostInARow {
		l.giveWay()
	}
}

// giveWay has others go on first.
func (l *Loop) giveWay() {
	me := l.running
	l.post(func() { l.resume(me) })
	l.pause()
}

// pause is called on a fiber, and returns when it is resumed.
func (l *Loop) pause() { l.running.yields(struct{}{}) }
