import type { Slab } from '../contract/span.ts';

/** A slab that records are drained into: one memory, viewed as bytes and as words. */
export function newSlab(byteLength: number): Slab {
  const memory = new ArrayBuffer(byteLength);
  return { bytes: new Uint8Array(memory), words: new Uint32Array(memory) };
}
