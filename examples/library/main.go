// Library balances requests over servers with package lb alone, without the
// agent: three servers, one of them slow, one that dies half way.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb"
	"github.com/outrigger-sidecar/outrigger/lb/health"
	"github.com/outrigger-sidecar/outrigger/lb/probe"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	balancer := lb.New(lb.LeastConnections(),
		lb.WithHealth(lb.Health{
			Check:    &health.Check{Prober: probe.HTTP{}, Interval: 200 * time.Millisecond},
			Ejection: health.Ejection{Failures: 3, Base: time.Second, Max: time.Minute, MaxShare: 0.5},
		}),
		lb.WithHooks(lb.Hooks{Change: func(c lb.Change) {
			fmt.Fprintf(out, "%s: %v to %v, %s\n", c.Server.ID, c.From.State, c.To.State, c.Reason)
		}}))

	servers := make(map[string]*http.Server)
	for id, takes := range map[string]time.Duration{"fast": time.Millisecond, "slow": 5 * time.Millisecond, "doomed": time.Millisecond} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/health" {
				time.Sleep(takes)
			}
			fmt.Fprintln(w, "hello from", id)
		})}
		go func() { _ = server.Serve(l) }()
		defer server.Close()
		servers[id] = server
		if err := balancer.Add(lb.Server{ID: id, Address: l.Addr().String()}); err != nil {
			return err
		}
	}

	// The health checks run beside the requests, until run returns.
	checking, stop := context.WithCancel(ctx)
	checked := make(chan struct{})
	go func() {
		defer close(checked)
		_ = balancer.Run(checking)
	}()
	defer func() { stop(); <-checked }()

	client := &http.Client{Transport: &http.Transport{}, Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	for i := range 300 {
		if ctx.Err() != nil {
			break
		}
		if i == 150 {
			_ = servers["doomed"].Close()
		}
		if err := call(client, balancer); err != nil {
			fmt.Fprintln(out, err)
		}
	}
	for _, s := range balancer.AllStats() {
		fmt.Fprintf(out, "%-6s %-5v %3d requests, %d failed, mean %v\n",
			s.Server.ID, s.Verdict.State, s.Requests, s.Failures, s.MeanResponseTime.Round(time.Millisecond))
	}
	return nil
}

// call makes one request, and tries another server where one fails.
func call(client *http.Client, balancer *lb.Balancer) error {
	var tried []string
	for {
		lease, err := balancer.Select("", tried...)
		if err != nil {
			return err
		}
		start := time.Now()
		resp, err := client.Get("http://" + lease.Server().Address + "/")
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		if err == nil {
			lease.Record(time.Since(start))
			lease.Release()
			return nil
		}
		lease.Fail(err)
		lease.Release()
		tried = append(tried, lease.Server().ID)
	}
}
