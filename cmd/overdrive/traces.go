package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"overdrive/config"
	"overdrive/proxy/traffic"
)

// tracing sends spans to a collector. What it has not sent yet is bounded; what is beyond that is dropped, so nobody waits for a collector.
type tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// spanLimit is how long the end of the program, or a change of the collector, waits for the spans that are left.
const spanLimit = time.Second

// newTracing returns what sends spans as configured, or nil if there is nowhere to send them. The caller must close it.
func newTracing(c config.Traces, log *slog.Logger) (*tracing, error) {
	if c.Endpoint == "" {
		return nil, nil
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("spans could not be sent", "error", err) }))
	exporter, err := otlptracehttp.New(context.Background(), otlptracehttp.WithEndpointURL(c.Endpoint))
	if err != nil {
		return nil, fmt.Errorf("traces.endpoint: %w", err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter), sdktrace.WithSampler(sdktrace.AlwaysSample()), // which was done by who asks for a span
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "overdrive"), attribute.String("service.version", version))),
	)
	return &tracing{provider: provider, tracer: provider.Tracer("overdrive")}, nil
}

// close sends what is left, for a moment at most. t may be nil.
func (t *tracing) close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), spanLimit)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // which has told the error handler
}

// span makes the span of a batch.
func (t *tracing) span(of *traffic.Testimony) {
	ctx := context.Background()
	if !of.Parent.IsZero() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: of.Parent.Trace, SpanID: of.Parent.Span, TraceFlags: trace.FlagsSampled, Remote: true,
		}))
	}
	_, span := t.tracer.Start(ctx, "statements of "+of.Database, trace.WithTimestamp(of.Began), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(
			attribute.String("db.system.name", "postgresql"),
			attribute.String("db.namespace", of.Database),
			attribute.String("overdrive.user", of.User),
			attribute.Int64("overdrive.session", int64(of.Session)),
			attribute.Int("overdrive.statements", of.Statements),
			attribute.String("overdrive.fingerprint", fingerprintText(of.Fingerprint)),
			attribute.String("overdrive.cache.status", of.Status),
			attribute.Float64("overdrive.waited", of.Waited.Seconds()),
			attribute.Float64("overdrive.upstream", of.Upstream.Seconds()),
		))
	if of.Code != "" {
		span.SetAttributes(attribute.String("db.response.status_code", of.Code))
		span.SetStatus(codes.Error, of.Code)
	}
	span.End(trace.WithTimestamp(of.Began.Add(of.Took)))
}

// fingerprintText writes a fingerprint as SHOW QUERIES does, or nothing for a statement that was not looked at.
func fingerprintText(fingerprint uint64) string {
	if fingerprint == 0 {
		return ""
	}
	return fmt.Sprintf("%016x", fingerprint)
}

// A witness is told of single batches: it logs those that are slow, and has spans made of those that are traced.
type witness struct {
	*traffic.Witness
	log     *slog.Logger
	tracing atomic.Pointer[tracing] // nil: nothing is traced
	traces  config.Traces           // of tracing
}

func newWitness(log *slog.Logger) *witness {
	w := &witness{log: log}
	w.Witness = traffic.NewWitness(w.hear)
	return w
}

// hear is called on event loops.
func (w *witness) hear(t *traffic.Testimony) {
	if t.Slow {
		w.log.Warn("slow statement", "session", t.Session, "db", t.Database, "user", t.User, "took", t.Took, "waited", t.Waited,
			"upstream", t.Upstream, "statements", t.Statements, "fingerprint", fingerprintText(t.Fingerprint), "status", t.Status, "code", t.Code)
	}
	if to := w.tracing.Load(); to != nil && t.Traced {
		to.span(t)
	}
}

// follow has the witness be as configured. If that is not possible nothing changes. Calls must not overlap.
func (w *witness) follow(cfg *config.Config) error {
	if cfg.Traces.Endpoint != w.traces.Endpoint {
		to, err := newTracing(cfg.Traces, w.log)
		if err != nil {
			return err
		}
		go w.tracing.Swap(to).close()
	}
	w.traces = cfg.Traces
	share := float64(cfg.Traces.Sample)
	if cfg.Traces.Endpoint == "" {
		share = -1
	}
	w.Watch(time.Duration(cfg.Log.SlowStatement), share)
	return nil
}
