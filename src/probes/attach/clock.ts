import { loadNative } from '../../native.ts';

/** CLOCK_MONOTONIC, in ns. Unlike performance.now(), it can be compared with the times of records. */
export function monotonicNs(): number {
  return Number(process.hrtime.bigint());
}

/** Unix time minus CLOCK_MONOTONIC, the clock of bpf_ktime_get_ns(), in ns. */
export function clockOffsetNs(): bigint {
  return loadNative().clockOffsetNs();
}
