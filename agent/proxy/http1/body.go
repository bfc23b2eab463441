package http1

import (
	"math"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// Body takes the framing off one body. The zero value is at its end, as one
// that has no body is. It is used by one goroutine at a time, and again for the
// next message.
type Body struct {
	Limits Limits // of the trailers

	left  int64  // bytes to come of the body, or of the present chunk
	debt  int64  // bytes of framing beyond what the data excuses
	line  int    // bytes of the present line of framing
	kept  []byte // the trailers as they came
	from  int    // where in kept the present line begins
	lines int    // of kept
	wrong *Error // what was found, and ends it
	state state
}

type state uint8

const (
	ended     state = iota
	counted         // left bytes of data are left
	untilEOF        // data until the connection ends
	size            // of a chunk, in hexadecimal
	extension       // after the size
	sizeEnd         // the LF after that
	chunk           // left bytes of data are left of it
	chunkCR         // the end of its data
	chunkLF
	trailers
)

// Reset begins a body of the length that a head says: a number of bytes, or
// message.Unknown for one in chunks.
func (b *Body) Reset(length int64) {
	b.reset(ended)
	switch {
	case length > 0:
		b.state, b.left = counted, length
	case length == message.Unknown:
		b.state = size
	}
}

// ResetUntilEOF begins a body that ends with the connection, as Response has
// it in UntilEOF.
func (b *Body) ResetUntilEOF() { b.reset(untilEOF) }

func (b *Body) reset(s state) {
	*b = Body{Limits: b.Limits, kept: b.kept[:0], state: s}
}

// Next takes framing off what has come: data, which is part of in and may be
// empty, and the n bytes of in that this took. It is one piece at most; the
// rest is for the next call. Once Done it takes nothing. The error is nil or an
// *Error, and the same ever after.
func (b *Body) Next(in []byte) (data []byte, n int, err error) {
	if b.wrong != nil {
		return nil, 0, b.wrong
	}
	for n < len(in) {
		switch b.state {
		case ended:
			return nil, n, nil
		case untilEOF:
			return in, len(in), nil
		case counted, chunk:
			data = in[n:]
			if int64(len(data)) > b.left {
				data = data[:b.left]
			}
			b.Skip(int64(len(data)))
			return data, n + len(data), nil
		case trailers:
			n += b.trailer(in[n:])
		default:
			b.chunkByte(in[n])
			n++
		}
		if b.wrong != nil {
			return nil, n, b.wrong
		}
	}
	return nil, n, nil
}

// Skip notes that n bytes of data went by another way than Next: no more than
// Remaining tells.
func (b *Body) Skip(n int64) {
	if b.state == untilEOF {
		return
	}
	if b.left -= n; b.left > 0 {
		return
	}
	switch b.state {
	case counted:
		b.state = ended
	case chunk:
		b.state = chunkCR
	}
}

// Done tells whether the end of the body has been seen, with its trailers.
func (b *Body) Done() bool { return b.state == ended }

// Remaining is how many bytes of data come next without framing among them: of
// the body, or of the present chunk, 0 between chunks. It is -1 for a body that
// ends with the connection.
func (b *Body) Remaining() int64 {
	switch b.state {
	case counted, chunk:
		return b.left
	case untilEOF:
		return message.Unknown
	}
	return 0
}

// EOF says that the peer has closed: nil where that is the end of the body, or
// it had ended before; an *Error where it is cut short.
func (b *Body) EOF() error {
	switch {
	case b.wrong != nil:
		return b.wrong
	case b.state == untilEOF:
		b.state = ended
	case b.state != ended:
		b.wrong = bad("the body is cut short")
		return b.wrong
	}
	return nil
}

const maxSize = math.MaxInt64 >> 4 // to which a digit can be added
