package proxy

import (
	"strconv"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// Answers are those that a server gives and nobody wants: the request goes to
// another one, if it may. The zero value has none.
type Answers struct {
	Statuses   []StatusRange // of HTTP
	RetryAfter bool          // a 503 that says when to come again
	GRPC       []int         // statuses of gRPC, where there is nothing but the status
}

// StatusRange is the statuses from one to another, both included.
type StatusRange struct{ From, To int }

// match tells whether r is one of them.
func (s Answers) match(r *message.Response) bool {
	for _, of := range s.Statuses {
		if of.From <= r.Status && r.Status <= of.To {
			return true
		}
	}
	if s.RetryAfter && r.Status == 503 && r.Header.Has(message.RetryAfter) {
		return true
	}
	if len(s.GRPC) > 0 && r.IsGRPC() {
		if status, err := strconv.Atoi(string(r.Header.Get(message.GRPCStatus))); err == nil {
			for _, of := range s.GRPC {
				if of == status {
					return true
				}
			}
		}
	}
	return false
}

// wanting tells that the answer of a is to be had from another server, and that
// it may be tried there. The try is taken out of the budget with that: were it
// to run out between, the answer would be lost, and ours no better.
func (x *exchange) wanting(a *attempt, n int) bool {
	if !x.http.Retry.On.match(&a.resp) || n >= x.http.Retry.Max || x.body.lost.Load() {
		return false
	}
	// Which calls of gRPC may be done twice only those know who name its statuses.
	return (idempotent(x.r.Method) || x.r.IsGRPC()) && x.http.afford()
}

// afford takes a further try out of the budget, or counts that it must not be.
func (h *HTTP) afford() bool {
	if h.budget.withdraw() {
		return true
	}
	h.Meter.Denied.Add(1)
	return false
}

// decline gives up an answer that is to be had from another server.
func (a *attempt) decline() *failure {
	a.result.Status, a.result.Major = a.resp.Status, a.resp.Major
	a.judge()
	return &failure{kind: Unwanted, status: a.resp.Status, blameless: true}
}
