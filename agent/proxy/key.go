package proxy

import (
	"bytes"
	"strings"
	"unsafe"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// keyOf returns how to read the key of the hashing strategies from a request:
// client_ip (the default), path, header:NAME or cookie:NAME. A request without
// such a header or cookie has no key. A key is good as long as the request.
func keyOf(hashOn string) func(r *message.Request, ip string) string {
	if hashOn == "path" {
		return func(r *message.Request, _ string) string { return view(r.Path()) }
	}
	if name, ok := strings.CutPrefix(hashOn, "header:"); ok {
		if strings.EqualFold(name, "host") {
			return func(r *message.Request, _ string) string { return view(r.Authority) }
		}
		return func(r *message.Request, _ string) string { return view(r.Header.GetNamed(name)) }
	}
	if name, ok := strings.CutPrefix(hashOn, "cookie:"); ok {
		return func(r *message.Request, _ string) string { return view(cookie(&r.Header, name)) }
	}
	return func(_ *message.Request, ip string) string { return ip }
}

// cookie is the value of the first cookie of a name; nil for none.
func cookie(h *message.Header, name string) []byte {
	for f := range h.All() {
		if f.Key != message.Cookie {
			continue
		}
		for pair := range bytes.SplitSeq(f.Value, []byte{';'}) {
			n, value, ok := bytes.Cut(pair, []byte{'='})
			if ok && string(message.Trim(n)) == name {
				value = message.Trim(value)
				if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
					value = value[1 : len(value)-1]
				}
				return value
			}
		}
	}
	return nil
}

// view is b as a string without a copy: the bytes of a request stay as they
// are for as long as it is under way.
func view(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // see above
}
