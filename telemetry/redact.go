package telemetry

import (
	"bytes"
	"net/url"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// textLimit bounds what clients can have kept of a request: a queue full of
// spans must not be a queue full of URLs as long as they like.
const textLimit = 2048

// text makes s fit to be exported: no longer than textLimit, and UTF-8, since
// OTLP is protobuf and a whole batch would fail with one bad string.
func text(s string) string {
	if len(s) > textLimit {
		cut := textLimit
		for cut > textLimit-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = strings.Clone(s[:cut]) // lets the rest go
	}
	if utf8.ValidString(s) { // as mostly, and quicker to see
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// sensitive tells the query parameters that carry a signature or credentials
// (semantic conventions 1.43, url.query, and those of earlier versions).
func sensitive(key string) bool {
	switch key {
	case "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "sig", "X-Goog-Signature",
		"AWSAccessKeyId", "Signature":
		return true
	}
	return false
}

const redacted = "REDACTED"

// redactQuery replaces the values of sensitive parameters and leaves all else
// as it is. Most queries have none, and take no memory.
func redactQuery(query string) string {
	for from := 0; from < len(query); {
		pair, _, _ := strings.Cut(query[from:], "&")
		if key, ok := secret(pair); ok {
			query = query[:from] + key + "=" + redacted + query[from+len(pair):]
			pair = query[from : from+len(key)+1+len(redacted)]
		}
		from += len(pair) + 1
	}
	return query
}

// secret tells whether a parameter has a value that is not to be told.
func secret(pair string) (key string, is bool) {
	key, value, _ := strings.Cut(pair, "=")
	name := key
	if strings.ContainsAny(key, "%+") {
		if plain, err := url.QueryUnescape(key); err == nil {
			name = plain
		}
	}
	return key, value != "" && sensitive(name)
}

// appendRedacted writes the URL that out asks its server for, by the name that
// its Host header gives it.
func appendRedacted(b []byte, out *message.Request) []byte {
	path := out.Path()
	b = append(append(b, "http://"...), out.Authority...)
	if !bytes.HasPrefix(path, []byte{'/'}) {
		b = append(b, '/') // OPTIONS asks for "*"
	}
	b = append(b, path...)
	if query := redactQuery(view(out.Query())); query != "" {
		b = append(append(b, '?'), query...)
	}
	return b
}

// view is b as a string without a copy, for what is copied before b changes.
func view(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // see above
}
