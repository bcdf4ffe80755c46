/**
 * Pauses between attempts. With the share that is left to chance, none is longer than 4.2 s, so that spans flow at most 5 s after a collector
 * came back, on a busy machine too.
 */
const firstMs = 1000;
const factor = 1.5;
const maxMs = 3500;
/** A collector may ask for a longer pause, but not for so long that uspan misses its return, and not for none. */
const minAskedMs = 200;
const maxAskedMs = 300_000;

/**
 * How long to wait after a request failed, in ms.
 * @param failures attempts that failed since the last success, from 1
 * @param askedMs the pause that the collector asked for, which wins over uspan's own
 * @param random from 0 to 1: agents that lost a collector together should not come back together
 */
export function retryPauseMs(failures: number, askedMs: number | undefined, random: number): number {
  if (askedMs !== undefined) return Math.min(Math.max(askedMs, minAskedMs), maxAskedMs);
  return Math.min(firstMs * factor ** (failures - 1), maxMs) * (0.8 + 0.4 * random);
}
