package proxy

import (
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/socket"
)

// BenchmarkRelay has 64 connections ask for 1 KiB, or 8 for 1 MiB, through a
// relay, and through two goroutines that read and write 32 KiB at a time or
// call io.Copy, which splices. The client and the backend are in the same
// process, so that cpu-us/op is of all three; only differences tell.
//
//	go test -run '^$' -bench Relay -benchtime 2s -count 5 ./agent/proxy
func BenchmarkRelay(b *testing.B) {
	backend := relaying(b)
	for _, size := range []int{1 << 10, 1 << 20} {
		for _, way := range []string{"direct", "loops", "io.Copy", "relay"} {
			b.Run(strconv.Itoa(size>>10)+"KiB/"+way, func(b *testing.B) {
				address := backend
				if way != "direct" {
					address = carrying(b, backend, way)
				}
				askAll(b, address, size)
			})
		}
	}
}

// askAll makes b.N exchanges.
func askAll(b *testing.B, address string, size int) {
	clients := 64
	if size > 64<<10 {
		clients = 8
	}
	conns := make([]net.Conn, clients)
	for i := range conns {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		conns[i] = conn
	}
	question := []byte(strings.Repeat(" ", 64-8) + strconv.Itoa(10_000_000+size))
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ReportAllocs()
	b.ResetTimer()
	before := processor(b)
	for _, conn := range conns {
		wg.Go(func() {
			answer := make([]byte, 256<<10)
			for left.Add(-1) >= 0 {
				if _, err := conn.Write(question); err != nil {
					b.Error(err)
					return
				}
				for got := 0; got < size; {
					n, err := conn.Read(answer)
					if err != nil {
						b.Error(err)
						return
					}
					got += n
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64((processor(b)-before).Microseconds())/float64(b.N), "cpu-us/op")
}

// relaying answers each question of 64 bytes with as many as it asks for.
func relaying(b *testing.B) (address string) {
	l := listen(b)
	var wg sync.WaitGroup
	wg.Go(func() {
		answer := make([]byte, 1<<20)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				for question := make([]byte, 64); ; {
					if _, err := io.ReadFull(conn, question); err != nil {
						return
					}
					size, _ := strconv.Atoi(string(question[64-8:]))
					if _, err := conn.Write(answer[:size-10_000_000]); err != nil {
						return
					}
				}
			})
		}
	})
	b.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

// carrying is a proxy before a backend that carries bytes in one of the ways.
func carrying(b *testing.B, backend, way string) (address string) {
	l := listen(b)
	clock := socket.NewClock()
	var sent, received atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() { clock.Run(b.Context()) })
	wg.Go(func() {
		for {
			app, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer app.Close()
				server, err := net.Dial("tcp", backend)
				if err != nil {
					b.Error(err)
					return
				}
				defer server.Close()
				switch way {
				case "relay":
					r := &relay{
						app: socket.New(app), backend: socket.New(server), clock: clock, silence: time.Hour, sent: &sent, received: &received,
					}
					_ = r.run()
				case "loops":
					wg.Go(func() { loop(app, server); app.Close() })
					loop(server, app)
				default:
					wg.Go(func() { _, _ = io.Copy(app, server); app.Close() })
					_, _ = io.Copy(server, app)
				}
			})
		}
	})
	b.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

func loop(to, from net.Conn) {
	for buf := make([]byte, 32<<10); ; {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// processor is the time that this process has had one.
func processor(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
