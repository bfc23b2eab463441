package http1

import (
	"bytes"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// trailer takes the bytes of one line of the trailers, or what has come of it.
// Lines are kept until the body ends, since there is no other place for them.
func (b *Body) trailer(in []byte) (n int) {
	if b.from == len(b.kept) && len(in) >= len(crlf) && string(in[:len(crlf)]) == crlf {
		b.state = ended
		return len(crlf)
	}
	n = len(in)
	lf := bytes.IndexByte(in, '\n')
	if lf >= 0 {
		n = lf + 1
	}
	if len(b.kept)+n > b.Limits.bytes() {
		b.wrong = errBytes()
		return n
	}
	b.kept = append(b.kept, in[:n]...)
	if lf < 0 {
		return n
	}
	if string(b.kept[b.from:]) == crlf {
		b.state = ended
		return n
	}
	if b.lines++; b.lines > b.Limits.fields() {
		b.wrong = errFields()
		return n
	}
	_, _, _, b.wrong = field(b.kept, b.from)
	b.from = len(b.kept)
	return n
}

// Trailer adds the trailers of a body that is Done to those in into, copied.
// Fields that mean nothing there, or would if they were merged into the header,
// are left out (message.Field.Trails).
func (b *Body) Trailer(into *message.Header) {
	for at := 0; at < b.from; {
		name, value, next, e := field(b.kept, at)
		if e != nil {
			return // cannot be: the line was read before
		}
		at = next
		if f := (message.Field{Key: message.NameOf(name), Name: name, Value: value}); f.Trails() {
			into.Copy(f)
		}
	}
}
