package http2

import "github.com/outrigger-sidecar/outrigger/agent/proxy/message"

// ServerStream is one request and its answer. It belongs to the handler that
// it was given to, until that returns. One goroutine may read the request and
// another write the answer; what else may be called from any goroutine says so.
type ServerStream struct {
	stream
	server  *Server
	request message.Request
	status  int // that the request must be refused with; 0: it need not
	why     error
	// The client has that status already, and nothing more can be said to it.
	answered bool
}

// Request is the request's head, good until the handler returns. Its trailers
// are there once NextBody has returned io.EOF.
func (s *ServerStream) Request() *message.Request { return &s.request }

// NextBody waits for the next piece of the request's body, which is good until
// the next call. io.EOF comes with the last piece, or after it, where there is
// one at all.
func (s *ServerStream) NextBody() ([]byte, error) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.nextBody(&s.request.Trailer)
}

// BodyBuffered tells whether NextBody would not have to wait.
func (s *ServerStream) BodyBuffered() bool {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.buffered()
}

// StopBody makes NextBody fail with ErrInterrupted where it would wait, until
// ResumeBody. Nothing is lost by that. Any goroutine may call it.
func (s *ServerStream) StopBody() { s.halt(true) }

// ResumeBody lets NextBody wait again.
func (s *ServerStream) ResumeBody() { s.halt(false) }

func (s *ServerStream) halt(on bool) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	s.halted = on
	s.readable.Signal()
}

// Expecting tells whether the client waits for a word before it sends the
// body: an interim answer 100, or the final one.
func (s *ServerStream) Expecting() bool { return s.request.Expect }

// Interim sends an interim answer, at once.
func (s *ServerStream) Interim(r *message.Response) error {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if err := s.respond(r, false); err != nil {
		return err
	}
	s.conn.flush()
	return nil
}

// Respond begins the final answer; with last nothing follows. What is written
// leaves with Flush, Finish or last, or when much has gathered. It blocks while
// the client does not read, as do the others that write.
func (s *ServerStream) Respond(r *message.Response, last bool) error {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if s.answered {
		return nil
	}
	if err := s.respond(r, last); err != nil {
		return err
	}
	if last {
		s.finish()
		s.conn.flush()
	}
	return nil
}

func (s *ServerStream) respond(r *message.Response, last bool) error {
	if err := s.room(); err != nil {
		return err
	}
	c := s.conn
	c.head(s.id, last, func(b []byte) []byte { return c.encoder.response(b, r, last) })
	return nil
}

// WriteBody sends a piece of the answer's body, which the caller gets back.
func (s *ServerStream) WriteBody(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if s.answered {
		return nil
	}
	if err := s.send(p, false); err != nil {
		return err
	}
	if len(s.conn.out.frames) >= maxFrame {
		s.conn.flush()
	}
	return nil
}

// Flush has what was written leave. It does not wait for that.
func (s *ServerStream) Flush() error {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	s.conn.flush()
	return s.err
}

// Finish ends the answer, with trailers where there are some.
func (s *ServerStream) Finish(trailer *message.Header) error {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if s.answered {
		return nil
	}
	return s.complete(trailer)
}

// Abort breaks the answer off, so that the client sees that it is not
// complete. Any goroutine may call it; calls that wait then fail.
func (s *ServerStream) Abort() {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if !s.closed && (!s.sent || s.err != nil) {
		s.reset(InternalError, ErrInterrupted)
	}
}

// Cut makes all calls fail, those that wait and those to come, from any
// goroutine. The client is told by Abort or Close.
func (s *ServerStream) Cut() { s.interrupt() }

// Gone tells whether the client has broken the request off, or is not there
// any more. Any goroutine may call it.
func (s *ServerStream) Gone() bool { return s.gone.Load() }

// OnGone has w told, once and from another goroutine, when the client breaks
// the request off or is not there any more. It is not told any more once Close
// has returned.
func (s *ServerStream) OnGone(w interface{ ClientGone() }) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	switch {
	case s.closed:
	case s.gone.Load():
		s.telling = true
		go s.tell(w)
	default:
		s.watcher = w
	}
}

// Close ends the use of the stream. An answer that is not complete is broken
// off; of a request that is not, the client is told that it is not needed. It
// is called when the handler returns, if not before.
func (s *ServerStream) Close() {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	s.close()
}

func (s *ServerStream) close() {
	if s.closed {
		return
	}
	code := InternalError
	if s.sent && s.err == nil {
		code = NoError // the answer is complete (RFC 9113 section 8.1)
	}
	s.reset(code, ErrInterrupted)
	s.finishUse()
}
