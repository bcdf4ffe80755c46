import type { Guard } from '../guard.ts';

/** Timers that all end together, and whose callbacks are guarded. */
export class Timers {
  readonly #guard: Guard;
  readonly #running = new Set<NodeJS.Timeout>();
  #stopped = false;

  constructor(guard: Guard) {
    this.#guard = guard;
  }

  /** @param what the work, for people */
  every(ms: number, what: string, run: () => void): void {
    if (!this.#stopped) this.#running.add(setInterval(() => this.#guard.run(what, run), ms));
  }

  after(ms: number, what: string, run: () => void): void {
    if (this.#stopped) return;
    const timer = setTimeout(() => {
      this.#running.delete(timer);
      this.#guard.run(what, run);
    }, ms);
    this.#running.add(timer);
  }

  /** Ends all of them. New ones do not start. */
  stop(): void {
    this.#stopped = true;
    for (const timer of this.#running) clearTimeout(timer);
    this.#running.clear();
  }
}
