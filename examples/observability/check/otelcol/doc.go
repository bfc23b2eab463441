// Package otelcol holds what an agent exports against what an OpenTelemetry
// Collector, built here of its modules, makes of it. It is a module of its own
// for their sake:
//
//	cd examples/observability/check/otelcol
//	go test
package otelcol
