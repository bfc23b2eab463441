package catalog

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// A handler answers with a value, which is written as JSON (nil: an empty
// body), or with an error.
type handler func(w http.ResponseWriter, r *http.Request) (any, error)

// methods are the handlers of one path.
type methods map[string]handler

func (c *Catalog) routes() http.Handler {
	mux := http.NewServeMux()
	for path, m := range map[string]methods{
		"/v1/status/leader": {"GET": c.statusLeader},
		"/v1/status/peers":  {"GET": c.statusPeers},

		"/v1/agent/self":                          {"GET": c.agentSelf},
		"/v1/agent/services":                      {"GET": c.agentServices},
		"/v1/agent/service/{id...}":               {"GET": c.agentService},
		"/v1/agent/service/register":              {"PUT": c.registerService},
		"/v1/agent/service/deregister/{id...}":    {"PUT": c.deregisterService},
		"/v1/agent/service/maintenance/{id...}":   {"PUT": c.serviceMaintenance},
		"/v1/agent/maintenance":                   {"PUT": c.nodeMaintenance},
		"/v1/agent/checks":                        {"GET": c.agentChecks},
		"/v1/agent/check/register":                {"PUT": c.registerCheck},
		"/v1/agent/check/deregister/{id...}":      {"PUT": c.deregisterCheck},
		"/v1/agent/check/pass/{id...}":            {"PUT": c.ttlReport(passing)},
		"/v1/agent/check/warn/{id...}":            {"PUT": c.ttlReport(warning)},
		"/v1/agent/check/fail/{id...}":            {"PUT": c.ttlReport(critical)},
		"/v1/agent/check/update/{id...}":          {"PUT": c.ttlUpdate},
		"/v1/agent/health/service/id/{id...}":     {"GET": c.agentHealthByID},
		"/v1/agent/health/service/name/{name...}": {"GET": c.agentHealthByName},

		"/v1/catalog/datacenters":       {"GET": c.catalogDatacenters},
		"/v1/catalog/nodes":             {"GET": c.catalogNodes},
		"/v1/catalog/services":          {"GET": c.catalogServices},
		"/v1/catalog/service/{name...}": {"GET": c.catalogService},
		"/v1/catalog/node/{name...}":    {"GET": c.catalogNode},
		"/v1/catalog/register":          {"PUT": c.catalogRegister},
		"/v1/catalog/deregister":        {"PUT": c.catalogDeregister},

		"/v1/health/service/{name...}": {"GET": c.healthService},
		"/v1/health/connect/{name...}": {"GET": c.healthConnect},
		"/v1/health/checks/{name...}":  {"GET": c.healthChecks},
		"/v1/health/node/{name...}":    {"GET": c.healthNode},
		"/v1/health/state/{state...}":  {"GET": c.healthState},

		"/v1/acl/policy":        {"PUT": c.createPolicy},
		"/v1/acl/token":         {"PUT": c.createToken},
		"/v1/acl/token/self":    {"GET": c.readOwnToken},
		"/v1/acl/token/{id...}": {"DELETE": c.deleteToken},

		"/v1/query":                {"POST": c.createQuery},
		"/v1/query/{name}/execute": {"GET": c.executeQuery},
		"/v1/query/{name}/explain": {"GET": c.explainQuery},
	} {
		mux.Handle(path, c.route(m))
	}
	if c.opts.FaultControl {
		mux.Handle(faultPath, c.route(methods{
			"GET": c.faults.list, "PUT": c.faults.put, "DELETE": c.faults.clear,
		}))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		text := "Invalid URL path: not a recognized HTTP API endpoint\n"
		if !strings.HasPrefix(r.URL.Path, "/v1/") {
			text = "Invalid URL path: if attempting to use the HTTP API, ensure the path starts with '/v1/'\n"
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, text)
	})
	return mux
}

// route makes the handlers of a path an http.Handler.
func (c *Catalog) route(m methods) http.Handler {
	allow := []string{"OPTIONS"}
	for _, method := range []string{"GET", "PUT", "POST", "DELETE"} {
		if m[method] != nil {
			allow = append(allow, method)
		}
	}
	policy := "allow"
	if c.acl != nil && c.acl.fallback == deny {
		policy = "deny"
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept-Encoding")
		w.Header().Set("X-Consul-Default-Acl-Policy", policy)
		handle := m[r.Method]
		switch {
		case r.Method == http.MethodOptions:
			w.Header().Set("Allow", strings.Join(allow, ","))
			write(w, r, nil, nil)
		case handle == nil:
			w.Header().Set("Allow", strings.Join(allow, ","))
			write(w, r, nil, failure(http.StatusMethodNotAllowed, "method %s not allowed", r.Method))
		default:
			value, err := handle(w, r)
			write(w, r, value, err)
		}
	})
}

// reply is a value with a status other than 200.
type reply struct {
	status int
	value  any
}

// plain is a value written as text.
type plain string

// write sends what a handler returned, indented as a -dev agent indents it.
func write(w http.ResponseWriter, r *http.Request, value any, err error) {
	status := http.StatusOK
	if err == nil {
		if rep, ok := value.(reply); ok {
			status, value = rep.status, rep.value
		}
	}
	var body []byte
	kind := "application/json"
	if text, ok := value.(plain); ok {
		kind, body = "text/plain", []byte(text)
	} else if value != nil && err == nil {
		body, err = json.MarshalIndent(value, "", "    ")
	}
	if err != nil {
		status = http.StatusInternalServerError
		if known, ok := errors.AsType[*statusError](err); ok {
			status = known.status
		}
		kind, body = "text/plain; charset=utf-8", []byte(err.Error())
	}
	w.Header().Set("Content-Type", kind)
	if len(body) >= compressFrom && slices.Contains(acceptedEncodings(r), "gzip") {
		var small bytes.Buffer
		z := gzip.NewWriter(&small)
		_, _ = z.Write(body) // a Buffer takes everything
		z.Close()
		w.Header().Set("Content-Encoding", "gzip")
		body = small.Bytes()
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec // JSON or plain text by its content type; a reader that has gone needs no answer
}

// compressFrom is the smallest body worth compressing, in bytes.
const compressFrom = 1400

func acceptedEncodings(r *http.Request) []string {
	var names []string
	for _, field := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, quality, _ := strings.Cut(strings.TrimSpace(field), ";")
		if strings.TrimSpace(quality) != "q=0" {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}

// A statusError is an answer in plain text.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return e.text }

func failure(status int, format string, args ...any) error {
	return &statusError{status, fmt.Sprintf(format, args...)}
}

// maxBody is the largest request body taken, in bytes.
const maxBody = 1 << 20

// decode reads a JSON body and refuses fields it does not know; what follows
// the first value is ignored, as Consul does. what begins the error text.
func decode(w http.ResponseWriter, r *http.Request, what string, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return failure(http.StatusRequestEntityTooLarge, "Request body too large, max allowed is %d bytes", tooLarge.Limit)
	}
	if err != nil {
		return failure(http.StatusBadRequest, "%s failed: %s", what, err)
	}
	return nil
}
