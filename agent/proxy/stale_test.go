package proxy

import (
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"testing"
	"time"
)

// A backend that gives up a kept connection at about the moment at which the
// next request is sent on it, 3,000 times in each way (figure F2) with
// OUTRIGGER_CHAOS=1, and less often where ports have to last: no GET fails, and no POST is delivered twice. A POST fails where it cannot be proven
// that the backend did not get it, and only there.
func TestStaleTrials(t *testing.T) {
	trials := 300
	if os.Getenv("OUTRIGGER_CHAOS") != "" {
		trials = 3000
	}
	const around = 150 * time.Microsecond
	for _, method := range []string{"GET", "POST"} {
		for name, end := range map[string]func(net.Conn){"end": func(c net.Conn) { c.Close() }, "reset": reset} {
			t.Run(method+" "+name, func(t *testing.T) {
				s := newStage(t, defaults())
				type plan struct {
					wait time.Duration
					ends bool // where no request came meanwhile
				}
				plans := make(chan plan, 1)
				s.serve(s.peer(func(w *wire) {
					for w.take() != nil {
						w.say(fine)
						var next plan
						select {
						case next = <-plans:
						default: // a request that was resent
							continue
						}
						// The poller would wake too late for such a time.
						for until := time.Now().Add(next.wait); time.Now().Before(until); {
							runtime.Gosched()
						}
						if w.r.Buffered() == 0 && next.ends {
							end(w.conn)
							return
						}
					}
				}))
				c := s.call()
				failed := 0
				random := rand.New(rand.NewPCG(5, 6))
				for range trials {
					plans <- plan{time.Duration(random.Int64N(int64(2 * around))), random.IntN(4) > 0}
					c.say(s.request("OPTIONS", ""))
					if got := c.hear("OPTIONS"); got.status != 200 {
						t.Fatalf("OPTIONS: %+v", got)
					}
					for until := time.Now().Add(time.Duration(random.Int64N(int64(2 * around)))); time.Now().Before(until); {
						runtime.Gosched()
					}
					c.say(s.request(method, ""))
					switch got := c.hear(method); got.status {
					case 200:
					case 502:
						failed++
					default:
						t.Fatalf("%s: %+v", method, got)
					}
				}
				s.settle()
				t.Logf("%d of %d failed, %d delivered", failed, trials, s.delivered(method))
				if method == "GET" && failed > 0 {
					t.Errorf("%d of %d failed", failed, trials)
				}
				if n := s.delivered("POST"); n > trials || method == "POST" && n < trials-failed {
					t.Errorf("%d delivered of %d, %d failed", n, trials, failed)
				}
			})
		}
	}
}
