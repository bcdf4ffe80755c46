import type { Timers } from './timers.ts';

/** A program begins to listen some time after its start. */
const retriesMs = [50, 100, 200, 400, 800, 1600, 3200, 6400];

/** Processes that a rule may select once they listen on a port. */
export class PortWatch {
  readonly #timers: Timers;
  readonly #waiting = new Map<number, object>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Calls `isDone` again and again, at growing intervals, until it returns true or the process has had its time. */
  wait(pid: number, isDone: () => boolean): void {
    const turn = {};
    this.#waiting.set(pid, turn);
    const retry = (n: number) => {
      const delayMs = retriesMs[n];
      if (delayMs === undefined) {
        this.#waiting.delete(pid);
        return;
      }
      this.#timers.after(delayMs, 'a look for a port', () => {
        if (this.#waiting.get(pid) !== turn) return;
        if (isDone()) this.#waiting.delete(pid);
        else retry(n + 1);
      });
    };
    retry(0);
  }

  delete(pid: number): void {
    this.#waiting.delete(pid);
  }
}
