package proxy

import (
	"net/http"

	"github.com/outrigger-sidecar/outrigger/lb"
)

// Observer is told of every HTTP request. Its methods, and those of what they
// return, are called on the request's own way, so they must not block.
type Observer interface {
	// Begin is called when a request's head has been read.
	Begin(r *http.Request) Exchange
}

// Exchange follows one request.
type Exchange interface {
	// Attempt is called before a try is sent to a server. It may set headers
	// on out, such as those that carry a trace. Number counts from 0; the
	// reason is why the try before failed, "" for the first.
	Attempt(out *http.Request, server *lb.Server, number int, reason string) Attempt
	// End is called once, when the answer has been sent or given up.
	End(Result)
}

// Attempt follows one try. End is called once.
type Attempt interface {
	End(Result)
}

// Result is how an exchange or an attempt ended.
type Result struct {
	Status    int    // of the answer; 0 when there was none
	Major     int    // HTTP version of the answer: 1 or 2; 0 when there was none
	Error     string // the kind of failure, see Kind; "" for none
	Cancelled bool   // the client went away
	GRPC      int    // the gRPC status, -1 when it is no gRPC or none was received
	Attempts  int    // tries made (of an exchange)
}

// Unobserved is the observer that does nothing.
type Unobserved struct{}

// Begin implements Observer.
func (Unobserved) Begin(*http.Request) Exchange { return unobserved{} }

type unobserved struct{}

func (unobserved) Attempt(*http.Request, *lb.Server, int, string) Attempt { return unobserved{} }
func (unobserved) End(Result)                                             {}
