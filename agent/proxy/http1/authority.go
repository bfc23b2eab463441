package http1

import "bytes"

// validAuthority tells whether b is a host with or without a port, as in RFC
// 3986 section 3.2, without user information. An empty one is.
func validAuthority(b []byte) bool {
	name := b
	if len(b) > 0 && b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		return end > 0 && ipv6(b[1:end]) && validPort(b[end+1:])
	}
	if colon := bytes.IndexByte(b, ':'); colon >= 0 {
		name = b[:colon]
		if len(name) == 0 || !validPort(b[colon:]) {
			return false
		}
	}
	for i, c := range name {
		switch {
		case class[c]&host != 0:
		case c == '%' && len(name)-i > 2 && digit(name[i+1]) < 16 && digit(name[i+2]) < 16:
		default:
			return false
		}
	}
	return true
}

// validPort takes nothing, or a colon and up to five digits; none after the
// colon stand for the default.
func validPort(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	if b[0] != ':' || len(b) > len(":65535") {
		return false
	}
	n := 0
	for _, c := range b[1:] {
		if c < '0' || c > '9' {
			return false
		}
		n = n*10 + int(c-'0')
	}
	return n <= 65535
}

// ipv6 tells whether b is an IPv6 address in text (RFC 4291 section 2.2),
// without a zone. It takes no memory, unlike netip.ParseAddr, since clients of
// [::1] say so in each request.
func ipv6(b []byte) bool {
	groups, gap := 0, false
	if bytes.HasPrefix(b, doubleColon) {
		b, gap = b[2:], true
	}
	for len(b) > 0 {
		n := 0
		for n < len(b) && n < 5 && digit(b[n]) < 16 {
			n++
		}
		if n < len(b) && b[n] == '.' {
			return ipv4(b) && enough(groups+2, gap)
		}
		if n == 0 || n > 4 {
			return false
		}
		groups++
		switch b = b[n:]; {
		case len(b) == 0:
		case bytes.HasPrefix(b, doubleColon):
			if gap {
				return false
			}
			b, gap = b[2:], true
		case b[0] == ':' && len(b) > 1:
			b = b[1:]
		default:
			return false
		}
	}
	return enough(groups, gap)
}

// enough tells whether there are 8 groups, or fewer with a gap among them.
func enough(groups int, gap bool) bool { return groups == 8 && !gap || groups < 8 && gap }

var doubleColon = []byte("::")

// ipv4 tells whether b is four numbers below 256, without leading zeros.
func ipv4(b []byte) bool {
	for part := range 4 {
		n, digits := 0, 0
		for len(b) > 0 && '0' <= b[0] && b[0] <= '9' && digits < 3 {
			n = n*10 + int(b[0]-'0')
			if digits++; digits > 1 && n < 10 {
				return false
			}
			b = b[1:]
		}
		if digits == 0 || n > 255 {
			return false
		}
		if part < 3 {
			if len(b) == 0 || b[0] != '.' {
				return false
			}
			b = b[1:]
		}
	}
	return len(b) == 0
}
