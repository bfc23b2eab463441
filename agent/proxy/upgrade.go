package proxy

import (
	"bytes"
	"fmt"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/http1"
	"github.com/outrigger-sidecar/outrigger/lb"
)

// switchProtocols joins the connections of both sides, if the server agreed to
// what the client asked for.
func (a *attempt) switchProtocols() *failure {
	s, ok := a.client.(*session)
	o, same := a.backend.(*origin)
	if !ok || !same || a.r.Upgrade == nil || !bytes.EqualFold(a.r.Upgrade, a.resp.Upgrade) {
		f := &failure{kind: BadResponse, err: fmt.Errorf("it switched to %q though %q was asked for", a.resp.Upgrade, a.r.Upgrade)}
		a.result.Error = string(f.kind)
		a.lease.Fail(f)
		return f
	}
	a.lease.Record(a.took)
	h := a.present()
	h.Upgrade = a.resp.Upgrade
	a.unwatch()
	s.ending = true
	if _, err := s.sock.Write(http1.AppendResponse(s.out[:0], h, false, 1)); err != nil {
		a.exchange.result.Cancelled = true
		return nil
	}
	server := a.lease.Server()
	t := &tunnel{server: server, removal: a.http.Removal, relay: &relay{
		app: s.sock, backend: o.sock, home: a.home, aheadOfApp: s.in[s.used:], aheadOfBackend: o.data,
		silence: a.http.Timeouts.Tunnel, clock: a.http.clock, sent: &a.http.Meter.Sent, received: &a.http.Meter.Received,
		spared: func() bool { return a.http.lists(server) },
	}}
	a.report()
	a.exchange.report(a.http.clock.Now())
	done, ok := a.http.tunnels.add(t)
	if !ok {
		return nil // draining
	}
	defer done()
	if a.http.Removal.ends() && !a.http.lists(server) { // removed while it agreed
		t.removed(server)
	}
	_ = t.run()
	return nil
}

// tunnel is an upgraded connection.
type tunnel struct {
	*relay
	server  *lb.Server
	removal Removal
}

// unwatch has the exchange go on without its times: a tunnel has its own, and
// a side that has closed its end may well go on listening.
func (x *exchange) unwatch() {
	x.mu.Lock()
	x.active = false
	x.mu.Unlock()
}
