import type { Slab } from '../contract/span.ts';
import { EventHead } from './layout.gen.ts';

/** Called with the byte offset of a record, its pid, and the id of the attachment that made it. */
export type RecordHandler = (at: number, pid: number, probeId: number) => void;

/**
 * Hands on each record of the first `length` bytes. Records lie at 8-byte boundaries and have their own length.
 * @returns bytes that are not records: 0, unless the BPF objects and the agent disagree
 */
export function decode(slab: Slab, length: number, handle: RecordHandler): number {
  const { words } = slab;
  let at = 0;
  while (at + EventHead.size <= length) {
    const bytes = words[(at + EventHead.len) >> 2]!;
    if (bytes < EventHead.size || at + bytes > length) break;
    handle(at, words[(at + EventHead.pid) >> 2]!, words[(at + EventHead.probeId) >> 2]! >>> 16);
    at += (bytes + 7) & ~7;
  }
  return length - Math.min(at, length);
}
