/** Where and how spans are sent: plain data, read from flags, environment and files by somebody else. */
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
  /** Longest wait for a connection, for a request to move on, and for its answer. */
  readonly timeoutMs: number;
  /** Undefined: a plain connection. */
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
  /** Longest wait of a span before it is sent. */
  readonly scheduleDelayMs: number;
  /** Spans a request. */
  readonly maxBatchSpans: number;
  /** Bytes a request, before compression. */
  readonly maxBatchBytes: number;
  /** Spans waiting or being sent. */
  readonly maxQueueSpans: number;
  /** Encoded bytes waiting or being sent. */
  readonly maxQueueBytes: number;
  readonly maxConcurrentExports: number;
}
