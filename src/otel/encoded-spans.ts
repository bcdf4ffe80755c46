import type { Resource } from '../contract/span.ts';

/** Finished spans of one process as OTLP: a run of `ScopeSpans.spans` fields (tag, length, Span). */
export interface EncodedSpans {
  readonly resource: Resource;
  readonly bytes: Uint8Array;
  readonly spans: number;
}

/** Takes ownership of a batch. Must not throw: what it cannot keep, it counts. */
export type SpanSink = (batch: EncodedSpans) => void;
