package proxy

import (
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"
)

// What connections cost that have been of use and wait for the next request:
// both ends are in this process, so that KiB/conn counts the client's end too.
func BenchmarkIdleConnections(b *testing.B) {
	f := startHTTP(b, defaults(), backend(b, func(http.ResponseWriter, *http.Request) {}))
	used := func() int64 {
		var m runtime.MemStats
		for range 3 { // a pool lets go in two
			runtime.GC()
		}
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse)
	}
	const count = 5000
	for b.Loop() {
		before := used()
		conns := make([]net.Conn, count)
		answer := make([]byte, 4096)
		for i := range conns {
			conn, err := net.Dial("tcp", f.address)
			if err != nil {
				b.Fatal(err)
			}
			conns[i] = conn
			_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: web\r\n\r\n")
			if _, err := conn.Read(answer); err != nil {
				b.Fatal(err)
			}
		}
		settled(b, f)
		b.ReportMetric(float64(used()-before)/count/1024, "KiB/conn")
		for _, conn := range conns {
			conn.Close()
		}
		for f.Meter.Connections.Load() > 0 {
			time.Sleep(time.Millisecond)
		}
	}
}
