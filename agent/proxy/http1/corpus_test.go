package http1

import (
	"math/rand/v2"
	"testing"
)

// smuggling are requests that two readers have been known to read in two ways.
var smuggling = []string{
	post + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG", // CL.TE
	post + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\nG",    // TE.CL
	post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
	post + "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
	post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
	post + "Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n",
	post + "Transfer-Encoding:\vchunked\r\n\r\n0\r\n\r\n",
	post + " Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	post + "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	post + "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	post + "Transfer-Encoding\r\n : chunked\r\n\r\n0\r\n\r\n",
	post + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
	post + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
	post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
	post + "Transfer-Encoding: chunked\x00\r\n\r\n0\r\n\r\n",
	post + "Transfer\x00-Encoding: chunked\r\n\r\n0\r\n\r\n",
	post + "Transfer_Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
	post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
	post + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
	post + "Content-Length: 3, 3\r\n\r\nabc",
	post + "Content-Length: +3\r\n\r\nabc",
	post + "Content-Length: 0x3\r\n\r\nabc",
	post + "Content-Length : 3\r\n\r\nabc",
	post + "Content-Length: 3\r\nConnection: Content-Length\r\n\r\nGET",
	post + "Content-Length:\r\n\r\nabc",
	post + "Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc",
	"POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET http://a/b?c HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET http://[::1%25a]/ HTTP/1.1\r\nHost: [::1%25a]\r\n\r\n",
	"GET //a/b HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
	"GET /\tHTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.1\nHost: a\n\n",
	"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nPragma: no-cache\r\nTrailer: a\r\n\r\n",
}

// laxChunks are bodies in chunks of the same kind.
var laxChunks = []string{
	"3\r\nabc\r\n0\r\n\r\nnext", "3;a\nabc\r\n0\r\n\r\n", "3\nabc\r\n0\r\n\r\n", "3\r\nabc\n0\n\n", "3 \r\nabc\r\n0\r\n\r\n",
	"3\r\nabcXX0\r\n\r\n", "+3\r\nabc\r\n0\r\n\r\n", "0x3\r\nabc\r\n0\r\n\r\n", "3;a=\"\r\n\"\r\nabc\r\n0\r\n\r\n", "3;\n3\r\nabc\r\n0\r\n\r\n",
	"10000000000000003\r\nabc\r\n0\r\n\r\n", "ffffffffffffffff\r\nabc", "0\r\nContent-Length: 3\r\nA: b\r\n\r\nGET", "0\r\n\r\nG", "0\r\nA: b\r\n c\r\n\r\n",
	"00;a;b=c\r\nGrpc-Status: 0\r\n\r\n", "0\r\n\n", "1\r\r\na\r\n0\r\n\r\n", "\r\n0\r\n\r\n",
}

// What fuzzing finds slowly: requests of fragments that are in dispute, in any
// mixture.
func TestRequestsOfFragments(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	end := func() string {
		return pick("\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", "\r\r\n", "\n\r", "\r\n ", " \r\n")
	}
	accepted := 0
	for range 60_000 {
		in := pick("", "", "\r\n") + pick("POST", "GET", "OPTIONS", "get") + pick(" ", " ", "  ", "\t") +
			pick("/", "/a?b", "*", "http://a", "http://a/b", "http://b/", "//a", "/%41", "/%", "?a") + " " + pick("HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.2") + end()
		in += pick("Host: a", "Host: a", "Host:a", "host:\ta ", "Host : a", "Hos\x00t: a") + end()
		for range random.IntN(4) {
			in += pick("Content-Length", "content-length", "Transfer-Encoding", "TRANSFER-ENCODING", "Connection", "Trailer", "A", "Content_Length", "Expect", "Pragma") +
				pick(":", ":", ": ", ":\t", " :", ":\v") +
				pick("3", "3", "0", "03", "+3", "3,3", "chunked", "chunked", "Chunked", "chunked ", "gzip, chunked", "identity", "close", "keep-alive", "100-continue", "no-cache", "a", "", "\x80") + end()
		}
		in += "\r\n" + pick("", "abc", "3\r\nabc\r\n0\r\n\r\n", "3;a\r\nabc\r\n0\r\nA: b\r\n\r\nGET", "3\nabc\n0\n\n", "0\r\n\r\n", "0\r\nContent-Length: 3\r\n\r\nabc")
		if besideRequest(t, []byte(in)) {
			accepted++
		}
	}
	if accepted < 500 {
		t.Errorf("%d were accepted: that compares little", accepted)
	}
	t.Log(accepted, "accepted")
}
