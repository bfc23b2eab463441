// Two-services is an app behind the sidecar: "shop" calls "stock" at a port of
// its own machine, and knows neither where stock runs nor how many there are.
//
//	two-services stock -listen 127.0.0.1:0   registers with Consul, as often as you like
//	two-services shop -stock http://127.0.0.1:9001
//
// See README.md for the whole of it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/hashicorp/consul/api"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "two-services:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("say which: stock or shop")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:0", "where to listen")
	stock := flags.String("stock", "http://127.0.0.1:9001", "shop: where to call stock, which is the sidecar")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	switch args[0] {
	case "stock":
		return runStock(ctx, l, out)
	case "shop":
		fmt.Fprintf(out, "shop listens on http://%s\n", l.Addr())
		return serve(ctx, l, shopHandler(*stock))
	}
	l.Close()
	return fmt.Errorf("there is no %q: stock or shop", args[0])
}

// runStock serves until ctx ends, registered with Consul meanwhile.
func runStock(ctx context.Context, l net.Listener, out io.Writer) error {
	consul, err := api.NewClient(api.DefaultConfig()) // the usual CONSUL_* variables
	if err != nil {
		return err
	}
	host, port, _ := net.SplitHostPort(l.Addr().String())
	number, _ := strconv.Atoi(port)
	id := "stock-" + port
	served := make(chan error, 1)
	go func() { served <- serve(ctx, l, stockHandler(id)) }()
	if err := consul.Agent().ServiceRegister(&api.AgentServiceRegistration{
		ID: id, Name: "stock", Address: host, Port: number,
		Check: &api.AgentServiceCheck{HTTP: "http://" + l.Addr().String() + "/health", Interval: "1s", Timeout: "1s"},
	}); err != nil {
		return fmt.Errorf("register with Consul: %w", err)
	}
	fmt.Fprintf(out, "%s listens on http://%s\n", id, l.Addr())
	<-ctx.Done()
	// First out of the catalog, then away: nobody is sent to a closed door.
	err = consul.Agent().ServiceDeregister(id)
	return errors.Join(err, <-served)
}

func stockHandler(id string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "fine") })
	mux.HandleFunc("GET /items/{item}", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"item": r.PathValue("item"), "left": len(r.PathValue("item")), "by": id})
	})
	return mux
}

func shopHandler(stock string) http.Handler {
	client := &http.Client{Timeout: 5 * time.Second}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, stock+"/items"+r.URL.Path, nil)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if parent := r.Header.Get("Traceparent"); parent != "" {
			req.Header.Set("Traceparent", parent) // one trace, through both
		}
		resp, err := client.Do(req)
		if err != nil {
			http.Error(w, "stock: "+err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	})
}

// serve serves until ctx ends, and then lets requests under way finish.
func serve(ctx context.Context, l net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		stopped <- server.Shutdown(ctx)
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}
