import { ExportResultCode } from '@opentelemetry/core';
import type { ISerializer } from '@opentelemetry/otlp-transformer';
import { UspanError } from '../contract/errors.ts';
import type { ExportRequest } from './export-request.ts';
import { rejectedSpans } from './export-response.ts';
import type { Notify } from './losses.ts';
import { checkOtlpEnvironment, forwardOtlpWarnings } from './otlp-environment.ts';

/** `http/protobuf` is the default, as the OpenTelemetry specification recommends (OTLP exporter configuration, "Specify Protocol"). */
export type OtlpProtocol = 'http/protobuf' | 'grpc';

export interface OtlpTransportOptions {
  readonly protocol: OtlpProtocol;
  /** Overrides the environment's endpoint; for HTTP `/v1/traces` is appended if the path is empty. */
  readonly endpoint?: string | undefined;
  /** Goes into the User-Agent, in front of the exporter's own. */
  readonly userAgent: string;
  /** Hears the official exporter's warnings. */
  readonly notify: Notify;
}

/** What became of a request. `retry`: nothing arrived, and sending it again may help. */
export type SendResult =
  | { readonly outcome: 'sent'; readonly rejected: number }
  | { readonly outcome: 'failed'; readonly retry: boolean; readonly error: Error };

export interface OtlpTransport {
  send(request: ExportRequest): Promise<SendResult>;
  /** Closes connections after running requests have ended. */
  close(): Promise<void>;
}

/**
 * The official OTLP transport with our bytes. Endpoint, headers, compression, timeout, TLS and mTLS come from
 * `OTEL_EXPORTER_OTLP_[TRACES_]*` as the official exporters read them. Only the transport in use is loaded: gRPC costs 29 MB.
 * @throws UspanError E_USAGE if the endpoint is no URL, a certificate cannot be read or another setting is invalid.
 */
export async function openOtlpTransport(options: OtlpTransportOptions): Promise<OtlpTransport> {
  checkOtlpEnvironment(options.protocol, options.endpoint);
  forwardOtlpWarnings(options.notify);
  // The delegate calls deserializeResponse and then, without a pause, the callback of the same request.
  let rejected = 0;
  const serializer: ISerializer<ExportRequest, object> = {
    serializeRequest: (request) => request.bytes,
    deserializeResponse: (response) => {
      rejected = rejectedSpans(response);
      return {};
    },
  };
  const delegate = await openDelegate(options, serializer);
  return {
    send: (request) =>
      new Promise((resolve) => {
        delegate.export(request, (result) => {
          const rejectedHere = Math.min(rejected, request.spans);
          rejected = 0;
          if (result.code === ExportResultCode.SUCCESS) resolve({ outcome: 'sent', rejected: rejectedHere });
          else {
            const error = result.error ?? new Error('export failed');
            resolve({ outcome: 'failed', retry: isRetryable(error), error });
          }
        });
      }),
    close: () => delegate.shutdown(),
  };
}

async function openDelegate(
  { protocol, endpoint, userAgent }: OtlpTransportOptions,
  serializer: ISerializer<ExportRequest, object>,
) {
  const counter = { name: 'span', countItems: (request: ExportRequest) => request.spans } as const;
  try {
    if (protocol === 'grpc') {
      const grpc = await import('@opentelemetry/otlp-grpc-exporter-base');
      const configuration = grpc.convertLegacyOtlpGrpcOptions(
        { ...(endpoint && { url: endpoint }), userAgent },
        'TRACES',
      );
      const path = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';
      return grpc.createOtlpGrpcExportDelegate(
        configuration,
        serializer,
        'otlp_grpc_span_exporter',
        counter,
        undefined,
        'TraceExportService',
        path,
      );
    }
    const http = await import('@opentelemetry/otlp-exporter-base/node-http');
    const url = endpoint && tracesUrl(endpoint);
    const configuration = http.convertLegacyHttpOptions({ ...(url && { url }), userAgent }, 'TRACES', 'v1/traces', {
      'Content-Type': 'application/x-protobuf',
    });
    return http.createOtlpHttpExportDelegate(configuration, serializer, 'otlp_http_span_exporter', counter, undefined);
  } catch (cause) {
    throw new UspanError('E_USAGE', 'the OTLP export settings are invalid', {
      ...(endpoint && { on: endpoint }),
      fix: 'Check the endpoint and the OTEL_EXPORTER_OTLP_* variables',
      cause,
    });
  }
}

function tracesUrl(endpoint: string): string {
  const url = new URL(endpoint);
  if (url.pathname === '/') url.pathname = '/v1/traces';
  return url.href;
}

// OTLP specification, "OTLP/gRPC response": CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS. Not
// RESOURCE_EXHAUSTED, which is what a request too large for the receiver gets. The official gRPC transport does not retry itself.
const retryableGrpcCodes = new Set([1, 4, 10, 11, 14, 15]);
// What the official HTTP transport retries, before it gives up when its timeout is over.
const retryableNetworkCodes = new Set(
  'ECONNRESET ECONNREFUSED EPIPE ETIMEDOUT EAI_AGAIN ENOTFOUND ENETUNREACH EHOSTUNREACH'.split(' '),
);

function isRetryable(error: Error & { code?: unknown }): boolean {
  if (typeof error.code === 'number') return retryableGrpcCodes.has(error.code);
  if (typeof error.code === 'string') return retryableNetworkCodes.has(error.code);
  return error.message === 'Export failed with retryable status' || error.message === 'Request timed out';
}
