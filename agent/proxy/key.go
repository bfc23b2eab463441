package proxy

import (
	"net/http"
	"strings"
)

// keyOf returns how to read the key of the hashing strategies from a request:
// client_ip (the default), path, header:NAME or cookie:NAME. A request without
// such a header or cookie has no key.
func keyOf(hashOn string) func(r *http.Request) string {
	if hashOn == "path" {
		return func(r *http.Request) string { return r.URL.Path }
	}
	if name, ok := strings.CutPrefix(hashOn, "header:"); ok {
		name = http.CanonicalHeaderKey(name)
		return func(r *http.Request) string { return r.Header.Get(name) }
	}
	if name, ok := strings.CutPrefix(hashOn, "cookie:"); ok {
		return func(r *http.Request) string {
			cookie, err := r.Cookie(name)
			if err != nil {
				return ""
			}
			return cookie.Value
		}
	}
	return func(r *http.Request) string { return clientIP(r.RemoteAddr) }
}
