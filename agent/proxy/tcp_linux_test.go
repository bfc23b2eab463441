package proxy

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// descriptors is how many this process has.
func descriptors(t testing.TB) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// blackhole is an address that takes no connection and refuses none: its queue
// of those to accept is full, so that it does not answer.
func blackhole(t testing.TB) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for range 10 {
		conn, err := net.DialTimeout("tcp", address, 100*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Fatal("it goes on taking connections")
	return ""
}

// A backend that does not answer costs the connect timeout, and then another
// is tried.
func TestTCPConnectTimeout(t *testing.T) {
	o := defaults()
	o.Timeouts.Connect = 50 * time.Millisecond
	f := startTCP(t, o, blackhole(t), parrot(t))
	begin := time.Now()
	converse(t, dialed(t, f), "hello")
	if took := time.Since(begin); took < 50*time.Millisecond || took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	if st := statsOf(t, f, 0); st.Failures != 1 || f.Meter.Retries.Load() != 1 {
		t.Errorf("%d failures held against it, %d retries", st.Failures, f.Meter.Retries.Load())
	}
	o = defaults()
	o.Timeouts.Connect, o.Retry.Max = 50*time.Millisecond, 0
	f = startTCP(t, o, blackhole(t))
	cutWithin(t, dialed(t, f), 2*time.Second)
	settled(t, f)
	if f.Meter.Failures()[ConnectTimeout] != 1 {
		t.Errorf("counted %v", f.Meter.Failures())
	}
}

// A drain does not wait for a backend to answer.
func TestTCPDrainEndsAConnect(t *testing.T) {
	o := defaults()
	o.Timeouts.Connect = time.Minute
	f := startTCP(t, o, blackhole(t))
	conn := dialed(t, f)
	within(t, "it connects", func() bool { return statsOf(t, f, 0).Active == 1 })
	f.stop(cancelled(t))
	cutWithin(t, conn, time.Second)
	if f.Meter.Errors.Load() != 0 || statsOf(t, f, 0).Failures != 0 {
		t.Errorf("counted %v, %d against the backend", f.Meter.Failures(), statsOf(t, f, 0).Failures)
	}
}
