package proxy

import (
	"errors"
	"io"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/http1"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/socket"
)

// session is what a connection of HTTP/1.1 has while there is something of a
// request at hand. Idle connections have none, which keeps them small.
type session struct {
	*connection
	in       []byte // what was read: a request's head, then what came with it
	scanned  int    // of in, in search of the head's end
	head     int    // of in, the head's size; 0: not all of it is there
	used     int    // of in, what is done with
	request  message.Request
	exchange exchange

	framing http1.Body     // of the request's body
	buffer  *socket.Buffer // where the body is read into after in
	rest    []byte         // of buffer, what is not done with
	out     []byte         // of the answer, what is not sent yet
	chunked bool           // the answer goes out in chunks
	endless bool           // the answer ends with the connection
	refused bool           // what came is no request
}

const (
	leastInput  = 4864     // bytes: enough for nearly all heads, and no power of two, so that caches can hold many
	mostOutput  = 16 << 10 // what is gathered before it is sent
	leastOutput = 2688
)

func newSession(h *HTTP) *session {
	s := &session{in: make([]byte, 0, leastInput), out: make([]byte, 0, leastOutput)}
	s.exchange.http = h
	return s
}

// renew makes s ready for the next request, of which some may be there.
func (s *session) renew() {
	left := append(s.in[:0], s.in[s.used:]...)
	left = append(left, s.rest...)
	s.freeBuffer()
	s.in, s.scanned, s.head, s.used, s.out = left, 0, 0, 0, s.out[:0]
	s.refused, s.endless = false, false
}

func (s *session) freeBuffer() {
	if s.buffer != nil {
		s.buffer.Free()
		s.buffer, s.rest = nil, nil
	}
}

// room makes in have some.
func (s *session) room() []byte {
	if len(s.in) == cap(s.in) {
		s.in = append(make([]byte, 0, 4*cap(s.in)), s.in...)
	}
	return s.in[len(s.in):cap(s.in)]
}

// parse looks for a request's head, and reads it when it is all there. A
// failure is one to be answered.
func (s *session) parse() (there bool, f *failure) {
	end := http1.End(s.in, s.scanned)
	limits := s.server.heads
	if end == 0 {
		s.scanned = len(s.in)
		if err := http1.TooLarge(s.in, limits); err != nil {
			return false, malformed(err)
		}
		return false, s.server.entrance.partial()
	}
	s.head, s.used = end, end
	s.request.Reset()
	s.request.Peer = s.peer
	if err := http1.ParseRequest(s.in[:end], limits, &s.request); err != nil {
		return false, malformed(err)
	}
	s.framing.Reset(s.request.Length)
	return true, nil
}

func malformed(err error) *failure {
	f := &failure{kind: BadRequest, err: err, blameless: true}
	if wrong, ok := errors.AsType[*http1.Error](err); ok {
		f.status = wrong.Status
	}
	return f
}

// whole tells that all of the request has been read.
func (s *session) whole() bool {
	return s.request.Length == 0 || s.request.Length > 0 && int64(len(s.in)-s.head) >= s.request.Length
}

// NextBody implements inbound.
func (s *session) NextBody() ([]byte, error) {
	for {
		if s.framing.Done() {
			s.framing.Trailer(&s.request.Trailer)
			return nil, io.EOF
		}
		from := s.rest
		if s.used < len(s.in) {
			from = s.in[s.used:]
		}
		if len(from) == 0 {
			if err := s.fill(); err != nil {
				return nil, err
			}
			continue
		}
		piece, n, err := s.framing.Next(from)
		if s.used < len(s.in) {
			s.used += n
		} else {
			s.rest = s.rest[n:]
		}
		if len(piece) > 0 || err != nil {
			return piece, err
		}
	}
}

// fill reads more of the body.
func (s *session) fill() (err error) {
	s.freeBuffer()
	var n int
	if s.buffer, n, err = s.sock.Fill(); err != nil {
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	s.rest = s.buffer.B[:n]
	return nil
}

// BodyBuffered implements inbound.
func (s *session) BodyBuffered() bool { return s.used < len(s.in) || len(s.rest) > 0 }

// StopBody implements inbound.
func (s *session) StopBody() { s.sock.StopRead() }

// ResumeBody implements inbound.
func (s *session) ResumeBody() { s.sock.ResumeRead() }

// Interim implements inbound.
func (s *session) Interim(r *message.Response) error {
	_, err := s.sock.Write(http1.AppendResponse(s.out[:0], r, false, 1))
	return err
}

// Respond implements inbound.
func (s *session) Respond(r *message.Response, _ bool) error {
	s.chunked = r.Length == message.Unknown && s.request.Minor > 0
	s.endless = r.Length == message.Unknown && !s.chunked
	r.Last = r.Last || s.endless
	s.ending = s.ending || r.Last
	s.out = http1.AppendResponse(s.out[:0], r, s.chunked, s.request.Minor)
	return nil
}

// WriteBody implements inbound. Small pieces are gathered.
func (s *session) WriteBody(p []byte) error {
	if len(p) == 0 {
		return nil // a chunk of none would be the end
	}
	if s.chunked {
		s.out = http1.AppendChunkHead(s.out, len(p))
	}
	if len(s.out)+len(p)+len(http1.ChunkEnd) <= mostOutput {
		s.out = append(s.out, p...)
		if s.chunked {
			s.out = append(s.out, http1.ChunkEnd...)
		}
		return nil
	}
	var err error
	if s.chunked {
		err = s.sock.Writev(s.out, p, chunkEnd)
	} else {
		err = s.sock.Writev(s.out, p)
	}
	s.out = s.out[:0]
	return err
}

var chunkEnd = []byte(http1.ChunkEnd)

// Flush implements inbound.
func (s *session) Flush() error {
	if len(s.out) == 0 {
		return nil
	}
	_, err := s.sock.Write(s.out)
	s.out = s.out[:0]
	return err
}

// Finish implements inbound.
func (s *session) Finish(trailer *message.Header) error {
	if s.chunked {
		s.out = http1.AppendLastChunk(s.out, trailer)
	}
	return s.Flush()
}

// Abort implements inbound. Where the end of an answer is told by that of the
// connection, only a reset tells that this is not it.
func (s *session) Abort() {
	s.ending = true
	if s.endless {
		s.broken = true
		s.sock.BreakOnClose()
	}
}

// Gone implements inbound.
func (s *session) Gone() bool { return s.sock.Gone() }

// Cut implements inbound. The kernel would go on for as long as the client
// likes with what it holds for it, which are megabytes.
func (s *session) Cut() {
	s.sock.BreakOnClose()
	s.sock.Interrupt()
}
