// Command h2spec serves HTTP/2 in the clear on the address that it is given,
// for a run of the conformance suite of that name against it. It answers every
// request with some text, once it has read what was sent.
package main

import (
	"errors"
	"io"
	"log"
	"net"
	"os"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/http2"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

func main() {
	l, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			v := http2.NewServer(c, nil, http2.ServerOptions{Header: 10 * time.Second, Idle: 10 * time.Second, Stall: 10 * time.Second}, answer)
			if err := v.Serve(); err != nil {
				log.Print(err)
			}
		}()
	}
}

func answer(s *http2.ServerStream) {
	for {
		if _, err := s.NextBody(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return
		}
	}
	text := []byte("it is answered\n")
	r := message.Response{Status: 200, Length: int64(len(text))}
	if string(s.Request().Method) == "HEAD" {
		r.Length, r.Declared = 0, r.Length
	}
	if s.Respond(&r, r.Length == 0) != nil || r.Length == 0 {
		return
	}
	if s.WriteBody(text) == nil {
		_ = s.Finish(nil)
	}
}
