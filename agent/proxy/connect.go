package proxy

import (
	"errors"
	"io"
	"net"
	"syscall"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/http2"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/socket"
)

// connect is a way to the leased server: one that has served before, or else,
// and where it must be fresh, a new one.
func (a *attempt) connect(fresh bool) (outbound, *failure) {
	address := a.lease.Server().Address
	if p := a.http.Backend; p == H2C || p == H2 || p == Auto && a.r.IsGRPC() {
		return a.open(address)
	}
	if fresh {
		a.http.pool.forget(address) // the server has most likely closed them all
	} else if o := a.http.pool.take(address, a.home); o != nil {
		o.since = a.now
		return o, nil
	}
	o, f := a.dial(address)
	if f != nil {
		return nil, f
	}
	a.now = a.http.clock.Now()
	o.since = a.now
	return o, nil
}

// dial is a new connection.
func (a *attempt) dial(address string) (o *origin, f *failure) {
	a.home.Block(func() {
		var err error
		if o, err = a.http.pool.dial(a.context(), address, a.home); err != nil {
			f = a.unreached(err)
		}
	})
	return o, f
}

// open is a stream of HTTP/2.
func (a *attempt) open(address string) (outbound, *failure) {
	if a.home != nil {
		return a.openAside(address)
	}
	s, err := a.http.trunks.open(a.context, address)
	if err != nil {
		return nil, a.unreached(err)
	}
	return s, nil
}

// openAside is open on a loop. It is apart since what its function shares lies
// on the heap, which every stream would pay for.
func (a *attempt) openAside(address string) (out outbound, f *failure) {
	a.home.Block(func() {
		s, err := a.http.trunks.open(a.context, address)
		if err != nil {
			f = a.unreached(err)
			return
		}
		out = aside{s, a.home}
	})
	return out, f
}

func (a *attempt) unreached(err error) *failure {
	if cause := a.stopped(); cause != nil {
		return cause
	}
	return undialled(err)
}

// lost tells that a connection broke which may just have been too old.
func lost(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, socket.ErrStale) ||
		errors.Is(err, http2.ErrClosed) || errors.Is(err, http2.ErrUnprocessed)
}
