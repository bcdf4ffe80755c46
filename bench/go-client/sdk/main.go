// Command sdk is the benchmarked client with the in-process OpenTelemetry SDK: otelhttp around the transport.
package main

import (
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"uspan.test/bench/go-client/calls"
	"uspan.test/bench/inprocess"
)

func main() {
	inprocess.Traced(func() error { return calls.Run(otelhttp.NewTransport(calls.Transport())) })
}
