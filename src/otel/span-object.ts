import type { Attributes, Resource, SpanKind, StatusCode } from '../contract/span.ts';

/** A finished span as a plain object: for the console, JSON lines and tests. Ids are lower-case hex. */
export interface SpanObject {
  readonly traceId: string;
  readonly spanId: string;
  /** Absent for a root. */
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly kind: SpanKind;
  readonly startUnixNs: bigint;
  /** Never before the start. */
  readonly endUnixNs: bigint;
  readonly attributes: Attributes;
  readonly status: { readonly code: StatusCode; readonly message: string };
  /** OTLP `Span.flags`. */
  readonly flags: number;
  /** W3C tracestate, empty if there is none. */
  readonly traceState: string;
  readonly resource: Resource;
}
