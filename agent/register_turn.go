package agent

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/outrigger-sidecar/outrigger/discovery"
	"github.com/outrigger-sidecar/outrigger/telemetry"
)

// The timing of a registration.
const (
	lookEvery    = 10 * time.Second       // whether Consul still has it, less or more a fifth
	registerStep = 250 * time.Millisecond // the bound on the pause after a failure, doubled with each …
	registerCap  = 10 * time.Second       // … up to this
	callTimeout  = 5 * time.Second        // of one call to Consul
	leaveTimeout = 5 * time.Second        // for taking all out at the end
)

// turn does what there is to do, and returns the time until there is more; 0 is
// never.
func (r *registrar) turn(ctx context.Context) time.Duration {
	// What has the ID of the goal may be the same instance by another address of
	// the same Consul, which must not be taken out once the goal is in.
	_ = r.takeOut(ctx, r.rival)
	err := r.hold(ctx)
	if err == nil {
		err = r.takeOut(ctx, all)
	}
	if ctx.Err() != nil {
		return 0
	}
	pause := r.pause(err)
	r.tell(err, pause)
	r.show(err)
	return pause
}

func all(entry) bool                    { return true }
func (r *registrar) rival(e entry) bool { return e.want.ID == r.now.want.ID }

// hold has the goal be in Consul.
func (r *registrar) hold(ctx context.Context) error {
	if r.now.none() {
		return nil
	}
	if r.now.in {
		known, err := r.confirm(ctx)
		if err != nil || known {
			return err
		}
		r.now.there, r.now.in = false, false
		r.announce(hclog.Warn, "Consul has lost the service", r.now, telemetry.RegistrationLost, nil, "id", r.now.want.ID)
	}
	r.now.sent = true
	w := r.now.want
	if err := bounded(ctx, func(ctx context.Context) error { return r.now.consul.Register(ctx, w) }); err != nil {
		return err
	}
	r.now.there, r.now.in = true, true
	r.announce(hclog.Info, "the service is registered", r.now, telemetry.Registered, nil,
		"service", w.Name, "id", w.ID, "address", w.Address, "port", w.Port)
	if r.now.beat == nil {
		return nil
	}
	_, err := r.confirm(ctx) // it is critical until the first report
	return err
}

// confirm asks Consul whether it still has the goal, or learns that by reporting
// how the app is.
func (r *registrar) confirm(ctx context.Context) (known bool, err error) {
	id := r.now.want.ID
	if r.now.beat == nil {
		err = bounded(ctx, func(ctx context.Context) error {
			known, err = r.now.consul.Registered(ctx, id)
			return err
		})
		return known, err
	}
	good, output := r.now.beat.once(ctx)
	err = bounded(ctx, func(ctx context.Context) error {
		known, err = r.now.consul.Report(ctx, id, good, output)
		return err
	})
	return known, err
}

// once finds out how the app is.
func (b *beat) once(ctx context.Context) (good bool, output string) {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	output, err := b.prober.Probe(ctx, b.target)
	if err != nil && output == "" {
		output = err.Error()
	}
	return err == nil, output
}

// takeOut takes those that are meant of what is old out of Consul. What it
// cannot is left for the next time, but for the goal's rivals.
func (r *registrar) takeOut(ctx context.Context, meant func(entry) bool) (last error) {
	var kept []entry
	for _, e := range r.old {
		if !meant(e) {
			kept = append(kept, e)
			continue
		}
		err := bounded(ctx, func(ctx context.Context) error { return e.consul.Deregister(ctx, e.want.ID) })
		if err != nil && !r.rival(e) {
			last, kept = err, append(kept, e)
			continue
		}
		if err == nil {
			r.announce(hclog.Info, "the service was taken out of Consul", e, telemetry.Deregistered, nil, "service", e.want.Name, "id", e.want.ID)
		}
		e.close()
	}
	r.old = kept
	return last
}

// pause is the time until the next turn. After a failure it is random below a
// bound that doubles.
func (r *registrar) pause(err error) time.Duration {
	if err != nil {
		bound := min(registerStep<<min(r.failures, 10), registerCap)
		r.failures++
		pause := 1 + rand.N(bound)
		if known, ok := errors.AsType[*discovery.Error](err); ok {
			pause += known.Pause
		}
		return pause
	}
	r.failures = 0
	switch {
	case r.now.none():
		return 0
	case r.now.beat != nil: // earlier than it has to be, never later
		return r.now.beat.interval - rand.N(r.now.beat.interval/10+1)
	}
	return lookEvery - lookEvery/5 + rand.N(2*lookEvery/5)
}

// tell logs how Consul answers when that changes.
func (r *registrar) tell(err error, pause time.Duration) {
	kind := kindOf(err)
	switch {
	case kind == r.trouble:
	case err != nil:
		r.announce(hclog.Warn, "cannot tell Consul of the service; trying on", r.now, telemetry.RegistrationFails, err,
			"kind", kind, "error", err, "next_try_in", pause.Round(time.Millisecond))
	default:
		r.announce(hclog.Info, "Consul can be told of the service again", r.now, telemetry.RegistrationResumed, nil)
	}
	r.trouble = kind
}

// announce tells what became of a registration.
func (r *registrar) announce(level hclog.Level, message string, of entry, s telemetry.RegistrationState, err error, fields ...any) {
	announce(r.log, r.to, level, message, telemetry.RegistrationChanged{
		Service: of.want.Name, ID: of.want.ID, State: s, Class: kindOf(err), Err: err,
	}, fields...)
}

// kindOf is what kind of trouble an error is, "" for none.
func kindOf(err error) string {
	if known, ok := errors.AsType[*discovery.Error](err); ok {
		return known.Class
	}
	if err != nil {
		return "other"
	}
	return ""
}

// show keeps the state for reports.
func (r *registrar) show(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.status
	if r.now.none() {
		r.status = nil
		return
	}
	r.status = &ServiceStatus{Name: r.now.want.Name, ID: r.now.want.ID, Registered: r.now.there, Since: time.Now()}
	if last != nil && last.ID == r.status.ID && last.Registered == r.now.there {
		r.status.Since = last.Since
	}
	if err != nil {
		r.status.Error = err.Error()
	}
}

// report is how the registration is doing; nil where there is none.
func (r *registrar) report() *ServiceStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

// bounded makes one call to Consul.
func bounded(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return call(ctx)
}
