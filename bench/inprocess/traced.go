// Package inprocess sets the OpenTelemetry SDK up as its documentation shows: spans in batches to an OTLP gRPC endpoint
// (OTEL_EXPORTER_OTLP_ENDPOINT), all defaults.
package inprocess

import (
	"context"
	"log"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
)

// Traced calls run with the SDK set up, then gives the last spans five seconds to leave. It ends the program when either fails.
func Traced(run func() error) {
	ctx := context.Background()
	exporter, err := otlptracegrpc.New(ctx)
	if err != nil {
		log.Fatal(err)
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter))
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	failed := run()
	grace, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := provider.Shutdown(grace); err != nil {
		log.Print(err)
	}
	if failed != nil {
		log.Fatal(failed)
	}
}
