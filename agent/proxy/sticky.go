package proxy

import (
	"fmt"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"time"
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
func (s Sticky) token(cookies []string) uint64 {
	if s.Cookie == "" {
		return 0
	}
	for _, line := range cookies {
		for pair := range strings.SplitSeq(line, ";") {
			if value, ok := s.own(pair); ok {
				if token := parseToken(value); token != 0 {
					return token
				}
			}
		}
	}
	return 0
}

// own is the value of the cookie if pair is one of that name.
func (s Sticky) own(pair string) (value string, ok bool) {
	name, value, ok := strings.Cut(pair, "=")
	return textproto.TrimString(value), ok && textproto.TrimString(name) == s.Cookie
}

// parseToken reads what set writes, and only that; 0 for anything else.
func parseToken(value string) uint64 {
	if len(value) != 16 || strings.ToLower(value) != value {
		return 0
	}
	token, err := strconv.ParseUint(value, 16, 64)
	if err != nil {
		return 0
	}
	return token
}

// strip takes the cookie out of what a backend will see. The other cookies
// stay as they are, byte by byte and in their order.
func (s Sticky) strip(h http.Header) {
	if s.Cookie == "" {
		return
	}
	lines := h["Cookie"]
	for i, line := range lines {
		if rest, found := s.without(line); found {
			kept := append(make([]string, 0, len(lines)), lines[:i]...) // h shares lines with the client's request
			if rest != "" {
				kept = append(kept, rest)
			}
			for _, line := range lines[i+1:] {
				if rest, found := s.without(line); !found || rest != "" {
					kept = append(kept, rest)
				}
			}
			if h["Cookie"] = kept; len(kept) == 0 {
				delete(h, "Cookie")
			}
			return
		}
	}
}

// without is a line of cookies without ours, and whether it was there.
func (s Sticky) without(line string) (rest string, found bool) {
	if !strings.Contains(line, s.Cookie) {
		return line, false
	}
	var kept []string
	for pair := range strings.SplitSeq(line, ";") {
		if _, ok := s.own(pair); ok {
			found = true
			continue
		}
		kept = append(kept, pair)
	}
	if !found {
		return line, false
	}
	return textproto.TrimString(strings.Join(kept, ";")), true
}

// set has the client of an answer keep token. A script has no business with
// the cookie, and other sites' requests only where the user follows a link. It
// asks for no HTTPS, since apps call the agent without.
func (s Sticky) set(h http.Header, token uint64) {
	cookie := fmt.Sprintf("%s=%016x; Path=%s", s.Cookie, token, s.Path)
	if s.TTL > 0 {
		cookie += "; Max-Age=" + strconv.FormatInt(int64((s.TTL+time.Second-1)/time.Second), 10)
	}
	before := h["Set-Cookie"] // of the backend, to which it belongs
	h["Set-Cookie"] = append(before[:len(before):len(before)], cookie+"; HttpOnly; SameSite=Lax")
}
