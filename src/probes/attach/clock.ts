import { loadNative } from '../../native.ts';

/** Unix time minus CLOCK_MONOTONIC, the clock of bpf_ktime_get_ns(), in ns. */
export function clockOffsetNs(): bigint {
  return loadNative().clockOffsetNs();
}
