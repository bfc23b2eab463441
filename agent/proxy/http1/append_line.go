package http1

import (
	"strconv"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// appendRequestLine adds the request line and Host, which stands first (RFC
// 9110 section 7.2).
func appendRequestLine(dst []byte, r *message.Request) []byte {
	if all(r.Method, token) && string(r.Method) != "CONNECT" {
		dst = append(dst, r.Method...)
	} else {
		dst = append(dst, "INVALID"...)
	}
	dst = append(dst, ' ')
	dst = appendTarget(dst, r)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	if validAuthority(r.Authority) {
		dst = append(dst, r.Authority...)
	}
	return append(dst, crlf...)
}

// appendTarget adds a path and query, or the "*" of OPTIONS, with what cannot
// stand in either encoded.
func appendTarget(dst []byte, r *message.Request) []byte {
	if (len(r.Target) == 0 || r.Target[0] != '/') && (string(r.Target) != "*" || string(r.Method) != "OPTIONS") {
		dst = append(dst, '/')
	}
	if all(r.Target, target) {
		return append(dst, r.Target...)
	}
	const digits = "0123456789ABCDEF"
	for _, c := range r.Target {
		if class[c]&target != 0 {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst
}

// appendStatusLine adds "HTTP/1.1 200 OK". What is no status becomes 502.
func appendStatusLine(dst []byte, status, minor int) []byte {
	if status < 100 || status > 599 {
		status = 502
	}
	dst = append(dst, "HTTP/1."...)
	dst = append(dst, '0'+byte(minor&1), ' ')
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = append(dst, reason(status)...)
	return append(dst, crlf...)
}
