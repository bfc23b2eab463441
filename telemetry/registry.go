package telemetry

import (
	"slices"

	"go.opentelemetry.io/otel/attribute"
)

//go:generate go test -run TestRegistryFiles -update .

// Registry is every name that the agent emits. registry.yaml and REFERENCE.md
// are made from it, and tests hold it against what a running agent emits, both
// ways. Who adds a name adds it here, and runs go generate.
type Registry struct {
	Attributes []Attribute // of our own
	Resource   []attribute.Key
	Metrics    []Instrument
	Spans      []SpanKind
	Events     []EventKind
}

// Attribute is one of our own attributes.
type Attribute struct {
	Key   attribute.Key
	Type  string // string, int, double or boolean
	Brief string
}

// SpanKind is one kind of span.
type SpanKind struct {
	ID         string
	Kind       string // server or client
	Brief      string
	Attributes []attribute.Key // all that it may carry
}

// EventKind is one kind of event.
type EventKind struct {
	Name       string
	Counter    string // that counts it
	Brief      string
	Attributes []attribute.Key // all that it may carry
}

// Declared is what this version emits.
func Declared() Registry {
	return Registry{
		Attributes: ownAttributes(), Resource: resourceAttributes(), Metrics: slices.Concat(Instruments(), runtimeInstruments()),
		Spans: spanKinds(), Events: eventKinds(),
	}
}
