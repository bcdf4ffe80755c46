/**
 * A small OTLP trace receiver on loopback for tests, gRPC or HTTP/protobuf. It decodes with the official protobuf code.
 *
 *     await using receiver = await startOtlpReceiver();
 *     // run something with OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint
 *     const spans = await receiver.waitForSpans(3, 5_000);
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type DecodedSpan, decodeExportRequest } from './otlp-decode.ts';
import { startGrpc } from './otlp-grpc-server.ts';
import { startHttp } from './otlp-http-server.ts';
import { ExportTraceServiceResponse } from './otlp-protos.ts';
import { encodeStatus } from './rpc-status.ts';

export type { DecodedSpan } from './otlp-decode.ts';

/** How the receiver treats requests. It can be changed while it runs. */
export type Behaviour =
  | { readonly kind: 'accept' }
  /** Answers UNAVAILABLE / 503: worth a retry. */
  | { readonly kind: 'unavailable' }
  /** Answers INVALID_ARGUMENT / 400: no retry helps. */
  | { readonly kind: 'refuse'; readonly message?: string }
  /** Answers UNAVAILABLE with a RetryInfo / 503 with a Retry-After of this many seconds. */
  | { readonly kind: 'throttle'; readonly seconds: number }
  /** Answers RESOURCE_EXHAUSTED with a RetryInfo / 429 with a Retry-After of this many seconds. */
  | { readonly kind: 'overloaded'; readonly seconds: number }
  /** Answers as servers do to requests of more bytes: RESOURCE_EXHAUSTED / 413. Takes the others. */
  | { readonly kind: 'limited'; readonly maxBytes: number }
  /** Answers 200 or another status, like something that is no collector. With gRPC, the body is the message. */
  | { readonly kind: 'page'; readonly status: number; readonly contentType?: string; readonly body: string }
  /** Answers RESOURCE_EXHAUSTED without a RetryInfo / 413, as for a request that is too large: no retry helps. */
  | { readonly kind: 'exhausted' }
  /** Takes the request, but says that it refused `rejectedSpans` of it. */
  | { readonly kind: 'partial'; readonly rejectedSpans: number }
  /** Accepts after `delayMs`. */
  | { readonly kind: 'slow'; readonly delayMs: number };

export interface OtlpReceiverOptions {
  /** Default `http/protobuf`, as for the agent. */
  readonly protocol?: 'grpc' | 'http/protobuf';
  /** Default 0: any free port. Give the port of a closed receiver to come back. */
  readonly port?: number;
  /** Counts spans without decoding or keeping them, for high rates. Nothing else is known of a request. */
  readonly countOnly?: boolean;
  /** Server certificate and key, and a CA that must have signed clients (mTLS). PEM. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly clientCa?: string };
  readonly behaviour?: Behaviour;
}

/** A request on the wire. */
export interface ReceivedRequest {
  readonly spans: number;
  /** Encoded bytes, decompressed. */
  readonly bytes: number;
  /** Metadata or HTTP headers, lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
}

/** The answer to one export call. */
export interface Answer {
  readonly status: 'ok' | 'unavailable' | 'overloaded' | 'invalid' | 'exhausted';
  readonly body: Uint8Array;
  /** With `unavailable` and `overloaded`. */
  readonly retryAfterSeconds?: number;
  /** The words of a gRPC status. */
  readonly details?: string;
  /** In place of the status and the content type of HTTP. */
  readonly page?: { readonly status: number; readonly contentType?: string };
}

export type HandleExport = (bytes: Uint8Array, headers: Record<string, string>) => Promise<Answer>;

export interface RunningServer {
  readonly port: number;
  close(): Promise<void>;
}

export class OtlpReceiver {
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly endpoint: string;
  readonly port: number;
  behaviour: Behaviour;
  readonly requests: ReceivedRequest[] = [];
  /** Spans taken so far, without those of refused requests. */
  spanCount = 0;
  readonly #server: RunningServer;
  readonly #spans: DecodedSpan[];

  constructor(server: RunningServer, scheme: 'http' | 'https', spans: DecodedSpan[], behaviour: Behaviour) {
    this.#server = server;
    this.#spans = spans;
    this.port = server.port;
    this.endpoint = `${scheme}://127.0.0.1:${server.port}`;
    this.behaviour = behaviour;
  }

  /** Spans taken so far; empty in countOnly mode. */
  spans(): readonly DecodedSpan[] {
    return this.#spans;
  }

  /** Resolves with all spans when there are `count`. Throws after `withinMs`, with the names of those seen. */
  async waitForSpans(count: number, withinMs: number): Promise<readonly DecodedSpan[]> {
    const deadline = performance.now() + withinMs;
    while (this.spanCount < count) {
      if (performance.now() > deadline) {
        const seen = this.#spans.slice(0, 20).map((span) => span.name);
        throw new Error(`${this.spanCount} of ${count} spans after ${withinMs} ms: ${seen.join(', ')}`);
      }
      await sleep(10);
    }
    return this.#spans;
  }

  /** Forgets spans and requests. */
  clear(): void {
    this.#spans.length = 0;
    this.requests.length = 0;
    this.spanCount = 0;
  }

  /** Stops at once, including running requests, like a killed collector. Idempotent. */
  close(): Promise<void> {
    return this.#server.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

export async function startOtlpReceiver(options: OtlpReceiverOptions = {}): Promise<OtlpReceiver> {
  const { protocol = 'http/protobuf', port = 0, countOnly = false, tls, behaviour = { kind: 'accept' } } = options;
  const kept: DecodedSpan[] = [];
  const handle: HandleExport = async (bytes, headers) => {
    const { behaviour } = receiver;
    const decoded = countOnly ? [] : decodeExportRequest(bytes);
    const spans = countOnly ? countSpans(bytes) : decoded.length;
    receiver.requests.push({ spans, bytes: bytes.length, headers });
    if (behaviour.kind === 'unavailable') return { status: 'unavailable', body: new Uint8Array(0) };
    if (behaviour.kind === 'throttle') {
      return { status: 'unavailable', body: new Uint8Array(0), retryAfterSeconds: behaviour.seconds };
    }
    if (behaviour.kind === 'overloaded') {
      return { status: 'overloaded', body: new Uint8Array(0), retryAfterSeconds: behaviour.seconds };
    }
    if (behaviour.kind === 'limited' && bytes.length > behaviour.maxBytes) {
      const details = `grpc: received message larger than max (${bytes.length} vs. ${behaviour.maxBytes})`;
      return { status: 'exhausted', body: new Uint8Array(0), details };
    }
    if (behaviour.kind === 'page') return { status: 'ok', body: Buffer.from(behaviour.body), page: behaviour };
    if (behaviour.kind === 'refuse') return { status: 'invalid', body: encodeStatus(behaviour.message ?? 'as told') };
    if (behaviour.kind === 'exhausted') return { status: 'exhausted', body: new Uint8Array(0) };
    if (behaviour.kind === 'slow') await sleep(behaviour.delayMs);
    for (const span of decoded) kept.push(span);
    receiver.spanCount += spans;
    const partialSuccess =
      behaviour.kind === 'partial' ? { rejectedSpans: behaviour.rejectedSpans, errorMessage: 'as told' } : undefined;
    return { status: 'ok', body: ExportTraceServiceResponse.encode({ partialSuccess }).finish() };
  };
  const server = await (protocol === 'grpc' ? startGrpc : startHttp)(handle, port, tls);
  const receiver = new OtlpReceiver(server, tls ? 'https' : 'http', kept, behaviour);
  return receiver;
}

/** Counts `ScopeSpans.spans` entries of a request by its tags alone: resource_spans 1 → scope_spans 2 → spans 2. */
function countSpans(request: Uint8Array): number {
  const path = [1, 2, 2];
  let count = 0;
  const walk = (from: number, to: number, depth: number): void => {
    let p = from;
    const varint = (): number => {
      let value = 0;
      for (let shift = 0; ; shift += 7) {
        const byte = request[p++]!;
        value |= (byte & 0x7f) << shift;
        if (byte < 0x80) return value;
      }
    };
    while (p < to) {
      const tag = varint();
      const length = varint();
      if ((tag & 7) !== 2) throw new TypeError(`unexpected protobuf tag ${tag}`);
      if (tag >>> 3 === path[depth]) {
        if (depth === 2) count++;
        else walk(p, p + length, depth + 1);
      }
      p += length;
    }
  };
  walk(0, request.length, 0);
  return count;
}
