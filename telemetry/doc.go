// Package telemetry turns what the agent does into OpenTelemetry traces and
// metrics, and sends them where the configuration and the OTEL_* variables of
// the environment say. No other package of the program imports OpenTelemetry.
//
// Setup gives a Telemetry. Its Observer follows the requests of one upstream:
// spans and the duration histograms come from there, on the request's own way,
// so that path is short and takes no memory: a span is written as it goes over
// the wire, in room that is used again. Everything else is read from a Source
// when metrics are collected, so a removed backend leaves no series behind.
//
// Conventions are those of OpenTelemetry's semantic conventions 1.43; what
// they do not know is in the namespace outrigger.*. Instruments lists every
// metric there is.
package telemetry
