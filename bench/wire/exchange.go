package wire

import "encoding/binary"

// AskSize is the size of the smallest Ask, in bytes.
const AskSize = 8

// Ask is what a client of the TCP rows sends for one exchange: how long this is
// itself, how long the answer shall be, and whether the backend shall end the
// connection after it.
type Ask struct {
	Size   int // bytes, AskSize at least
	Answer int // bytes
	Last   bool
}

const last = 1 << 31

// Bytes are the ask as it is sent.
func (a Ask) Bytes() []byte {
	b := make([]byte, a.Size)
	answer := uint32(a.Answer)
	if a.Last {
		answer |= last
	}
	binary.BigEndian.PutUint32(b, uint32(a.Size))
	binary.BigEndian.PutUint32(b[4:], answer)
	return b
}

// ParseAsk reads the beginning of an ask. ok is false where it is none, or too
// short to tell.
func ParseAsk(b []byte) (a Ask, ok bool) {
	if len(b) < AskSize {
		return Ask{}, false
	}
	answer := binary.BigEndian.Uint32(b[4:])
	a = Ask{Size: int(binary.BigEndian.Uint32(b)), Answer: int(answer &^ last), Last: answer&last != 0}
	return a, a.Size >= AskSize
}
