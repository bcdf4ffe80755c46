import type { Attacher } from '../probes/attach/attacher.ts';

/**
 * Programs that have ended, and whose open spans still have to be swept out of the maps. They are collected, because a sweep reads whole
 * maps. If a pool of hundreds of sessions ends together, it costs one sweep.
 */
export class EndedProcesses {
  readonly #attacher: Pick<Attacher, 'sweep' | 'sweepInTurns'>;
  readonly #unfinished: (count: number) => void;
  /** When the last program of each pid ended. */
  #endsNs = new Map<number, number>();

  /** @param unfinished called with the number of open spans that will not end */
  constructor(attacher: Pick<Attacher, 'sweep' | 'sweepInTurns'>, unfinished: (count: number) => void) {
    this.#attacher = attacher;
    this.#unfinished = unfinished;
  }

  /** @param endNs what began later is another program's. In ns of CLOCK_MONOTONIC */
  add(pid: number, endNs: number): void {
    this.#endsNs.set(pid, endNs);
  }

  get isEmpty(): boolean {
    return this.#endsNs.size === 0;
  }

  /** The pid gets another program. What the old one left must go before the new one adds something. */
  makeWay(pid: number): void {
    if (this.#endsNs.has(pid)) this.sweep();
  }

  sweep(): void {
    if (this.#endsNs.size === 0) return;
    const endsNs = this.#take();
    this.#unfinished(this.#attacher.sweep((pid, startNs) => startNs < (endsNs.get(pid) ?? Number.NaN)));
  }

  /** The same, with turns of the event loop in between. */
  async sweepInTurns(): Promise<void> {
    if (this.#endsNs.size === 0) return;
    const endsNs = this.#take();
    this.#unfinished(await this.#attacher.sweepInTurns((pid, startNs) => startNs < (endsNs.get(pid) ?? Number.NaN)));
  }

  #take(): ReadonlyMap<number, number> {
    const endsNs = this.#endsNs;
    this.#endsNs = new Map();
    return endsNs;
  }
}
