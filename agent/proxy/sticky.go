package proxy

import (
	"bytes"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// Sticky keeps clients at the backend that served them first, whatever the
// strategy, by a cookie that holds the lease's token. The cookie is between the
// client and the agent: backends do not see it. The zero value keeps nobody.
type Sticky struct {
	Cookie string        // its name; "" for no sessions
	TTL    time.Duration // how long a client keeps it; 0: until it is closed
	Path   string        // below which a client sends it
}

// token is the token in the first cookie of that name which holds one; 0 for
// none. What cannot be read counts as absent: it is replaced by the answer.
func (s Sticky) token(h *message.Header) uint64 {
	if s.Cookie == "" {
		return 0
	}
	for f := range h.All() {
		if f.Key != message.Cookie {
			continue
		}
		for pair := range bytes.SplitSeq(f.Value, semicolon) {
			if value, ok := s.own(pair); ok {
				if token := parseToken(value); token != 0 {
					return token
				}
			}
		}
	}
	return 0
}

var semicolon = []byte{';'}

// own is the value of the cookie if pair is one of that name.
func (s Sticky) own(pair []byte) (value []byte, ok bool) {
	name, value, ok := bytes.Cut(pair, []byte{'='})
	return message.Trim(value), ok && string(message.Trim(name)) == s.Cookie
}

// parseToken reads what set writes, and only that; 0 for anything else.
func parseToken(value []byte) uint64 {
	if len(value) != 16 || bytes.ContainsAny(value, "ABCDEF") {
		return 0
	}
	token, err := strconv.ParseUint(string(value), 16, 64)
	if err != nil {
		return 0
	}
	return token
}

// strip takes the cookie out of what a backend will see. The other cookies
// stay as they are, byte by byte and in their order.
func (s Sticky) strip(h *message.Header) {
	if s.Cookie == "" {
		return
	}
	emptied := false
	for i := range h.Len() {
		f := h.At(i)
		if f.Key == message.Cookie && s.holds(f.Value) {
			if f.Value = s.without(h, f.Value); len(f.Value) == 0 {
				f.Name, emptied = nil, true
			}
		}
	}
	if emptied {
		h.DelFunc(func(f *message.Field) bool { return f.Name == nil })
	}
}

// holds tells whether our cookie is in a line of them.
func (s Sticky) holds(line []byte) bool {
	for pair := range bytes.SplitSeq(line, semicolon) {
		if _, ok := s.own(pair); ok {
			return true
		}
	}
	return false
}

// without is a line of cookies without ours, in the room of h.
func (s Sticky) without(h *message.Header, line []byte) []byte {
	rest := h.Room()
	for pair := range bytes.SplitSeq(line, semicolon) {
		if _, ok := s.own(pair); ok {
			continue
		}
		if len(rest) > 0 {
			rest = append(rest, ';')
		}
		rest = append(rest, pair...)
	}
	return message.Trim(h.Keep(rest))
}

// set has the client of an answer keep token. A script has no business with
// the cookie, and other sites' requests only where the user follows a link. It
// asks for no HTTPS, since apps call the agent without.
func (s Sticky) set(h *message.Header, token uint64) {
	b := append(append(h.Room(), s.Cookie...), '=')
	var digits [8]byte
	for i := range digits {
		digits[i] = byte(token >> (56 - 8*i))
	}
	b = append(append(hex.AppendEncode(b, digits[:]), "; Path="...), s.Path...)
	if s.TTL > 0 {
		b = strconv.AppendInt(append(b, "; Max-Age="...), int64((s.TTL+time.Second-1)/time.Second), 10)
	}
	h.Append(message.Known(message.SetCookie, h.Keep(append(b, "; HttpOnly; SameSite=Lax"...))))
}
