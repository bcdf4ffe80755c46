import type { Attacher } from '../probes/attach/attacher.ts';

/**
 * Processes that have ended and whose requests in flight are still to be swept out of the maps. They are collected, because a sweep reads
 * whole maps: a pool of hundreds of sessions that ends together costs one.
 */
export class EndedProcesses {
  readonly #attacher: Pick<Attacher, 'sweep' | 'sweepInTurns'>;
  readonly #unfinished: (count: number) => void;
  #pids = new Set<number>();

  /** @param unfinished told how many requests had begun and will not end */
  constructor(attacher: Pick<Attacher, 'sweep' | 'sweepInTurns'>, unfinished: (count: number) => void) {
    this.#attacher = attacher;
    this.#unfinished = unfinished;
  }

  add(pid: number): void {
    this.#pids.add(pid);
  }

  /** The number gets another process: what the old one left must go before that one leaves something. */
  makeWay(pid: number): void {
    if (this.#pids.has(pid)) this.sweep();
  }

  sweep(): void {
    if (this.#pids.size === 0) return;
    const pids = this.#take();
    this.#unfinished(this.#attacher.sweep((pid) => pids.has(pid)));
  }

  /** The same, with turns of the event loop in between. */
  async sweepInTurns(): Promise<void> {
    if (this.#pids.size === 0) return;
    const pids = this.#take();
    this.#unfinished(await this.#attacher.sweepInTurns((pid) => pids.has(pid)));
  }

  #take(): ReadonlySet<number> {
    const pids = this.#pids;
    this.#pids = new Set();
    return pids;
  }
}
