/**
 * Little-endian reads that never throw for a bad value. Addresses and sizes are numbers below 2^53, or NaN, which fails every comparison.
 */

/** The u64 at `at`, or NaN if it is 2^53 or more. The caller has checked that 8 bytes are there. */
export function u64(view: DataView, at: number): number {
  const high = view.getUint32(at + 4, true);
  return high > 0x1fffff ? Number.NaN : high * 0x1_0000_0000 + view.getUint32(at, true);
}

/** A DataView over the same memory. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A Buffer over the same memory, for `indexOf` (native search) and text decoding. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The NUL-terminated text at `at` as UTF-8, or undefined if there is no NUL within `maxBytes`. */
export function cString(bytes: Buffer, at: number, maxBytes: number): string | undefined {
  if (!(at >= 0 && at < bytes.length)) return undefined;
  const end = bytes.subarray(at, Math.min(bytes.length, at + maxBytes + 1)).indexOf(0);
  return end < 0 ? undefined : bytes.toString('utf8', at, at + end);
}
