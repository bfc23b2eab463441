package message

import "bytes"

// Name is a field name that the proxy has something to do with. Comparing one
// takes no look at the bytes.
type Name uint8

// The names there are. Other stands for all the rest.
const (
	Other Name = iota
	AcceptEncoding
	Age
	Authorization
	B3
	Baggage
	CacheControl
	Connection
	ContentEncoding
	ContentLength
	ContentType
	Cookie
	Date
	Expect
	Forwarded
	GRPCMessage
	GRPCStatus
	Host
	HTTP2Settings
	IdempotencyKey
	KeepAlive
	Location
	ProxyAuthenticate
	ProxyAuthorization
	ProxyConnection
	ProxyStatus
	RetryAfter
	Server
	SetCookie
	TE
	Traceparent
	Tracestate
	Trailer
	TransferEncoding
	Upgrade
	UserAgent
	Via
	XForwardedFor
	XForwardedHost
	XForwardedProto
	XRequestID
	names // how many there are
)

// texts are the names as HTTP/1.1 likes to see them.
var texts = [names]string{
	AcceptEncoding: "Accept-Encoding", Age: "Age", Authorization: "Authorization", B3: "B3", Baggage: "Baggage",
	CacheControl: "Cache-Control", Connection: "Connection", ContentEncoding: "Content-Encoding",
	ContentLength: "Content-Length", ContentType: "Content-Type", Cookie: "Cookie", Date: "Date", Expect: "Expect",
	Forwarded: "Forwarded", GRPCMessage: "Grpc-Message", GRPCStatus: "Grpc-Status", Host: "Host",
	HTTP2Settings: "HTTP2-Settings", IdempotencyKey: "Idempotency-Key", KeepAlive: "Keep-Alive", Location: "Location",
	ProxyAuthenticate: "Proxy-Authenticate", ProxyAuthorization: "Proxy-Authorization",
	ProxyConnection: "Proxy-Connection", ProxyStatus: "Proxy-Status", RetryAfter: "Retry-After", Server: "Server",
	SetCookie: "Set-Cookie", TE: "TE", Traceparent: "Traceparent", Tracestate: "Tracestate", Trailer: "Trailer",
	TransferEncoding: "Transfer-Encoding", Upgrade: "Upgrade", UserAgent: "User-Agent", Via: "Via",
	XForwardedFor: "X-Forwarded-For", XForwardedHost: "X-Forwarded-Host", XForwardedProto: "X-Forwarded-Proto",
	XRequestID: "X-Request-Id",
}

// String is the name as it is written in HTTP/1.1; "" for Other.
func (n Name) String() string { return texts[n] }

// Lower is the name as it is written in HTTP/2; nil for Other. Its bytes must
// not be changed.
func (n Name) Lower() []byte { return lowerBytes[n] }

var lowerBytes = func() (t [names][]byte) {
	for n := Other + 1; n < names; n++ {
		t[n] = bytes.ToLower([]byte(texts[n]))
	}
	return t
}()

// known finds names by length and first letter, so that a look-up compares
// with one or two candidates at most.
type known [24]['z' + 1]uint8 // into candidates, by length and lower-case initial

// NameOf is the Name of a field, whatever its case.
func NameOf(name []byte) Name {
	if len(name) == 0 || len(name) >= len(table) {
		return Other
	}
	first := lower(name[0])
	if first > 'z' {
		return Other
	}
	for n := table[len(name)][first]; n != 0; n = next[n] {
		if string(name) == texts[n] || equalFold(name, texts[n]) {
			return Name(n)
		}
	}
	return Other
}

// table is the first name of a length and initial; next the one after it.
var table, next = func() (t known, next [names]uint8) {
	for n := names - 1; n > Other; n-- {
		first := lower(texts[n][0])
		next[n] = t[len(texts[n])][first]
		t[len(texts[n])][first] = uint8(n)
	}
	return t, next
}()

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// equalFold compares in ASCII alone: field names hold nothing else, and
// Unicode's folding would take a Kelvin sign for a k.
func equalFold[T string | []byte](a []byte, b T) bool {
	if len(a) != len(b) {
		return false
	}
	for i, c := range a {
		if c != b[i] && lower(c) != lower(b[i]) {
			return false
		}
	}
	return true
}

// EqualFold tells whether a is b but for the case of ASCII letters.
func EqualFold(a []byte, b string) bool { return equalFold(a, b) }
