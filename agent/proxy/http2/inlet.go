package http2

import (
	"io"
	"sync"
)

// inlet holds what was read until whole frames are there. Only the
// connection's reader uses it. A connection at rest holds little.
type inlet struct {
	bytes      []byte
	start, end int // of what is there
	small      [smallInlet]byte
	large      *[largeInlet]byte // nil: not taken
	now        frame
}

const (
	smallInlet = 512
	largeInlet = 2 * (frameHeaderLen + maxFrame)
)

var inlets = sync.Pool{New: func() any { return new([largeInlet]byte) }}

// next is the next whole frame, good until the next fill; nil where more has
// to be read first.
func (n *inlet) next() (*frame, error) {
	have := n.bytes[n.start:n.end]
	f, size := cut(have)
	if size > len(have) {
		if size > frameHeaderLen+maxFrame {
			return nil, fault(FrameSizeError, "a frame of %d bytes", size-frameHeaderLen)
		}
		return nil, nil
	}
	n.start += size
	n.now = f
	return &n.now, nil
}

// fill reads some more.
func (n *inlet) fill(from io.Reader) error {
	switch rest := n.end - n.start; {
	case rest == 0 && n.large == nil:
		n.bytes, n.start, n.end = n.small[:], 0, 0
	case rest == 0:
		n.start, n.end = 0, 0
	case n.large == nil:
		n.take(n.bytes[n.start:n.end])
	case n.end == len(n.bytes):
		copy(n.bytes, n.bytes[n.start:n.end])
		n.start, n.end = 0, rest
	}
	got, err := from.Read(n.bytes[n.end:])
	n.end += got
	if got > 0 {
		err = nil
	}
	if n.large == nil && n.end == len(n.bytes) {
		n.take(n.bytes[n.start:n.end]) // there is more where this came from
	}
	return err
}

// take goes on in a large room.
func (n *inlet) take(rest []byte) {
	n.large = inlets.Get().(*[largeInlet]byte)
	n.start, n.end = 0, copy(n.large[:], rest)
	n.bytes = n.large[:]
}

// release gives up the large room.
func (n *inlet) release() {
	if n.large != nil {
		inlets.Put(n.large)
		n.large, n.bytes, n.start, n.end = nil, n.small[:], 0, 0
	}
}

// begin puts in what was read already.
func (n *inlet) begin(ahead []byte) {
	n.bytes = n.small[:]
	if len(ahead) > len(n.small) {
		n.bytes = make([]byte, len(ahead))
	}
	n.end = copy(n.bytes, ahead)
}

// preface takes a client's preface off.
func (n *inlet) preface(from io.Reader) error {
	for n.end-n.start < len(Preface) {
		if err := n.fill(from); err != nil {
			return err
		}
	}
	if string(n.bytes[n.start:n.start+len(Preface)]) != Preface {
		return fault(ProtocolError, "no preface")
	}
	n.start += len(Preface)
	return nil
}

// awaitsHead tells whether what is there may be the beginning of a head.
func (n *inlet) awaitsHead() bool {
	rest := n.bytes[n.start:n.end]
	switch {
	case len(rest) == 0:
		return false
	case len(rest) < frameHeaderLen:
		return true
	}
	k := kind(rest[3])
	return k == kindHeaders || k == kindContinuation
}

// rest gives up the large room where nothing is in it.
func (n *inlet) rest() {
	if n.start == n.end {
		n.release()
	}
}
