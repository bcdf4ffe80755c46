package main

import (
	"context"

	logs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	traces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
)

// The services accept everything: what counts has been counted by the codec.

type acceptTraces struct {
	traces.UnimplementedTraceServiceServer
}

func (acceptTraces) Export(context.Context, *traces.ExportTraceServiceRequest) (*traces.ExportTraceServiceResponse, error) {
	return &traces.ExportTraceServiceResponse{}, nil
}

type acceptMetrics struct {
	metrics.UnimplementedMetricsServiceServer
}

func (acceptMetrics) Export(context.Context, *metrics.ExportMetricsServiceRequest) (*metrics.ExportMetricsServiceResponse, error) {
	return &metrics.ExportMetricsServiceResponse{}, nil
}

type acceptLogs struct {
	logs.UnimplementedLogsServiceServer
}

func (acceptLogs) Export(context.Context, *logs.ExportLogsServiceRequest) (*logs.ExportLogsServiceResponse, error) {
	return &logs.ExportLogsServiceResponse{}, nil
}
