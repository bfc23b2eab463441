package telemetry

import (
	"context"
	"os"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// serviceName is the agent's own and not its app's, or the two would be one
// service in every backend.
const serviceName = "outrigger"

// newResource says who this process is. OTEL_SERVICE_NAME and
// OTEL_RESOURCE_ATTRIBUTES have the last word. An error comes with a resource
// that lacks something and can be used.
func newResource(ctx context.Context, c Config) (*resource.Resource, error) {
	attrs := []attribute.KeyValue{semconv.ServiceName(serviceName)}
	add := func(key attribute.Key, value string) {
		if value != "" {
			attrs = append(attrs, key.String(text(value)))
		}
	}
	add(semconv.ServiceVersionKey, c.Version)
	add(keyApp, c.App)
	add(keyDatacenter, c.Datacenter)
	// As pods commonly have it from the downward API.
	add(semconv.K8SPodNameKey, os.Getenv("POD_NAME"))
	add(semconv.K8SPodUIDKey, os.Getenv("POD_UID"))
	add(semconv.K8SNamespaceNameKey, os.Getenv("POD_NAMESPACE"))
	add(semconv.K8SNodeNameKey, os.Getenv("NODE_NAME"))
	// There is neither a convention nor a detector for Nomad.
	add("nomad.alloc.id", os.Getenv("NOMAD_ALLOC_ID"))
	add("nomad.job.name", os.Getenv("NOMAD_JOB_NAME"))
	add("nomad.group.name", os.Getenv("NOMAD_GROUP_NAME"))
	add("nomad.datacenter", os.Getenv("NOMAD_DC"))
	return resource.New(ctx,
		resource.WithService(), // a random service.instance.id; the name is ours below
		resource.WithTelemetrySDK(),
		resource.WithHost(),
		resource.WithContainer(),
		resource.WithProcessPID(),
		resource.WithSchemaURL(semconv.SchemaURL),
		resource.WithAttributes(attrs...),
		resource.WithFromEnv(),
	)
}
