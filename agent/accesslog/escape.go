package accesslog

import "unicode/utf8"

// valueLimit bounds one value, as a client decides how long it is.
const valueLimit = 2048

const hexDigits = "0123456789abcdef"

// appendText writes a value into a line of text, where "-" is none. What is no
// printable ASCII is written as \xHH, and so is a space in what is one word: a
// reader that splits at spaces must not be led to see other fields.
func appendText(b []byte, s string, word bool) []byte {
	if s == "" {
		return append(b, '-')
	}
	s = s[:min(len(s), valueLimit)]
	plain := 0 // from where on nothing needs escaping
	for i := range len(s) {
		c := s[i]
		if c > ' ' && c < 0x7f && c != '"' && c != '\\' || c == ' ' && !word {
			continue
		}
		b = append(b, s[plain:i]...)
		plain = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		default:
			b = append(b, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(b, s[plain:]...)
}

// appendJSON writes a value as a JSON string. Beyond what JSON asks for it
// escapes what drives terminals or changes how the rest of a line is shown.
func appendJSON(b []byte, s string) []byte {
	if len(s) > valueLimit {
		cut := valueLimit
		for cut > valueLimit-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut]
	}
	b = append(b, '"')
	plain := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if c >= utf8.RuneSelf && !odd(r) && (r != utf8.RuneError || size > 1) {
			i += size
			continue
		}
		b = append(b, s[plain:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default: // odd runes are of the basic plane
			b = append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
		}
		i += size
		plain = i
	}
	return append(append(b, s[plain:]...), '"')
}

// odd tells runes that are not shown as they are: control characters of the
// second set, line and paragraph separators, and marks of direction.
func odd(r rune) bool {
	switch {
	case r <= 0x9f, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0x061c, r == 0xfeff:
		return true
	}
	return false
}
