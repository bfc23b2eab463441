package telemetry

import (
	"slices"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// spanKinds are a request and its attempts, which are its children.
func spanKinds() []SpanKind {
	shared := []attribute.Key{
		semconv.HTTPRequestMethodKey, semconv.HTTPRequestMethodOriginalKey, semconv.HTTPResponseStatusCodeKey, semconv.ErrorTypeKey,
		semconv.ServerAddressKey, semconv.ServerPortKey, semconv.NetworkPeerAddressKey, semconv.NetworkPeerPortKey,
		semconv.NetworkProtocolVersionKey, semconv.RPCSystemNameKey, semconv.RPCMethodKey, semconv.RPCMethodOriginalKey, keyGRPCStatus,
		keyUpstream, keyStrategy,
	}
	return []SpanKind{
		{"outrigger.exchange", "server", "A request from the app, retries included.", slices.Concat(shared, []attribute.Key{
			semconv.URLSchemeKey, semconv.URLPathKey, semconv.URLQueryKey, semconv.ClientAddressKey, semconv.UserAgentOriginalKey,
			keyAttempts, keyOutcome,
		})},
		{"outrigger.attempt", "client", "An attempt at a backend.", slices.Concat(shared, []attribute.Key{
			semconv.URLFullKey, semconv.ServicePeerNameKey, semconv.HTTPRequestResendCountKey, keyRetryReason, keyBackend, keyZone,
			keyBackendState, keyCandidates, keyEjected, keyCatalogAge,
		})},
	}
}

// eventKinds are changes of state.
func eventKinds() []EventKind {
	keys := func(k ...attribute.Key) []attribute.Key { return k }
	backend := keys(keyUpstream, keyBackend, keyZone, semconv.NetworkPeerAddressKey, semconv.NetworkPeerPortKey,
		keyBackendState, keyBackendBefore, keyRule, keyReason)
	return []EventKind{
		{eventBackendChanged, backendChanges, "A backend was added or removed, or its state is another.", backend},
		{eventBackendEjected, backendChanges, "A backend is out for a while, because of failed requests or of flapping.", backend},
		{eventPanicChanged, panicChanges, "Too few backends are up (on), or enough are again (off).", keys(keyUpstream, keyState, keyUsable, keyBackends)},
		{eventCircuitChanged, circuitChanges, "A circuit breaker has opened, lets a few requests try (half_open), or is closed again.", keys(keyUpstream, keyState)},
		{eventDiscoveryUpdated, discoveryChanges, "Other backends than before are in force.", keys(keyUpstream, keyIndex, keyBackends)},
		{eventDiscoveryError, discoveryWatches, "A watch on the catalog fails, or fails in another way; its last answer stays in force.",
			keys(keyService, keyState, semconv.ErrorTypeKey, keyErrorMessage)},
		{eventDiscoveryChanged, discoveryWatches,
			"A watch on the catalog is doing otherwise: it answers (again), its answer is doubted until it is confirmed or rejected, its index was reset, or instances are hidden for want of permission.",
			keys(keyService, keyState, keyIndex, keyReason, keyMissing)},
		{eventFreshnessChanged, discoveryFreshness, "The catalog's word on an upstream became fresh, stale or expired.", keys(keyUpstream, keyState, keyAge)},
		{eventHoldChanged, discoveryHolds, "Backends are held though the catalog has none (on), or no more (off).", keys(keyUpstream, keyState, keyBackends)},
		{eventRegistrationChanged, registrationChanges,
			"The app was registered, lost by the catalog or removed; it stays there at the end, since it could not be removed; or the catalog cannot be told of it (fails), and can again (resumed).",
			keys(keyState, keyService, keyInstance, semconv.ErrorTypeKey, keyErrorMessage)},
		{eventConfigReloaded, configReloads, "The configuration was read again: ok, or failed, when the one before stays in force.",
			keys(keyState, keyUpstreams, keyErrorMessage)},
	}
}
