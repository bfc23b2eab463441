package http2

import (
	"io"
	"sync"
	"sync/atomic"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// stream is what both sides of a stream share. All of it but gone is guarded
// by the connection's lock. One goroutine at a time receives, and one sends.
type stream struct {
	conn  *conn
	id    uint32        // 0: not open yet
	asked *ClientStream // whose stream it is, at a client

	// What is received.
	body     body
	trailer  message.Header
	received bool  // all of it
	left     int64 // of the declared length; Unknown
	window   int   // what the peer may still send
	owed     int   // of it, what was taken and not yet given back
	readable sync.Cond
	halted   bool // NextBody is not to wait

	// What is sent.
	sent     bool // all of it, or a reset
	credit   int  // what the peer lets us send; below 0 after it took some back
	writable sync.Cond
	blocked  bool // in the connection's list of those who wait

	err         error // why the stream ended before its time
	interrupted bool  // by its user, who waits for nothing more
	woken       bool  // in the connection's list of those to be woken
	gone        atomic.Bool
	watcher     watcher
	telling     bool // watcher is being told
	closed      bool // by its user
	large       bool // a head was, and its room is not kept
}

type watcher interface{ ClientGone() }

func (s *stream) init(c *conn) {
	s.conn = c
	s.readable.L, s.writable.L = &c.mu, &c.mu
	s.left = message.Unknown
}

// renew makes s ready for another stream. It stays closed until it is one, lest
// its last user close it once more.
func (s *stream) renew() {
	s.id, s.received, s.left, s.owed, s.halted = 0, false, message.Unknown, 0, false
	s.sent, s.err, s.watcher = false, nil, nil
	s.interrupted = false
	s.trailer.Reset()
	s.gone.Store(false)
}

// open makes it a stream of the connection.
func (s *stream) open(id uint32) {
	s.id, s.window, s.credit = id, initialWindow, s.conn.initialCredit
	s.conn.streams[id] = s
}

// nextBody waits for the next piece of what is received, and gives the window
// of the one before back. The end comes along with the last piece where it is
// known already.
func (s *stream) nextBody(trailer *message.Header) ([]byte, error) {
	s.giveBack()
	for !s.body.waiting() || s.interrupted {
		switch {
		case s.received && !s.interrupted:
			s.trailers(trailer)
			return nil, io.EOF
		case s.err != nil:
			return nil, s.err
		case s.halted:
			return nil, ErrInterrupted
		}
		s.readable.Wait()
	}
	p := s.body.next()
	if s.received && !s.body.waiting() {
		s.trailers(trailer)
		return p, io.EOF
	}
	return p, nil
}

// trailers hands over those that came. Only the first call has some.
func (s *stream) trailers(to *message.Header) {
	if s.trailer.Len() > 0 {
		*to, s.trailer = s.trailer, *to
		s.trailer.Reset()
	}
}

// giveBack lets the peer send as much as was taken, once that is worth a frame.
func (s *stream) giveBack() {
	s.owed += s.body.drop()
	if s.owed >= initialWindow/2 && !s.received && s.err == nil {
		s.window += s.owed
		s.conn.control(appendWindowUpdate(s.conn.out.frames, s.id, s.owed))
		s.owed = 0
	}
}

// buffered tells whether nextBody would not wait.
func (s *stream) buffered() bool { return s.body.waiting() || s.received || s.err != nil }

// send sends a piece of a body, waiting for the peer to have room for it; with
// last it is the last.
func (s *stream) send(p []byte, last bool) error {
	for {
		if err := s.cannotSend(); err != nil {
			return err
		}
		n := min(len(p), maxFrame, s.credit, s.conn.credit)
		if len(p) > 0 && n <= 0 || s.conn.full() {
			s.waitToSend()
			continue
		}
		s.credit -= n
		s.conn.credit -= n
		s.conn.data(s.id, p[:n], last && n == len(p))
		if p = p[n:]; len(p) == 0 {
			break
		}
	}
	if last {
		s.finish()
	}
	return nil
}

func (s *stream) cannotSend() error {
	switch {
	case s.err != nil:
		return s.err
	case s.conn.err != nil:
		return s.conn.err
	case s.sent:
		return ErrInterrupted
	}
	return nil
}

// waitToSend waits until something has changed.
func (s *stream) waitToSend() {
	if !s.blocked {
		s.blocked = true
		s.conn.blocked = append(s.conn.blocked, s)
	}
	s.conn.flush()
	s.writable.Wait()
}

// room waits until the connection takes more.
func (s *stream) room() error {
	for {
		if err := s.cannotSend(); err != nil || !s.conn.full() {
			return err
		}
		s.waitToSend()
	}
}

// finish notes that all was sent.
func (s *stream) finish() {
	s.sent = true
	if s.received {
		s.conn.forget(s, false)
	}
}

// end notes that all was received.
func (s *stream) end() {
	s.received = true
	if s.sent {
		s.conn.forget(s, false)
	}
}

// reset breaks the stream off, and fails what waits for it with err.
func (s *stream) reset(code Code, err error) {
	if s.id != 0 && s.conn.streams[s.id] == s {
		s.conn.reset(s.id, code)
		s.conn.forget(s, true)
	}
	s.fail(err)
}

// fail makes calls fail, those that wait and those to come.
func (s *stream) fail(err error) {
	if s.err == nil {
		s.err = err
	}
	s.sent = true
	s.readable.Signal()
	s.writable.Signal()
}

// tell tells w that the stream is gone, without the lock.
func (s *stream) tell(w watcher) {
	w.ClientGone()
	s.conn.mu.Lock()
	s.telling = false
	s.readable.Broadcast()
	s.conn.mu.Unlock()
}

// interrupt ends all calls from another goroutine.
func (s *stream) interrupt() {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if !s.closed {
		s.interrupted = true
		s.fail(ErrInterrupted)
	}
}

// complete ends what is sent, with trailers where there are some.
func (s *stream) complete(trailer *message.Header) error {
	switch {
	case trailer != nil && trailer.Len() > 0:
		if err := s.room(); err != nil {
			return err
		}
		c := s.conn
		c.head(s.id, true, func(b []byte) []byte { return c.encoder.trailer(b, trailer) })
		s.finish()
	case s.cannotSend() == nil && s.conn.endTail(s.id):
		s.finish()
	default:
		if err := s.send(nil, true); err != nil {
			return err
		}
	}
	s.conn.flush()
	return nil
}

// finishUse gives up what the stream holds. A watcher that is being told is
// waited for.
func (s *stream) finishUse() {
	s.closed = true
	s.watcher = nil
	for s.telling {
		s.readable.Wait()
	}
	s.body.clear()
}
