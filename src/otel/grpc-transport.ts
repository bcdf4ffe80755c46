import { Client, connectivityState, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { OtlpSettings } from '../contract/export-settings.ts';
import { partialSuccess, retryInfoMs } from './export-response.ts';
import { longestConnectMs } from './longest-connect.ts';
import type { OtlpTransport, SendResult } from './otlp-transport.ts';
import type { TlsFiles } from './read-tls.ts';
import { shownEndpoint } from './shown-endpoint.ts';

const method = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';
/**
 * OTLP specification, "OTLP/gRPC Response". RESOURCE_EXHAUSTED can be retried only with a RetryInfo. Without one, a request was too large.
 */
const retryableCodes = new Set<number>([
  ...[status.CANCELLED, status.DEADLINE_EXCEEDED, status.ABORTED],
  ...[status.OUT_OF_RANGE, status.UNAVAILABLE, status.DATA_LOSS],
]);
/** How servers in Go, C++, Java, Node.js and Rust say that a message is too large, and a proxy on the way. The codes differ. */
const tooLargeWords = /larger than max|exceeds maximum size|message length too large|HTTP status code 413/i;
/** A large request may take its time over a slow line. A deadline for small ones would never let it through. */
const slowestBytesPerMs = 100;
/** OTLP over gRPC (OTLP specification, "OTLP/gRPC"). */
export function openGrpcTransport(
  { endpoint, headers, compression, timeoutMs }: OtlpSettings,
  tls: TlsFiles | undefined,
  userAgent: string,
): OtlpTransport {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) {
    // gRPC sends names with this end as base64.
    metadata.set(name, /-bin$/i.test(name) ? Buffer.from(value) : value);
  }
  const open = () =>
    new Client(
      targetOf(endpoint),
      tls ? credentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null) : credentials.createInsecure(),
      {
        'grpc.primary_user_agent': userAgent,
        'grpc.default_compression_algorithm': compression === 'gzip' ? 2 : 0,
        // The channel must not know of earlier failures: see replace().
        'grpc.use_local_subchannel_pool': 1,
      },
    );
  let client = open();
  /**
   * A channel that lost its connection tries again by its own clock: its pauses grow, and it asks the name service every 30 s at most. An
   * attempt of the exporter in between fails without a connection being tried. And if the other end vanished without a word, a connection
   * never fails by itself. So a channel that failed is replaced, and each attempt is a real one.
   */
  const replace = (failed: Client) => {
    if (failed !== client) return;
    client = open();
    failed.close();
  };
  const isConnected = (used: Client) => used.getChannel().getConnectivityState(false) === connectivityState.READY;
  const connectMs = longestConnectMs(timeoutMs);
  return {
    endpoint: shownEndpoint(endpoint),
    send: ({ bytes }) =>
      new Promise((resolve) => {
        const used = client;
        const message = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        const deadline = Date.now() + timeoutMs + bytes.length / slowestBytesPerMs;
        // The request fails as UNAVAILABLE if its channel is closed before it has a connection.
        const connecting = setTimeout(() => !isConnected(used) && replace(used), connectMs);
        used.makeUnaryRequest(method, asIs, asIs, message, metadata, { deadline }, (error, response) => {
          clearTimeout(connecting);
          if (error && (error.code === status.DEADLINE_EXCEEDED || !isConnected(used))) replace(used);
          resolve(error ? failed(error) : taken(response ?? new Uint8Array(0)));
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

function taken(response: Uint8Array): SendResult {
  const said = partialSuccess(response);
  if (said) return { outcome: 'sent', ...said };
  const detail = 'the answer is not from an OTLP collector: bytes that are not protobuf';
  return { outcome: 'failed', retry: false, tooLarge: false, failure: { status: 'OK', detail } };
}

function failed(error: ServiceError): SendResult {
  const [details] = error.metadata?.get('grpc-status-details-bin') ?? [];
  const retryAfterMs = details instanceof Uint8Array ? retryInfoMs(details) : undefined;
  const tooLarge = tooLargeWords.test(error.details);
  const exhausted = error.code === status.RESOURCE_EXHAUSTED;
  const retry = !tooLarge && (exhausted ? retryAfterMs !== undefined : retryableCodes.has(error.code));
  const failure = { status: status[error.code] ?? `code ${error.code}`, detail: error.details };
  return retry ? { outcome: 'failed', retry, retryAfterMs, failure } : { outcome: 'failed', retry, tooLarge, failure };
}
