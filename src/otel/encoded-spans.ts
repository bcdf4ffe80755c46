import type { Resource } from '../contract/span.ts';

/**
 * Finished spans of one process as OTLP: a run of `ScopeSpans.spans` fields (tag, length, Span). The batch owns the whole buffer of
 * `bytes`. Before and after the spans there is room, usually `envelopeRoom`, for the messages around them.
 */
export interface EncodedSpans {
  readonly resource: Resource;
  readonly bytes: Uint8Array;
  readonly spans: number;
}

/** Bytes left free before and after spans. Resource and scope of a process take some hundreds, and the schema URLs behind them 100. */
export const envelopeRoom = { before: 1024, after: 128 } as const;

/** Takes ownership of a batch. It must not throw, and counts what it cannot keep. */
export type SpanSink = (batch: EncodedSpans) => void;
