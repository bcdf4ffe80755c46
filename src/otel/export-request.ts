import type { Resource } from '../contract/span.ts';
import { BufferPool } from './buffer-pool.ts';
import { encodeResource, lengthDelimited } from './encode-resource.ts';
import type { EncodedSpans } from './encoded-spans.ts';
import { putVarint, varintBytes } from './protobuf.ts';
import { encodeUtf8 } from './utf8.ts';

export interface Scope {
  readonly name: string;
  readonly version: string;
  /** Schema of resource and spans, e.g. `https://opentelemetry.io/schemas/1.45.0`. */
  readonly schemaUrl: string;
}

/** An `ExportTraceServiceRequest` to send, and the number of its spans. */
export interface ExportRequest {
  readonly bytes: Uint8Array;
  readonly spans: number;
}

/**
 * Assembles `ExportTraceServiceRequest`s (opentelemetry/proto/collector/trace/v1/trace_service.proto): one ResourceSpans per resource, each
 * with one ScopeSpans. It encodes a resource once, and forgets it with its process.
 */
export class ExportRequestBuilder {
  readonly #resources = new WeakMap<Resource, Uint8Array>();
  readonly #pool: BufferPool;
  readonly #scope: Uint8Array;
  readonly #schemaUrl: Uint8Array;

  constructor(scope: Scope, pool = new BufferPool(0)) {
    this.#pool = pool;
    this.#scope = lengthDelimited(
      0x0a, // ScopeSpans.scope = 1
      lengthDelimited(0x0a, encodeUtf8(scope.name)),
      lengthDelimited(0x12, encodeUtf8(scope.version)),
    );
    this.#schemaUrl = lengthDelimited(0x1a, encodeUtf8(scope.schemaUrl)); // ScopeSpans and ResourceSpans: schema_url = 3
  }

  /** A single batch has room for the request around its spans. Otherwise the request gets a buffer from the pool. */
  build(batches: readonly EncodedSpans[]): ExportRequest {
    const groups = Map.groupBy(batches, (batch) => batch.resource);
    const outer = [...groups].map(([resource, group]) => this.#measure(resource, group));
    const length = outer.reduce((sum, group) => sum + fieldBytes(group.resourceSpansBytes), 0);
    const bytes = this.#around(batches, length) ?? this.#pool.take(length).subarray(0, length);
    let p = 0;
    for (const { encodedResource, group, scopeSpansBytes, resourceSpansBytes } of outer) {
      p = header(bytes, p, 0x0a, resourceSpansBytes); // ExportTraceServiceRequest.resource_spans = 1
      p = put(bytes, p, encodedResource);
      p = header(bytes, p, 0x12, scopeSpansBytes); // ResourceSpans.scope_spans = 2
      p = put(bytes, p, this.#scope);
      for (const batch of group) p = put(bytes, p, batch.bytes);
      p = put(bytes, p, this.#schemaUrl);
      p = put(bytes, p, this.#schemaUrl);
    }
    return { bytes, spans: batches.reduce((sum, batch) => sum + batch.spans, 0) };
  }

  /** Where the request of a single batch begins so that the spans stay in place. Undefined if there is no room. */
  #around([batch, ...others]: readonly EncodedSpans[], length: number): Uint8Array | undefined {
    if (batch === undefined || others.length > 0) return undefined;
    const { buffer, byteOffset } = batch.bytes;
    const from = byteOffset + batch.bytes.length + 2 * this.#schemaUrl.length - length;
    return from >= 0 && from + length <= buffer.byteLength ? new Uint8Array(buffer, from, length) : undefined;
  }

  #measure(resource: Resource, group: readonly EncodedSpans[]) {
    const encodedResource = this.#encoded(resource);
    const spanBytes = group.reduce((sum, batch) => sum + batch.bytes.length, 0);
    const scopeSpansBytes = this.#scope.length + spanBytes + this.#schemaUrl.length;
    const resourceSpansBytes = encodedResource.length + fieldBytes(scopeSpansBytes) + this.#schemaUrl.length;
    return { encodedResource, group, scopeSpansBytes, resourceSpansBytes };
  }

  #encoded(resource: Resource): Uint8Array {
    const known = this.#resources.get(resource);
    if (known) return known;
    const encoded = encodeResource(resource);
    this.#resources.set(resource, encoded);
    return encoded;
  }
}

function fieldBytes(contentBytes: number): number {
  return 1 + varintBytes(contentBytes) + contentBytes;
}

function header(out: Uint8Array, at: number, tag: number, length: number): number {
  out[at] = tag;
  return putVarint(out, at + 1, length);
}

function put(out: Uint8Array, at: number, part: Uint8Array): number {
  const inPlace = part.buffer === out.buffer && part.byteOffset === out.byteOffset + at;
  if (!inPlace) out.set(part, at);
  return at + part.length;
}
