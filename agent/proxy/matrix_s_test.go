package proxy

import (
	"bytes"
	"io"
	"log"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/lb"
)

// The faults of what is around the data plane. Beside S1, in drain_test.go, the
// rows of this package are here; of the agent are
//
//	S1 TestF4Drain                               in agent
//	S2 TestF3Reloads, TestReloadKeepsWhatIsTheSame
//	S3 the tests of config.Load, and TestF3Reloads
//	S4 TestTakenPortIsNamed, TestNewTakesAllOrNothing, TestReloadThatCannotBindChangesNothing
//	S8 TestStartWithoutConsul, TestArchivesOfNoUseAreTold; in discovery
//	   TestArchivesThatAreDamagedAreNotBelieved, TestArchivesThatCannotBeWritten
//	S9 TestCollectorInTrouble                    in telemetry
//
// S7 is in matrix_s_clock_test.go.

// faultyStrategy picks well until it does not.
type faultyStrategy struct{ broken atomic.Bool }

func (*faultyStrategy) Name() string { return "faulty" }

func (s *faultyStrategy) Prepare(r lb.Roster) lb.Picker {
	return faultyPicker{s, inOrderPicker(r.Candidates)}
}

type faultyPicker struct {
	strategy *faultyStrategy
	picker   lb.Picker
}

func (p faultyPicker) Pick(q lb.Query) int {
	if p.strategy.broken.Load() {
		panic("a bug in a strategy")
	}
	return p.picker.Pick(q)
}

// logged is a logger whose lines can be read meanwhile.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.b.String(), text)
}

// A fault of this program costs the one request or connection that meets it;
// the stack is logged, and the next is served.
func TestS10Faults(t *testing.T) {
	t.Run("of a request", func(t *testing.T) {
		strategy, lines := new(faultyStrategy), new(logged)
		o := defaults()
		o.Balancer, o.ErrorLog = lb.New(strategy), log.New(lines, "", 0)
		s := newStage(t, o)
		s.serve(s.peer(answering(fine)))
		c := s.call()
		for _, broken := range []bool{false, true, false, true, false} {
			strategy.broken.Store(broken)
			want := 200
			if broken {
				want = 502
			}
			c.say(s.request("GET", ""))
			if got := c.hear("GET"); got.status != want {
				t.Errorf("got %+v, want %d", got, want)
			}
		}
		if s.settle(); s.Meter.Failures()[Internal] != 2 || !lines.has("a bug in a strategy") || !lines.has("matrix_s_test.go") {
			t.Errorf("counted %v, logged %q", s.Meter.Failures(), lines.b.String())
		}
	})
	t.Run("of a hedge", func(t *testing.T) {
		strategy, lines := new(faultyStrategy), new(logged)
		s := hedging(t, func(o *Options) { o.Balancer, o.ErrorLog = lb.New(strategy), log.New(lines, "", 0) })
		over := make(chan bool, 2)
		s.serveHedging(s.peer(func(w *wire) {
			w.take()
			strategy.broken.Store(true)
			w.hang()
			over <- true
		}), s.peer(answering(fine)))
		s.want(502, "GET", "")
		<-over
		strategy.broken.Store(false)
		if s.settle(); s.Meter.Failures()[Internal] != 1 || !lines.has("a bug in a strategy") {
			t.Errorf("counted %v", s.Meter.Failures())
		}
	})
	t.Run("of a connection of TCP", func(t *testing.T) {
		strategy, lines := new(faultyStrategy), new(logged)
		o := defaults()
		o.Balancer, o.ErrorLog = lb.New(strategy), log.New(lines, "", 0)
		f := startTCP(t, o, parrot(t))
		strategy.broken.Store(true)
		cutWithin(t, dialed(t, f), 2*time.Second)
		strategy.broken.Store(false)
		converse(t, dialed(t, f), "hello")
		if f.Meter.Failures()[Internal] != 1 || !lines.has("a bug in a strategy") {
			t.Errorf("counted %v", f.Meter.Failures())
		}
	})
	t.Run("outside of a request", func(t *testing.T) {
		lines := new(logged)
		o := defaults()
		o.ErrorLog, o.Observer = log.New(lines, "", 0), suddenly{}
		f := startHTTP(t, o, backend(t, nil))
		c := dialed(t, f)
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: web\r\n\r\n")
		cutWithin(t, c, 2*time.Second)
		within(t, "it is gone", func() bool { return f.Meter.Connections.Load() == 0 })
		if !lines.has("a bug in an observer") {
			t.Error("it is not logged")
		}
	})
}

// suddenly is an observer whose bug is met before there is an exchange.
type suddenly struct{}

func (suddenly) Begin(*message.Request) Exchange { panic("a bug in an observer") }
