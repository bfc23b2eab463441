package http1_test

import (
	"fmt"
	"strings"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/http1"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// A request is read, stripped of what belongs to the client's connection, and
// written anew, its body in one piece.
func Example() {
	in := []byte("POST http://shop/cart HTTP/1.1\r\nhost: shop\r\nconnection: close, x-hop\r\nx-hop: 1\r\naccept: */*\r\n" +
		"transfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n")

	end := http1.End(in, 0) // 0 would say that more is needed
	var r, out message.Request
	if err := http1.ParseRequest(in[:end], http1.Limits{}, &r); err != nil {
		fmt.Println(err)
		return
	}
	var body http1.Body
	body.Reset(r.Length)
	var data []byte
	for rest := in[end:]; !body.Done(); {
		piece, n, err := body.Next(rest)
		if err != nil {
			fmt.Println(err)
			return
		}
		data, rest = append(data, piece...), rest[n:]
	}

	out.Method, out.Target, out.Authority, out.Length = r.Method, r.Target, r.Authority, int64(len(data))
	message.EndToEnd(&out.Header, &r.Header)
	fmt.Println(strings.ReplaceAll(string(append(http1.AppendRequest(nil, &out), data...)), "\r", ""))

	// Output:
	// POST /cart HTTP/1.1
	// Host: shop
	// accept: */*
	// Content-Length: 5
	//
	// hello
}

func ExampleParseRequest() {
	for _, head := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
		"GET / HTTP/1.1\nHost: a\n\n",
		"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
	} {
		var r message.Request
		if err := http1.ParseRequest([]byte(head), http1.Limits{}, &r); err != nil {
			fmt.Println(err.(*http1.Error).Status, err)
			continue
		}
		fmt.Printf("%s %s of %s\n", r.Method, r.Target, r.Authority)
	}

	// Output:
	// GET / of a
	// 400 both Content-Length and Transfer-Encoding
	// 400 a line ends in a bare LF
	// 505 a version of HTTP other than 1.0 and 1.1
}
