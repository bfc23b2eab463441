package message

// early are the names of fields that a recipient needs before the body, and
// that are void in trailers (RFC 9110 section 6.5.1): framing, routing,
// authentication, what modifies a request, what controls an answer, and what
// tells how to read the body. So are those of a connection, and those by which
// a proxy speaks for its client, since nobody checks them there.
var early = [names]bool{
	Connection: true, KeepAlive: true, ProxyConnection: true, ProxyAuthenticate: true, ProxyAuthorization: true,
	TE: true, Trailer: true, TransferEncoding: true, Upgrade: true, HTTP2Settings: true,
	Host: true, ContentLength: true, Expect: true,
	Authorization: true, Cookie: true, SetCookie: true,
	AcceptEncoding: true, CacheControl: true, IdempotencyKey: true,
	Age: true, Date: true, Location: true, RetryAfter: true,
	ContentEncoding: true, ContentType: true,
	Forwarded: true, Via: true, XForwardedFor: true, XForwardedHost: true, XForwardedProto: true,
}

// earlyToo are names of the same kind that have no number.
var earlyToo = []string{
	"WWW-Authenticate", "Max-Forwards", "Range", "If-Match", "If-None-Match", "If-Modified-Since",
	"If-Unmodified-Since", "If-Range", "Pragma", "Expires", "Vary", "Warning", "Content-Range",
}

// Trails tells whether a field may stand in trailers.
func (f *Field) Trails() bool {
	if f.Key != Other {
		return !early[f.Key]
	}
	for _, name := range earlyToo {
		if equalFold(f.Name, name) {
			return false
		}
	}
	return !keeps(f) // X-Forwarded-* and its like
}
