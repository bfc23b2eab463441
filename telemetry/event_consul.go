package telemetry

import (
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// WatchState is what became of a watch on the catalog.
type WatchState string

// The states of watches.
const (
	WatchAnswers   WatchState = "answers"   // after it did not, or for the first time
	WatchFails     WatchState = "fails"     // what it said last stays in force
	WatchDoubted   WatchState = "doubted"   // its answer has to be confirmed before it counts
	WatchConfirmed WatchState = "confirmed" // what was doubted is true
	WatchRejected  WatchState = "rejected"  // what was doubted is not
	WatchReset     WatchState = "reset"     // the catalog counts its index anew
	WatchHidden    WatchState = "hidden"    // the catalog leaves out what the token may not read
)

// WatchChanged says that a watch on the catalog, which upstreams may share, is
// doing otherwise than before.
type WatchChanged struct {
	Service string // and where it is looked for
	State   WatchState
	Index   uint64
	Reason  string // of doubt
	Missing int    // backends that are kept in doubt
	Class   string // of Err
	Err     error
}

// Name implements Event.
func (e WatchChanged) Name() string {
	if e.State == WatchFails {
		return eventDiscoveryError
	}
	return eventDiscoveryChanged
}

func (e WatchChanged) count() count { return count{discoveryWatches, e.Service, string(e.State)} }

func (e WatchChanged) attributes() []attribute.KeyValue {
	attrs := []attribute.KeyValue{
		textAttribute(keyService, e.Service), keyState.String(string(e.State)), textAttribute(keyReason, e.Reason),
		textAttribute(semconv.ErrorTypeKey, e.Class),
	}
	if e.Err != nil {
		return append(attrs, textAttribute(keyErrorMessage, e.Err.Error()))
	}
	if e.Index > 0 {
		attrs = append(attrs, indexAttribute(e.Index))
	}
	if e.State == WatchDoubted {
		attrs = append(attrs, keyMissing.Int(e.Missing))
	}
	return attrs
}

// RegistrationState is what became of the registration of the app.
type RegistrationState string

// The states of a registration.
const (
	Registered          RegistrationState = "registered"
	RegistrationLost    RegistrationState = "lost"    // the catalog has it no more
	Deregistered        RegistrationState = "removed" // by the agent
	RegistrationStays   RegistrationState = "stays"   // it could not be taken out at the end
	RegistrationFails   RegistrationState = "fails"   // the catalog cannot be told of it
	RegistrationResumed RegistrationState = "resumed" // it can be told again
)

// RegistrationChanged says what became of the registration of the app that the
// agent stands beside.
type RegistrationChanged struct {
	Service, ID string
	State       RegistrationState
	Class       string // of Err
	Err         error
}

// Name implements Event.
func (RegistrationChanged) Name() string { return eventRegistrationChanged }

func (e RegistrationChanged) count() count { return count{registrationChanges, "", string(e.State)} }

func (e RegistrationChanged) attributes() []attribute.KeyValue {
	attrs := []attribute.KeyValue{
		keyState.String(string(e.State)), textAttribute(keyService, e.Service), textAttribute(keyInstance, e.ID),
		textAttribute(semconv.ErrorTypeKey, e.Class),
	}
	if e.Err != nil {
		attrs = append(attrs, textAttribute(keyErrorMessage, e.Err.Error()))
	}
	return attrs
}
