//go:build unix

package http2

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// BenchmarkRelay carries gRPC-like requests, 25 bytes there and back with
// trailers, over 8 connections of 16 streams each: through a relay of ours and
// through a bare httputil.ReverseProxy. Each is a process of its own, so that
// its processor time (cpu-us/req) and its allocations per request are what
// compares.
//
//	go test -run '^$' -bench Relay -benchtime 40000x -count 5 ./agent/proxy/http2
func BenchmarkRelay(b *testing.B) {
	backend := play(b, "backend", "")
	for _, role := range []string{"reverse_proxy", "relay"} {
		b.Run(role, func(b *testing.B) {
			p := play(b, role, backend.address)
			const connections, streams = 8, 16
			clients := make([]*Client, connections)
			for i := range clients {
				clients[i] = dial(b, p.address, ClientOptions{})
			}
			load(b, clients, streams, 50) // warm up
			cpu, allocs := p.usage(b)
			b.ResetTimer()
			load(b, clients, streams, 1+b.N/(connections*streams))
			b.StopTimer()
			n := float64((1 + b.N/(connections*streams)) * connections * streams)
			cpuAfter, allocsAfter := p.usage(b)
			b.ReportMetric(n/b.Elapsed().Seconds(), "req/s")
			b.ReportMetric(float64((cpuAfter-cpu).Microseconds())/n, "cpu-us/req")
			b.ReportMetric(float64(allocsAfter-allocs)/n, "relay-allocs/req")
		})
	}
}

// load has each stream of each client make some requests, one after another.
func load(b *testing.B, clients []*Client, streams, requests int) {
	running := newSet[int]()
	for _, c := range clients {
		for range streams {
			running.Go(func() {
				var request message.Request
				var answer message.Response
				request.Method, request.Target, request.Authority = []byte("POST"), []byte("/echo.Echo/Say"), []byte("localhost")
				request.Length = message.Unknown
				request.Header.AddNamed("content-type", "application/grpc")
				request.Header.AddNamed("user-agent", "grpc-go/1.85.0")
				request.Header.AddNamed("te", "trailers")
				request.Header.AddNamed("grpc-timeout", "1S")
				for range requests {
					answer.Reset()
					if err := ask(c, &request, &answer); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
	}
	running.Wait()
}

var twentyFive = []byte("\x00\x00\x00\x00\x14twenty bytes of words")[:25]

func ask(c *Client, request *message.Request, answer *message.Response) error {
	s, err := c.Open()
	if err != nil {
		return err
	}
	defer s.Release()
	if err := s.Send(request, twentyFive, true); err != nil {
		return err
	}
	if err := s.ReadHead(answer); err != nil {
		return err
	}
	n := 0
	for {
		p, err := s.NextBody()
		n += len(p)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if n != 25 || string(answer.Trailer.Get(message.GRPCStatus)) != "0" {
		return fmt.Errorf("status %d, %d bytes", answer.Status, n)
	}
	return nil
}

// played is another process.
type played struct {
	address string
	in      io.WriteCloser
	out     *bufio.Reader
}

const roleVariable = "HTTP2_TEST_ROLE"

func play(b *testing.B, role, backend string) *played {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+role+" "+backend)
	cmd.Stderr = os.Stderr
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	p := &played{in: in, out: bufio.NewReader(out)}
	line, err := p.out.ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	p.address = strings.TrimSpace(line)
	b.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	return p
}

func (p *played) usage(b *testing.B) (cpu time.Duration, allocs uint64) {
	b.Helper()
	fmt.Fprintln(p.in)
	if _, err := fmt.Fscan(p.out, (*int64)(&cpu), &allocs); err != nil {
		b.Fatal(err)
	}
	return cpu, allocs
}

// playRole is the other process. It ends when its standard input does.
func playRole(role string) {
	role, backend, _ := strings.Cut(role, " ")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	switch role {
	case "backend":
		go accept(l, sayAgain)
	case "relay":
		r := &relaying{}
		for range 8 {
			c, err := net.Dial("tcp", backend)
			if err != nil {
				panic(err)
			}
			r.clients = append(r.clients, NewClient(c, ClientOptions{}))
		}
		go accept(l, r.handle)
	case "reverse_proxy":
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
		proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: backend})
		proxy.Transport = &http.Transport{Protocols: protocols, MaxIdleConnsPerHost: 512, DisableCompression: true}
		go func() { _ = (&http.Server{Handler: proxy, Protocols: protocols}).Serve(l) }()
	}
	fmt.Println(l.Addr())
	for in := bufio.NewReader(os.Stdin); ; {
		if _, err := in.ReadString('\n'); err != nil {
			return
		}
		var u syscall.Rusage
		var m runtime.MemStats
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		runtime.ReadMemStats(&m)
		fmt.Println(u.Utime.Nano()+u.Stime.Nano(), m.Mallocs)
	}
}

func accept(l net.Listener, handle func(*ServerStream)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() { _ = NewServer(c, nil, ServerOptions{}, handle).Serve() }()
	}
}

// sayAgain answers with what it was sent, as gRPC does.
func sayAgain(s *ServerStream) {
	o := onwards.Get().(*onward)
	defer onwards.Put(o)
	r := &o.response
	r.Reset()
	r.Status, r.Length = 200, message.Unknown
	r.Header.Add(message.ContentType, "application/grpc")
	if s.Respond(r, false) != nil {
		return
	}
	for {
		p, err := s.NextBody()
		if len(p) > 0 && s.WriteBody(p) != nil {
			return
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return
		}
		_ = s.Flush()
	}
	r.Trailer.Add(message.GRPCStatus, "0")
	_ = s.Finish(&r.Trailer)
}
