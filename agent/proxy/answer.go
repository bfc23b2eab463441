package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// answer carries a backend's answer to the client.
func (a *attempt) answer(resp *http.Response, took time.Duration) {
	h := a.w.Header()
	closing := h["Connection"] // set by a drain
	for name, values := range endToEnd(resp.Header) {
		h[name] = values
	}
	a.keepSession(h)
	if closing != nil || a.halfRead() {
		h["Connection"] = []string{"close"}
	}
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // or the server guesses one
	}
	for name := range resp.Trailer {
		h.Add("Trailer", name)
	}
	announced := len(resp.Trailer)
	a.begun = true
	a.w.WriteHeader(resp.StatusCode)
	a.exchange.result.Status, a.exchange.result.Major = resp.StatusCode, resp.ProtoMajor

	err := a.stream(resp)
	if err == nil {
		a.trailers(resp.Trailer, announced)
		a.judge(resp, took)
		return
	}
	a.cut = true
	if !a.timedOut() && a.r.Context().Err() != nil || errors.Is(err, errClient) {
		a.result.Cancelled, a.exchange.result.Cancelled = true, true
		return
	}
	f := failed(err, context.Cause(a.ctx))
	a.result.Error = string(f.kind)
	a.exchange.fail(f)
	if !f.blameless {
		a.lease.Fail(f)
	}
}

// keepSession has the client come back to the backend that answers, where it
// would not by itself.
func (a *attempt) keepSession(h http.Header) {
	if token := a.lease.Token(); a.http.Sticky.Cookie != "" && token != a.prefer {
		a.http.Sticky.set(h, token)
	}
}

// judge tells the balancer how the backend did. An answer that says a server
// further on is at fault or that this one is overloaded counts against it; any
// other, also one that says the request is wrong, shows that it works.
func (a *attempt) judge(resp *http.Response, took time.Duration) {
	if isGRPC(resp.Header) {
		status := resp.Trailer.Get("Grpc-Status")
		if status == "" {
			status = resp.Header.Get("Grpc-Status") // the answer has trailers only
		}
		if code, err := strconv.Atoi(status); err == nil {
			a.result.GRPC, a.exchange.result.GRPC = code, code
		}
	}
	switch {
	case resp.StatusCode >= 502 && resp.StatusCode <= 504:
		a.lease.Fail(fmt.Errorf("it answered %s", resp.Status))
	case a.result.GRPC == 14:
		a.lease.Fail(errors.New("it answered grpc-status 14 (unavailable)"))
	default:
		a.lease.Record(took)
	}
}

// errClient marks that the client, not the backend, broke the exchange off.
var errClient = errors.New("the client went away")

// stream carries the body. An answer whose length is not known may be a stream
// that someone waits on, so each piece of it is sent as soon as it is there.
func (a *attempt) stream(resp *http.Response) error {
	if resp.ContentLength == 0 || a.r.Method == http.MethodHead {
		return nil
	}
	flush := func() error { return nil }
	if resp.ContentLength < 0 {
		flush = http.NewResponseController(a.w).Flush
		if err := flush(); err != nil {
			return errClient
		}
	}
	buf := buffers.Get().(*buffer)
	defer buffers.Put(buf)
	for {
		a.dog.watch(phaseIdle, a.http.Timeouts.Idle)
		n, err := resp.Body.Read(buf[:])
		if n > 0 {
			a.dog.watch(nil, 0) // a slow client is no fault of the backend
			if _, err := a.w.Write(buf[:n]); err != nil {
				return errClient
			}
			if err := flush(); err != nil {
				return errClient
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// trailers passes on what came after the body: under the names announced, or
// where the backend announced none, by the prefix that net/http has for that.
func (a *attempt) trailers(trailer http.Header, announced int) {
	if len(trailer) == 0 {
		return
	}
	_ = http.NewResponseController(a.w).Flush() // HTTP/1.1 must be in chunks for them
	prefix := ""
	if len(trailer) != announced {
		prefix = http.TrailerPrefix
	}
	h := a.w.Header()
	for name, values := range trailer {
		h[prefix+name] = values
	}
}
