import type { Slab } from '../../contract/span.ts';
import type { Guard } from '../../guard.ts';
import { newSlab } from '../slab.ts';
import type { Attacher } from './attacher.ts';

const busyMs = 50;
const idleMs = 100;
/** More than this is drained again at once, before the event loop gets a turn. */
const maxSlabsAtOnce = 8;

/** Empties the ring on a timer: every 50 ms under load, every 100 ms otherwise, and when the kernel says that it fills up. */
export class DrainLoop {
  readonly #attacher: Attacher;
  readonly #handle: (slab: Slab, length: number) => void;
  readonly #guard: Guard;
  readonly #slab: Slab;
  /** Bytes in a drain from which on the next pause is the shortest. */
  readonly #busyBytes: number;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  #drainedAtMs = performance.now();
  #longestGapMs = 0;

  constructor(attacher: Attacher, ringBytes: number, handle: (slab: Slab, length: number) => void, guard: Guard) {
    this.#attacher = attacher;
    this.#guard = guard;
    this.#handle = handle;
    this.#slab = newSlab(1 << 20);
    this.#busyBytes = ringBytes >> 6;
    attacher.onWakeup(() => this.#guard.run('draining', () => this.#round()));
    this.#schedule(idleMs);
  }

  /** Handles all that is in the ring now. Never throws. */
  drain(): number {
    let total = 0;
    for (let length = this.#next(); length > 0; length = this.#next()) total += length;
    return total;
  }

  /** The longest time between two drains. The ring must be large enough for it. */
  get longestGapMs(): number {
    return this.#longestGapMs;
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #next(): number {
    const nowMs = performance.now();
    this.#longestGapMs = Math.max(this.#longestGapMs, nowMs - this.#drainedAtMs);
    this.#drainedAtMs = nowMs;
    const length = this.#attacher.drain(this.#slab.bytes);
    if (length > 0) this.#guard.run('finished spans', () => this.#handle(this.#slab, length));
    return length;
  }

  #round(): void {
    if (this.#stopped) return;
    // Before anything can fail.
    this.#schedule(idleMs);
    let total = 0;
    for (let slabs = 0; slabs < maxSlabsAtOnce; slabs++) {
      const length = this.#next();
      total += length;
      if (length === 0) break;
    }
    if (total > 0) this.#schedule(total >= this.#busyBytes ? busyMs : (busyMs + idleMs) / 2);
  }

  #schedule(delayMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#guard.run('draining', () => this.#round()), delayMs);
  }
}
