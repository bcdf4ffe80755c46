import type { Resource } from '../contract/span.ts';

/**
 * Finished spans of one process as OTLP: a run of `ScopeSpans.spans` fields (tag, length, Span). The batch owns the whole buffer of
 * `bytes`: before and after them there is room, commonly `envelopeRoom`, for the messages around the spans.
 */
export interface EncodedSpans {
  readonly resource: Resource;
  readonly bytes: Uint8Array;
  readonly spans: number;
}

/** Bytes left free before and after spans. Resource and scope of a process take some hundreds, the schema URLs behind them 100. */
export const envelopeRoom = { before: 1024, after: 128 } as const;

/** Takes ownership of a batch. Must not throw: what it cannot keep, it counts. */
export type SpanSink = (batch: EncodedSpans) => void;
