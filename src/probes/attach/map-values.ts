/** A u32 as a map key or value. */
export function u32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

/** A u64 as a map value. */
export function u64(value: number): Uint8Array {
  return new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
}

/** Sum of the u64 that each CPU has in a per-CPU map's slot; exact up to 2^53. */
export function sumOfCpus(values: Uint8Array): number {
  const view = new DataView(values.buffer, values.byteOffset, values.byteLength);
  let sum = 0;
  for (let at = 0; at + 8 <= values.byteLength; at += 8) {
    sum += view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
  }
  return sum;
}
