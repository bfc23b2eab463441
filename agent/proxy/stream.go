package proxy

import "github.com/outrigger-sidecar/outrigger/agent/proxy/message"

// inbound is the app's side of one exchange, HTTP/1.1 or a stream of HTTP/2.
// What reads the request and what writes the answer may be two goroutines.
type inbound interface {
	// NextBody waits for the next piece of the request's body, which is good
	// until the next call; io.EOF comes after the last.
	NextBody() ([]byte, error)
	// BodyBuffered tells that some of it can be had without waiting.
	BodyBuffered() bool
	// StopBody makes NextBody fail where it waits, from another goroutine, and
	// ResumeBody lets it wait again. Nothing gets lost between.
	StopBody()
	ResumeBody()

	// Interim sends an interim answer.
	Interim(*message.Response) error
	// Respond begins the final answer; with last nothing more follows. What
	// is written may be kept back until Flush or Finish.
	Respond(r *message.Response, last bool) error
	WriteBody(p []byte) error
	Flush() error
	// Finish ends the answer's body.
	Finish(trailer *message.Header) error
	// Abort breaks an answer off so that the client sees it is incomplete.
	Abort()

	// Gone tells, from any goroutine, that nobody waits for the answer any
	// more.
	Gone() bool
	// Cut ends what blocks in writing to the client. Any goroutine.
	Cut()
}

// outbound is the side of a server, for one try: a connection of HTTP/1.1 or a
// stream of HTTP/2. What writes the request and what reads the answer may be
// two goroutines.
type outbound interface {
	// Send begins the request with its head and the first of its body; with
	// last that is all. It may be kept back until ReadHead.
	Send(r *message.Request, body []byte, last bool) error
	SendBody(p []byte) error
	FinishBody(trailer *message.Header) error

	// ReadHead waits for the head of the next answer, interim or final.
	ReadHead(*message.Response) error
	// NextBody waits for the next piece of the answer's body, which is good
	// until the next call; io.EOF comes after the last, and then the trailers
	// are in the response.
	NextBody() ([]byte, error)
	// Buffered tells that more can be had without waiting.
	Buffered() bool

	// Reused tells that the connection has served before.
	Reused() bool
	// Unsent tells, after a failure, that it is proven that nothing of the
	// request reached the server.
	Unsent() bool
	// Interrupt makes calls fail that block, and all later ones. Any
	// goroutine.
	Interrupt()
	// Release ends the try. A connection that is as good as new is kept.
	Release()
}
