package http2_test

import (
	"fmt"
	"io"
	"net"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/http2"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// A server answers with what it was sent, and a client asks it.
func Example() {
	near, far := net.Pipe()
	server := http2.NewServer(far, nil, http2.ServerOptions{}, func(s *http2.ServerStream) {
		r := message.Response{Status: 200, Length: message.Unknown}
		r.Header.Add(message.ContentType, "text/plain")
		if s.Respond(&r, false) != nil {
			return
		}
		for {
			piece, err := s.NextBody()
			if len(piece) > 0 && s.WriteBody(piece) != nil {
				return
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				return
			}
		}
		r.Trailer.AddNamed("x-path", string(s.Request().Target))
		_ = s.Finish(&r.Trailer)
	})
	served := make(chan error)
	go func() { served <- server.Serve() }()

	client := http2.NewClient(near, http2.ClientOptions{})
	stream, err := client.Open()
	if err != nil {
		fmt.Println(err)
		return
	}
	request := message.Request{Method: []byte("POST"), Target: []byte("/echo"), Authority: []byte("here"), Length: message.Unknown}
	if err := stream.Send(&request, []byte("hello"), true); err != nil {
		fmt.Println(err)
	}
	var answer message.Response
	if err := stream.ReadHead(&answer); err != nil {
		fmt.Println(err)
	}
	for {
		piece, err := stream.NextBody()
		fmt.Print(string(piece))
		if err != nil {
			fmt.Println(":", err)
			break
		}
	}
	fmt.Println(answer.Status, string(answer.Trailer.GetNamed("x-path")))
	stream.Release()
	server.Drain()
	fmt.Println(<-served)
	<-client.Done()
	// Output:
	// hello: EOF
	// 200 /echo
	// <nil>
}
