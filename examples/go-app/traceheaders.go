package main

import (
	"context"
	"net/http"
)

// A service without tracing should still forward the W3C headers, so that the traces of others do not break here.
var traceHeaders = []string{"Traceparent", "Tracestate"}

type traceHeadersKey struct{}

// keepTraceHeaders gives a request whose context has the incoming trace headers.
func keepTraceHeaders(r *http.Request) *http.Request {
	if r.Header.Get(traceHeaders[0]) == "" {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), traceHeadersKey{}, r.Header))
}

// copyTraceHeaders sets on an outgoing request what came in with the one it is made for.
func copyTraceHeaders(ctx context.Context, out http.Header) {
	in, ok := ctx.Value(traceHeadersKey{}).(http.Header)
	if !ok {
		return
	}
	for _, name := range traceHeaders {
		if values := in.Values(name); len(values) > 0 {
			out[name] = values
		}
	}
}
