// Package message holds the heads of HTTP messages in the one form that the
// codecs of HTTP/1.1 and HTTP/2 share, so that what lies between them need not
// know which it is.
package message

import "net/netip"

// Unknown is the length of a body that only ends when it does: in chunks, with
// a frame that says so, or with the connection.
const Unknown = -1

// Request is the head of a request. Its bytes are good for as long as the
// exchange that it belongs to lasts.
type Request struct {
	Method    []byte
	Target    []byte // path and query as they were sent, or "*"
	Authority []byte // the Host header or :authority; nil for none
	Major     int    // HTTP version
	Minor     int
	Header    Header         // without Host, Content-Length, Transfer-Encoding, which stand below or in the framing
	Trailer   Header         // filled once the body has been read to its end
	Length    int64          // of the body in bytes; 0: none; Unknown
	Expect    bool           // 100-continue: the body waits for a word
	Upgrade   []byte         // the protocol that the client offers to go on with (HTTP/1.1); nil for none
	Last      bool           // the client's connection ends with this exchange
	Peer      netip.AddrPort // where the client calls from; invalid for a unix socket
}

// Reset makes r as good as new, and keeps its room.
func (r *Request) Reset() {
	r.Header.Reset()
	r.Trailer.Reset()
	r.Method, r.Target, r.Authority, r.Upgrade = nil, nil, nil, nil
	r.Major, r.Minor, r.Length = 0, 0, 0
	r.Expect, r.Last = false, false
	r.Peer = netip.AddrPort{}
}

// Path is the target up to its query.
func (r *Request) Path() []byte {
	for i, c := range r.Target {
		if c == '?' {
			return r.Target[:i]
		}
	}
	return r.Target
}

// Query is what follows the first question mark of the target; nil for none.
func (r *Request) Query() []byte {
	if path := len(r.Path()); path < len(r.Target) {
		return r.Target[path+1:]
	}
	return nil
}

// IsGRPC tells whether the request speaks gRPC.
func (r *Request) IsGRPC() bool { return isGRPC(r.Header.Get(ContentType)) }

// Response is the head of an answer, interim or final. Its bytes are good
// until the next one is read, or the exchange ends.
type Response struct {
	Status   int
	Major    int    // HTTP version
	Header   Header // without Content-Length and Transfer-Encoding
	Trailer  Header // filled once the body has been read to its end
	Length   int64  // of the body in bytes; 0: none; Unknown
	Declared int64  // what Content-Length said where no body comes, as to HEAD or with 304; Unknown: nothing
	Head     bool   // it answers a HEAD: no body comes, and Length 0 says nothing of what a GET would bring
	UntilEOF bool   // a body of Unknown length ends with the connection, and in no other way (HTTP/1)
	Upgrade  []byte // the protocol that the server goes on with, with status 101
	Last     bool   // the connection ends with this answer
}

// Reset makes r as good as new, and keeps its room.
func (r *Response) Reset() {
	r.Header.Reset()
	r.Trailer.Reset()
	r.Status, r.Major, r.Length, r.Declared = 0, 0, 0, Unknown
	r.Head, r.UntilEOF, r.Last = false, false, false
	r.Upgrade = nil
}

// IsGRPC tells whether the answer speaks gRPC.
func (r *Response) IsGRPC() bool { return isGRPC(r.Header.Get(ContentType)) }

func isGRPC(contentType []byte) bool {
	const prefix = "application/grpc"
	if len(contentType) < len(prefix) || !equalFold(contentType[:len(prefix)], prefix) {
		return false
	}
	rest := contentType[len(prefix):]
	return len(rest) == 0 || rest[0] == '+' || rest[0] == ';' || rest[0] == ' '
}
