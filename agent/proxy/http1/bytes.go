package http1

import (
	"encoding/binary"
	"math/bits"
)

// Classes of bytes.
const (
	token  = 1 << iota // of a name or a method: tchar of RFC 9110 section 5.6.2
	target             // of a request target: what can be seen, but for '#'
	host               // of a registered name: RFC 3986 section 3.2.2, but for '%'
)

var class = func() (t [256]uint8) {
	for c := '!'; c <= '~'; c++ {
		if c != '#' {
			t[c] |= target
		}
	}
	mark := func(chars string, class uint8) {
		for _, c := range []byte(chars) {
			t[c] |= class
		}
	}
	const alphanumeric = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	mark(alphanumeric+"!#$%&'*+-.^_`|~", token)
	mark(alphanumeric+"-._~!$&'()*+,;=", host)
	return t
}()

// all tells whether b has bytes of one class only, and some.
func all(b []byte, of uint8) bool {
	for _, c := range b {
		if class[c]&of == 0 {
			return false
		}
	}
	return len(b) > 0
}

// control is the place of the first control character in b at i or after it,
// other than HTAB; len(b) if there is none. It takes eight bytes at a time: of
// the bits that it finds the lowest is always right, and those above may be
// borrowed from it.
func control(b []byte, i int) int {
	const (
		ones = 0x0101010101010101
		high = 0x80 * ones
		del  = 0x7f * ones
	)
	for i+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[i:])
		y := x ^ del
		hit := ((x-' '*ones)&^x | (y-ones)&^y) & high
		if hit == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(hit) / 8
		if b[i] != '\t' {
			return i
		}
		i++
	}
	for ; i < len(b); i++ {
		if c := b[i]; (c < ' ' && c != '\t') || c == 0x7f {
			return i
		}
	}
	return i
}

// clean tells whether b can stand in a value or a reason.
func clean(b []byte) bool { return control(b, 0) == len(b) }

// digit is the value of a hexadecimal digit; more than 15 for other bytes.
func digit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}
