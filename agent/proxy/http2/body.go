package http2

import "sync"

// body is what was received of a body and not yet taken. The flow control
// window bounds it. It is guarded by the connection's lock, but for the piece
// that was handed out.
type body struct {
	first, last *chunk // a list, oldest first; nil for an empty one
	taken       int    // of first: handed out
}

// chunk is a part of a body.
type chunk struct {
	next       *chunk
	start, end int // of what is in it
	bytes      [maxFrame]byte
}

var chunks = sync.Pool{New: func() any { return new(chunk) }}

// write adds a copy of p.
func (b *body) write(p []byte) {
	for len(p) > 0 {
		if b.last == nil || b.last.end == len(b.last.bytes) {
			c := chunks.Get().(*chunk)
			c.next, c.start, c.end = nil, 0, 0
			if b.last == nil {
				b.first = c
			} else {
				b.last.next = c
			}
			b.last = c
		}
		n := copy(b.last.bytes[b.last.end:], p)
		b.last.end += n
		p = p[n:]
	}
}

// next hands out a piece, which stays good until drop. There must be one.
func (b *body) next() []byte {
	c := b.first
	b.taken = c.end - c.start
	return c.bytes[c.start:c.end]
}

// drop gives up the piece that was handed out last, and returns its length.
func (b *body) drop() int {
	n := b.taken
	if n > 0 {
		b.taken = 0
		if b.first.start += n; b.first.start == b.first.end {
			b.shift()
		}
	}
	return n
}

func (b *body) shift() {
	c := b.first
	if b.first = c.next; b.first == nil {
		b.last = nil
	}
	chunks.Put(c)
}

// waiting tells whether there is more than what was handed out.
func (b *body) waiting() bool {
	return b.first != nil && (b.first.end-b.first.start > b.taken || b.first.next != nil)
}

// clear gives up all.
func (b *body) clear() {
	for b.taken = 0; b.first != nil; {
		b.shift()
	}
}
