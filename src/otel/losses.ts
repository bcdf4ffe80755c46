import type { Notify } from '../contract/notify.ts';

export type { Notify };

/** Where spans or events were lost, why, and how many. */
export interface Loss {
  readonly stage: string;
  readonly reason: string;
  readonly count: number;
}

interface Counter {
  readonly stage: string;
  readonly reason: string;
  count: number;
  /** `count` when the current run of losses began. Undefined while nothing is being lost. */
  runFrom: number | undefined;
  seenAtLastCheck: number;
}

const defaultQuietMs = 5000;

/**
 * `uspan.lost{stage,reason}`: every place that drops data counts it here. It logs a run of losses once when it starts, and once, with its
 * count, after `quietMs` without another.
 */
export class Losses {
  /** In the order of their first loss. */
  readonly #counters: Counter[] = [];
  readonly #notify: Notify;
  readonly #quietMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(notify: Notify = () => {}, quietMs = defaultQuietMs) {
    this.#notify = notify;
    this.#quietMs = quietMs;
  }

  add(stage: string, reason: string, count: number): void {
    if (count <= 0) return;
    const counter = this.#counter(stage, reason);
    if (counter.runFrom === undefined) {
      counter.runFrom = counter.count;
      this.#notify('warn', 'losing spans', { stage, reason });
      this.#timer ??= setInterval(() => this.#check(), this.#quietMs).unref();
    }
    counter.count += count;
  }

  snapshot(): Loss[] {
    return this.#counters.map(({ stage, reason, count }) => ({ stage, reason, count }));
  }

  total(): number {
    let total = 0;
    for (const { count } of this.#counters) total += count;
    return total;
  }

  /** Ends every open run, so that its count is logged. */
  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const counter of this.#counters) this.#endRun(counter);
  }

  #check(): void {
    let open = false;
    for (const counter of this.#counters) {
      if (counter.count === counter.seenAtLastCheck) this.#endRun(counter);
      else open = true;
      counter.seenAtLastCheck = counter.count;
    }
    if (open) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #endRun(counter: Counter): void {
    if (counter.runFrom === undefined) return;
    const { stage, reason } = counter;
    this.#notify('info', 'no longer losing spans', { stage, reason, lost: counter.count - counter.runFrom });
    counter.runFrom = undefined;
  }

  #counter(stage: string, reason: string): Counter {
    // There are a dozen at most. A lost record must not cost a string.
    for (const counter of this.#counters) if (counter.reason === reason && counter.stage === stage) return counter;
    const counter = { stage, reason, count: 0, runFrom: undefined, seenAtLastCheck: 0 };
    this.#counters.push(counter);
    return counter;
  }
}
