import type { InFlight } from '../../contract/decision.ts';
import type { BpfMap, BpfObject } from '../../native.ts';
import { u32, u64 } from './map-values.ts';

/** Whether a program has ended that ran in this pid at that time, in ns of CLOCK_MONOTONIC. */
export type Gone = (pid: number, startNs: number) => boolean;

/** Sweeps what ended processes left in one map of open spans. */
export class InFlightSweeper {
  readonly #layout: InFlight;
  readonly #map: BpfMap;
  /** The map that tells the BPF programs how many entries are gone. */
  readonly #sweptMap: BpfMap | undefined;
  #swept = 0;

  constructor(layout: InFlight, object: BpfObject) {
    this.#layout = layout;
    this.#map = object.map(layout.map);
    this.#sweptMap = layout.swept && object.map(layout.swept.map);
  }

  /**
   * Removes the entries of programs that are gone. One that does not say when it began goes with every program of its pid. Returns the
   * number of open spans that will not end.
   */
  sweep(gone: Gone): number {
    const { pidOffset, activeOffset, startOffset } = this.#layout;
    const { keySize } = this.#map;
    const keys = this.#map.keys();
    const view = new DataView(keys.buffer, keys.byteOffset, keys.byteLength);
    const before = this.#swept;
    let unfinished = 0;
    for (let at = 0; at + keySize <= keys.byteLength; at += keySize) {
      const pid = view.getUint32(at + pidOffset, true);
      if (!gone(pid, Number.NEGATIVE_INFINITY)) continue;
      const key = keys.subarray(at, at + keySize);
      const value = this.#map.lookup(key);
      if (value && startOffset !== undefined && !gone(pid, nsAt(value, startOffset))) continue;
      if (value && isActive(value, activeOffset)) unfinished++;
      if (this.#map.delete(key)) this.#swept++;
    }
    if (this.#swept !== before) this.#sweptMap?.update(u32(this.#layout.swept!.index), u64(this.#swept));
    return unfinished;
  }
}

function isActive(value: Uint8Array, offset: InFlight['activeOffset']): boolean {
  if (offset === 'none') return false;
  return offset === undefined || new DataView(value.buffer, value.byteOffset).getUint32(offset, true) !== 0;
}

function nsAt(value: Uint8Array, offset: number): number {
  return Number(new DataView(value.buffer, value.byteOffset).getBigUint64(offset, true));
}
