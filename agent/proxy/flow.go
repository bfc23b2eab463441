package proxy

import (
	"errors"

	"github.com/outrigger-sidecar/outrigger/lb"
)

// carry has bytes flow; it is false after a drain.
func (v *visit) carry() bool {
	t, server := v.tcp, v.lease.Server()
	r := &relay{
		app: v.app, backend: v.backend, aheadOfApp: v.ahead, silence: t.Timeouts.Tunnel, clock: t.clock,
		sent: &t.Meter.Sent, received: &t.Meter.Received,
		spared: func() bool { return t.lists(server) },
	}
	if !v.begin(r, server) {
		return false
	}
	v.ways.Store(2)
	t.relays.Add(2)
	r.begin(v.flowed)
	return true
}

// judge is what an error of the relay means.
func (v *visit) judge(err error) *failure {
	switch {
	case errors.Is(err, errSilent):
		return &failure{kind: IdleTimeout, err: err}
	case errors.Is(err, errDismissed):
		return nil // as was wanted
	case err != nil && v.tcp.TLS.Rejected(v.server.Address, err) != nil:
		return &failure{kind: TLS, err: err}
	case err != nil:
		// Who hears of an end in place of a reset takes what it got for all.
		v.app.BreakOnClose()
		v.backend.BreakOnClose()
		return &failure{kind: Reset, err: err}
	}
	return nil
}

// begin lets r be cut and dismissed; it is false after a drain.
func (v *visit) begin(r *relay, server *lb.Server) bool {
	v.mu.Lock()
	v.server, v.relay, v.stop = server, r, nil
	over := v.over
	v.mu.Unlock()
	if v.tcp.Removal.ends() && !v.tcp.lists(server) { // removed while it connected
		v.removed(server)
	}
	return !over
}

// flowed tells that bytes flow no more in one direction. The one that ends last
// ends the visit.
func (v *visit) flowed(fault any) {
	defer v.tcp.relays.Done()
	if fault != nil {
		first := fault // which alone needs memory
		v.fault.Store(&first)
		v.relay.cut()
	}
	if v.ways.Add(-1) > 0 {
		return
	}
	v.told.Received, v.told.Sent = v.relay.fromApp, v.relay.toApp
	v.failed = v.judge(v.relay.finish())
	if first := v.fault.Load(); first != nil {
		fault = *first
	}
	v.leave(fault)
}
