package telemetry

import (
	"net/url"
	"strings"
	"unicode/utf8"

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
// as it is.
func redactQuery(query string) string {
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		key, value, has := strings.Cut(pair, "=")
		name := key
		if plain, err := url.QueryUnescape(key); err == nil {
			name = plain
		}
		if has && value != "" && sensitive(name) {
			pairs[i] = key + "=" + redacted
		}
	}
	return strings.Join(pairs, "&")
}

// redactURL is the URL that out asks its server for, by the name that its Host
// header gives it.
func redactURL(out *message.Request) string {
	var b strings.Builder
	b.WriteString("http://")
	b.Write(out.Authority)
	path := string(out.Path())
	if !strings.HasPrefix(path, "/") {
		b.WriteByte('/') // OPTIONS asks for "*"
	}
	b.WriteString(path)
	if query := out.Query(); len(query) > 0 {
		b.WriteByte('?')
		b.WriteString(redactQuery(string(query)))
	}
	return b.String()
}
