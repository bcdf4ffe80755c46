import type { SpanWriter } from '../contract/span.ts';

/** A SpanWriter that turns CLOCK_MONOTONIC into Unix time, so it needs the distance between the two. */
export interface ClockedSpanWriter extends SpanWriter {
  /** Unix time minus CLOCK_MONOTONIC, in ns. It applies to spans begun from now on. Set it again after a clock step. */
  setClockOffsetNs(offsetNs: bigint): void;
}
