/** Where and how to send spans. Plain data; the settings read it from flags, environment and file. */
export interface ExportSettings {
  /** `OTEL_TRACES_EXPORTER`; empty for `none`. */
  readonly exporters: readonly TracesExporter[];
  readonly otlp: OtlpSettings;
  readonly batch: BatchSettings;
}

export type TracesExporter = 'otlp' | 'console';

/** `http/protobuf` is the default, as the OpenTelemetry specification recommends (OTLP exporter configuration, "Specify Protocol"). */
export type OtlpProtocol = 'http/protobuf' | 'grpc';

export interface OtlpSettings {
  readonly protocol: OtlpProtocol;
  /** HTTP: the URL that requests are posted to. gRPC: `http://host:port`, `https://host:port` or `unix:PATH`. */
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly compression: 'none' | 'gzip';
  /** Longest wait for a connection, for a request to make progress, and for its answer. */
  readonly timeoutMs: number;
  /** Undefined: a connection without TLS. */
  readonly tls: OtlpTls | undefined;
}

/** Paths of PEM files. */
export interface OtlpTls {
  /** Authorities to trust instead of the system's. */
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
}

/** Limits of batching and of the queue. */
export interface BatchSettings {
  /** Longest time that a span waits before it is sent. */
  readonly scheduleDelayMs: number;
  /** Spans in an export request. */
  readonly maxBatchSpans: number;
  /** Bytes in an export request, before compression. */
  readonly maxBatchBytes: number;
  /** Spans that wait or are being sent. */
  readonly maxQueueSpans: number;
  /** Encoded bytes that wait or are being sent. */
  readonly maxQueueBytes: number;
  readonly maxConcurrentExports: number;
}
