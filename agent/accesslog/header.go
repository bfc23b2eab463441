package accesslog

import "strings"

// Denied tells that a header may not be written by that name, as it holds
// credentials.
func Denied(name string) bool {
	switch strings.ToLower(name) {
	case "authorization", "proxy-authorization", "authentication-info", "proxy-authentication-info",
		"cookie", "cookie2", "set-cookie", "set-cookie2",
		"api-key", "x-api-key", "x-auth-token", "x-amz-security-token", "x-csrf-token", "x-xsrf-token", "x-vault-token", "x-consul-token":
		return true
	}
	return false
}

// holdsURL tells that a header is a URL, whose query is left out.
func holdsURL(name string) bool {
	switch strings.ToLower(name) {
	case "referer", "location", "content-location", "link", "refresh", "x-original-url", "x-original-uri", "x-rewrite-url", "x-forwarded-uri":
		return true
	}
	return false
}

// validHeader tells whether something can be the name of a header (RFC 9110,
// 5.6.2).
func validHeader(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return name != ""
}
