// Package proxy carries an app's requests to the backends that a balancer
// chooses: HTTP (HTTP/1.1, HTTP/2 in the clear, gRPC and WebSocket on one
// port) and plain TCP.
//
// A request flows one way: it is read, a backend is picked and a place on it
// leased, the request is sent and, where that failed safely, sent to another;
// the answer streams back, the lease is judged and released, and the observer
// hears of it.
package proxy

import (
	"context"
	"log"
	"net"
	"runtime/debug"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/http1"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/secure"
	"github.com/outrigger-sidecar/outrigger/lb"
)

// Server serves one upstream on the listeners it is given. It is used once:
// after Drain or Close it serves no more.
type Server interface {
	// Serve accepts from l until l is closed, and returns nil then.
	Serve(l net.Listener) error
	// Drain tells clients to go away and waits until they have, which ends at
	// the latest with ctx: then what is left is cut. Call it when no listener
	// is served any more.
	Drain(ctx context.Context)
}

// Options are what a server of either protocol is made from.
type Options struct {
	Upstream string // its name, for answers
	Balancer *lb.Balancer
	Observer Observer
	Meter    *Meter         // outlives the server: counts go on over a reload
	ErrorLog *log.Logger    // what the HTTP server has to say; nil: the standard logger
	Backend  Protocol       // HTTP only
	TLS      *secure.Client // to backends; nil: in the clear. It outlives the server
	HashOn   string         // HTTP only; see keyOf. "" means client_ip
	Sticky   Sticky         // HTTP only
	Headers  Headers        // HTTP only
	Proxy    Preface        // TCP only
	Removal  Removal        // TCP only
	Retry    Retry
	Keeping  Keeping // HTTP only
	Timeouts Timeouts
	Limits   Limits

	Memory      *Memory                     // HTTP only, one for all servers; nil: it is not watched
	Descriptors *Descriptors                // one for all servers; nil: they are not counted
	OnCircuit   func(from, to CircuitState) // HTTP only; told of every change of the breaker, in order, and must not block; may be nil
	OnVisit     func(Visit)                 // TCP only; told of every connection from the app at its end, by many goroutines at once, and must not block; may be nil
}

// reportFault tells of a fault of this program, while it is being dealt with.
func (o *Options) reportFault(fault any) {
	if o.ErrorLog != nil {
		o.ErrorLog.Printf("fault while proxying to %q: %v\n%s", o.Upstream, fault, debug.Stack())
	}
}

// Protocol is how an HTTP server talks to backends.
type Protocol string

const (
	// Auto is HTTP/1.1, but HTTP/2 for gRPC, which knows nothing else.
	Auto  Protocol = "auto"
	HTTP1 Protocol = "http1"
	H2C   Protocol = "h2c" // HTTP/2 in the clear, by prior knowledge
	H2    Protocol = "h2"  // HTTP/2 over TLS
)

// Retry says what happens to a request that a backend failed.
type Retry struct {
	Max             int // further attempts after the first; 0: none
	BudgetPercent   int // retries as a share of requests
	BudgetPerSecond int // retries always allowed on top
	On              Answers
	Hedge           Hedge
}

// Timeouts bound the phases of one request; 0 means no bound.
type Timeouts struct {
	Connect   time.Duration // to a backend
	FirstByte time.Duration // from the request being sent to the answer's head
	Idle      time.Duration // between two reads of a body or a stream
	Client    time.Duration // for the app to take the next of an answer
	Request   time.Duration // the whole of it, retries included
	Tunnel    time.Duration // silence on a TCP connection or an upgraded one
	Header    time.Duration // for the app to send a request's head
	KeepAlive time.Duration // between two requests on one connection from the app
}

// Limits bound what a server takes on; 0 means no limit.
type Limits struct {
	MaxRequests    int // in flight at once (HTTP)
	MaxConnections int // from the app at once; more wait to be accepted
	MaxHeaderBytes int // of a request's or an answer's head
	MaxHeaders     int // fields of a request's or an answer's head; 0: 256
	MaxRequestLine int // bytes (HTTP/1); 0: 8 KiB

	Rate     *RateLimit // HTTP; nil: none
	Breaker  *Breaker   // HTTP; nil: none
	Adaptive *Adaptive  // HTTP; nil: none
}

func (l Limits) heads() http1.Limits {
	return http1.Limits{Bytes: l.MaxHeaderBytes, Fields: l.MaxHeaders, Line: l.MaxRequestLine}
}
