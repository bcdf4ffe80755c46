// Command sdk is the benchmarked service with the in-process OpenTelemetry SDK: otelhttp around the handler.
package main

import (
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"uspan.test/bench/go-http/handler"
	"uspan.test/bench/inprocess"
)

func main() {
	inprocess.Traced(func() error { return handler.Serve(otelhttp.NewHandler(handler.New(), "server")) })
}
