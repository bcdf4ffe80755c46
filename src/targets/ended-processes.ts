import type { Attacher } from '../probes/attach/attacher.ts';

/**
 * Processes that have ended, and whose open spans still have to be swept out of the maps. They are collected, because a sweep reads whole
 * maps. If a pool of hundreds of sessions ends together, it costs one sweep.
 */
export class EndedProcesses {
  readonly #attacher: Pick<Attacher, 'sweep' | 'sweepInTurns'>;
  readonly #unfinished: (count: number) => void;
  #pids = new Set<number>();

  /** @param unfinished called with the number of open spans that will not end */
  constructor(attacher: Pick<Attacher, 'sweep' | 'sweepInTurns'>, unfinished: (count: number) => void) {
    this.#attacher = attacher;
    this.#unfinished = unfinished;
  }

  add(pid: number): void {
    this.#pids.add(pid);
  }

  /** The pid gets another process. What the old one left must go before the new one adds something. */
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
