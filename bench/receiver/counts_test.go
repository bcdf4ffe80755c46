package main

import (
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// The official encoder is the oracle: 3 resources with 2 scopes of 0 to 5 spans each.
func TestCountAtFindsEverySpan(t *testing.T) {
	request := &collector.ExportTraceServiceRequest{}
	var want int64
	for r := range 3 {
		resource := &trace.ResourceSpans{SchemaUrl: "https://example.test"}
		for s := range 2 {
			scope := &trace.ScopeSpans{Scope: &common.InstrumentationScope{Name: "test"}}
			for range 2*r + s {
				scope.Spans = append(scope.Spans, &trace.Span{Name: "GET /", TraceId: make([]byte, 16), StartTimeUnixNano: 1})
				want++
			}
			resource.ScopeSpans = append(resource.ScopeSpans, scope)
		}
		request.ResourceSpans = append(request.ResourceSpans, resource)
	}
	encoded, err := proto.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := countAt(encoded, pathToSpans); err != nil || got != want {
		t.Errorf("counted %d spans of %d, error %v", got, want, err)
	}
	if _, err := countAt(encoded[:len(encoded)-1], pathToSpans); err == nil {
		t.Error("a cut request was counted without an error")
	}
}
