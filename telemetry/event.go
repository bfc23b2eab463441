package telemetry

import (
	"context"
	"math"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// The names of events.
const (
	eventBackendChanged      = "outrigger.backend.state_changed"
	eventBackendEjected      = "outrigger.backend.ejected"
	eventPanicChanged        = "outrigger.panic.state_changed"
	eventCircuitChanged      = "outrigger.circuit.state_changed"
	eventDiscoveryUpdated    = "outrigger.discovery.updated"
	eventDiscoveryError      = "outrigger.discovery.error"
	eventDiscoveryChanged    = "outrigger.discovery.state_changed"
	eventFreshnessChanged    = "outrigger.discovery.freshness_changed"
	eventHoldChanged         = "outrigger.discovery.hold_changed"
	eventRegistrationChanged = "outrigger.registration.state_changed"
	eventConfigReloaded      = "outrigger.config.reloaded"
)

// Event is a change of state. Tell makes a log record with an event name of it,
// and counts it.
type Event interface {
	// Name is the event's.
	Name() string
	// count is where it is counted.
	count() count
	// attributes are those of the record, in which empty texts are left out.
	attributes() []attribute.KeyValue
}

// count is a counter's series: of is the upstream or service that it is about,
// and word tells it from others of the same.
type count struct{ counter, of, word string }

// Tell emits and counts a change of state, of which the caller has logged a
// line with the same level and message. It never blocks.
func (t *Telemetry) Tell(level Level, message string, e Event) {
	t.tally.add(e.count())
	if t.logging == nil {
		return
	}
	attrs := e.attributes()
	kept := attrs[:0]
	for _, kv := range attrs {
		if kv.Value.Type() != attribute.STRING || kv.Value.AsString() != "" {
			kept = append(kept, kv)
		}
	}
	t.logging.emit(context.Background(), t.logging.events, e.Name(), level, message, kept)
}

func textAttribute(key attribute.Key, s string) attribute.KeyValue { return key.String(text(s)) }

// BackendChanged says that a backend's state is another: it was added, removed,
// taken out or let in again.
type BackendChanged struct {
	Upstream, Backend, Zone, Address string
	From, To                         health.Verdict
	Reason                           string
}

// removed tells that the backend is gone: rule 2 is for those no longer listed.
func (e BackendChanged) removed() bool { return e.To.Rule == 2 }

// Name implements Event.
func (e BackendChanged) Name() string {
	if e.To.State == health.Ejected {
		return eventBackendEjected
	}
	return eventBackendChanged
}

func (e BackendChanged) count() count {
	return count{backendChanges, e.Upstream, backendWord(e.To.State, e.removed())}
}

func (e BackendChanged) attributes() []attribute.KeyValue {
	state := e.To.State.String()
	if e.removed() {
		state = backendRemoved
	}
	address, port := splitAddress(e.Address)
	attrs := []attribute.KeyValue{
		textAttribute(keyUpstream, e.Upstream), textAttribute(keyBackend, e.Backend), textAttribute(keyZone, e.Zone),
		textAttribute(semconv.NetworkPeerAddressKey, address),
		keyBackendState.String(state), keyBackendBefore.String(e.From.State.String()),
		keyRule.Int(e.To.Rule), textAttribute(keyReason, e.Reason),
	}
	if port != 0 {
		attrs = append(attrs, semconv.NetworkPeerPort(port))
	}
	return attrs
}

// PanicChanged says that too few backends are up, or that enough are again.
type PanicChanged struct {
	Upstream      string
	On            bool
	Usable, Known int // backends
}

// Name implements Event.
func (PanicChanged) Name() string { return eventPanicChanged }

func (e PanicChanged) count() count { return count{panicChanges, e.Upstream, onOff(e.On)} }

func (e PanicChanged) attributes() []attribute.KeyValue {
	return []attribute.KeyValue{
		textAttribute(keyUpstream, e.Upstream), keyState.String(onOff(e.On)), keyUsable.Int(e.Usable), keyBackends.Int(e.Known),
	}
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// CircuitChanged says that an upstream's circuit breaker is in another state.
type CircuitChanged struct {
	Upstream string
	To       proxy.CircuitState
}

// Name implements Event.
func (CircuitChanged) Name() string { return eventCircuitChanged }

func (e CircuitChanged) count() count { return count{circuitChanges, e.Upstream, e.To.String()} }

func (e CircuitChanged) attributes() []attribute.KeyValue {
	return []attribute.KeyValue{textAttribute(keyUpstream, e.Upstream), keyState.String(e.To.String())}
}

// DiscoveryUpdated says that an upstream has another list of backends than
// before.
type DiscoveryUpdated struct {
	Upstream string
	Index    uint64 // of the catalog
	Backends int
}

// Name implements Event.
func (DiscoveryUpdated) Name() string { return eventDiscoveryUpdated }

func (e DiscoveryUpdated) count() count { return count{discoveryChanges, e.Upstream, ""} }

func (e DiscoveryUpdated) attributes() []attribute.KeyValue {
	return []attribute.KeyValue{textAttribute(keyUpstream, e.Upstream), indexAttribute(e.Index), keyBackends.Int(e.Backends)}
}

func indexAttribute(index uint64) attribute.KeyValue {
	return keyIndex.Int64(int64(min(index, math.MaxInt64)))
}

// FreshnessChanged says how far the catalog's word can be trusted from now on.
type FreshnessChanged struct {
	Upstream  string
	Freshness health.Freshness
	Age       time.Duration // of that word
}

// Name implements Event.
func (FreshnessChanged) Name() string { return eventFreshnessChanged }

func (e FreshnessChanged) count() count {
	return count{discoveryFreshness, e.Upstream, e.Freshness.String()}
}

func (e FreshnessChanged) attributes() []attribute.KeyValue {
	return []attribute.KeyValue{
		textAttribute(keyUpstream, e.Upstream), keyState.String(e.Freshness.String()), keyAge.Float64(e.Age.Seconds()),
	}
}

// HoldChanged says that backends are held though the catalog has none, or that
// they are let go.
type HoldChanged struct {
	Upstream string
	On       bool
	Backends int // that are held, or up still
}

// Name implements Event.
func (HoldChanged) Name() string { return eventHoldChanged }

func (e HoldChanged) count() count { return count{discoveryHolds, e.Upstream, onOff(e.On)} }

func (e HoldChanged) attributes() []attribute.KeyValue {
	return []attribute.KeyValue{
		textAttribute(keyUpstream, e.Upstream), keyState.String(onOff(e.On)), keyBackends.Int(e.Backends),
	}
}

// ConfigReloaded says that the configuration was read again, and what came of
// it.
type ConfigReloaded struct {
	Upstreams int
	Err       error // why the one before stays in force
}

// Name implements Event.
func (ConfigReloaded) Name() string { return eventConfigReloaded }

func (e ConfigReloaded) result() string {
	if e.Err != nil {
		return outcomeFailed
	}
	return outcomeOK
}

func (e ConfigReloaded) count() count { return count{configReloads, "", e.result()} }

func (e ConfigReloaded) attributes() []attribute.KeyValue {
	if e.Err != nil {
		return []attribute.KeyValue{keyState.String(e.result()), textAttribute(keyErrorMessage, e.Err.Error())}
	}
	return []attribute.KeyValue{keyState.String(e.result()), keyUpstreams.Int(e.Upstreams)}
}
