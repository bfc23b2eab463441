package proxy

import (
	"fmt"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/lb"
)

// An answer that is to be had from another backend is, if the request may be
// made twice and the budget allows; else it passes as it came.
func TestRetriedAnswers(t *testing.T) {
	on := Answers{Statuses: []StatusRange{{500, 502}, {429, 429}}, RetryAfter: true}
	for _, tt := range []struct {
		answer  string
		method  string
		status  int
		retries int64
	}{
		{"500 x\r\n", "GET", 200, 1},
		{"502 x\r\n", "PUT", 200, 1},
		{"429 x\r\n", "GET", 200, 1},
		{"503 x\r\n", "GET", 503, 0},
		{"503 x\r\nRetry-After: 1\r\n", "GET", 200, 1},
		{"429 x\r\nRetry-After: 1\r\n", "POST", 429, 0},
		{"404 x\r\n", "GET", 404, 0},
		{"500 x\r\n", "POST", 500, 0},
	} {
		t.Run(fmt.Sprintf("%s %q", tt.method, tt.answer), func(t *testing.T) {
			o := defaults()
			o.Retry.On = on
			s := newStage(t, o)
			s.serve(s.peer(answering("HTTP/1.1 "+tt.answer+"Content-Length: 4\r\n\r\nsick")), s.peer(answering(fine)))
			got := s.want(tt.status, tt.method, "")
			if s.settle(); s.Meter.Retries.Load() != tt.retries || tt.retries == 0 && got.body != "sick" {
				t.Errorf("%d retries, %q", s.Meter.Retries.Load(), got.body)
			}
			// That the answer is declined is no reason to open a new connection.
			if n := s.Meter.Backends.Load(); tt.retries == 1 && n > 2 {
				t.Errorf("%d connections", n)
			}
		})
	}
	for name, change := range map[string]func(*Options){
		"by the budget": func(o *Options) { o.Retry.BudgetPercent, o.Retry.BudgetPerSecond = 0, 0 },
		"by the number": func(o *Options) { o.Retry.Max = 0 },
	} {
		t.Run("bounded "+name, func(t *testing.T) {
			o := defaults()
			o.Retry.On = on
			change(&o)
			s := newStage(t, o)
			s.serve(s.peer(answering("HTTP/1.1 500 x\r\nContent-Length: 4\r\n\r\nsick")), s.peer(answering(fine)))
			if got := s.want(500, "GET", ""); got.body != "sick" || s.Meter.Retries.Load() != 0 {
				t.Errorf("%q, %d retries", got.body, s.Meter.Retries.Load())
			}
			if denied := s.Meter.Denied.Load(); denied == 1 != (o.Retry.BudgetPerSecond == 0) {
				t.Errorf("%d denied", denied)
			}
		})
	}
	t.Run("the budget goes to others meanwhile", func(t *testing.T) {
		o := defaults()
		o.Retry = Retry{Max: 2, BudgetPerSecond: 1, On: on}
		s := newStage(t, o)
		others := &spenders{books: s.books}
		s.o.Observer = others
		s.serve(s.peer(answering("HTTP/1.1 500 x\r\nContent-Length: 4\r\n\r\nsick")), s.peer(answering(fine)))
		others.budget.Store(s.server.(*HTTP).budget)
		if got := s.want(200, "GET", ""); got.body != "ok" {
			t.Errorf("an answer that could have been passed on became %q", got.body)
		}
	})
	t.Run("there is no other", func(t *testing.T) {
		o := defaults()
		o.Retry.On = on
		s := newStage(t, o)
		s.serve(s.peer(answering("HTTP/1.1 502 x\r\nContent-Length: 4\r\n\r\nsick")))
		s.want(502, "GET", "")
		if s.settle(); s.Meter.Failures()[Unwanted] != 1 || s.blamed(0) != 1 {
			t.Errorf("counted %v, blamed %d", s.Meter.Failures(), s.blamed(0))
		}
	})
}

// spenders are other requests, which take all that is left of the budget
// whenever a try ends.
type spenders struct {
	*books
	budget atomic.Pointer[budget]
}

func (s *spenders) Begin(r *message.Request) Exchange {
	return spending{s.books.Begin(r), s.budget.Load()}
}

type spending struct {
	Exchange
	budget *budget
}

func (s spending) Attempt(out *message.Request, server *lb.Server, number int, reason string) Attempt {
	return spent{s.Exchange.Attempt(out, server, number, reason), s.budget}
}

type spent struct {
	Attempt
	budget *budget
}

func (s spent) End(r Result) {
	for s.budget.withdraw() {
	}
	s.Attempt.End(r)
}

// Calls that end in a status which was named, and nothing else, go on to
// another backend, whatever their method.
func TestRetriedCalls(t *testing.T) {
	o := defaults()
	o.Retry.On = Answers{GRPC: []int{int(codes.Unavailable)}}
	s := newStage(t, o)
	s.serve(s.framed(func(f *frames) {
		for stream, _ := f.next(); stream != 0; stream, _ = f.next() {
			f.head(stream, 200, true, "content-type", "application/grpc", "grpc-status", "14")
		}
	}), echoService(t))
	call := func(word string) error {
		out := new(wrapperspb.StringValue)
		err := grpcClient(t, s.address).Invoke(t.Context(), "/test.Echo/Call", wrapperspb.String(word), out)
		s.saw("200")
		return err
	}
	if err := call("hello"); err != nil {
		t.Error(err)
	}
	if err := call("fail:5"); status.Code(err) != codes.NotFound {
		t.Errorf("got %v", err)
	}
	if s.settle(); s.Meter.Retries.Load() != 2 || s.blamed(0) != 2 || s.blamed(1) != 0 {
		t.Errorf("%d retries, blamed %d and %d", s.Meter.Retries.Load(), s.blamed(0), s.blamed(1))
	}
}
