/**
 * Where the pure `write` function of a probe definition puts a span. One implementation appends OTLP protobuf bytes,
 * another builds objects for the console and tests; the two are proven equal in test/unit.
 */
import type { AttributeKey } from './attribute-key.ts';

/** Drained records, one after another; `words` views the same memory as `bytes`. */
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

/** The OpenTelemetry Resource of one observed process. Identity by object: one per process. */
export interface Resource {
  readonly attributes: Attributes;
}

/**
 * Call order: `begin`, then name pieces (they are joined without a separator), then anything else in any order, then `end`.
 * Offsets are byte offsets into `slab.bytes`. Bytes that are not UTF-8 are replaced by U+FFFD, never passed on.
 */
export interface SpanWriter {
  /** `at` is the offset of a `struct uspan_span_head` (bpf/event.h): ids, flags, start and end time are read from it. */
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
