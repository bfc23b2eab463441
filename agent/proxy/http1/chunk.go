package http1

const (
	maxDigits    = 16       // of the size of a chunk
	maxExtension = 256      // bytes of extensions in a line
	freeFraming  = 16       // bytes of framing that are excused in each chunk
	maxDebt      = 16 << 10 // bytes of framing more than that and twice the data
)

// chunkByte takes one byte of what stands around the data of chunks (RFC 9112
// section 7.1). Byte by byte it cannot matter where reads end.
func (b *Body) chunkByte(c byte) {
	b.line++
	switch b.state {
	case size:
		b.sizeByte(c)
	case extension:
		// Nothing of an extension is used. What is in quotes can hold no end
		// of line either.
		switch {
		case c == '\r':
			b.state = sizeEnd
		case (c < ' ' && c != '\t') || c == 0x7f:
			b.wrong = bad("a control character in a chunk's extension")
		case b.line > maxDigits+maxExtension:
			b.wrong = bad("a chunk's extension is too long")
		}
	case sizeEnd:
		if c != '\n' {
			b.wrong = bad("a bare CR in a chunk's size")
			return
		}
		b.begin()
	case chunkCR:
		if c != '\r' {
			b.wrong = bad("a chunk's data does not end with it")
		}
		b.state = chunkLF
	case chunkLF:
		if c != '\n' {
			b.wrong = bad("a chunk's data does not end with it")
		}
		b.state, b.line = size, 0
	}
}

// sizeByte takes one byte of a size: digits, with nothing before or between.
func (b *Body) sizeByte(c byte) {
	if d := digit(c); d < 16 {
		if b.line > maxDigits || b.left > maxSize {
			b.wrong = bad("a chunk's size is too large")
			return
		}
		b.left = b.left<<4 | int64(d)
		return
	}
	switch {
	case b.line == 1:
		b.wrong = bad("a chunk has no size")
	case c == ';':
		b.state = extension
	case c == '\r':
		b.state = sizeEnd
	default:
		b.wrong = bad("a chunk's size is malformed")
	}
}

// begin follows the line with the size of a chunk. Who sends one byte in a
// chunk may do so, but who sends much framing and little data wears the proxy
// out with it: 16 bytes a chunk and twice the data are free, and beyond that
// there is a debt that must stay small.
func (b *Body) begin() {
	b.debt = max(b.debt+int64(b.line)-freeFraming, 0)
	b.debt = max(b.debt-2*min(b.left, b.debt), 0)
	switch {
	case b.debt > maxDebt:
		b.wrong = bad("chunks of too much framing")
	case b.left == 0:
		b.state, b.line = trailers, 0
	default:
		b.state = chunk
	}
}
