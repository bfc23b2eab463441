package proxy

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/http1"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/socket"
)

// origin is a connection of HTTP/1.1 to a server. It implements outbound, for
// one try after another.
type origin struct {
	pool    *pool
	address string
	sock    *socket.Conn
	born    time.Duration // when it was made, by the clock
	since   time.Duration // when it was last taken up
	secured uint64        // the generation of what TLS was made with
	older   *origin       // of those that are idle, see pool
	newer   *origin

	method  []byte // of the request
	out     []byte // of the request, what is not sent yet
	from    int64  // bytes sent before this request
	whole   bool   // all of the request was sent, or lies in out
	chunked bool   // its body goes in chunks
	reused  bool
	broken  atomic.Bool // it was interrupted

	buffer  *socket.Buffer // what was read
	data    []byte         // of it, or of a larger place, what is not done with
	piece   []byte         // of the answer's body, which was found in it
	framing http1.Body     // of the answer's body
	last    bool           // the connection ends with this answer
	answer  *message.Response
}

// Send implements outbound. A request that is whole waits for ReadHead, which
// sends it and waits in one go.
func (o *origin) Send(r *message.Request, body []byte, last bool) error {
	o.method, o.whole, o.chunked, o.from = r.Method, last, r.Length == message.Unknown, o.sock.Written()
	o.answer, o.last = nil, false
	o.out = http1.AppendRequest(o.out[:0], r)
	o.out = o.append(o.out, body)
	if last {
		if o.chunked {
			o.out = http1.AppendLastChunk(o.out, &r.Trailer)
		}
		return nil
	}
	if o.reused && !o.sock.Quiet() {
		return socket.ErrStale
	}
	_, err := o.sock.Write(o.out)
	o.out = o.out[:0]
	return err
}

func (o *origin) append(to, body []byte) []byte {
	switch {
	case len(body) == 0:
		return to
	case !o.chunked:
		return append(to, body...)
	}
	return append(append(http1.AppendChunkHead(to, len(body)), body...), http1.ChunkEnd...)
}

// SendBody implements outbound.
func (o *origin) SendBody(p []byte) error {
	if len(p) == 0 {
		return nil // a chunk of none would be the end
	}
	if !o.chunked {
		_, err := o.sock.Write(p)
		return err
	}
	var size [20]byte
	return o.sock.Writev(http1.AppendChunkHead(size[:0], len(p)), p, chunkEnd)
}

// FinishBody implements outbound.
func (o *origin) FinishBody(trailer *message.Header) error {
	if o.chunked {
		if _, err := o.sock.Write(http1.AppendLastChunk(nil, trailer)); err != nil {
			return err
		}
	}
	o.whole = true
	return nil
}

// ReadHead implements outbound.
func (o *origin) ReadHead(r *message.Response) error {
	if len(o.out) > 0 {
		if err := o.ask(); err != nil {
			return err
		}
	}
	for scanned := 0; ; {
		if end := http1.End(o.data, scanned); end > 0 {
			return o.parse(end, r)
		}
		scanned = len(o.data)
		if err := http1.TooLarge(o.data, o.pool.heads); err != nil {
			return err
		}
		if err := o.more(); err != nil {
			if errors.Is(err, io.EOF) && scanned > 0 {
				return errHalfAHead
			}
			return err
		}
	}
}

var errHalfAHead = errors.New("it closed the connection within the head of its answer")

func (o *origin) ask() error {
	b, n, err := o.sock.Ask(o.out, o.reused, idempotent(o.method))
	o.out = o.out[:0]
	if err != nil {
		return err
	}
	o.buffer, o.data = b, b.B[:n]
	return nil
}

// more reads more behind what there is of a head.
func (o *origin) more() error {
	if len(o.data) == 0 {
		return o.fill()
	}
	// The head is not all there, and begins somewhere in the buffer.
	room := o.data[len(o.data):cap(o.data)]
	if len(room) == 0 {
		o.data = append(make([]byte, 0, 2*len(o.data)), o.data...)
		room = o.data[len(o.data):cap(o.data)]
	}
	n, err := o.sock.Read(room)
	o.data = o.data[:len(o.data)+n]
	return err
}

// fill reads into a buffer that is held only while there is something in it.
func (o *origin) fill() (err error) {
	o.free()
	var n int
	if o.buffer, n, err = o.sock.Fill(); err == nil {
		o.data = o.buffer.B[:n]
	}
	return err
}

func (o *origin) free() {
	if o.buffer != nil {
		o.buffer.Free()
		o.buffer = nil
	}
	o.data, o.piece = nil, nil
}

func (o *origin) parse(end int, r *message.Response) error {
	r.Reset()
	if err := http1.ParseResponse(o.data[:end], o.pool.heads, o.method, r); err != nil {
		return err
	}
	o.data = o.data[end:]
	if r.Status < 200 && r.Status != 101 {
		return nil
	}
	o.answer, o.last = r, r.Last || r.Status == 101 // after which it speaks something else
	if r.UntilEOF {
		o.framing.ResetUntilEOF()
	} else {
		o.framing.Reset(r.Length)
	}
	return nil
}

// NextBody implements outbound.
func (o *origin) NextBody() ([]byte, error) {
	for {
		if piece, err := o.unframe(); len(piece) > 0 || err != nil {
			o.piece = nil
			return piece, err
		}
		if o.framing.Done() {
			o.framing.Trailer(&o.answer.Trailer)
			return nil, io.EOF
		}
		if err := o.fill(); err != nil {
			if !errors.Is(err, io.EOF) {
				return nil, err
			}
			if o.framing.EOF() != nil {
				return nil, io.ErrUnexpectedEOF
			}
			return nil, io.EOF
		}
	}
}

// unframe is the next piece in what was read, none if there is only framing.
func (o *origin) unframe() (piece []byte, err error) {
	for len(o.piece) == 0 && len(o.data) > 0 && !o.framing.Done() && err == nil {
		var n int
		o.piece, n, err = o.framing.Next(o.data)
		o.data = o.data[n:]
	}
	return o.piece, err
}

// Buffered implements outbound.
func (o *origin) Buffered() bool {
	piece, err := o.unframe()
	return len(piece) > 0 || err != nil || o.framing.Done()
}

// Reused implements outbound.
func (o *origin) Reused() bool { return o.reused }

// Unsent implements outbound.
func (o *origin) Unsent() bool { return o.sock.Written() == o.from || o.sock.Undelivered(o.from) }

// Interrupt implements outbound.
func (o *origin) Interrupt() {
	o.broken.Store(true)
	o.sock.Interrupt()
}

// Release implements outbound. Bytes that came after the answer would be taken
// for the next one.
func (o *origin) Release() {
	for o.answer != nil && len(o.data) > 0 && !o.framing.Done() { // an answer that nobody wants may be all there
		o.piece = nil
		if _, err := o.unframe(); err != nil {
			break
		}
	}
	keep := o.answer != nil && !o.last && o.whole && len(o.data) == 0 && o.framing.Done() && !o.broken.Load()
	o.free()
	o.answer, o.method = nil, nil
	if keep {
		if !o.reused {
			o.reused = true
			o.pool.tls.Worked(o.address)
		}
		o.pool.put(o)
		return
	}
	o.close()
}

func (o *origin) close() {
	o.sock.Close()
	o.pool.meter.Backends.Add(-1)
	o.pool.ended(o.pool.clock.Now() - o.born)
}
