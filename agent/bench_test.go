package agent

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"

	"github.com/outrigger-sidecar/outrigger/agent/config"
)

// BenchmarkProxied carries small requests over 64 kept connections: straight
// to the backends, through a bare httputil.ReverseProxy, and through the whole
// agent with its metrics on, and tracing too. Each runs in a process of its
// own, so that its processor time per request (cpu-us/req) is what compares;
// requests a second are of all processes on the machine together.
//
//	go test -run '^$' -bench Proxied -benchtime 3s -count 5 ./agent
func BenchmarkProxied(b *testing.B) {
	backends := make([]string, 2)
	for i := range backends {
		backends[i] = player(b, "backend").address
	}
	for _, part := range []string{"direct", "reverse_proxy", "outrigger", "outrigger_traced"} {
		b.Run(part, func(b *testing.B) {
			p := &played{address: backends[0]}
			if part != "direct" {
				p = player(b, part+" "+strings.Join(backends, " "))
			}
			transport := &http.Transport{MaxIdleConnsPerHost: 64}
			defer transport.CloseIdleConnections()
			client, url := &http.Client{Transport: transport}, "http://"+p.address+"/"
			call := func() error {
				req, _ := http.NewRequest(http.MethodGet, url, nil)
				req.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
				resp, err := client.Do(req)
				if err != nil {
					return err
				}
				defer resp.Body.Close()
				if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
					return fmt.Errorf("%s, %w", resp.Status, err)
				}
				return nil
			}
			for range 200 {
				if err := call(); err != nil {
					b.Fatal(err)
				}
			}
			before := p.cpu(b)
			b.SetParallelism(32)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := call(); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
			if part != "direct" {
				b.ReportMetric(float64((p.cpu(b)-before).Microseconds())/float64(b.N), "cpu-us/req")
			}
		})
	}
}

// played is a process that plays a part.
type played struct {
	address, control string
}

// player starts this test binary in a part; it ends with the benchmark.
func player(b *testing.B, part string) *played {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "OUTRIGGER_BENCH="+part)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait()
	})
	line, _ := bufio.NewReader(out).ReadString('\n')
	fields := strings.Fields(line)
	if len(fields) != 2 {
		b.Fatalf("%s: %q", part, line)
	}
	return &played{fields[0], fields[1]}
}

// cpu is the processor time that the process has used.
func (p *played) cpu(b *testing.B) time.Duration {
	if p.control == "" {
		return 0
	}
	resp, err := http.Get("http://" + p.control)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	ns, _ := strconv.ParseInt(string(text), 10, 64)
	return time.Duration(ns)
}

// play plays a part until standard input ends.
func play(part string) {
	fields := strings.Fields(part)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	address := l.Addr().String()
	switch fields[0] {
	case "backend":
		answer := []byte(strings.Repeat("x", 1024))
		go func() {
			_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(answer) }))
		}()
	case "reverse_proxy":
		target, _ := url.Parse("http://" + fields[1])
		proxy := &httputil.ReverseProxy{
			Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
			Transport: &http.Transport{MaxIdleConnsPerHost: 64},
		}
		go func() { _ = http.Serve(l, proxy) }()
	case "collector":
		go func() {
			_ = http.Serve(l, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
		}()
	case "grpc_collector":
		server := grpc.NewServer()
		coltrace.RegisterTraceServiceServer(server, takesTraces{})
		go func() { _ = server.Serve(l) }()
	case "outrigger_traced":
		l.Close()
		address = playAgent(`traces { exporters = ["otlp"] }`, fields[1:])
	case "outrigger":
		l.Close()
		address = playAgent("", fields[1:])
	default:
		l.Close()
		address = playAgent(observed()[fields[0]].block(fields[1], fields[2]), fields[3:])
	}
	control, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		_ = http.Serve(control, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, int64(processorTime())) }))
	}()
	fmt.Println(address, control.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// takesTraces is a collector by gRPC.
type takesTraces struct {
	coltrace.UnimplementedTraceServiceServer
}

func (takesTraces) Export(context.Context, *coltrace.ExportTraceServiceRequest) (*coltrace.ExportTraceServiceResponse, error) {
	return &coltrace.ExportTraceServiceResponse{}, nil
}

// playAgent runs an agent whose telemetry is as the blocks say.
func playAgent(blocks string, backends []string) (address string) {
	text := fmt.Sprintf(`admin { listen = "127.0.0.1:0" }
telemetry {
  %s
}
upstream "web" {
  listen = "127.0.0.1:0"
`, blocks)
	for i, backend := range backends {
		text += fmt.Sprintf("  server \"s%d\" { address = %q }\n", i, backend)
	}
	c, problems := config.Parse("bench.hcl", []byte(text+"}\n"))
	if problems.HasErrors() {
		panic(problems)
	}
	a, err := New(c, hclog.NewNullLogger(), Build{})
	if err != nil {
		panic(err)
	}
	go func() { _ = a.Run(context.Background()) }()
	return a.Addresses()["web"]
}
