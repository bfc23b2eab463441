package socket

import "sync"

// BufferSize is how much is read or carried at once, in bytes. It is a little
// less than the 65,483 that the loopback device takes as one packet: 64 KiB
// would go as one that is full and one of 53 bytes, at half as much cost again.
const BufferSize = 62 << 10

// Buffer is what bodies are carried in. It is for one user at a time, and to
// be held only while bytes are at hand: a connection that waits needs none.
type Buffer struct{ B [BufferSize]byte }

var buffers = sync.Pool{New: func() any { return new(Buffer) }}

// GetBuffer takes a buffer, in which there may be anything, from the pool.
func GetBuffer() *Buffer { return buffers.Get().(*Buffer) }

// Free gives the buffer back; a nil one is none. It must not be used any more.
func (b *Buffer) Free() {
	if b != nil {
		buffers.Put(b)
	}
}
