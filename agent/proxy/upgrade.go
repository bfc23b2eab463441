package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// switchProtocols hands the connections of both sides to a tunnel, if the
// backend agreed to what the client asked for.
func (a *attempt) switchProtocols(resp *http.Response, took time.Duration) *failure {
	asked, agreed := upgrade(a.r.Header), upgrade(resp.Header)
	backend, ok := resp.Body.(io.ReadWriteCloser)
	if !ok || asked == "" || !strings.EqualFold(asked, agreed) {
		f := &failure{kind: BadResponse, err: fmt.Errorf("it switched to %q though %q was asked for", agreed, asked)}
		a.result.Error = string(f.kind)
		a.lease.Fail(f)
		return f
	}
	a.lease.Record(took)
	app, buffered, err := http.NewResponseController(a.w).Hijack()
	if err != nil {
		return &failure{kind: Internal, err: err}
	}
	defer app.Close()
	a.begun = true
	a.exchange.result.Status, a.exchange.result.Major = resp.StatusCode, resp.ProtoMajor

	head := endToEnd(resp.Header)
	head["Connection"] = []string{"Upgrade"}
	head["Upgrade"] = []string{agreed}
	a.keepSession(head)
	_ = app.SetDeadline(time.Time{}) // those of the HTTP server were for requests
	if _, err := fmt.Fprintf(buffered, "HTTP/1.1 %s\r\n", resp.Status); err == nil {
		err = head.Write(buffered)
		if err == nil {
			_, err = buffered.WriteString("\r\n")
		}
		if err == nil {
			err = buffered.Flush()
		}
		if err != nil {
			a.exchange.result.Cancelled = true
			return nil
		}
	}
	t := &tunnel{app: &hijacked{app, buffered.Reader}, backend: backend, silence: a.http.Timeouts.Tunnel}
	done, ok := a.http.tunnels.add(t)
	if !ok {
		return nil // draining
	}
	defer done()
	a.dog.watch(nil, 0)
	_ = t.run(&a.http.Meter.Sent, &a.http.Meter.Received)
	return nil
}

// hijacked is the app's connection, of which the HTTP server had read ahead.
type hijacked struct {
	net.Conn
	ahead *bufio.Reader
}

func (h *hijacked) Read(p []byte) (int, error) {
	if h.ahead.Buffered() > 0 {
		return h.ahead.Read(p)
	}
	return h.Conn.Read(p)
}

func (h *hijacked) CloseWrite() error {
	if half, ok := h.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return h.Close()
}
