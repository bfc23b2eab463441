package http2

import (
	"errors"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// ClientStream is one request to a backend and its answer. One goroutine may
// send the request and another read the answer; what else may be called from
// any goroutine says so.
type ClientStream struct {
	stream
	client   *Client
	toHead   bool // the request is a HEAD
	reused   bool
	answered bool               // the final answer's head came
	interim  bool               // that of another came
	heads    []message.Response // those that came, and room for more
	pending  int                // of heads, not read yet
	begins   int64              // where the request stands in all that was written
	answer   *message.Response  // what ReadHead was given last
}

// maxHeads is how many heads may wait to be read: those of interim answers,
// which nothing else holds back.
const maxHeads = 32

// nextHead is the room for the next head.
func (s *ClientStream) nextHead() *message.Response {
	if s.pending == len(s.heads) {
		s.heads = append(s.heads, message.Response{})
	}
	r := &s.heads[s.pending]
	r.Reset()
	return r
}

// Send begins the request with its head and the first of its body; with last
// that is all. It blocks while the backend does not take it, as do the others
// that send.
func (s *ClientStream) Send(r *message.Request, body []byte, last bool) error {
	l := s.client
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := s.begin(); err != nil {
		return err
	}
	s.toHead = string(r.Method) == "HEAD"
	end := last && len(body) == 0
	l.head(s.id, end, func(b []byte) []byte { return l.encoder.request(b, r, l.scheme) })
	if end {
		s.finish()
	} else if len(body) > 0 {
		if err := s.send(body, last); err != nil {
			return err
		}
	}
	l.flush()
	return nil
}

// begin opens the stream.
func (s *ClientStream) begin() error {
	l := s.client
	if err := s.room(); err != nil {
		return err
	}
	if l.err != nil {
		return ErrClosed
	}
	if l.away { // since Open
		return ErrUnprocessed
	}
	l.stir()
	l.reserved--
	s.begins = l.out.handed + int64(len(l.out.frames))
	s.open(l.next)
	l.next += 2
	return nil
}

// SendBody sends a piece of the request's body, which the caller gets back.
func (s *ClientStream) SendBody(p []byte) error {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if len(p) > 0 {
		if err := s.send(p, false); err != nil {
			return err
		}
	}
	s.conn.flush()
	return nil
}

// FinishBody ends the request, with trailers where there are some.
func (s *ClientStream) FinishBody(trailer *message.Header) error {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.complete(trailer)
}

// ReadHead waits for the next head of an answer, interim or final, and puts it
// into r. A final one's trailers go there as well, in the end.
func (s *ClientStream) ReadHead(r *message.Response) error {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	for s.pending == 0 || s.interrupted {
		if s.err != nil {
			return s.err
		}
		if s.id == 0 {
			return ErrClosed // Send has failed
		}
		s.readable.Wait()
	}
	*r, s.heads[0] = s.heads[0], *r
	s.pending--
	for i := range s.pending {
		s.heads[i], s.heads[i+1] = s.heads[i+1], s.heads[i]
	}
	s.answer = r
	return nil
}

// NextBody waits for the next piece of the answer's body, which is good until
// the next call. io.EOF comes with the last piece, or after it.
func (s *ClientStream) NextBody() ([]byte, error) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if s.answer == nil { // ReadHead has failed
		s.answer = new(message.Response)
	}
	return s.nextBody(&s.answer.Trailer)
}

// Buffered tells whether NextBody would not have to wait.
func (s *ClientStream) Buffered() bool {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.buffered()
}

// Reused tells whether the connection has brought answers before.
func (s *ClientStream) Reused() bool { return s.reused }

// Interrupt makes all calls fail with ErrInterrupted, those that wait and those
// to come. Any goroutine may call it.
func (s *ClientStream) Interrupt() { s.interrupt() }

// Unsent tells, after a failure, that it is proven that the backend did
// nothing for the request: it says so itself, or was never given a byte of it.
func (s *ClientStream) Unsent() bool {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if s.id == 0 {
		return true
	}
	if s.answered || s.interim {
		return false
	}
	if reset, ok := errors.AsType[*ResetError](s.err); ok {
		return reset.Code == RefusedStream
	}
	return errors.Is(s.err, ErrUnprocessed) || s.conn.err != nil && s.begins >= s.conn.out.handed
}

// Release ends the use of the stream. One that is not over is cancelled.
func (s *ClientStream) Release() {
	l := s.client
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.closed {
		return
	}
	if s.id == 0 {
		l.reserved--
	}
	s.reset(Cancel, ErrInterrupted)
	s.finishUse()
	if l.busy() == 0 {
		l.idleSince = time.Now()
		l.out.last = l.away // nothing more can come
		l.flush()
	}
	if s.large {
		return
	}
	s.renew()
	s.toHead, s.answered, s.interim, s.pending, s.answer = false, false, false, 0, nil
	l.free = append(l.free, s)
}
