package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb"
)

// within polls until it is so.
func within(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: it did not get so", what)
		}
	}
}

// dialed connects to a front, for a while at most.
func dialed(t testing.TB, f *front) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn.(*net.TCPConn)
}

// parrot sends back what it gets at once, and ends when the other side does.
func parrot(t testing.TB) (address string) {
	address, _ = rawBackend(t, func(conn net.Conn, r *bufio.Reader) {
		// No io.Copy, which would hold a pipe.
		for {
			if _, err := r.Peek(1); err != nil {
				return
			}
			p, _ := r.Peek(r.Buffered())
			if _, err := conn.Write(p); err != nil {
				return
			}
			_, _ = r.Discard(len(p))
		}
	})
	return address
}

// converse has one word go there and back.
func converse(t testing.TB, conn net.Conn, word string) {
	t.Helper()
	if _, err := io.WriteString(conn, word); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(word))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != word {
		t.Fatalf("%q, %v", got, err)
	}
}

// cutWithin waits until the connection is ended from the other side.
func cutWithin(t testing.TB, conn net.Conn, d time.Duration) {
	t.Helper()
	begin := time.Now()
	if n, err := conn.Read(make([]byte, 1)); err == nil || time.Since(begin) > d {
		t.Errorf("read %d bytes, %v after %v", n, err, time.Since(begin))
	}
}

// Large flows both ways at once, whose ends come with their last bytes.
func TestTCPCarriesMuch(t *testing.T) {
	f := startTCP(t, defaults(), parrot(t))
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			conn := dialed(t, f)
			sent := []byte(strings.Repeat(fmt.Sprintf("%d and so on ", i), 1<<20))
			wg.Go(func() {
				_, _ = conn.Write(sent)
				_ = conn.CloseWrite()
			})
			if got, err := io.ReadAll(conn); err != nil || string(got) != string(sent) {
				t.Errorf("%d of %d bytes came back, %v", len(got), len(sent), err)
			}
		})
	}
	wg.Wait()
	settled(t, f)
	if sent, received := f.Meter.Sent.Load(), f.Meter.Received.Load(); sent != received || sent < 4*12<<20 {
		t.Errorf("%d bytes sent, %d received", sent, received)
	}
}

// A word and an end that come as one wake-up.
func TestTCPWordAndEndAtOnce(t *testing.T) {
	f := startTCP(t, defaults(), echoTCP(t))
	for range 300 {
		conn := dialed(t, f)
		_, _ = io.WriteString(conn, "x")
		_ = conn.CloseWrite()
		if got, err := io.ReadAll(conn); err != nil || string(got) != "1 bytes: x" {
			t.Fatalf("%q, %v", got, err)
		}
		conn.Close()
	}
}

// A reset that comes right behind bytes is found, though nobody writes.
func TestTCPResetBehindBytes(t *testing.T) {
	var wg sync.WaitGroup
	defer wg.Wait()
	ended := make(chan error, 100)
	address, _ := rawBackend(t, func(conn net.Conn, r *bufio.Reader) {
		_, err := io.Copy(io.Discard, r)
		ended <- err
	})
	f := startTCP(t, defaults(), address)
	const count = 50
	for range count {
		conn := dialed(t, f)
		_, _ = io.WriteString(conn, "x")
		_ = conn.SetLinger(0)
		conn.Close()
	}
	for range count {
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			t.Fatal("a backend waits for an app that is gone")
		}
	}
	settled(t, f)
}

// A reset is passed on as one, whoever makes it: an end would say that all is
// there.
func TestTCPPassesResetsOn(t *testing.T) {
	ends := make(chan error, 1)
	address, _ := rawBackend(t, func(conn net.Conn, r *bufio.Reader) {
		if word, _ := r.ReadString('\n'); word == "go\n" {
			_, _ = io.WriteString(conn, "the first half of")
			_, _ = r.ReadString('\n') // which says that it was read
			reset(conn)
			return
		}
		_, err := io.Copy(io.Discard, r)
		ends <- err
	})
	f := startTCP(t, defaults(), address)
	conn := dialed(t, f)
	_, _ = io.WriteString(conn, "go\n")
	if _, err := io.ReadFull(conn, make([]byte, 17)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "read\n")
	if got, err := io.ReadAll(conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the app got %q, %v", got, err)
	}
	conn = dialed(t, f)
	_, _ = io.WriteString(conn, "stop\n")
	within(t, "it is carried", func() bool { return f.Meter.Sent.Load() == 13 })
	reset(conn)
	if err := <-ends; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the backend got %v", err)
	}
	settled(t, f)
	if f.Meter.Failures()[Reset] != 2 {
		t.Errorf("counted %v", f.Meter.Failures())
	}
}

// What a backend says before it goes is carried, though the app is still
// sending, and it goes with a reset for that.
func TestTCPLastWords(t *testing.T) {
	address, _ := rawBackend(t, func(conn net.Conn, _ *bufio.Reader) {
		_, _ = io.WriteString(conn, "too large")
	})
	f := startTCP(t, defaults(), address)
	for i := range 100 {
		conn := dialed(t, f)
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				if _, err := conn.Write(make([]byte, 256<<10)); err != nil {
					return
				}
			}
		})
		got := make([]byte, 9)
		if _, err := io.ReadFull(conn, got); err != nil {
			t.Fatalf("round %d: %q, %v", i, got, err)
		}
		conn.Close()
		wg.Wait()
	}
}

// A connection on which nothing moves holds no buffer, and no descriptors but
// its two.
func TestTCPIdleHoldsNothing(t *testing.T) {
	f := startTCP(t, defaults(), parrot(t))
	used := func() int64 {
		var m runtime.MemStats
		for range 3 { // a pool lets go in two
			runtime.GC()
		}
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse)
	}
	converse(t, dialed(t, f), "x")
	before, files := used(), descriptors(t)
	const count = 200
	for range count {
		converse(t, dialed(t, f), "x")
	}
	// Both ends of both connections are in this process, and so is a parrot
	// with a buffer of 4 KiB.
	if each := (used() - before) / count; each > 40<<10 {
		t.Errorf("%d KiB for each", each>>10)
	}
	if files >= 0 {
		if more := descriptors(t) - files; more > 4*count {
			t.Errorf("%d descriptors for %d", more, count)
		}
	}
}

// An app that hangs up while it waits for a place does not get one.
func TestTCPAppLeavesTheQueue(t *testing.T) {
	f := startTCP(t, queued(t, lb.Queue{Length: 10}, parrot(t)))
	first := dialed(t, f)
	converse(t, first, "x")
	waiting := func(n int) {
		t.Helper()
		within(t, fmt.Sprintf("%d wait", n), func() bool { return f.Balancer.Stats().Waiting == n })
	}
	leaves, resets, stays := dialed(t, f), dialed(t, f), dialed(t, f)
	_, _ = io.WriteString(stays, "hello")
	_ = stays.CloseWrite() // half a close, with a word for the backend
	waiting(3)
	leaves.Close()
	waiting(2)
	_ = resets.SetLinger(0)
	resets.Close()
	waiting(1)
	first.Close()
	if got, err := io.ReadAll(stays); err != nil || string(got) != "hello" {
		t.Errorf("the one that stayed got %q, %v", got, err)
	}
	settled(t, f)
	if m := f.Meter; m.Requests.Load() != 4 || m.Errors.Load() != 0 {
		t.Errorf("%d connections, %d errors: %v", m.Requests.Load(), m.Errors.Load(), m.Failures())
	}
}

func TestTCPDrainEndsWhatWaits(t *testing.T) {
	f := startTCP(t, queued(t, lb.Queue{Length: 10}, parrot(t)))
	first := dialed(t, f)
	converse(t, first, "x")
	second := dialed(t, f)
	within(t, "one waits", func() bool { return f.Balancer.Stats().Waiting == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	f.stop(ctx)
	cutWithin(t, first, time.Second)
	cutWithin(t, second, time.Second)
	if f.Meter.Errors.Load() != 0 || f.Meter.Requests.Load() != 2 {
		t.Errorf("counted %v", f.Meter.Failures())
	}
}

// The tunnel timeout is of silence: traffic of either direction resets it.
func TestTCPSilenceIsOfBothDirections(t *testing.T) {
	address, _ := rawBackend(t, func(conn net.Conn, r *bufio.Reader) {
		for range 20 {
			if _, err := io.WriteString(conn, "x"); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		_, _ = io.Copy(io.Discard, r)
	})
	o := defaults()
	o.Timeouts.Tunnel = 200 * time.Millisecond
	f := startTCP(t, o, address)
	conn, begin := dialed(t, f), time.Now()
	_, _ = io.WriteString(conn, "go")
	got, err := io.ReadAll(conn)
	if took := time.Since(begin); err != nil || len(got) != 20 || took < 500*time.Millisecond || took > 5*time.Second {
		t.Errorf("%q, %v after %v", got, err, took)
	}
	settled(t, f)
	if f.Meter.Failures()[IdleTimeout] != 1 {
		t.Errorf("counted %v", f.Meter.Failures())
	}
}

// What is quiet for a while, and looked at for that, may go on.
func TestTCPQuietIsNotSilent(t *testing.T) {
	o := defaults()
	o.Timeouts.Tunnel = 3 * quiet / 2
	f := startTCP(t, o, parrot(t))
	conn := dialed(t, f)
	converse(t, conn, "hello")
	time.Sleep(quiet + quiet/4)
	begin := time.Now()
	converse(t, conn, "still here")
	cutWithin(t, conn, 3*quiet)
	if took := time.Since(begin); took < o.Timeouts.Tunnel {
		t.Errorf("it was cut after %v", took)
	}
}

// scripted is a listener whose Accept fails, as it does without descriptors.
type scripted struct {
	net.Listener
	accept func() (net.Conn, error)
}

func (s scripted) Accept() (net.Conn, error) { return s.accept() }

// Without descriptors accepting goes on, but not in a spin.
func TestAcceptBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, begin := 0, time.Now()
		err := accept(scripted{accept: func() (net.Conn, error) {
			if calls++; time.Since(begin) > 10*time.Second {
				return nil, net.ErrClosed
			}
			return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
		}}, nil, new(door), nil)
		if err != nil || calls < 10 || calls > 30 {
			t.Errorf("%v after %d calls", err, calls)
		}
		other := errors.New("broken")
		if err := accept(scripted{accept: func() (net.Conn, error) { return nil, other }}, nil, new(door), nil); !errors.Is(err, other) {
			t.Error(err)
		}
	})
}

// What is carried in small pieces allocates nothing.
func TestTCPAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool drops at random under the race detector")
	}
	f := startTCP(t, defaults(), parrot(t))
	conn := dialed(t, f)
	word, got := []byte(strings.Repeat("x", 1024)), make([]byte, 1024)
	once := func() {
		if _, err := conn.Write(word); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, got); err != nil {
			t.Fatal(err)
		}
	}
	once()
	if n := testing.AllocsPerRun(500, once); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
