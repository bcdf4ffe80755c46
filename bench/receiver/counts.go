package main

import (
	"encoding/json"
	"io"
	"net/http"
	"sync/atomic"

	traces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of ExportTraceServiceRequest.resource_spans, ResourceSpans.scope_spans and ScopeSpans.spans
// (opentelemetry/proto/collector/trace/v1/trace_service.proto and trace/v1/trace.proto).
var pathToSpans = []protowire.Number{1, 2, 2}

type counts struct{ spans, requests, bytes atomic.Int64 }

type totals struct {
	Spans    int64 `json:"spans"`
	Requests int64 `json:"requests"`
	Bytes    int64 `json:"bytes"`
}

func (c *counts) read() totals { return totals{c.spans.Load(), c.requests.Load(), c.bytes.Load()} }

func (c *counts) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(c.read())
}

// countingCodec counts the spans of a trace request on the wire and leaves the message empty: building the objects would
// cost more than all the rest of the receiver.
type countingCodec struct {
	encoding.CodecV2
	counts *counts
}

func (c countingCodec) Unmarshal(data mem.BufferSlice, into any) error {
	if _, isTraces := into.(*traces.ExportTraceServiceRequest); !isTraces {
		return nil
	}
	buffer := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer buffer.Free()
	return c.counts.add(buffer.ReadOnlyData())
}

// acceptHTTP takes a trace request by OTLP/HTTP, in protobuf, not compressed. An empty body is an ExportTraceServiceResponse that says all was taken.
func (c *counts) acceptHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = c.add(body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (c *counts) add(request []byte) error {
	spans, err := countAt(request, pathToSpans)
	if err != nil {
		return err
	}
	c.spans.Add(spans)
	c.requests.Add(1)
	c.bytes.Add(int64(len(request)))
	return nil
}

// countAt counts the length-delimited fields at the end of a path of field numbers.
func countAt(message []byte, path []protowire.Number) (int64, error) {
	var found int64
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return 0, protowire.ParseError(n)
		}
		message = message[n:]
		if number != path[0] || kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, kind, message); n < 0 {
				return 0, protowire.ParseError(n)
			}
			message = message[n:]
			continue
		}
		inner, n := protowire.ConsumeBytes(message)
		if n < 0 {
			return 0, protowire.ParseError(n)
		}
		message = message[n:]
		if len(path) == 1 {
			found++
			continue
		}
		deeper, err := countAt(inner, path[1:])
		if err != nil {
			return 0, err
		}
		found += deeper
	}
	return found, nil
}
