package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/outrigger-sidecar/outrigger/agent"
	"github.com/outrigger-sidecar/outrigger/agent/config"
	"github.com/outrigger-sidecar/outrigger/discovery/catalog"
)

// The example as its README tells it: two stocks, a sidecar and a shop, with
// the embedded catalog in place of Consul.
func TestExample(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	consul := catalog.New(catalog.Options{})
	server := httptest.NewServer(consul)
	t.Setenv("CONSUL_HTTP_ADDR", server.Listener.Addr().String())
	var all sync.WaitGroup
	defer func() { cancel(); all.Wait(); server.CloseClientConnections(); server.Close() }()
	all.Go(func() { _ = consul.Run(ctx) })

	serving, stop := context.WithCancel(ctx)
	var stocks sync.WaitGroup
	defer func() { stop(); stocks.Wait() }()
	for range 2 {
		stocks.Go(func() {
			if err := run(serving, []string{"stock"}, new(strings.Builder)); err != nil {
				t.Error(err)
			}
		})
	}
	c, problems := config.Load("agent.hcl")
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	c.Admin.Listen, c.Upstreams[0].Listen = "off", "127.0.0.1:0"
	sidecar, err := agent.New(c, hclog.NewNullLogger(), agent.Build{})
	if err != nil {
		t.Fatal(err)
	}
	all.Go(func() { _ = sidecar.Run(ctx) })

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	all.Go(func() { _ = serve(ctx, l, shopHandler("http://"+sidecar.Addresses()["stock"])) })
	seen := make(map[string]bool)
	for deadline := time.Now().Add(20 * time.Second); len(seen) < 2; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the shop heard of %v only", seen)
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Get("http://" + l.Addr().String() + "/apples")
		if err != nil {
			t.Fatal(err)
		}
		var item struct {
			Item, By string
			Left     int
		}
		if resp.StatusCode == http.StatusOK {
			if err := json.NewDecoder(resp.Body).Decode(&item); err != nil || item.Item != "apples" || item.Left != 6 {
				t.Errorf("%+v, %v", item, err)
			}
			seen[item.By] = true
		}
		resp.Body.Close()
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"bank"}, {"shop", "-listen", "nowhere"}, {"shop", "-loud"}} {
		if err := run(t.Context(), args, new(strings.Builder)); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
}
