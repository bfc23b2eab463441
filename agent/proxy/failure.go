package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/http2"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/secure"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/socket"
	"github.com/outrigger-sidecar/outrigger/lb"
)

// Kind is a kind of failure. Its text is the error.type of telemetry.
type Kind string

// The kinds of failure there are. They say who is to blame, what the client is
// told and whether another backend may be tried.
const (
	ConnectRefused   Kind = "connect_refused"
	ConnectTimeout   Kind = "connect_timeout"
	ConnectFailed    Kind = "connect_failed"    // unreachable, no descriptor left, …
	DNS              Kind = "dns"               // a backend's name does not resolve
	TLS              Kind = "tls"               // the handshake failed
	Reset            Kind = "reset"             // the connection broke
	Removed          Kind = "backend_removed"   // and the grace that on_remove leaves is over
	BadResponse      Kind = "bad_response"      // not HTTP, too large a head, …
	FirstByteTimeout Kind = "attempt_timeout"   // no answer in time
	IdleTimeout      Kind = "idle_timeout"      // the answer stalled
	RequestTimeout   Kind = "timeout"           // the whole request took too long
	NoBackend        Kind = "no_backend"        // none known or none healthy
	AtCapacity       Kind = "queue_full"        // every backend, or the upstream, is at its limit
	QueueTimeout     Kind = "queue_timeout"     // the same, and waiting for a place took too long
	RequestLimit     Kind = "request_limit"     // too many requests are in flight (max_requests)
	ConcurrencyLimit Kind = "concurrency_limit" // the same, as latency tells
	RateLimited      Kind = "rate_limited"
	CircuitBroken    Kind = "circuit_open"
	MemoryShort      Kind = "memory_short"  // this process is near its memory limit
	NoDescriptor     Kind = "no_descriptor" // it has none left but the reserve
	BadRequest       Kind = "bad_request"
	Unwanted         Kind = "retry_on" // an answer that is to be had from another backend, which there was none for
	Internal         Kind = "internal" // a fault of this program
)

// kinds says what follows from each. The tokens are those of RFC 9209.
var kinds = map[Kind]struct {
	status int
	token  string // of Proxy-Status
	grpc   int
	text   string
	verdict
}{
	ConnectRefused:   {502, "connection_refused", 14, "the backend refused the connection", bad},
	ConnectTimeout:   {504, "connection_timeout", 14, "timeout \"connect\": the backend did not take the connection in time", bad},
	ConnectFailed:    {502, "destination_ip_unroutable", 14, "the backend could not be reached", bad},
	DNS:              {502, "dns_error", 14, "the backend's name could not be resolved", bad},
	TLS:              {502, "tls_protocol_error", 14, "the TLS handshake with the backend failed; \"outrigger explain\" tells why", bad},
	Reset:            {502, "connection_terminated", 14, "the backend closed the connection before it answered", bad},
	Removed:          {502, "connection_terminated", 14, "on_remove: the backend was removed, and did not answer within remove_grace", unjudged},
	BadResponse:      {502, "http_protocol_error", 14, "the backend's answer could not be understood", bad},
	FirstByteTimeout: {504, "http_response_timeout", 4, "timeout \"first_byte\": the backend did not begin to answer in time", bad},
	IdleTimeout:      {504, "connection_read_timeout", 4, "timeout \"idle\": nothing moved for too long", bad},
	RequestTimeout:   {504, "http_response_timeout", 4, "timeout \"request\": the request as a whole took too long", bad},
	NoBackend:        {503, "destination_unavailable", 14, "there is no usable backend", unjudged},
	AtCapacity:       {503, "connection_limit_reached", 8, "at capacity", unjudged},
	QueueTimeout:     {503, "connection_limit_reached", 8, "at capacity", unjudged},
	RequestLimit:     {503, "connection_limit_reached", 8, "at capacity", unjudged},
	ConcurrencyLimit: {503, "connection_limit_reached", 8, "at capacity: latency shows that its backends have enough to do", unjudged},
	// 429 and not 503: nothing is wrong but how often the client asks.
	RateLimited:   {429, "http_request_denied", 8, "more requests than its rate limit allows", unjudged},
	CircuitBroken: {503, "destination_unavailable", 14, "too many requests have failed, and its circuit breaker is open", unjudged},
	MemoryShort:   {503, "proxy_internal_error", 8, "at capacity", unjudged},
	NoDescriptor:  {503, "connection_limit_reached", 8, "at capacity: no file descriptor is left", unjudged},
	BadRequest:    {400, "http_request_error", 13, "bad request", unjudged},
	Unwanted:      {503, "http_response_incomplete", 14, "the backend's answer is one to be retried, and no other backend could be tried", unjudged},
	Internal:      {502, "proxy_internal_error", 13, "internal error", unjudged},
}

// Kinds lists every kind of failure.
func Kinds() []Kind { return slices.Clone(allKinds[:]) }

var allKinds = [...]Kind{ConnectRefused, ConnectTimeout, ConnectFailed, DNS, TLS, Reset, Removed, BadResponse, FirstByteTimeout,
	IdleTimeout, RequestTimeout, NoBackend, AtCapacity, QueueTimeout, RequestLimit, ConcurrencyLimit, RateLimited,
	CircuitBroken, MemoryShort, NoDescriptor, BadRequest, Unwanted, Internal}

// failure is one that happened. As an error it also is the cause with which a
// try's context is cancelled.
type failure struct {
	kind   Kind
	status int // where it is not the kind's own
	err    error
	// blameless says that the backend could do nothing about it.
	blameless bool
	// gone says that there is no client any more to be told.
	gone bool
	// unsent says that it is proven that nothing of the request reached the
	// backend, though there was a connection.
	unsent bool
	// retryAfter is when it may be worth to ask again; 0: soon, as far as is
	// known.
	retryAfter time.Duration
}

func (f *failure) Error() string {
	if f.err == nil {
		return string(f.kind)
	}
	return string(f.kind) + ": " + f.err.Error()
}

func (f *failure) Unwrap() error { return f.err }

// Is tells the balancer whether the backend could not be reached at all. One
// that rejects a handshake afterwards could be.
func (f *failure) Is(target error) bool {
	return target == lb.ErrUnreachable && f.connecting() && !f.unsent
}

// connecting tells that no byte of the request can have reached the backend.
func (f *failure) connecting() bool {
	switch f.kind {
	case ConnectRefused, ConnectTimeout, ConnectFailed, DNS, TLS, NoDescriptor:
		return true
	}
	return false
}

// unselected is the failure behind an error of Balancer.Select.
func unselected(err error) *failure {
	if errors.Is(err, lb.ErrNoCapacity) {
		kind := AtCapacity
		if errors.Is(err, lb.ErrQueueTimeout) {
			kind = QueueTimeout
		}
		return &failure{kind: kind, err: err}
	}
	return &failure{kind: NoBackend, err: err}
}

// failed makes a failure of what went wrong with a backend, unless the exchange
// was stopped, for a cause of ours.
func failed(err error, cause *failure) *failure {
	if cause != nil {
		return cause
	}
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed), errors.Is(err, socket.ErrStale), errors.Is(err, socket.ErrInterrupted),
		errors.Is(err, http2.ErrClosed), errors.Is(err, http2.ErrUnprocessed), errors.Is(err, http2.ErrInterrupted):
		return &failure{kind: Reset, err: err}
	}
	if _, ok := errors.AsType[*http2.ResetError](err); ok {
		return &failure{kind: Reset, err: err}
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return &failure{kind: Reset, err: err}
	}
	return &failure{kind: BadResponse, err: err}
}

// undialled makes a failure of a dialer's error.
func undialled(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return &failure{kind: DNS, err: err}
	}
	if _, ok := errors.AsType[*secure.Error](err); ok {
		return &failure{kind: TLS, err: err}
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOENT): // ENOENT: no such unix socket
		return &failure{kind: ConnectRefused, err: err}
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return &failure{kind: ConnectTimeout, err: err}
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, errNoDescriptor):
		return &failure{kind: NoDescriptor, err: err, blameless: true}
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return &failure{kind: ConnectFailed, err: err, blameless: true} // it is we who ran out
	}
	return &failure{kind: ConnectFailed, err: err}
}

// telling tells that the error behind f is one for the client to read.
func (f *failure) telling() bool {
	switch f.kind {
	case BadRequest, NoBackend, AtCapacity, QueueTimeout, RequestLimit, MemoryShort:
		return true
	}
	return false
}

// describe makes the answer that tells the client of f: in HTTP's way, or in
// gRPC's where it speaks that. It returns the status and the answer's body.
func (f *failure) describe(answer *message.Response, r *message.Request, upstream string) (status int, body []byte) {
	k := kinds[f.kind]
	status = k.status
	if f.status != 0 {
		status = f.status
	}
	text := fmt.Sprintf("outrigger: upstream %q: %s", upstream, k.text)
	if f.err != nil && f.telling() {
		text += ": " + strings.TrimPrefix(f.err.Error(), "lb: ")
	}
	answer.Reset()
	h := &answer.Header
	h.Add(message.ProxyStatus, "outrigger; error="+f.token()+"; details="+quoted(text))
	if r.IsGRPC() {
		h.Add(message.ContentType, "application/grpc")
		h.Add(message.GRPCStatus, strconv.Itoa(k.grpc))
		h.Add(message.GRPCMessage, percent(text))
		answer.Status = 200
		return 200, nil
	}
	if status == 503 || status == 429 {
		h.Add(message.RetryAfter, strconv.Itoa(int(max(f.retryAfter+time.Second-1, time.Second)/time.Second)))
	}
	h.Add(message.ContentType, "text/plain; charset=utf-8")
	h.AddNamed("X-Content-Type-Options", "nosniff")
	body = []byte(text + "\n")
	answer.Status, answer.Length = status, int64(len(body))
	answer.Last = f.kind == BadRequest // what follows on the connection is not to be trusted
	if string(r.Method) == "HEAD" {
		answer.Length, answer.Declared, answer.Head = 0, answer.Length, true
		return status, nil
	}
	return status, body
}

// token is the error of Proxy-Status.
func (f *failure) token() string {
	if e, ok := errors.AsType[*secure.Error](f.err); ok {
		switch e.Reason {
		case secure.Certificate:
			return "tls_certificate_error"
		case secure.Alert:
			return "tls_alert_received"
		}
	}
	return kinds[f.kind].token
}

// percent encodes a gRPC status message (gRPC over HTTP/2, "Status-Message").
func percent(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// quoted makes a string of RFC 9651 (structured fields): ASCII, with quotes
// and backslashes escaped.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(s) {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			b.WriteByte('?')
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
