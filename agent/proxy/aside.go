package proxy

import (
	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/socket"
)

// aside is an outbound that waits for other goroutines, for an exchange that a
// loop runs: a gRPC call in HTTP/1.1, of which there are few.
type aside struct {
	outbound
	home *socket.Loop
}

func (a aside) do(f func() error) (err error) {
	a.home.Block(func() { err = f() })
	return err
}

// Send implements outbound.
func (a aside) Send(r *message.Request, body []byte, last bool) error {
	return a.do(func() error { return a.outbound.Send(r, body, last) })
}

// SendBody implements outbound.
func (a aside) SendBody(p []byte) error {
	return a.do(func() error { return a.outbound.SendBody(p) })
}

// FinishBody implements outbound.
func (a aside) FinishBody(trailer *message.Header) error {
	return a.do(func() error { return a.outbound.FinishBody(trailer) })
}

// ReadHead implements outbound.
func (a aside) ReadHead(r *message.Response) error {
	return a.do(func() error { return a.outbound.ReadHead(r) })
}

// NextBody implements outbound.
func (a aside) NextBody() (piece []byte, err error) {
	a.home.Block(func() { piece, err = a.outbound.NextBody() })
	return piece, err
}

// Release implements outbound.
func (a aside) Release() { a.home.Block(a.outbound.Release) }
