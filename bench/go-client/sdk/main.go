// Command sdk is the benchmarked client with the in-process OpenTelemetry SDK, set up as its documentation shows:
// otelhttp around the transport, spans in batches to an OTLP gRPC endpoint (OTEL_EXPORTER_OTLP_ENDPOINT), all defaults.
package main

import (
	"context"
	"log"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"

	"uspan.test/bench/go-client/calls"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	exporter, err := otlptracegrpc.New(ctx)
	if err != nil {
		return err
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter))
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	called := calls.Run(otelhttp.NewTransport(calls.Transport()))
	grace, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := provider.Shutdown(grace); err != nil {
		log.Print(err)
	}
	return called
}
