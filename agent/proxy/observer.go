package proxy

import (
	"net/netip"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/lb"
)

// Observer is told of every HTTP request. Its methods, and those of what they
// return, are called on the request's own way, so they must not block.
type Observer interface {
	// Begin is called when a request's head has been read.
	Begin(r *message.Request) Exchange
}

// Exchange follows one request. What it is shown is good until End returns.
type Exchange interface {
	// Attempt is called before a try is sent to a server. It may set fields
	// of out, such as those that carry a trace. Number counts from 0; the
	// reason is why the try before failed, "" for the first.
	Attempt(out *message.Request, server *lb.Server, number int, reason string) Attempt
	// Answer is called before the final answer is sent to the app, if one is.
	// The answer is good until Answer returns.
	Answer(*message.Response)
	// End is called once, when the answer has been sent or given up, or has
	// become a tunnel. The exchange is not used any more then.
	End(Result)
}

// Attempt follows one try. End is called once, before that of its exchange.
type Attempt interface {
	End(Result)
}

// Result is how an exchange or an attempt ended.
type Result struct {
	Status    int           // of the answer; 0 when there was none
	Major     int           // HTTP version of the answer: 1 or 2; 0 when there was none
	Error     string        // the kind of failure, see Kind; "" for none
	Cancelled bool          // the client went away
	GRPC      int           // the gRPC status, -1 when it is no gRPC or none was received
	Attempts  int           // tries made (of an exchange)
	Took      time.Duration // from beginning to end; of a try, to its last wait for the backend
	Own       time.Duration // of an exchange's Took, what went by here: neither waiting for a place nor at a backend
	Received  int64         // bytes of the request's body that came from the app; of a try, that there were to send to the server
	Sent      int64         // bytes of the answer's body that went to the app, or were to
}

// Visit is how one TCP connection from the app went, from when it was accepted
// to its end. Received and Sent are the bytes from the app and to it, Attempts
// the servers that were tried; Cancelled is an app that went away before one had
// taken the connection. What else a Result has is of HTTP alone.
type Visit struct {
	Result
	Client     netip.Addr    // who is behind it, by a PROXY header where there was one; zero for a unix socket
	Server     *lb.Server    // the last that was tried; nil: none. It must not be changed
	Connecting time.Duration // that the tries took until a server had taken the connection, or none had
}

// Unobserved is the observer that does nothing.
type Unobserved struct{}

// Begin implements Observer.
func (Unobserved) Begin(*message.Request) Exchange { return unobserved{} }

type unobserved struct{}

func (unobserved) Attempt(*message.Request, *lb.Server, int, string) Attempt { return unobserved{} }
func (unobserved) Answer(*message.Response)                                  {}
func (unobserved) End(Result)                                                {}
