package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// adminServer answers about the agent. It only reads: nothing can be changed
// by it.
type adminServer struct {
	agent    *Agent
	listener net.Listener
	server   *http.Server
}

func newAdminServer(a *Agent, address string) (*adminServer, error) {
	l, err := listen(address)
	if err != nil {
		return nil, err
	}
	s := &adminServer{agent: a, listener: l}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, a.status()) })
	mux.HandleFunc("GET /v1/telemetry", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, a.telemetryStatus()) })
	mux.HandleFunc("GET /v1/upstreams/{name}", s.explain)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, map[string]bool{"alive": true}) })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics", a.telemetry.Handler())
	mux.HandleFunc("GET /{$}", s.index)
	s.server = &http.Server{
		Handler:           s.guard(mux),
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          a.errorLog,
	}
	return s, nil
}

func (s *adminServer) serve() error {
	if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// close lets answers under way end, for a moment.
func (s *adminServer) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.server.Shutdown(ctx) != nil {
		_ = s.server.Close()
	}
}

// guard keeps web pages from reading the agent through a browser on this
// machine: neither under a name of theirs that resolves to it (DNS rebinding)
// nor across sites.
func (s *adminServer) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.addressed(r.Host) {
			problem(w, http.StatusForbidden, fmt.Sprintf("this is not %q; ask for %s", r.Host, s.listener.Addr()))
			return
		}
		if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
			problem(w, http.StatusForbidden, "no other site may read this")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// addressed tells whether a Host names this listener: by an IP address, which
// no page can have as its own name, or as localhost.
func (s *adminServer) addressed(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.EqualFold(host, "localhost") || net.ParseIP(strings.Trim(host, "[]")) != nil
}

func (s *adminServer) index(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]any{
		"outrigger": s.agent.build.Version,
		"paths":     []string{"/v1/status", "/v1/upstreams/NAME", "/v1/telemetry", "/metrics", "/livez", "/readyz", "/readyz?upstream=NAME"},
	})
}

func (s *adminServer) explain(w http.ResponseWriter, r *http.Request) {
	u := s.agent.upstream(r.PathValue("name"))
	if u == nil {
		s.unknown(w, r.PathValue("name"))
		return
	}
	reply(w, http.StatusOK, u.explain())
}

func (s *adminServer) unknown(w http.ResponseWriter, name string) {
	var names []string
	for _, u := range s.agent.list() {
		names = append(names, u.name)
	}
	problem(w, http.StatusNotFound, fmt.Sprintf("there is no upstream %q; there are: %s", name, strings.Join(names, ", ")))
}

// readiness is the answer of /readyz.
type readiness struct {
	Ready     bool              `json:"ready"`
	Reason    string            `json:"reason,omitempty"`
	Upstreams map[string]string `json:"upstreams,omitempty"` // why each that is not ready is not
}

func (s *adminServer) ready(w http.ResponseWriter, r *http.Request) {
	status := s.agent.status()
	answer := readiness{Ready: true}
	if status.State != "running" {
		answer = readiness{Reason: "draining"}
	}
	wanted, found := r.URL.Query().Get("upstream"), false
	for _, u := range status.Upstreams {
		if wanted != "" && u.Name != wanted {
			continue
		}
		found = true
		if !u.Ready {
			answer.Ready = false
			if answer.Upstreams == nil {
				answer.Upstreams = make(map[string]string)
			}
			answer.Upstreams[u.Name] = u.Reason
		}
	}
	switch {
	case wanted != "" && !found:
		s.unknown(w, wanted)
	case answer.Ready:
		reply(w, http.StatusOK, answer)
	default:
		reply(w, http.StatusServiceUnavailable, answer)
	}
}

func problem(w http.ResponseWriter, status int, text string) {
	reply(w, status, map[string]string{"error": text})
}

func reply(w http.ResponseWriter, status int, answer any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(answer)
}
