/**
 * Where the pure `write` function of a definition puts a span. One implementation appends OTLP protobuf bytes, another builds objects for
 * the console and tests. A test in test/unit proves that both are equal.
 */
import type { AttributeKey } from './attribute-key.ts';

/** Drained records, one after another. `words` views the same memory as `bytes`. */
export interface Slab {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
}

/** OTLP `Span.SpanKind`. */
export const SpanKind = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 } as const;
export type SpanKind = (typeof SpanKind)[keyof typeof SpanKind];

/** OTLP `Status.StatusCode`. */
export const StatusCode = { unset: 0, ok: 1, error: 2 } as const;
export type StatusCode = (typeof StatusCode)[keyof typeof StatusCode];

export type AttributeValue = string | number | boolean | readonly string[];
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** The OpenTelemetry Resource of one traced process. Its identity is the object: one for each process. */
export interface Resource {
  readonly attributes: Attributes;
}

/**
 * Call order: `begin`, then the pieces of the name (joined without a separator), then anything else in any order, then `end`. Offsets are
 * byte offsets into `slab.bytes`. Bytes that are not UTF-8 become U+FFFD.
 */
export interface SpanWriter {
  /** `at` is the offset of a `struct uspan_span_head` (bpf/event.h), which has ids, flags, start and end time. */
  begin(slab: Slab, at: number, resource: Resource, kind: SpanKind): void;
  nameText(text: string): void;
  nameBytes(slab: Slab, from: number, length: number): void;
  traceState(slab: Slab, from: number, length: number): void;
  text(key: AttributeKey, value: string): void;
  bytes(key: AttributeKey, slab: Slab, from: number, length: number): void;
  /** Integer, |value| < 2^53. */
  int(key: AttributeKey, value: number): void;
  double(key: AttributeKey, value: number): void;
  bool(key: AttributeKey, value: boolean): void;
  status(code: StatusCode, message?: string): void;
  end(): void;
}
