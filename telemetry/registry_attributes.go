package telemetry

import (
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// ownAttributes are those that OpenTelemetry's conventions do not know.
func ownAttributes() []Attribute {
	const (
		text   = "string"
		whole  = "int"
		number = "double"
	)
	return []Attribute{
		{keyApp, text, "The app that the agent stands beside, as agent.name has it."},
		{keyUpstream, text, "The upstream, by its name in the configuration."},
		{keyStrategy, text, "The upstream's strategy."},
		{keyBackend, text, "The backend, by its ID in the catalog or its name in the configuration; _other sums those beyond a limit."},
		{keyZone, text, "The zone that the backend is in."},
		{keyBackendState, text, "The backend's state, or what it became: up, pending, down, ejected, draining or removed."},
		{keyCandidates, whole, "How many backends could be picked when the attempt's was."},
		{keyEjected, whole, "How many backends were ejected then."},
		{keyCatalogAge, number, "How old the catalog's word was then, in seconds."},
		{keyBackendBefore, text, "What it was: unseen, or as in outrigger.backend.state."},
		{keyRule, whole, "The rule by which a backend was judged, as outrigger explain has it."},
		{keyReason, text, "Why, in words for people."},
		{keyState, text, "What something became; each event says of what."},
		{keyBackends, whole, "How many backends there are, or are meant."},
		{keyUsable, whole, "How many of them can be picked."},
		{keyUpstreams, whole, "How many upstreams there are."},
		{keyAttempts, whole, "How many backends were tried for the request."},
		{keyOutcome, text, "What became of the request: ok, failed or client_cancelled."},
		{keyRetryReason, text, "Why there is another attempt: the error.type of the one before."},
		{keyService, text, "The service that is looked for, or registered, and where if that is said."},
		{keyIndex, whole, "The catalog's index."},
		{keyAge, "double", "How old the catalog's word is, in seconds."},
		{keyMissing, whole, "How many backends are kept though the catalog's last answer lacks them."},
		{keyInstance, text, "The ID under which the app is registered."},
		{keyErrorMessage, text, "What an error says, for people."},

		{labelState, text, "What something became; each metric says of what."},
		{labelOutcome, text, "ok or failed."},
		{labelResult, text, "What came of it; each metric says of what."},
		{labelReason, text, "Why."},
		{labelStrategy, text, "A strategy, by its name in the configuration."},
		{labelType, text, "What kind of it."},
		{labelAgreed, text, "Whether two strategies chose the same: true, false or none."},
		{labelSignal, text, "traces, metrics or logs."},
		{labelVersion, text, "Of the agent."},
		{labelRevision, text, "Of its source."},
		{labelGo, text, "The version of Go that it was built with."},
	}
}

// resourceAttributes say which agent it is. Those of the host and the container
// are there where they can be found out.
func resourceAttributes() []attribute.Key {
	return []attribute.Key{
		semconv.ServiceNameKey, semconv.ServiceVersionKey, semconv.ServiceInstanceIDKey, keyApp,
		semconv.TelemetrySDKNameKey, semconv.TelemetrySDKLanguageKey, semconv.TelemetrySDKVersionKey,
		semconv.HostNameKey, semconv.ProcessPIDKey, semconv.ContainerIDKey,
		keyDatacenter, semconv.K8SPodNameKey, semconv.K8SPodUIDKey, semconv.K8SNamespaceNameKey, semconv.K8SNodeNameKey,
		"nomad.alloc.id", "nomad.job.name", "nomad.group.name", "nomad.datacenter",
	}
}

// runtimeInstruments are those of the Go runtime, by
// go.opentelemetry.io/contrib/instrumentation/runtime.
func runtimeInstruments() []Instrument {
	return []Instrument{
		{"go.memory.used", UpDownCounter, "By", "Memory used by the Go runtime.", []attribute.Key{semconv.GoMemoryTypeKey}, nil},
		{"go.memory.limit", UpDownCounter, "By", "Go runtime memory limit configured by the user, if a limit exists.", nil, nil},
		{"go.memory.allocated", Counter, "By", "Memory allocated to the heap by the application.", nil, nil},
		{"go.memory.allocations", Counter, "{allocation}", "Count of allocations to the heap by the application.", nil, nil},
		{"go.memory.gc.goal", UpDownCounter, "By", "Heap size target for the end of the GC cycle.", nil, nil},
		{"go.goroutine.count", UpDownCounter, "{goroutine}", "Count of live goroutines.", nil, nil},
		{"go.processor.limit", UpDownCounter, "{thread}", "The number of OS threads that can execute user-level Go code simultaneously.", nil, nil},
		{"go.config.gogc", UpDownCounter, "%", "Heap size target percentage configured by the user, otherwise 100.", nil, nil},
		{"go.schedule.duration", Histogram, "s", "The time goroutines have spent in the scheduler in a runnable state before actually running.", nil, nil},
	}
}
