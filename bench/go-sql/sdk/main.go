// Command sdk is the benchmarked program with the in-process OpenTelemetry SDK: otelsql around the driver, spans in batches to an OTLP gRPC
// endpoint (OTEL_EXPORTER_OTLP_ENDPOINT). One span a query, as uspan makes it: those of rows, of resetting and of connecting are left out.
package main

import (
	"context"
	"database/sql"
	"log"
	"time"

	"github.com/XSAM/otelsql"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/trace"

	"uspan.test/bench/go-sql/queries"
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
	sql.Register("bench", queries.Driver{})
	db, err := otelsql.Open("bench", "", otelsql.WithSpanOptions(otelsql.SpanOptions{
		OmitConnResetSession: true,
		OmitConnectorConnect: true,
		OmitRows:             true,
	}))
	if err != nil {
		return err
	}
	ran := queries.Run(db)
	grace, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := provider.Shutdown(grace); err != nil {
		log.Print(err)
	}
	return ran
}
