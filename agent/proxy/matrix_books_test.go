package proxy

import (
	"maps"
	"strconv"
	"sync"
	"testing"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/lb"
)

// books is an observer that writes down every exchange and every attempt, and
// complains where their order is not as Observer promises.
type books struct {
	mu       sync.Mutex
	open     int
	ends     []Result
	attempts []Result
	reasons  []string // of the attempts, as they began
	wrong    []string
}

// Begin implements Observer.
func (b *books) Begin(*message.Request) Exchange {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open++
	return &bookedExchange{books: b}
}

type bookedExchange struct {
	books    *books
	open     int // attempts
	attempts int
	answer   int // its status
	ended    bool
}

// Attempt implements Exchange.
func (x *bookedExchange) Attempt(_ *message.Request, server *lb.Server, number int, reason string) Attempt {
	b := x.books
	b.mu.Lock()
	defer b.mu.Unlock()
	if x.ended || server == nil || number != x.attempts || (number == 0) != (reason == "") {
		b.wrong = append(b.wrong, "attempt "+strconv.Itoa(number)+" after "+strconv.Itoa(x.attempts)+", because of "+strconv.Quote(reason))
	}
	x.attempts++
	x.open++
	b.reasons = append(b.reasons, reason)
	return &bookedAttempt{exchange: x}
}

// Answer implements Exchange.
func (x *bookedExchange) Answer(r *message.Response) {
	b := x.books
	b.mu.Lock()
	defer b.mu.Unlock()
	if x.ended || x.answer != 0 || r.Status < 200 && r.Status != 101 {
		b.wrong = append(b.wrong, "an answer of "+strconv.Itoa(r.Status)+" after one of "+strconv.Itoa(x.answer))
	}
	x.answer = r.Status
}

// End implements Exchange.
func (x *bookedExchange) End(r Result) {
	b := x.books
	b.mu.Lock()
	defer b.mu.Unlock()
	if x.answer != r.Status {
		b.wrong = append(b.wrong, "an answer of "+strconv.Itoa(x.answer)+" and a result of "+strconv.Itoa(r.Status))
	}
	if x.ended || x.open > 0 || r.Attempts != x.attempts {
		b.wrong = append(b.wrong, "an exchange with "+strconv.Itoa(x.attempts)+" attempts, "+strconv.Itoa(x.open)+" of them open, ended as one with "+strconv.Itoa(r.Attempts))
	}
	x.ended = true
	b.open--
	b.ends = append(b.ends, r)
}

type bookedAttempt struct {
	exchange *bookedExchange
	ended    bool
}

// End implements Attempt.
func (a *bookedAttempt) End(r Result) {
	b := a.exchange.books
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.ended || a.exchange.ended {
		b.wrong = append(b.wrong, "an attempt ended twice, or after its exchange")
	}
	a.ended = true
	a.exchange.open--
	b.attempts = append(b.attempts, r)
}

// The outcomes that are no status: the client could tell that its answer is
// incomplete, or went away before it had it.
const (
	broken   = "broken"
	departed = "departed"
)

// outcome is what the client of an exchange must have seen.
func outcome(r Result) string {
	switch {
	case r.Cancelled:
		return departed
	case r.Error != "" && r.Status < 400 && r.GRPC < 0: // our own answers have a greater one
		return broken
	}
	return strconv.Itoa(r.Status)
}

// agree holds the books against what the client saw, the meter counted and the
// balancer leased.
func (b *books) agree(t *testing.T, f *front, seen map[string]int) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, wrong := range b.wrong {
		t.Error(wrong)
	}
	outcomes, errors, failures := make(map[string]int), int64(0), int64(0)
	for _, r := range b.ends {
		outcomes[outcome(r)]++
		if r.Status >= 500 || r.Error != "" {
			errors++
		}
		if r.Error != "" {
			failures++
		}
	}
	if !maps.Equal(outcomes, seen) {
		t.Errorf("the client saw %v, and the observer %v", seen, outcomes)
	}
	m := f.Meter
	for _, n := range m.Failures() {
		failures -= n
	}
	if m.Requests.Load() != int64(len(b.ends)) || m.Errors.Load() != errors || failures != 0 || b.open != 0 {
		t.Errorf("the meter has %d requests, %d errors and %v; the observer %+v, %d open", m.Requests.Load(), m.Errors.Load(), m.Failures(), b.ends, b.open)
	}
	leased := int64(0)
	for _, s := range f.Balancer.AllStats() {
		leased += s.Requests
		if s.Active != 0 {
			t.Errorf("%s has %d places taken", s.Server.ID, s.Active)
		}
	}
	if leased != int64(len(b.attempts)) {
		t.Errorf("%d leases for %d attempts", leased, len(b.attempts))
	}
}
