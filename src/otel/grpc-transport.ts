import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { OtlpSettings } from '../contract/export-settings.ts';
import { rejectedSpans, retryInfoMs } from './export-response.ts';
import type { OtlpTransport, SendResult, TlsFiles } from './otlp-transport.ts';

const method = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';
/**
 * OTLP specification, "OTLP/gRPC Response". RESOURCE_EXHAUSTED can be retried only with a RetryInfo. Without one, a request was too large.
 */
const retryableCodes = new Set<number>([
  ...[status.CANCELLED, status.DEADLINE_EXCEEDED, status.ABORTED],
  ...[status.OUT_OF_RANGE, status.UNAVAILABLE, status.DATA_LOSS],
]);
/** A large request may take its time over a slow line. A deadline for small ones would never let it through. */
const slowestBytesPerMs = 100;
/**
 * After this many deadlines in a row, the connection is given up. If the other end vanished without a word, the connection never fails by
 * itself.
 */
const maxDeadlinesInARow = 3;

/** OTLP over gRPC (OTLP specification, "OTLP/gRPC"). */
export function openGrpcTransport(
  { endpoint, headers, compression, timeoutMs }: OtlpSettings,
  tls: TlsFiles | undefined,
  userAgent: string,
): OtlpTransport {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  const open = () =>
    new Client(
      targetOf(endpoint),
      tls ? credentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null) : credentials.createInsecure(),
      {
        'grpc.primary_user_agent': userAgent,
        'grpc.default_compression_algorithm': compression === 'gzip' ? 2 : 0,
        // uspan's own pauses are not longer.
        'grpc.max_reconnect_backoff_ms': 5000,
      },
    );
  let client = open();
  let deadlines = 0;
  return {
    send: ({ bytes }) =>
      new Promise((resolve) => {
        const message = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        const deadline = Date.now() + timeoutMs + bytes.length / slowestBytesPerMs;
        client.makeUnaryRequest(method, asIs, asIs, message, metadata, { deadline }, (error, response) => {
          deadlines = error?.code === status.DEADLINE_EXCEEDED ? deadlines + 1 : 0;
          if (deadlines >= maxDeadlinesInARow) {
            client.close();
            client = open();
            deadlines = 0;
          }
          resolve(error ? failed(error) : { outcome: 'sent', rejected: rejectedSpans(response ?? new Uint8Array(0)) });
        });
      }),
    async close() {
      client.close();
    },
  };
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}

/** `host:port`, with the default port of the scheme. A Unix socket stays as it is (gRPC Name Resolution). */
function targetOf(endpoint: string): string {
  if (endpoint.startsWith('unix:')) return endpoint;
  const { protocol, hostname, port } = new URL(endpoint);
  return `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`;
}

function failed(error: ServiceError): SendResult {
  const [details] = error.metadata?.get('grpc-status-details-bin') ?? [];
  const retryAfterMs = details instanceof Uint8Array ? retryInfoMs(details) : undefined;
  const retry = error.code === status.RESOURCE_EXHAUSTED ? retryAfterMs !== undefined : retryableCodes.has(error.code);
  return retry ? { outcome: 'failed', retry, retryAfterMs, error } : { outcome: 'failed', retry, error };
}
