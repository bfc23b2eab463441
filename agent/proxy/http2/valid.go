package http2

import "github.com/outrigger-sidecar/outrigger/agent/proxy/message"

// Each byte can stand in some places and not in others. What HTTP/2 could
// carry but HTTP/1.1 would take for the end of a line, of a target or of a
// field is refused, since it is HTTP/1.1 that most requests go on in.
const (
	inName      = 1 << iota // a field's name: a token in lower case
	inToken                 // a method
	inValue                 // a field's value
	inTarget                // path and query
	inAuthority             // host and port
)

var bytesIn = func() (t [256]uint8) {
	for i := range t {
		c := byte(i)
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		digit := '0' <= c && c <= '9'
		if letter || digit || containsByte("!#$%&'*+-.^_`|~", c) {
			t[i] |= inToken
			if c < 'A' || c > 'Z' {
				t[i] |= inName
			}
		}
		if c >= 0x20 && c != 0x7f || c == '\t' {
			t[i] |= inValue
		}
		if c > 0x20 && c != 0x7f && c != '#' {
			t[i] |= inTarget
		}
		if letter || digit || containsByte("-._~!$&'()*+,;=:[]%", c) {
			t[i] |= inAuthority
		}
	}
	return t
}()

func containsByte(s string, c byte) bool {
	for i := range len(s) {
		if s[i] == c {
			return true
		}
	}
	return false
}

func all[T string | []byte](s T, in uint8) bool {
	for i := range len(s) {
		if bytesIn[s[i]]&in == 0 {
			return false
		}
	}
	return true
}

func validName(s string) bool { return s != "" && all(s, inName) }

func validToken(b []byte) bool { return len(b) > 0 && all(b, inToken) }

// validValue is RFC 9113 section 8.2.1, and no control characters at all.
func validValue(s string) bool {
	if s == "" {
		return true
	}
	return all(s, inValue) && !blank(s[0]) && !blank(s[len(s)-1])
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

func validAuthority(b []byte) bool { return all(b, inAuthority) }

// validTarget is a path, or the asterisk of OPTIONS.
func validTarget(r *message.Request) bool {
	t := r.Target
	if len(t) == 1 && t[0] == '*' {
		return string(r.Method) == "OPTIONS"
	}
	return len(t) > 0 && t[0] == '/' && all(t, inTarget)
}
