import type { Timers } from './timers.ts';

/** A program's libraries come after it: its loader maps them, or it opens them when it needs them. */
const looksMs = [50, 150, 500, 1500, 5000];
const tickMs = 50;

interface Young {
  readonly startedAtMs: number;
  looks: number;
}

/**
 * Processes that can load libraries later, and when to look for these: a few times soon after a start, then in turns. Most programs of a
 * busy host end before the first look.
 */
export class LibraryWatch {
  readonly #timers: Timers;
  readonly #look: (pid: number) => void;
  readonly #young = new Map<number, Young>();
  /** The one that was looked at longest ago comes first. */
  readonly #settled = new Set<number>();
  #ticking = false;

  constructor(timers: Timers, look: (pid: number) => void) {
    this.#timers = timers;
    this.#look = look;
  }

  /** It has just started. */
  started(pid: number): void {
    this.#settled.delete(pid);
    this.#young.set(pid, { startedAtMs: performance.now(), looks: 0 });
    this.#tickSoon();
  }

  /** It has been running for some time. */
  settled(pid: number): void {
    if (!this.#young.has(pid)) this.#settled.add(pid);
  }

  delete(pid: number): void {
    this.#young.delete(pid);
    this.#settled.delete(pid);
  }

  /** Looks at `count` of those that have been running for some time. The turn of the others comes with the next call. */
  lookInTurn(count: number): void {
    for (const pid of [...this.#settled].slice(0, count)) {
      this.#settled.delete(pid);
      this.#settled.add(pid);
      this.#look(pid);
    }
  }

  #tickSoon(): void {
    if (this.#ticking || this.#young.size === 0) return;
    this.#ticking = true;
    this.#timers.after(tickMs, 'a look for libraries', () => {
      this.#ticking = false;
      try {
        this.#tick(performance.now());
      } finally {
        this.#tickSoon();
      }
    });
  }

  #tick(nowMs: number): void {
    for (const [pid, young] of this.#young) {
      if (nowMs < young.startedAtMs + looksMs[young.looks]!) continue;
      young.looks++;
      if (young.looks === looksMs.length) {
        this.#young.delete(pid);
        this.#settled.add(pid);
      }
      this.#look(pid);
    }
  }
}
