package telemetry

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"carillon"
)

// Tracing sends spans to a collector. A nil *Tracing does nothing, at no cost.
type Tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// StartTracing makes a Tracing that sends by OTLP over HTTP, or nil if the environment (getenv) names no collector in
// OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT. The other OTEL_EXPORTER_OTLP_… and OTEL_TRACES_SAMPLER
// variables apply as OpenTelemetry says.
func StartTracing(ctx context.Context, version string, getenv func(string) string) (*Tracing, error) {
	if getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		return nil, nil //nolint:nilnil // tracing is off: nil is a Tracing that does nothing
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("start tracing: %w", err)
	}
	about, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "carillon"), attribute.String("service.version", version)),
		resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil {
		return nil, fmt.Errorf("start tracing: describe the process: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	return &Tracing{provider: provider, tracer: provider.Tracer("carillon")}, nil
}

// Watch makes a span of each request that next answers, continuing the caller's trace.
func (t *Tracing) Watch(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return otelhttp.NewHandler(hidingTokens(next), "http",
		otelhttp.WithTracerProvider(t.provider),
		otelhttp.WithPropagators(propagation.TraceContext{}),
		otelhttp.WithFilter(func(r *http.Request) bool {
			return r.URL.Path != "/healthz" && r.URL.Path != "/readyz" && r.URL.Path != "/metrics"
		}))
}

// hooksPath begins the paths of external events of apps, the rest of which is the app's id and a secret.
const hooksPath = "/app-hooks/"

// hidingTokens keeps the secrets in paths out of spans.
func hidingTokens(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rest, ok := strings.CutPrefix(r.URL.Path, hooksPath); ok {
			app, _, _ := strings.Cut(rest, "/")
			trace.SpanFromContext(r.Context()).SetAttributes(attribute.String("url.path", hooksPath+app))
		}
		next.ServeHTTP(w, r)
	})
}

// Attempt makes a span of one try to deliver, after it is over.
func (t *Tracing) Attempt(a *carillon.Attempt) {
	if t == nil {
		return
	}
	_, span := t.tracer.Start(context.Background(), "deliver "+a.EventType,
		trace.WithTimestamp(a.At), trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(
			attribute.String("carillon.org", a.Org),
			attribute.String("carillon.subscription", a.Subscription),
			attribute.String("carillon.event_id", a.EventID),
			attribute.Int64("carillon.seq", a.Seq),
			attribute.String("carillon.lane", a.Lane),
			attribute.Int("carillon.attempt", a.Number),
			attribute.Int("http.response.status_code", a.Status)))
	if a.Outcome != carillon.OutcomeDelivered {
		span.SetStatus(codes.Error, a.Error)
	}
	span.End(trace.WithTimestamp(a.At.Add(a.Duration)))
}

// Stop sends what is left and ends.
func (t *Tracing) Stop(ctx context.Context) error {
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("stop tracing: %w", err)
	}
	return nil
}
