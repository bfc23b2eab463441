package proxy

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb"
	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// jumping is set where the clock jumps.
const jumping = "OUTRIGGER_TEST_CLOCK_JUMPS"

// The time of day jumps by an hour, back and forth, every 37 ms, as it
// may where a machine is suspended or its clock set: nothing comes of it. To set
// the clock takes more than a test may have, and time namespaces know nothing of
// the time of day, so this runs in programs of which the standard library was
// built with another time.Now. All of Go asks that, and timers do not.
func TestS7ClockJumps(t *testing.T) {
	if os.Getenv(jumping) != "" {
		t.Run("the clock does", clockJumps)
		t.Run("nothing is ejected or late", steady)
		t.Run("a budget earns no hour", budgets)
		t.Run("who is ejected is out for as long as always", ejectedAsAlways)
		return
	}
	if testing.Short() || raceEnabled {
		t.Skip("it builds a standard library")
	}
	arguments := []string{"test", "-count=1", "-timeout=5m", "-overlay=" + madClock(t)}
	for _, suite := range [][]string{
		// What waits, and for how long.
		{"-run=^Test(S7|B2|B5|B6|C1S|Breaker$|Queue|Rate$|PoolSweeps|TimeoutsName|HedgeLearns|SilentTunnels|TCPSilence|TCPConnectTimeout|RemovedDrain|RemovedAnd)", "."},
		{"../../lb", "../../lb/health", "./socket"},
	} {
		c := exec.CommandContext(t.Context(), "go", append(arguments, suite...)...)
		c.Env = append(os.Environ(), jumping+"=1")
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%v:\n%s", err, out)
		}
	}
}

// madClock makes a standard library whose time of day jumps. It returns what
// go test is to be told of that.
func madClock(t *testing.T) (overlay string) {
	t.Helper()
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Skipf("there is no go here: %v", err)
	}
	path := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	const reads = "\tsec, nsec, mono := runtimeNow()\n\tif mono == 0 {"
	text, _ := os.ReadFile(path)
	if strings.Count(string(text), reads) != 1 {
		t.Skipf("time.Now of %s is not the one that this test knows", runtime.Version())
	}
	mad := strings.Replace(string(text), reads, "\tsec, nsec, mono := runtimeNow()\n\tsec += [...]int64{0, 3600, -3600}[mono/37e6%3]\n\tif mono == 0 {", 1)
	dir := t.TempDir()
	replaced := filepath.Join(dir, "time.go")
	table, err := json.Marshal(map[string]any{"Replace": map[string]string{path: replaced}})
	if err != nil {
		t.Fatal(err)
	}
	overlay = filepath.Join(dir, "overlay.json")
	for name, content := range map[string][]byte{replaced: []byte(mad), overlay: table} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return overlay
}

// clockJumps makes sure that the rest proves something.
func clockJumps(t *testing.T) {
	begin, last := time.Now(), time.Now().Round(0) // the time of day alone
	for ahead, back := false, false; !ahead || !back; time.Sleep(time.Millisecond) {
		if time.Since(begin) > 5*time.Second {
			t.Fatal("it does not")
		}
		now := time.Now().Round(0)
		ahead, back = ahead || now.Sub(last) > 30*time.Minute, back || now.Sub(last) < -30*time.Minute
		last = now
	}
}

// watched has a balancer that ejects whoever fails once, for base.
func watched(s *stage, base time.Duration) {
	s.o.Balancer = lb.New(lb.RoundRobin(), lb.WithHealth(lb.Health{
		Ejection: health.Ejection{Failures: 1, Base: base, Max: time.Hour, MaxShare: 1},
	}))
}

func steady(t *testing.T) {
	o := defaults()
	o.Timeouts = Timeouts{
		Connect: time.Minute, FirstByte: time.Minute, Idle: time.Minute, Client: time.Minute,
		Request: time.Minute, Tunnel: time.Minute, Header: time.Minute, KeepAlive: time.Minute,
	}
	o.Keeping.Age = 30 * time.Minute
	s := newStage(t, o)
	watched(s, time.Hour)
	slow := func(w *wire) {
		for w.take() != nil {
			time.Sleep(5 * time.Millisecond)
			w.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
			time.Sleep(5 * time.Millisecond)
			w.say("k")
		}
	}
	s.serve(s.peer(slow), s.peer(slow))
	c := s.call()
	begin := time.Now()
	for time.Since(begin) < 600*time.Millisecond { // all jumps there are, three times
		c.say(s.request("GET", ""))
		if got := c.hear("GET"); got.status != 200 || got.broken != nil {
			t.Fatalf("got %+v", got)
		}
	}
	s.settle()
	if n := s.Meter.Backends.Load(); n != 2 {
		t.Errorf("%d connections, though two were enough", n)
	}
	for i := range 2 {
		if st := statsOf(t, s.front, i); st.Failures != 0 || st.Verdict.State != health.Up {
			t.Errorf("%d is %v, with %d failures", i, st.Verdict.State, st.Failures)
		}
	}
	if s.Meter.Retries.Load() != 0 {
		t.Errorf("%d retries", s.Meter.Retries.Load())
	}
}

func budgets(t *testing.T) {
	const perSecond = 20
	begin, all, taken := time.Now(), []*budget(nil), 0
	for at := time.Duration(0); at < 500*time.Millisecond; at = time.Since(begin) {
		if len(all) < 20 && at >= time.Duration(len(all))*10*time.Millisecond { // whatever the time is as one begins
			all = append(all, newBudget(Retry{BudgetPerSecond: perSecond}))
		}
		for _, b := range all {
			if b.withdraw() {
				taken++
			}
		}
		time.Sleep(time.Millisecond)
	}
	if most := len(all) * (perSecond + int(time.Since(begin)*perSecond/time.Second) + 1); taken < len(all)*perSecond || taken > most {
		t.Errorf("%d were taken, of %d at most", taken, most)
	}
}

func ejectedAsAlways(t *testing.T) {
	const base = 500 * time.Millisecond
	s := newStage(t, defaults())
	watched(s, base)
	s.serve(s.peer(func(w *wire) { w.take() }), s.peer(answering(fine)))
	begin := time.Now()
	for statsOf(t, s.front, 0).Verdict.State == health.Up {
		s.want(200, "GET", "")
	}
	ejected := time.Now()
	within(t, "it is back", func() bool { return statsOf(t, s.front, 0).Verdict.State == health.Up })
	if least, most := time.Since(begin), time.Since(ejected); least < base || most > base+5*time.Second {
		t.Errorf("it was out for %v to %v", most, least)
	}
}
