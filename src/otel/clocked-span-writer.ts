import type { SpanWriter } from '../contract/span.ts';

/** A SpanWriter that turns CLOCK_MONOTONIC into Unix time, so it must be told the distance between the two. */
export interface ClockedSpanWriter extends SpanWriter {
  /** Unix time minus CLOCK_MONOTONIC, in ns. Applies to spans begun from now on; set it again after a clock step. */
  setClockOffsetNs(offsetNs: bigint): void;
}
