package dev

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/outrigger-sidecar/outrigger/discovery/consul"
)

// character is how a demo backend differs from the others.
type character struct {
	does   string
	takes  time.Duration // about, for each answer
	errors int           // of a hundred answers
}

func characters() []character {
	return []character{
		{"answers fast", 2 * time.Millisecond, 0},
		{"is slower", 40 * time.Millisecond, 0},
		{"fails now and then", 4 * time.Millisecond, 5},
	}
}

// crashTime is how long a backend that was told to crash stays away.
const crashTime = 15 * time.Second

// mood is what a backend was told to do.
type mood int32

const (
	well mood = iota
	failing
	slow
)

// backend is a web server that can be told to misbehave.
type backend struct {
	id        string
	address   string
	character character
	listener  net.Listener
	mood      atomic.Int32
	served    atomic.Int64
	crash     chan struct{}
}

func newBackend(id string, c character) (*backend, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("demo backend %s: %w", id, err)
	}
	return &backend{id: id, address: l.Addr().String(), character: c, listener: l, crash: make(chan struct{}, 1)}, nil
}

func (b *backend) registration() consul.Registration {
	host, port, _ := net.SplitHostPort(b.address)
	n, _ := strconv.Atoi(port)
	return consul.Registration{
		ID: b.id, Name: service, Address: host, Port: n, Tags: []string{"demo"},
		Checks: []consul.Check{{HTTP: "http://" + b.address + "/health", Interval: time.Second}},
	}
}

// run serves until ctx ends, and is away for a while after each crash.
func (b *backend) run(ctx context.Context) {
	for l := b.listener; ; {
		server := &http.Server{Handler: b.handler(), ReadHeaderTimeout: 10 * time.Second}
		served := make(chan struct{})
		go func() {
			defer close(served)
			_ = server.Serve(l)
		}()
		crashed := false
		select {
		case <-ctx.Done():
		case <-b.crash:
			crashed = true
		}
		_ = server.Close() // connections break, as in a crash
		<-served
		if !crashed {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(crashTime):
		}
		var err error
		if l, err = net.Listen("tcp", b.address); err != nil {
			return // somebody took the port; the catalog will tell
		}
		b.mood.Store(int32(well))
	}
}

func (b *backend) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		if mood(b.mood.Load()) == failing {
			http.Error(w, b.id+" was told to fail", http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, "fine")
	})
	mux.HandleFunc("POST /demo/{what}", b.told)
	mux.HandleFunc("/", b.answer)
	return mux
}

func (b *backend) told(w http.ResponseWriter, r *http.Request) {
	switch what := r.PathValue("what"); what {
	case "ok":
		b.mood.Store(int32(well))
	case "fail":
		b.mood.Store(int32(failing))
	case "slow":
		b.mood.Store(int32(slow))
	case "crash":
		select {
		case b.crash <- struct{}{}:
		default: // at it already
		}
	default:
		http.Error(w, "there are /demo/ok, /demo/fail, /demo/slow and /demo/crash", http.StatusNotFound)
		return
	}
	fmt.Fprintf(w, "%s: %s\n", b.id, r.PathValue("what"))
}

func (b *backend) answer(w http.ResponseWriter, r *http.Request) {
	takes := b.character.takes/2 + rand.N(b.character.takes)
	if mood(b.mood.Load()) == slow {
		takes += 500 * time.Millisecond
	}
	select {
	case <-r.Context().Done():
		return
	case <-time.After(takes):
	}
	w.Header().Set("X-Backend", b.id)
	if mood(b.mood.Load()) == failing || rand.IntN(100) < b.character.errors {
		http.Error(w, b.id+" failed", http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(w, "hello from %s (request %d)\n", b.id, b.served.Add(1))
}
