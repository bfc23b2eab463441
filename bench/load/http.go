package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/outrigger-sidecar/outrigger/bench/wire"
)

// request is a request as it is sent. Its trace is one that its caller does not
// record, as most are.
func request(target string, answer, body int, more string) []byte {
	method, length := "GET", ""
	if body > 0 {
		method, length = "POST", fmt.Sprintf("Content-Type: text/plain\r\nContent-Length: %d\r\n", body)
	}
	head := fmt.Sprintf("%s /%d HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nAccept: */*\r\n"+
		"Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n%s%s\r\n", method, answer, target, length, more)
	return append([]byte(head), bytes.Repeat([]byte("y"), body)...)
}

// bufferFor is large enough for small answers at once, and no larger than what
// stays in the processor's cache.
func bufferFor(answer int) []byte { return make([]byte, min(max(answer, 0)+2<<10, 64<<10)) }

// keepAlive makes HTTP requests on one connection.
type keepAlive struct {
	target   string
	requests [][]byte
	next     int
	answer   int // bytes of each body
	buf      []byte
	turn     *turn
}

func newKeepAlive(target string, i int, p Plan) *keepAlive {
	get := request(target, p.Answer, 0, "")
	k := &keepAlive{target: target, answer: p.Answer, buf: bufferFor(p.Answer), requests: [][]byte{get}}
	if len(p.Posts) > 0 {
		// Spread over ten, beginning elsewhere on each connection.
		for n := range 10 {
			r := get
			if at := n * len(p.Posts) / 10; at != (n+1)*len(p.Posts)/10 {
				r = request(target, p.Answer, p.Posts[at], "")
			}
			k.requests = append(k.requests, r)
		}
		k.requests = k.requests[1:]
		k.next = i % len(k.requests)
	}
	return k
}

func (k *keepAlive) open(deadline time.Time) error {
	conn, err := dial(k.target, deadline)
	if err != nil {
		return err
	}
	if k.turn, err = newTurn(conn); err != nil {
		conn.Close()
	}
	return err
}

func (k *keepAlive) close() { k.turn.conn.Close() }

func (k *keepAlive) exchange() (more bool, err error) {
	r := k.requests[k.next]
	if k.next++; k.next == len(k.requests) {
		k.next = 0
	}
	n, err := k.turn.exchange(r, k.buf)
	if err != nil {
		return false, fmt.Errorf("no answer: %w", err)
	}
	h, err := readAnswer(k.turn.conn, k.buf, n, k.answer)
	return !h.Close, err
}

// readAnswer reads the rest of an answer of which n bytes are in buf, and
// checks that it is what was asked for.
func readAnswer(conn net.Conn, buf []byte, n, want int) (h wire.Head, err error) {
	var size int
	for {
		if h, size, err = wire.Parse(buf[:n]); err != nil {
			return h, err
		}
		if size > 0 {
			break
		}
		if n == len(buf) {
			return h, errors.New("the head of the answer is too long")
		}
		m, err := conn.Read(buf[n:])
		if err != nil {
			return h, fmt.Errorf("within the head of an answer: %w", err)
		}
		n += m
	}
	if code := h.Status(); code < 200 || code > 299 {
		return h, fmt.Errorf("answered %q", h.First)
	}
	if h.Length != want {
		return h, fmt.Errorf("answered by %d bytes instead of %d", h.Length, want)
	}
	rest := size + h.Length - n
	if rest < 0 {
		return h, errors.New("more came than was asked for")
	}
	return h, discard(conn, buf, rest)
}

// discard reads n bytes.
func discard(conn net.Conn, buf []byte, n int) error {
	for n > 0 {
		m, err := conn.Read(buf[:min(n, len(buf))])
		if err != nil {
			return fmt.Errorf("%d bytes before the end of an answer: %w", n, err)
		}
		n -= m
	}
	return nil
}

// oneRequest makes a connection for each HTTP request.
type oneRequest struct {
	target   string
	request  []byte
	answer   int
	buf      []byte
	deadline time.Time
}

func newOneRequest(target string, p Plan) *oneRequest {
	return &oneRequest{target: target, request: request(target, p.Answer, 0, "Connection: close\r\n"), answer: p.Answer, buf: bufferFor(p.Answer)}
}

func (o *oneRequest) open(deadline time.Time) error {
	o.deadline = deadline
	return nil
}

func (o *oneRequest) close() {}

func (o *oneRequest) exchange() (more bool, err error) {
	return true, once(o.target, o.deadline, o.request, o.buf, func(conn net.Conn, n int) error {
		h, err := readAnswer(conn, o.buf, n, o.answer)
		if err == nil && !h.Close {
			err = errors.New("the answer does not say that the connection ends")
		}
		return err
	})
}

// once connects, asks, reads the answer and then the end of the connection.
// The far side ends it first, so that the ports of this side are free again.
func once(target string, deadline time.Time, ask, buf []byte, read func(conn net.Conn, n int) error) error {
	conn, err := dial(target, deadline)
	if err != nil {
		return err
	}
	defer conn.Close()
	t, err := newTurn(conn)
	if err != nil {
		return err
	}
	n, err := t.exchange(ask, buf)
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	if err := read(conn, n); err != nil {
		return err
	}
	if n, err := conn.Read(buf); n > 0 || !errors.Is(err, io.EOF) {
		return fmt.Errorf("after the answer came %d bytes, %v, and not the end", n, err) //nolint:errorlint // it may be nil
	}
	return nil
}
