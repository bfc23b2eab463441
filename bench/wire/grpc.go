package wire

import (
	"bytes"

	"golang.org/x/net/http2/hpack"
)

// Message is a gRPC message of 25 bytes in its frame.
const Message = "\x00\x00\x00\x00\x19a message of 25 bytes...."

// Blocks are the header blocks that one end of an HTTP/2 connection sends again
// and again: in full at first, then as references into the table that both ends
// keep. Encoding them each time would cost more than all the rest. Create them
// with NewBlocks; they are for one goroutine.
type Blocks struct{ first, next [][]byte }

// NewBlocks encodes blocks for a peer that keeps a table of that many bytes.
// They have to be sent in turn: 0, 1, …, and 0 again.
func NewBlocks(table uint32, blocks ...[]hpack.HeaderField) *Blocks {
	var out bytes.Buffer
	e := hpack.NewEncoder(&out)
	e.SetMaxDynamicTableSizeLimit(table)
	encode := func() (all [][]byte) {
		for _, fields := range blocks {
			out.Reset()
			for _, f := range fields {
				_ = e.WriteField(f) // a buffer takes everything
			}
			all = append(all, bytes.Clone(out.Bytes()))
		}
		return all
	}
	return &Blocks{first: encode(), next: encode()}
}

// Next is block i as it has to be sent now.
func (b *Blocks) Next(i int) []byte {
	out := b.first[i]
	b.first[i] = b.next[i]
	return out
}
